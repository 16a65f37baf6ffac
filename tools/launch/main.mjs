// What `./vane` runs. Uses nothing but Node: it is what installs everything else.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { backupCommand } from './backup-command.mjs';
import { keysCommand } from './keys-command.mjs';
import { logsCommand } from './logs-command.mjs';
import { root } from './paths.mjs';
import { prepare } from './prepare.mjs';
import { Problem, say } from './problem.mjs';
import { reregisterCommand } from './reregister-command.mjs';
import { restoreCommand } from './restore-command.mjs';
import { runAttached } from './run.mjs';
import { testCommand } from './test-command.mjs';
import { downCommand, statusCommand, upCommand } from './up-command.mjs';
import { whyCommand } from './why-command.mjs';

const usage = `Usage: ./vane COMMAND

  up [--foreground]               install, build and start everything; returns when all apps are ready
  down                            stop the apps and the servers that up started
  status                          what runs and whether it is ready
  logs APP [-f]                   the log of one app
  why TRIGGER_ID [--json]         why a trigger does not run, layer by layer
  demo                            a complete example from connection to run
  keys [status]                   the key rings and what each key encrypts
  keys check [--deep]             what cannot be read with the keys that are there, and what to do
  keys rotate [RING...]           a new key in every ring (oauth, hooks, access, data), while the apps run
  keys rewrap|retire [RING...]    parts of a rotation
  keys discard RING --yes         give up what a lost key encrypted, so that it can be entered again
  backup DIR [--without-keys]     database, key rings and settings into a new folder
  restore DIR [--replace]         put a backup back
  reregister [--wave N]           tell services the public URL that is configured now (--dry-run: only count)
  test [unit|integration|e2e|console]
                                  run one tier of tests, or all
  bench NAME                      measure something
  chaos NAME                      break something and check that nothing is lost
  simulate NAME                   a long time in a short one, and what became of every change
  new-service NAME                start the adapter of another service
  help                            this text`;

/** @param {string} tool the folder under tools/src @param {string[]} args */
async function runTool(tool, args) {
  await prepare();
  const program = join(root, 'tools/dist', tool, 'main.js');
  if (!existsSync(program)) throw new Problem(`${program} was not built: see whether tools/src/${tool}/main.ts exists.`);
  return runAttached(process.execPath, ['--enable-source-maps', program, ...args]);
}

/** @param {string} tool @param {string[]} args */
function runNamedTool(tool, args) {
  if (!args[0]) throw new Problem(`Say which one: ./vane ${tool} NAME.`, 2);
  return runTool(tool, args);
}

/** @type {Record<string, (args: string[]) => Promise<number> | number>} */
const commands = {
  up: upCommand,
  down: downCommand,
  status: statusCommand,
  logs: logsCommand,
  why: whyCommand,
  keys: keysCommand,
  backup: backupCommand,
  restore: restoreCommand,
  reregister: reregisterCommand,
  test: testCommand,
  demo: (args) => runTool('demo', args),
  bench: (args) => runNamedTool('bench', args),
  chaos: (args) => runNamedTool('chaos', args),
  simulate: (args) => runNamedTool('simulate', args),
  'new-service': (args) => runNamedTool('new-service', args),
  help: () => { say(usage); return 0; },
};

/** @param {string[]} words @returns {Promise<number>} the exit code */
async function main([word = 'help', ...args]) {
  const command = Object.hasOwn(commands, word) ? commands[word] : /^(-h|--help)$/.test(word) ? commands.help : undefined;
  if (!command) {
    process.stderr.write(`There is no command "${word}".\n\n${usage}\n`);
    return 2;
  }
  return command(args);
}

/** Whoever read the output has read enough, as `head` does: there is nobody left to tell. */
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (/** @type {NodeJS.ErrnoException} */ error) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof Problem)) throw error;
  process.stderr.write(`${error.message}\n`);
  if (['up', 'down', 'status', 'keys', 'backup', 'restore', 'reregister'].includes(process.argv[2] ?? '')) say(JSON.stringify({ ok: false, error: error.message.split('\n')[0] }));
  process.exitCode = error.exitCode;
}

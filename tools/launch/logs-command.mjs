import { createReadStream, existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { lastLines } from './own-servers.mjs';
import { stateDirectory } from './paths.mjs';
import { Problem, say } from './problem.mjs';

/** @param {string} path */
function sizeOf(path) {
  return existsSync(path) ? statSync(path).size : 0;
}

/** Prints what a file has grown by since `from`. @param {string} path @param {number} from @returns {Promise<number>} its size now */
async function printNew(path, from) {
  const size = sizeOf(path);
  const start = size < from ? 0 : from; // smaller than before: it was rotated
  if (size > start) {
    for await (const chunk of createReadStream(path, { start, end: size - 1 })) process.stdout.write(chunk);
  }
  return size;
}

/** @param {string} dir @param {string} app its name, with a number for further processes: run-worker-2 */
const logFile = (dir, app) => join(dir, 'logs', `${app}.log`);

/** @param {string} dir @returns {string[]} */
function loggedApps(dir) {
  const folder = join(dir, 'logs');
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => name.endsWith('.log')).map((name) => name.slice(0, -4)).sort();
}

/**
 * Prints what the logs grow by until the signal. @param {string} dir @param {AbortSignal} signal @param {string[]} [only]
 */
export async function followLogs(dir, signal, only) {
  /** @type {Map<string, number>} */
  const sizes = new Map((only ?? loggedApps(dir)).map((app) => [app, sizeOf(logFile(dir, app))]));
  while (!signal.aborted) {
    for (const [app, size] of sizes) sizes.set(app, await printNew(logFile(dir, app), size));
    await new Promise((next) => { setTimeout(next, 300); });
  }
}

/** @param {string[]} args */
export async function logsCommand(args) {
  const dir = stateDirectory();
  const follow = args.includes('-f') || args.includes('--follow');
  const [app] = args.filter((arg) => !arg.startsWith('-'));
  const known = loggedApps(dir);
  if (!app) throw new Problem(`Say whose log: ./vane logs APP [-f]${known.length ? `, with APP one of ${known.join(', ')}` : ''}.`, 2);
  if (!known.includes(app)) throw new Problem(`There is no log of "${app}" here${known.length ? `: choose one of ${known.join(', ')}` : ', because nothing was started yet'}.`, 2);
  say(lastLines(logFile(dir, app), 100));
  if (follow) await followLogs(dir, new AbortController().signal, [app]);
  return 0;
}

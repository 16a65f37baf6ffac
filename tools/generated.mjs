import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { root } from './launch/paths.mjs';

const runFile = promisify(execFile);

/** What the built generators can make. @returns {Promise<typeof import('./src/gen/index.js')>} */
const generators = () => import(pathToFileURL(join(root, 'tools/dist/gen/index.js')).href);

/** @param {string} program @param {string[]} args what it prints */
async function outputOf(program, args = []) {
  const { stdout } = await runFile(process.execPath, [join(root, program), ...args], { cwd: root, maxBuffer: 64 * 1024 * 1024 });
  return stdout;
}

/** The text of a file of the checkout, or nothing. @param {string} file */
export function textOf(file) {
  const path = join(root, file);
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

/**
 * Every file that is made from the code and kept in git: how to make it from the built code and what stands there now.
 * @type {{ file: string, make: (current: string) => Promise<string> }[]}
 */
export const generated = [
  { file: 'docs/openapi.json', make: () => outputOf('apps/api-gateway/dist/openapi-cli.js') },
  { file: 'docs/contracts.json', make: async () => `${JSON.stringify((await generators()).contractsDocument(), null, 1)}\n` },
  { file: 'docs/errors.md', make: async (current) => (await generators()).errorsPage(current) },
  { file: 'deploy/nats.conf', make: async () => (await generators()).natsConfiguration() },
  {
    file: '.env.example',
    make: async () => {
      const { environmentPage, settingsShapes } = await generators();
      return environmentPage(await settingsShapes(pathToFileURL(`${root}/`)));
    },
  },
];

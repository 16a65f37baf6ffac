import { join } from 'node:path';
import { root, stateDirectory } from './paths.mjs';
import { runAttached } from './run.mjs';
import { existingSettings, keysEnvironment, withDatabase } from './with-database.mjs';

const program = join(root, 'dist/keys-cli.js');
const online = ['status', 'check', 'rotate', 'rewrap', 'retire', 'discard'];

/** Hands over to libs/db with the rings and the database of this installation. @param {string[]} args */
export async function keysCommand(args) {
  const dir = stateDirectory();
  const words = args.length ? args : ['status'];
  if (!online.includes(words[0] ?? '')) return runAttached(process.execPath, [program, ...words]);
  const settings = await existingSettings(dir);
  return withDatabase(dir, settings.environment, process.env, (url) =>
    runAttached(process.execPath, [program, ...words], { env: keysEnvironment(settings.environment, url, process.env) }));
}

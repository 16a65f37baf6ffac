import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout: the folder of the entry script. */
export const root = fileURLToPath(new URL('../../', import.meta.url)).replace(/\/$/, '');

/** @param {import('./index.mjs').Environment} [env] */
export function stateDirectory(env = process.env) {
  return resolve(root, env.VANE_STATE_DIR || '.vane');
}

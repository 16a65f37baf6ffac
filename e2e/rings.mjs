import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ringFiles } from '../tools/launch/key-files.mjs';

/** Where an instance keeps its rings, as settings: VANE_KEYS_OAUTH_FILE and its like. @param {string} dir the state directory @returns {Record<string, string>} */
export const ringsOf = (dir) => Object.fromEntries(Object.entries(ringFiles).map(([name, file]) => [`${name}_FILE`, join(dir, 'keys', file)]));

/** The secrets that an instance itself has: generated settings and the keys of its rings, by name. @param {string} dir @returns {Record<string, string>} */
export function secretsOf(dir) {
  const { environment } = JSON.parse(readFileSync(join(dir, 'settings.json'), 'utf8'));
  const settings = ['VANE_BOOTSTRAP_TOKEN', 'VANE_INGRESS_KEY_SECRET'].map((name) => [name, environment[name]]);
  const rings = Object.entries(ringFiles)
    .filter(([name]) => !name.endsWith('_PUBLIC'))
    .flatMap(([name, file]) => readFileSync(join(dir, 'keys', file), 'utf8').trim().split(',').map((entry) => [name, entry.slice(entry.indexOf(':') + 1)]));
  return Object.fromEntries([...settings, ...rings]);
}

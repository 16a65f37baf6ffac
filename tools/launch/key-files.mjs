import { createECDH, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Problem } from './problem.mjs';

/** The file of each generated ring, in the folder `keys` of the state directory. @type {Record<string, string>} */
export const ringFiles = {
  VANE_KEYS_OAUTH: 'oauth.ring',
  VANE_KEYS_HOOKS: 'hooks.ring',
  VANE_KEYS_ACCESS: 'access.ring',
  VANE_KEYS_DATA_PUBLIC: 'data-public.ring',
  VANE_KEYS_DATA_PRIVATE: 'data-private.ring',
};

export const ringNames = Object.keys(ringFiles);

/** @param {string} dir the state directory */
export const keysFolder = (dir) => join(dir, 'keys');

/** @param {string} dir @param {string} name */
const fileOf = (dir, name) => join(keysFolder(dir), /** @type {string} */ (ringFiles[name]));

/** Whole or not at all. @param {string} path @param {string} text */
function writeRing(path, text) {
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, `${text}\n`, { mode: 0o600 });
  renameSync(draft, path);
}

/** The public half of the first key of a private ring. @param {string} privateRing */
function publicHalf(privateRing) {
  const [id = '', encoded = ''] = (privateRing.trim().split(',')[0] ?? '').split(':');
  const pair = createECDH('prime256v1');
  pair.setPrivateKey(Buffer.from(encoded, 'base64'));
  return `${id}:${pair.getPublicKey('base64')}`;
}

/**
 * Makes the ring files that are missing, out of what earlier versions kept in the settings, else out of new keys, and
 * returns where all of them are, as VANE_KEYS_OAUTH_FILE and its like. A ring that is made for an installation that is
 * not new gets a key id of its own: should it replace a lost one, what the lost one encrypted is not taken for its own.
 * @param {string} dir @param {Record<string, string>} stored settings of earlier versions
 * @param {{ fresh: boolean, dataKeys: (id: string) => Promise<{ public: string, private: string }> }} options
 * @returns {Promise<Record<string, string>>}
 */
export async function keepRingFiles(dir, stored, { fresh, dataKeys }) {
  mkdirSync(keysFolder(dir), { recursive: true, mode: 0o700 });
  chmodSync(keysFolder(dir), 0o700);
  const id = fresh ? 'k1' : `k1-${randomBytes(2).toString('hex')}`;
  /** @param {string} name @param {() => string} make */
  const keep = (name, make) => { if (!existsSync(fileOf(dir, name))) writeRing(fileOf(dir, name), stored[name] || make()); };
  for (const name of ringNames) if (!name.startsWith('VANE_KEYS_DATA_')) keep(name, () => `${id}:${randomBytes(32).toString('base64')}`);
  const [publicFile, privateFile] = [fileOf(dir, 'VANE_KEYS_DATA_PUBLIC'), fileOf(dir, 'VANE_KEYS_DATA_PRIVATE')];
  if (!existsSync(privateFile) && !stored.VANE_KEYS_DATA_PRIVATE && existsSync(publicFile)) {
    throw new Problem(`${privateFile} is missing: put it back, or, if it is lost, remove ${publicFile} to have a new pair made.`);
  }
  if (!existsSync(privateFile)) writeRing(privateFile, stored.VANE_KEYS_DATA_PRIVATE || (await dataKeys(id)).private);
  keep('VANE_KEYS_DATA_PUBLIC', () => publicHalf(readFileSync(privateFile, 'utf8')));
  for (const name of ringNames) chmodSync(fileOf(dir, name), 0o600);
  return Object.fromEntries(ringNames.map((name) => [`${name}_FILE`, fileOf(dir, name)]));
}

/** The rings themselves, for settings that are kept elsewhere. @param {Record<string, string>} environment with the paths of ring files */
export function inlineRings(environment) {
  return Object.fromEntries(Object.entries(environment).map(([name, value]) => {
    const ring = ringNames.find((one) => name === `${one}_FILE`);
    return ring ? [ring, readFileSync(value, 'utf8').trim()] : [name, value];
  }));
}

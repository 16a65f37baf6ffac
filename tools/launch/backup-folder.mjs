import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Problem } from './problem.mjs';
import { readJson, writePrivateJson } from './state.mjs';

/**
 * What `manifest.json` of a backup says: it is written last, so a folder without one is no backup. `keys` are the ids of
 * the keys in each ring, also when the rings are kept elsewhere; `files` are their SHA-256 in hex.
 * @typedef {{
 *   format: 1, vane: string, createdAt: string, instance: string, database: string, postgres: string, migrations: string[],
 *   keys: Record<string, string[]>, withKeys: boolean, files: Record<string, string>,
 * }} Manifest
 */

const manifestFile = 'manifest.json';
export const dumpFile = 'database.dump';

/** @param {string} path */
export async function sha256(path) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** The ids in the text of a ring. @param {string} ring */
export const keyIds = (ring) => ring.trim().split(',').map((entry) => entry.trim().split(':')[0] ?? '');

/** All files below a folder, relative to it. @param {string} folder @returns {string[]} */
export function filesIn(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

/** Completes a backup. @param {string} folder @param {Omit<Manifest, 'files'>} facts */
export async function writeManifest(folder, facts) {
  const files = Object.fromEntries(await Promise.all(filesIn(folder).map(async (file) => [file, await sha256(join(folder, file))])));
  writePrivateJson(join(folder, manifestFile), { ...facts, files });
}

/** The manifest of a backup whose files are as they were written. @param {string} folder @returns {Promise<Manifest>} */
export async function readManifest(folder) {
  /** @type {Manifest | undefined} */
  const manifest = readJson(join(folder, manifestFile));
  if (!manifest) throw new Problem(`${folder} holds no backup: it has no ${manifestFile}.`);
  if (manifest.format !== 1) throw new Problem(`The backup in ${folder} has format ${manifest.format}, which this version does not know: use a newer one.`);
  for (const [file, hash] of Object.entries(manifest.files)) {
    const path = join(folder, file);
    if (!existsSync(path)) throw new Problem(`The backup in ${folder} is not whole: ${file} is missing.`);
    if ((await sha256(path)) !== hash) throw new Problem(`The backup in ${folder} is damaged: ${file} is not what was written.`);
  }
  return manifest;
}

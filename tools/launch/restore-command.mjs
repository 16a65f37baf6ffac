import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { dumpFile, readManifest } from './backup-folder.mjs';
import { folderAndOption } from './backup-command.mjs';
import { databaseNameIn, databaseUrl, dropDatabase, ensureDatabase, inspectDatabase, migrate, replaceDatabase } from './database.mjs';
import { keysFolder, ringFiles } from './key-files.mjs';
import { root, stateDirectory } from './paths.mjs';
import { fillDatabase, postgresTool } from './postgres-tools.mjs';
import { Problem, say } from './problem.mjs';
import { readJson } from './state.mjs';
import { isUp } from './supervisor-control.mjs';
import { sayJson } from './up-command.mjs';
import { checkKeys, existingSettings, keysEnvironment, withDatabase } from './with-database.mjs';

/** @typedef {import('./backup-folder.mjs').Manifest} Manifest */

const keyFiles = ['settings.json', ...Object.values(ringFiles).map((file) => join('keys', file))];

/** Whether the state directory holds exactly the keys and settings of the backup. @param {string} folder @param {string} dir */
function hasKeysOf(folder, dir) {
  return keyFiles.every((file) => existsSync(join(dir, file)) && readFileSync(join(dir, file)).equals(readFileSync(join(folder, file))));
}

/** @param {string} folder @param {string} dir @param {Manifest} manifest @param {boolean} replace */
function judgeKeys(folder, dir, manifest, replace) {
  const present = existsSync(join(dir, 'settings.json'));
  if (!manifest.withKeys && !present) {
    throw new Problem(`This backup was made without keys: put settings.json and the folder keys, as they were then, into ${dir} first.`);
  }
  if (manifest.withKeys && present && !replace && !hasKeysOf(folder, dir)) {
    throw new Problem(`${dir} has other keys or settings than the backup: --replace moves them aside and takes those of the backup.`);
  }
}

/** Puts the keys and settings of the backup into the state directory; others that are there are moved aside. @param {string} folder @param {string} dir */
function takeKeys(folder, dir) {
  mkdirSync(dir, { recursive: true });
  if (hasKeysOf(folder, dir)) return;
  const aside = join(dir, `replaced-${new Date().toISOString().replace(/\W/g, '')}`);
  const old = ['keys', 'settings.json'].filter((entry) => existsSync(join(dir, entry)));
  if (old.length) mkdirSync(aside, { mode: 0o700 });
  for (const entry of old) renameSync(join(dir, entry), join(aside, entry));
  if (old.length) say(`The keys and settings that were here are now in ${aside}.`);
  mkdirSync(keysFolder(dir), { mode: 0o700 });
  // The settings last: an installation without them is none, so a restore that is cut off here is repeated.
  for (const file of keyFiles.toReversed()) copyFileSync(join(folder, file), join(dir, file));
}

/** @param {string} url @param {Manifest} manifest @param {boolean} replace */
async function judgeDatabase(url, manifest, replace) {
  const name = databaseNameIn(url);
  const found = await inspectDatabase(url);
  if (!found || (found.ours && found.empty)) return;
  if (!found.ours) throw new Problem(`The database "${name}" was not created by Vane, which therefore does not replace it: choose another with VANE_DATABASE_NAME.`);
  if (found.instance !== undefined && found.instance !== manifest.instance) {
    throw new Problem(`The database "${name}" belongs to another installation of Vane: choose another with VANE_DATABASE_NAME, and keep that set.`);
  }
  if (!replace) throw new Problem(`The database "${name}" is not empty: --replace drops it and puts the backup in its place.`);
}

/** @param {Manifest} manifest @param {boolean} readable */
function sayWhatElse(manifest, readable) {
  say(`Restored what was there at ${manifest.createdAt}. What happened since is not known here:`);
  say('- Runs that were queued then run now, perhaps for the second time. Deliveries of the time between are not there.');
  say('- Triggers made or deleted since: their hooks still exist, or not, at the services. Look at each subscription (GET .../triggers/ID/provider) and remove hooks that answer 404 there.');
  say('- Services that rotate refresh tokens may ask for accounts to be connected again.');
  say('- People and tokens removed since are back: remove them again.');
  say(readable ? 'Start Vane with ./vane up.' : 'Put the right keys into place and see ./vane keys check, before or after ./vane up.');
}

/** @param {string[]} args */
export async function restoreCommand(args) {
  const { folder, chosen: replace } = folderAndOption('restore', args, '--replace');
  const dir = stateDirectory();
  if (isUp(dir)) throw new Problem('Vane is up: stop it first with ./vane down.');
  const manifest = await readManifest(folder);
  const unknown = manifest.migrations.filter((name) => !existsSync(join(root, 'prisma/migrations', name)));
  if (unknown.length) throw new Problem(`The backup was made by a newer Vane (${manifest.vane}, migration ${unknown.at(-1)}): install that one first.`);
  postgresTool('pg_restore');
  judgeKeys(folder, dir, manifest, replace);
  const stored = manifest.withKeys ? readJson(join(folder, 'settings.json')).environment : (await existingSettings(dir)).environment;
  const check = await withDatabase(dir, stored, process.env, async (url) => {
    await judgeDatabase(url, manifest, replace);
    const draft = `${databaseNameIn(url)}_restoring`;
    const draftUrl = databaseUrl(url, draft);
    await dropDatabase(draftUrl); // left by a restore that was cut off
    await ensureDatabase(draftUrl, { name: draft, instance: manifest.instance });
    say(`Reading the database from ${join(folder, dumpFile)} ...`);
    await fillDatabase(draftUrl, join(folder, dumpFile));
    await migrate(draftUrl);
    if (manifest.withKeys) takeKeys(folder, dir);
    await replaceDatabase(url, draft);
    return checkKeys(keysEnvironment((await existingSettings(dir)).environment, url, process.env), '--deep');
  });
  say(check.text);
  sayWhatElse(manifest, check.ok);
  sayJson({ ok: check.ok, restored: true, readable: check.ok, createdAt: manifest.createdAt });
  return check.ok ? 0 : 1;
}

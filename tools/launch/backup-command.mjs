import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { dumpFile, keyIds, writeManifest } from './backup-folder.mjs';
import { databaseNameIn } from './database.mjs';
import { inlineRings, ringFiles } from './key-files.mjs';
import { root, stateDirectory } from './paths.mjs';
import { dumpDatabase, postgresTool } from './postgres-tools.mjs';
import { Problem, say } from './problem.mjs';
import { readJson } from './state.mjs';
import { sayJson } from './up-command.mjs';
import { checkKeys, existingSettings, keysEnvironment, withDatabase } from './with-database.mjs';

/** The lock of libs/db/src/keys/keys-lock.ts: no key is retired between the dump and the copy of the rings. */
const KEYS_LOCK = [7_264_112, 1];

/** The folder a command is about, and whether its option was given. @param {string} command @param {string[]} args @param {string} option */
export function folderAndOption(command, args, option) {
  const [folder, ...more] = args.filter((arg) => arg !== option);
  if (!folder || folder.startsWith('-') || more.length) throw new Problem(`Write ./vane ${command} DIR [${option}].`, 2);
  return { folder: resolve(folder), chosen: args.includes(option) };
}

/** @param {string} folder */
function makeFolder(folder) {
  if (existsSync(folder) && (!statSync(folder).isDirectory() || readdirSync(folder).length)) throw new Problem(`${folder} is there already: name a new folder.`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
}

/** The rings and settings of an installation, as a state directory holds them. @param {string} dir @param {string} folder @param {Record<string, string>} rings */
function copyKeys(dir, folder, rings) {
  mkdirSync(join(folder, 'keys'), { mode: 0o700 });
  for (const [name, file] of Object.entries(ringFiles)) writeFileSync(join(folder, 'keys', file), `${rings[name]}\n`, { mode: 0o600 });
  copyFileSync(join(dir, 'settings.json'), join(folder, 'settings.json'));
  chmodSync(join(folder, 'settings.json'), 0o600);
}

/** While no rotation is under way. @template T @param {string} url @param {(client: import('pg').Client) => Promise<T>} work */
async function withKeysLock(url, work) {
  const { Client } = (await import('pg')).default;
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined); // the query in flight reports it
  await client.connect();
  try {
    const { rows: [lock] } = await client.query('select pg_try_advisory_lock($1, $2) as had', KEYS_LOCK);
    if (!lock.had) throw new Problem('Keys of this database are being changed, or another backup is being made: wait for that to end.');
    return await work(client);
  } finally {
    await client.end();
  }
}

/** @param {string[]} args */
export async function backupCommand(args) {
  const { folder, chosen: withoutKeys } = folderAndOption('backup', args, '--without-keys');
  const dir = stateDirectory();
  const { environment, instance } = await existingSettings(dir);
  postgresTool('pg_dump');
  makeFolder(folder);
  const readable = await withDatabase(dir, environment, process.env, async (url) => {
    const given = keysEnvironment(environment, url, process.env);
    say(`Writing the database to ${join(folder, dumpFile)} ...`);
    return withKeysLock(url, async (client) => {
      // Not before: a rotation may have ended just now.
      const rings = inlineRings(given);
      const { rows: [server] } = await client.query('show server_version');
      const { rows: migrations } = await client.query('select migration_name as name from _prisma_migrations where finished_at is not null order by 1');
      writeFileSync(join(folder, dumpFile), '', { mode: 0o600 });
      await dumpDatabase(url, join(folder, dumpFile));
      if (!withoutKeys) copyKeys(dir, folder, rings);
      await writeManifest(folder, {
        format: 1, vane: readJson(join(root, 'package.json')).version, createdAt: new Date().toISOString(), instance,
        database: databaseNameIn(url) ?? '', postgres: server.server_version, migrations: migrations.map(({ name }) => name),
        keys: Object.fromEntries(Object.keys(ringFiles).map((name) => [name, keyIds(rings[name] ?? '')])), withKeys: !withoutKeys,
      });
      // The apps may have been started with other rings than this command was, or somebody has changed the files by hand.
      return checkKeys(rings);
    });
  });
  if (!readable.ok) say(`These keys do not open everything in the database, so neither would this backup:\n${readable.text}`);
  say(withoutKeys
    ? `Done. Keep ${join(dir, 'keys')} and ${join(dir, 'settings.json')} elsewhere, as long as this backup: without them it cannot be read.`
    : 'Done. The folder holds the keys too: whoever has it can read everything.');
  sayJson({ ok: readable.ok, folder, withKeys: !withoutKeys, bytes: statSync(join(folder, dumpFile)).size });
  return readable.ok ? 0 : 1;
}

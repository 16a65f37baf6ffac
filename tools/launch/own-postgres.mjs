import { createHash } from 'node:crypto';
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Problem } from './problem.mjs';
import { findProgram, run } from './run.mjs';

/** @typedef {{ uid: number, gid: number }} Account */

/** Where programs of Postgres may be: packaged versions, newest first, then PATH. */
export function postgresFolders() {
  const packaged = '/usr/lib/postgresql';
  const versions = existsSync(packaged) ? readdirSync(packaged).sort((a, b) => Number(b) - Number(a)) : [];
  return [...versions.map((version) => join(packaged, version, 'bin')), ...(process.env.PATH ?? '').split(':').filter(Boolean)];
}

/** `postgres`, out of a folder that also holds `initdb`. */
export function findPostgres() {
  const folder = postgresFolders().find((place) => existsSync(join(place, 'postgres')) && existsSync(join(place, 'initdb')));
  return folder && join(folder, 'postgres');
}

/**
 * The account Postgres runs as: our own, or when we are root (which Postgres refuses) the system's `postgres` or `nobody`.
 * @returns {Promise<Account | undefined>}
 */
async function account() {
  if (process.getuid?.() !== 0) return undefined;
  const id = findProgram(['id'], ['/usr/bin', '/bin']) ?? 'id';
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = await Promise.all([run(id, ['-u', name]), run(id, ['-g', name])]);
    if (uid.code === 0 && gid.code === 0) return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  }
  throw new Problem('Postgres may not run as root, and this machine has no account "postgres": create one (useradd --system postgres), or run Vane as an ordinary user.');
}

/** Whether that account can enter and write the folder. @param {string} folder @param {Account} owner */
async function isReachable(folder, owner) {
  const test = await run('/bin/sh', ['-c', 'cd "$1" && : > .reach && rm .reach', 'sh', folder], { cwd: '/', ...owner });
  return test.code === 0;
}

/** @param {string} folder @param {Account} owner */
function giveFolder(folder, owner) {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid } = lstatSync(folder);
  if (!lstatSync(folder).isDirectory() || (uid !== 0 && uid !== owner.uid)) {
    throw new Problem(`${folder} belongs to somebody else: remove it, or set TMPDIR to another folder.`);
  }
  chownSync(folder, owner.uid, owner.gid);
  chmodSync(folder, 0o700);
}

/**
 * A folder for the data: the wanted one, or one under the temporary directory when the account cannot get there
 * (a checkout in root's home). @param {string} wanted @param {Account | undefined} owner
 */
async function dataFolder(wanted, owner) {
  if (!owner) {
    mkdirSync(wanted, { recursive: true, mode: 0o700 });
    return wanted;
  }
  giveFolder(wanted, owner);
  if (await isReachable(wanted, owner)) return wanted;
  const parent = join(tmpdir(), `vane-postgres-${createHash('sha256').update(wanted).digest('hex').slice(0, 12)}`);
  giveFolder(parent, owner);
  if (await isReachable(parent, owner)) return parent;
  throw new Problem(`Postgres may not run as root, and the account it runs as can write neither ${wanted} nor ${parent}: `
    + 'set TMPDIR to a folder everybody may enter, or run Vane as an ordinary user.');
}

/** Makes a new cluster; a half-made one (initdb was cut off) is made anew. @param {string} program @param {string} data @param {Account | undefined} owner */
async function initialise(program, data, owner) {
  if (existsSync(join(data, 'vane-initialised'))) return;
  for (const entry of readdirSync(data)) rmSync(join(data, entry), { recursive: true, force: true });
  const made = await run(join(dirname(program), 'initdb'), [
    '-D', data, '-U', 'postgres', '--encoding=UTF8', '--locale=C', '--auth-local=reject', '--auth-host=trust',
  ], { cwd: data, env: { PATH: process.env.PATH, LC_ALL: 'C' }, ...owner });
  if (made.code !== 0) throw new Problem(`initdb could not make a Postgres data folder in ${data}: ${made.output.trim()}`);
  writeFileSync(join(data, 'pg_hba.conf'), 'host all all 127.0.0.1/32 trust\n');
  writeFileSync(join(data, 'vane-initialised'), '');
}

/** @param {string} program @param {string} folder @param {number} port */
export async function preparePostgres(program, folder, port) {
  const owner = await account();
  const data = await dataFolder(folder, owner);
  await initialise(program, data, owner);
  return {
    command: program,
    args: ['-D', data, '-p', String(port), '-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=', '-c', 'max_connections=300'],
    marker: data,
    data,
    cwd: data,
    ...owner,
  };
}

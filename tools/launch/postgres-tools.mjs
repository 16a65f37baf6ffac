import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { postgresFolders } from './own-postgres.mjs';
import { maskUrl, Problem } from './problem.mjs';
import { run } from './run.mjs';

/** The path of `pg_dump` or `pg_restore`, out of the newest installed version. @param {string} name */
export function postgresTool(name) {
  const folder = postgresFolders().find((place) => existsSync(join(place, name)));
  if (!folder) throw new Problem(`Vane needs ${name} for this and found none: install the client programs of PostgreSQL (postgresql-client), at least of the server's version.`);
  return join(folder, name);
}

/** Where libpq connects to: the password is no argument, which everybody on the machine could read. @param {string} text */
function connection(text) {
  const url = new URL(text);
  const sslmode = url.searchParams.get('sslmode');
  return {
    PGHOST: url.hostname.replace(/^\[|\]$/g, ''), PGPORT: url.port || '5432', PGDATABASE: decodeURIComponent(url.pathname.slice(1)),
    ...(url.username ? { PGUSER: decodeURIComponent(url.username) } : {}),
    ...(url.password ? { PGPASSWORD: decodeURIComponent(url.password) } : {}),
    ...(sslmode ? { PGSSLMODE: sslmode } : {}),
  };
}

/** @param {string} tool @param {string[]} args @param {string} url */
async function runTool(tool, args, url) {
  const result = await run(postgresTool(tool), args, { env: { PATH: process.env.PATH, HOME: process.env.HOME, LC_ALL: 'C', ...connection(url) } });
  if (result.code !== 0) throw new Problem(`${tool} failed at ${maskUrl(url)}: ${result.output.trim() || `it ended with code ${result.code}`}`);
}

/** Writes everything in the database to a file. @param {string} url @param {string} file */
export const dumpDatabase = (url, file) => runTool('pg_dump', ['--format=custom', '--no-owner', '--no-privileges', `--file=${file}`], url);

/** Fills an empty database from a file, whole or not at all. @param {string} url @param {string} file */
export const fillDatabase = (url, file) =>
  runTool('pg_restore', ['--no-owner', '--no-privileges', '--exit-on-error', '--single-transaction', `--dbname=${connection(url).PGDATABASE}`, file], url);

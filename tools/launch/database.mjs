import { join } from 'node:path';
import { root } from './paths.mjs';
import { maskUrl, Problem } from './problem.mjs';
import { run } from './run.mjs';

/** The comment on a database that Vane created: this word, then the installation it was created for. */
const marker = 'vane';

/** @param {string} serverUrl @param {string} name */
export function databaseUrl(serverUrl, name) {
  const url = new URL(serverUrl);
  url.pathname = `/${encodeURIComponent(name)}`;
  return url.href;
}

/** The database a URL names; undefined for none and for `postgres`, which is everybody's. @param {string} url */
export function databaseNameIn(url) {
  const name = decodeURIComponent(new URL(url).pathname.slice(1));
  return name && name !== 'postgres' ? name : undefined;
}

/** @param {string} url */
async function open(url) {
  const { Client } = (await import('pg')).default;
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  client.on('error', () => undefined); // a connection that breaks also fails the query in flight, which reports it
  await client.connect();
  return client;
}

/**
 * A connection on which databases can be listed: through `postgres`, else through the database itself, because hosted
 * servers often let an account into its own database only. @param {string} url @param {string} name
 */
async function openServer(url, name) {
  try {
    return await open(databaseUrl(url, 'postgres'));
  } catch (cause) {
    try {
      return await open(databaseUrl(url, name));
    } catch {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new Problem(`Postgres at ${maskUrl(url)} does not let us in (${reason}): correct VANE_DATABASE_URL.`);
    }
  }
}

/** @param {import('pg').Client} client @param {string} name @returns {Promise<{ comment: string | null } | undefined>} */
async function lookUp(client, name) {
  const { rows } = await client.query(
    `select shobj_description(oid, 'pg_database') as comment from pg_database where datname = $1`, [name]);
  return rows[0];
}

/** @param {string | null} comment */
function ownerOf(comment) {
  const [word, instance] = (comment ?? '').split(' ');
  return word === marker ? { ours: true, instance } : { ours: false, instance: undefined };
}

/** @param {import('pg').Client} client @param {string} name @param {string | undefined} instance */
async function create(client, name, instance) {
  const quoted = client.escapeIdentifier(name);
  try {
    await client.query(`create database ${quoted} encoding 'UTF8' template template0`);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Problem(`The database "${name}" could not be created (${reason}): give VANE_DATABASE_URL an account that may create databases.`);
  }
  await client.query(`comment on database ${quoted} is ${client.escapeLiteral(instance ? `${marker} ${instance}` : marker)}`);
}

/** @type {typeof import('./index.mjs').ensureDatabase} */
export async function ensureDatabase(serverUrl, { name = databaseNameIn(serverUrl) ?? 'vane', instance } = {}) {
  const client = await openServer(serverUrl, name);
  try {
    const existing = await lookUp(client, name);
    if (!existing) await create(client, name, instance);
    const owner = existing ? ownerOf(existing.comment) : { ours: true, instance };
    if (!owner.ours) {
      throw new Problem(`The database "${name}" exists and was not created by Vane, which therefore leaves it alone: choose another name with `
        + `VANE_DATABASE_NAME, or, if it is meant for Vane, say so with: COMMENT ON DATABASE ${client.escapeIdentifier(name)} IS '${marker}'.`);
    }
    return { url: databaseUrl(serverUrl, name), name, created: !existing, instance: owner.instance };
  } finally {
    await client.end();
  }
}

/** @type {typeof import('./index.mjs').dropDatabase} */
export async function dropDatabase(url) {
  const name = databaseNameIn(url);
  if (!name) throw new Problem(`${maskUrl(url)} names no database to drop: put its name at the end of the URL.`);
  const client = await openServer(url, 'postgres');
  try {
    const existing = await lookUp(client, name);
    if (!existing) return;
    if (!ownerOf(existing.comment).ours) throw new Problem(`The database "${name}" was not created by Vane, which therefore does not drop it.`);
    await client.query(`drop database if exists ${client.escapeIdentifier(name)} with (force)`);
  } finally {
    await client.end();
  }
}

/**
 * What is in the database a URL names: undefined when there is no such database. `empty`: Vane has never kept anything there.
 * @param {string} url @returns {Promise<{ ours: boolean, instance: string | undefined, empty: boolean } | undefined>}
 */
export async function inspectDatabase(url) {
  const name = databaseNameIn(url) ?? '';
  const server = await openServer(url, name);
  const existing = await lookUp(server, name).finally(() => server.end());
  if (!existing) return undefined;
  const client = await open(url);
  try {
    const { rows: [tables] } = await client.query(`select count(*)::int as count, to_regclass('workspace') is not null as vane from pg_tables where schemaname = 'public'`);
    const kept = tables.vane && (await client.query('select exists (select from workspace) or exists (select from data_key) as kept')).rows[0].kept;
    return { ...ownerOf(existing.comment), empty: tables.count === 0 || (tables.vane && !kept) };
  } finally {
    await client.end();
  }
}

/** Puts one database in the place of another, which is dropped. @param {string} url of the one that goes @param {string} by name of the one that comes */
export async function replaceDatabase(url, by) {
  await dropDatabase(url);
  const client = await openServer(url, 'postgres');
  try {
    await client.query(`alter database ${client.escapeIdentifier(by)} rename to ${client.escapeIdentifier(databaseNameIn(url) ?? '')}`);
  } finally {
    await client.end();
  }
}

/** @type {typeof import('./index.mjs').migrate} */
export async function migrate(url) {
  const result = await run(process.execPath, [join(root, 'dist/migrate-cli.js')], { env: { ...process.env, VANE_DATABASE_URL: url } });
  if (result.code !== 0) throw new Problem(`The database could not be brought up to date:\n${result.output.trim()}`);
}

import { createHash, randomBytes } from 'node:crypto';
import { applyMigrations, readMigrations } from '@vane/db';
import pg from 'pg';
import { expectNoSecretsInDatabase } from './secrets/scan-test.js';
import { watchSecrets } from './secrets/watch.js';

/** Serialises the making of templates on one server; any constant number that nobody else uses. */
const ADVISORY_LOCK = 7_264_111_003;
/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
const OBJECT_IN_USE = '55006';
const SERVER = 'postgres://postgres@127.0.0.1:5432/postgres';

export type TestDatabase = { url: string; drop(): Promise<void> };

/**
 * A database of its own with every migration applied, on the server of VANE_DATABASE_URL (or the one at the standard
 * port). The migrations run once per version of them, into a template that stays; databases are copies of it. `drop`
 * removes the copy; what is still connected to it after some seconds is cut off. It fails, by name, for every secret that
 * was kept and stands in the database. Secrets are kept from the making of the first database on.
 */
export async function createTestDatabase(): Promise<TestDatabase> {
  watchSecrets();
  const server = new URL(process.env['VANE_DATABASE_URL'] ?? SERVER);
  server.pathname = '/postgres';
  const name = `vane_test_${randomBytes(6).toString('hex')}`;
  await withServer(server, async (client) => {
    await client.query('SELECT pg_advisory_lock($1)', [ADVISORY_LOCK]);
    const template = await migratedTemplate(client, server);
    await client.query(`CREATE DATABASE "${name}" TEMPLATE "${template}"`);
  });
  return {
    url: onServer(server, name),
    drop: async () => {
      try {
        await expectNoSecretsInDatabase(onServer(server, name));
      } finally {
        await withServer(server, (client) => dropDatabase(client, name));
      }
    },
  };
}

/**
 * The end of a pool resolves while its connections are still being closed: cutting those off would raise an error on
 * them. Postgres itself waits five seconds for the last one to go before it refuses to drop the database.
 */
async function dropDatabase(client: pg.Client, name: string): Promise<void> {
  await client.query(`DROP DATABASE IF EXISTS "${name}"`).catch(async (error: unknown) => {
    if (!(error instanceof pg.DatabaseError) || error.code !== OBJECT_IN_USE) throw error;
    await client.query(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`);
  });
}

/**
 * Runs under the lock. Built under another name first, so that a template is always whole. Templates of other versions
 * may belong to another checkout that is being tested on the same server: they go when they are a day old.
 */
async function migratedTemplate(client: pg.Client, server: URL): Promise<string> {
  const { migrationDirectories } = await readMigrations();
  const template = `vane_template_${createHash('sha256').update(JSON.stringify(migrationDirectories)).digest('hex').slice(0, 16)}`;
  const known = await client.query<{ datname: string; old: boolean }>(
    `SELECT datname, coalesce(shobj_description(oid, 'pg_database')::timestamptz < now() - interval '1 day', true) AS old
     FROM pg_database WHERE datname LIKE 'vane\\_template\\_%'`,
  );
  if (known.rows.some((row) => row.datname === template)) return template;
  for (const { datname, old } of known.rows) if (old) await client.query(`DROP DATABASE "${datname}" WITH (FORCE)`);
  const unfinished = `vane_template_unfinished`;
  await client.query(`CREATE DATABASE "${unfinished}" TEMPLATE template0`);
  await applyMigrations({ databaseUrl: onServer(server, unfinished) });
  await client.query(`ALTER DATABASE "${unfinished}" RENAME TO "${template}"`);
  const made = await client.query<{ at: string }>('SELECT now()::text AS at');
  await client.query(`COMMENT ON DATABASE "${template}" IS '${made.rows[0]?.at}'`);
  return template;
}

function onServer(server: URL, database: string): string {
  const url = new URL(server);
  url.pathname = `/${database}`;
  return url.href;
}

async function withServer<T>(server: URL, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: server.href, application_name: 'vane-test' });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

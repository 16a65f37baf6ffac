import { existsSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { MigrationList } from '@prisma/schema-engine-wasm';
import { withSchemaEngine } from './schema-engine.js';

/** Serialises the apps that migrate one database when they start together; any constant number that nobody else uses. */
const ADVISORY_LOCK = 7_264_111_001;
const FILTERS = { externalTables: [], externalEnums: [] };

/** Where `schema.prisma` and `migrations/` are; found from the sources and from the built files alike. */
export function prismaFolder(): string {
  const start = dirname(fileURLToPath(import.meta.url));
  for (let folder = start; ; folder = dirname(folder)) {
    const candidate = join(folder, 'prisma');
    if (existsSync(join(candidate, 'schema.prisma'))) return candidate;
    if (dirname(folder) === folder) throw new Error(`No prisma/schema.prisma was found in ${start} or any folder above it.`);
  }
}

/** The text of `schema.prisma`. */
export const readSchema = (folder = prismaFolder()): Promise<string> => readFile(join(folder, 'schema.prisma'), 'utf8');

/** `prisma/migrations` as the engine takes it, oldest first. */
export async function readMigrations(folder = prismaFolder()): Promise<MigrationList> {
  const baseDir = join(folder, 'migrations');
  const entries = await readdir(baseDir, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name).sort();
  return {
    baseDir,
    lockfile: { path: 'migration_lock.toml', content: await readFile(join(baseDir, 'migration_lock.toml'), 'utf8') },
    shadowDbInitScript: '',
    migrationDirectories: await Promise.all(
      names.map(async (path) => ({
        path,
        migrationFile: {
          path: 'migration.sql',
          content: { tag: 'ok' as const, value: await readFile(join(baseDir, path, 'migration.sql'), 'utf8') },
        },
      })),
    ),
  };
}

/**
 * Applies every migration of `prisma/migrations` that the database has not had, and returns their names. Processes that
 * do so at once wait for each other. A migration that fails leaves nothing behind and is tried again the next time.
 * Throws an Error that names the migration and holds the database's own error as its cause.
 */
export async function applyMigrations(options: {
  databaseUrl: string;
  log?: (line: string) => void;
  folder?: string;
}): Promise<{ applied: string[] }> {
  const [schema, migrationsList] = await Promise.all([readSchema(options.folder), readMigrations(options.folder)]);
  const pool = singleConnection(options.databaseUrl);
  const lock = new pg.Client({ connectionString: options.databaseUrl, application_name: 'vane-migrate' });
  lock.on('error', () => undefined);
  try {
    await lock.connect().catch((error: unknown) => {
      throw unreachable(options.databaseUrl, error);
    });
    await lock.query('SELECT pg_advisory_lock($1)', [ADVISORY_LOCK]);
    const applied = await withSchemaEngine({ schema, pool }, async (engine, trace) => {
      for (const migrationName of await failedMigrations(pool)) {
        await engine.markMigrationRolledBack({ migrationName });
      }
      return engine.applyMigrations({ migrationsList, filters: FILTERS }).then(
        (result) => result.appliedMigrationNames,
        async (error: unknown) => {
          throw await migrationError(pool, trace.scriptError ?? error);
        },
      );
    });
    for (const name of applied) options.log?.(`Applied migration ${name}.`);
    return { applied };
  } finally {
    await Promise.all([lock.end(), pool.end()]);
  }
}

/**
 * SQL that takes a database from `prisma/migrations` to `schema.prisma`; empty when they agree. Replays the migrations in
 * a throw-away database beside the given one, which needs the right to create databases.
 */
export async function diffMigration(options: { databaseUrl: string; schema?: string; folder?: string }): Promise<string> {
  const schema = options.schema ?? (await readSchema(options.folder));
  const migrations = await readMigrations(options.folder);
  const name = `vane_shadow_${randomBytes(6).toString('hex')}`;
  const url = new URL(options.databaseUrl);
  url.pathname = `/${name}`;
  const pool = singleConnection(options.databaseUrl);
  try {
    await pool.query(`CREATE DATABASE "${name}" TEMPLATE template0`).catch((error: unknown) => {
      throw unreachable(options.databaseUrl, error);
    });
    const shadow = singleConnection(url.href);
    try {
      return await withSchemaEngine({ schema, pool, shadow }, async (engine, trace) => {
        const to = { tag: 'schemaDatamodel' as const, files: [{ path: 'schema.prisma', content: schema }] };
        const from = { tag: 'migrations' as const, ...migrations };
        const diff = engine.diff({ from, to, script: true, exitCode: true, filters: FILTERS });
        const { exitCode, stdout } = await diff.catch((error: unknown) => {
          throw new Error(`The migrations cannot be compared with schema.prisma: ${messageOf(trace.scriptError ?? error)}`, {
            cause: trace.scriptError ?? error,
          });
        });
        return exitCode === 2 ? (stdout ?? '') : '';
      });
    } finally {
      await shadow.end();
      await pool.query(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`);
    }
  } finally {
    await pool.end();
  }
}

function singleConnection(connectionString: string): pg.Pool {
  const pool = new pg.Pool({ connectionString, max: 1, application_name: 'vane-migrate' });
  pool.on('error', () => undefined);
  return pool;
}

/** A migration is one transaction, so one that is marked as failed changed nothing and may be tried again. */
async function failedMigrations(pool: pg.Pool): Promise<string[]> {
  const known = await pool.query<{ table: string | null }>(`SELECT to_regclass('_prisma_migrations')::text AS table`);
  if (!known.rows[0]?.table) return [];
  const failed = await pool.query<{ migration_name: string }>(
    'SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NULL AND rolled_back_at IS NULL',
  );
  return failed.rows.map((row) => row.migration_name);
}

async function migrationError(pool: pg.Pool, cause: unknown): Promise<Error> {
  const [name] = await failedMigrations(pool).catch(() => []);
  const what = name ? `Migration ${name} failed` : 'The migrations could not be applied';
  return new Error(`${what}: ${messageOf(cause)}`, { cause });
}

/** Names the server and the database, never the user or the password of the URL. */
function unreachable(databaseUrl: string, cause: unknown): Error {
  const { host, pathname } = new URL(databaseUrl);
  return new Error(`Database ${pathname.slice(1)} on ${host} cannot be used (${messageOf(cause)}); check VANE_DATABASE_URL and that Postgres runs.`, {
    cause,
  });
}

/** A host with several addresses fails with an AggregateError, whose own message is empty. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join(', ');
  return error instanceof Error ? error.message : String(error);
}

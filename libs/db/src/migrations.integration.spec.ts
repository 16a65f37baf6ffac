import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CONNECTION_STATUSES, DELIVERY_STATUSES, ROLES, RUN_STATUSES, SUBSCRIPTION_STATUSES, TRIGGER_STATUSES } from '@vane/contracts';
import { createTestDatabase, eventually } from '@vane/testing';
import pg from 'pg';
import { applyMigrations, diffMigration, prismaFolder, readMigrations, readSchema } from './migrations.js';

let database: { url: string; drop(): Promise<void> };
let pool: pg.Pool;
let folder: string;

beforeEach(async () => {
  database = await createTestDatabase();
  pool = new pg.Pool({ connectionString: database.url });
  await pool.query('DROP SCHEMA public CASCADE');
  await pool.query('CREATE SCHEMA public');
  folder = await mkdtemp(join(tmpdir(), 'vane-migrations-'));
  await cp(prismaFolder(), folder, { recursive: true });
});

afterEach(async () => {
  await pool.end();
  await database.drop();
  await rm(folder, { recursive: true });
});

async function addMigration(name: string, sql: string): Promise<void> {
  await mkdir(join(folder, 'migrations', name), { recursive: true });
  await writeFile(join(folder, 'migrations', name, 'migration.sql'), sql);
}

describe('applyMigrations', () => {
  it('applies every migration once, also when it runs again', async () => {
    const names = (await readMigrations()).migrationDirectories.map((directory) => directory.path);
    const lines: string[] = [];
    const log = (line: string) => void lines.push(line);
    expect(await applyMigrations({ databaseUrl: database.url, log })).toEqual({ applied: names });
    expect(await applyMigrations({ databaseUrl: database.url, log })).toEqual({ applied: [] });
    expect(lines).toEqual(names.map((name) => `Applied migration ${name}.`));
  });

  it('applies every migration once when several do so at the same time', async () => {
    const results = await Promise.all(Array.from({ length: 4 }, () => applyMigrations({ databaseUrl: database.url })));
    const names = (await readMigrations()).migrationDirectories.map((directory) => directory.path);
    expect(results.flatMap((result) => result.applied)).toEqual(names);
  });

  it('leaves nothing of a migration that fails, names it, and applies it once it is mended', async () => {
    await applyMigrations({ databaseUrl: database.url, folder });
    await addMigration('9001_broken', `CREATE TABLE half (id text); SELECT ';' FROM nowhere;`);
    await expect(applyMigrations({ databaseUrl: database.url, folder })).rejects.toThrow(
      'Migration 9001_broken failed: relation "nowhere" does not exist',
    );
    expect((await pool.query(`SELECT to_regclass('half') AS found`)).rows).toEqual([{ found: null }]);
    await addMigration('9001_broken', `CREATE TABLE half (id text DEFAULT ';');`);
    expect(await applyMigrations({ databaseUrl: database.url, folder })).toEqual({ applied: ['9001_broken'] });
  });
});

describe('0005_subscriptions_that_live', () => {
  const at = '2026-01-02T03:04:05.000Z';
  const added = '0005_subscriptions_that_live';

  /** A database of before, with a hook, one that is removed, one that a person entered, and two triggers. */
  async function before(): Promise<void> {
    const later = (await readMigrations()).migrationDirectories.map(({ path }) => path).filter((path) => path >= added);
    for (const path of later) await rm(join(folder, 'migrations', path), { recursive: true });
    await applyMigrations({ databaseUrl: database.url, folder });
    await pool.query(`INSERT INTO workspace (id, name, created_at) VALUES ('w', 'w', $1)`, [at]);
    await pool.query(`INSERT INTO feed (id, workspace_id, connection_id, service, trigger_type, resource, created_at) VALUES ('f', 'w', 'c', 's', 't', 'r', $1)`, [at]);
    for (const [id, status, externalId] of [['hook', 'active', '7'], ['gone', 'removed', '8'], ['by hand', 'active', null]]) {
      await pool.query(
        `INSERT INTO subscription (id, workspace_id, feed_id, service, trigger_type, resource, key, secrets_enc, want, external_id, status, status_since, attempts,
           version, created_at, secret_version) VALUES ($1, 'w', 'f', 's', 't', 'r', $1, 'x', '{}', $2, $3, $4, 0, 1, $4, 1)`,
        [id, externalId, status, at],
      );
    }
    for (const status of ['enabled', 'paused']) {
      await pool.query(
        `INSERT INTO trigger (id, workspace_id, feed_id, name, service, type, config, want, status, version, created_at, updated_at)
         VALUES ($1, 'w', 'f', 'n', 's', 't', '{}', '{}', $1, 1, $2, $2)`,
        [status, at],
      );
    }
  }

  it('has what is registered looked at, tried and watched from then on', async () => {
    await before();
    expect((await applyMigrations({ databaseUrl: database.url })).applied).toContain(added);
    const due = (id: string, when: Date | null) => ({ id, registered_at: when, check_at: when, log_at: when, canary_at: when });
    expect((await pool.query('SELECT id, registered_at, check_at, log_at, canary_at FROM subscription ORDER BY id')).rows).toEqual([
      due('by hand', null), due('gone', null), due('hook', new Date(at)),
    ]);
    expect((await pool.query('SELECT id, silence_at, resync, on_drift FROM trigger ORDER BY id')).rows).toEqual([
      { id: 'enabled', silence_at: new Date(at), resync: 'from_now', on_drift: 'restore' }, { id: 'paused', silence_at: null, resync: 'from_now', on_drift: 'restore' },
    ]);
  });
});

describe('an unusable database', () => {
  it('is named without the password of its URL', async () => {
    const url = new URL(database.url);
    url.password = 'geheim';
    url.pathname = '/vane_no_such_database';
    const refusal = applyMigrations({ databaseUrl: url.href });
    await expect(refusal).rejects.toThrow(/^Database vane_no_such_database on .* does not exist\); check VANE_DATABASE_URL/);
    await expect(refusal).rejects.not.toThrow('geheim');
    const unreachable = applyMigrations({ databaseUrl: 'postgres://vane:geheim@localhost:1/vane' });
    await expect(unreachable).rejects.toThrow(/^Database vane on localhost:1 cannot be used \(.*ECONNREFUSED/);
  });
});

describe('diffMigration', () => {
  it('finds that the migrations agree with schema.prisma and leaves no database behind', async () => {
    const shadows = `SELECT datname FROM pg_database WHERE datname LIKE 'vane\\_shadow\\_%' ORDER BY datname`;
    const before = (await pool.query(shadows)).rows;
    expect(await diffMigration({ databaseUrl: database.url })).toBe('');
    // Others that use this server come and go.
    const added = (await pool.query(shadows)).rows.filter((row) => !before.some((known) => known.datname === row.datname));
    await eventually('every database added meanwhile being gone', async () => {
      const { rows } = await pool.query(shadows);
      return !added.some((one) => rows.some((row) => row.datname === one.datname));
    });
  });

  it('writes the SQL for a column that only schema.prisma has', async () => {
    const schema = (await readSchema()).replace('model Inbox {', 'model Inbox {\n  attempts Int @default(0)');
    expect(await diffMigration({ databaseUrl: database.url, schema })).toContain('ALTER TABLE "inbox" ADD COLUMN     "attempts" INTEGER');
  });

  it('writes the SQL for a partitioned table that lost a column', async () => {
    const schema = (await readSchema()).replace(/^ +occurredAt .*$/m, '');
    expect(await diffMigration({ databaseUrl: database.url, schema })).toContain('DROP COLUMN "occurred_at"');
  });

  it('names what is wrong with a migration that cannot be replayed', async () => {
    await addMigration('9001_broken', 'SELECT 1 FROM nowhere;');
    await expect(diffMigration({ databaseUrl: database.url, folder })).rejects.toThrow('relation "nowhere" does not exist');
  });
});

describe('the tables', () => {
  it.each([
    ['connection', 'status', CONNECTION_STATUSES],
    ['trigger', 'status', TRIGGER_STATUSES],
    ['subscription', 'status', SUBSCRIPTION_STATUSES],
    ['delivery', 'status', DELIVERY_STATUSES],
    ['run', 'status', RUN_STATUSES],
    ['api_token', 'role', ROLES],
  ])('let %s.%s be every word of its contract', async (table, column, words) => {
    await applyMigrations({ databaseUrl: database.url });
    const check = await pool.query('SELECT pg_get_constraintdef(oid) AS definition FROM pg_constraint WHERE conname = $1', [
      `${table}_${column}_check`,
    ]);
    for (const word of words) expect(check.rows[0].definition).toContain(`'${word}'`);
  });

  it('take no time from the database', async () => {
    await applyMigrations({ databaseUrl: database.url });
    const defaults = await pool.query(
      `SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> '_prisma_migrations'
       AND column_default ~* 'now|current|timestamp|clock'`,
    );
    expect(defaults.rows).toEqual([]);
  });
});

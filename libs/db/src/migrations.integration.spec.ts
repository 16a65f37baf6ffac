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

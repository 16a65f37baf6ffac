import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createTestDatabase } from '@vane/testing';
import pg from 'pg';
import { isSerializationFailure, isUniqueViolation } from './database-errors.js';
import { Database } from './database.js';

const AT = new Date('2026-03-01T12:00:00.123Z');

let testDatabase: { url: string; drop(): Promise<void> };
let database: Database;
let lost: Error[];

beforeEach(async () => {
  testDatabase = await createTestDatabase();
  lost = [];
  const onConnectionLost = (error: Error) => void lost.push(error);
  database = Database.connect({ url: testDatabase.url, applicationName: 'vane-test-app', maxConnections: 3, onConnectionLost });
});

afterEach(async () => {
  await database.close();
  await testDatabase.drop();
});

const rejection = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => undefined, (error: unknown) => error);

async function asServer(...statements: string[]): Promise<void> {
  const url = new URL(testDatabase.url);
  const name = url.pathname.slice(1);
  url.pathname = '/postgres';
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  for (const statement of statements) await client.query(statement.replaceAll('$name', name));
  await client.end();
}

const CUT = `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '$name' AND pid <> pg_backend_pid()`;

describe('Database', () => {
  it('says who it is and ends statements after 30 s', async () => {
    const { rows } = await database.pool.query(`SELECT current_setting('application_name') AS name, current_setting('statement_timeout') AS timeout`);
    expect(rows).toEqual([{ name: 'vane-test-app', timeout: '30s' }]);
  });

  it('prepares a statement with parameters once per connection, for raw SQL and for Prisma', async () => {
    await database.transaction(async (tx) => {
      for (const id of ['a', 'b', 'c']) await tx.query(`INSERT INTO workspace VALUES ($1, 'name', $2)`, [id, AT]);
      const { rows } = await tx.query(`SELECT generic_plans + custom_plans AS used FROM pg_prepared_statements WHERE statement LIKE 'INSERT INTO workspace%'`);
      expect(rows).toEqual([{ used: '3' }]);
    });
    const one = Database.connect({ url: testDatabase.url, applicationName: 'one', maxConnections: 1 });
    for (const id of ['a', 'b']) expect(await one.prisma.workspace.findUnique({ where: { id } })).toMatchObject({ id });
    const { rows } = await one.pool.query(`SELECT generic_plans + custom_plans AS used FROM pg_prepared_statements WHERE statement LIKE '%"public"."workspace"%'`);
    await one.close();
    expect(rows).toEqual([{ used: '2' }]);
  });

  it('goes on with a prepared statement that a migration gave other columns', async () => {
    const ask = () => database.pool.query('SELECT * FROM changing WHERE id > $1', [0]);
    await database.pool.query('CREATE TABLE changing (id int)');
    await database.pool.query('INSERT INTO changing VALUES (1)');
    expect((await ask()).rows).toEqual([{ id: 1 }]);
    await database.pool.query(`ALTER TABLE changing ADD name text DEFAULT 'new'`);
    expect(await rejection(ask())).toMatchObject({ message: expect.stringContaining('cached plan must not change result type') });
    expect((await ask()).rows).toEqual([{ id: 1, name: 'new' }]);
  });

  it('tells a caller with a callback of a statement that fails', async () => {
    const failure = await new Promise((resolve) => database.pool.query('SELECT 1 / $1::int', [0], (error) => resolve(error)));
    expect(failure).toMatchObject({ code: '22012' });
  });

  it('shares its connections between Prisma and raw SQL', async () => {
    await Promise.all(Array.from({ length: 12 }, (_, index) => (index % 2 ? database.prisma.workspace.count() : database.ping())));
    expect(database.pool.totalCount).toBeLessThanOrEqual(3);
    const others = await database.pool.query(`SELECT count(*)::int AS count FROM pg_stat_activity WHERE datname = current_database()`);
    expect(others.rows[0].count).toBe(database.pool.totalCount);
  });

  it('commits a transaction that succeeds and rolls back one that fails', async () => {
    const insert = (tx: pg.PoolClient, id: string) => tx.query(`INSERT INTO workspace VALUES ($1, 'name', $2)`, [id, AT]);
    expect(await database.transaction(async (tx) => (await insert(tx, 'kept')).rowCount)).toBe(1);
    const failing = database.transaction(async (tx) => {
      await insert(tx, 'undone');
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await database.prisma.workspace.findMany()).toEqual([{ id: 'kept', name: 'name', createdAt: AT }]);
    expect(database.pool.idleCount).toBe(database.pool.totalCount);
  });

  it('opens new connections after all of them were cut', async () => {
    await Promise.all([database.ping(), database.prisma.workspace.count(), database.ping()]);
    const cut = database.pool.totalCount;
    await asServer(CUT);
    await until(() => lost.length === cut);
    await Promise.all([database.ping(), database.prisma.workspace.count()]);
  });

  it('fails a transaction whose connection is cut, and only that', async () => {
    const failing = database.transaction(async (tx) => {
      await tx.query('SELECT 1');
      const gone = new Promise((resolve) => tx.once('end', resolve));
      await asServer(CUT);
      await gone;
      await tx.query('SELECT 1');
    });
    await expect(failing).rejects.toThrow();
    expect(await database.prisma.workspace.count()).toBe(0);
  });

  it('fails while Postgres takes no connections and works again when it does', async () => {
    await database.ping();
    await asServer('ALTER DATABASE $name ALLOW_CONNECTIONS false', CUT);
    await until(() => lost.length > 0);
    await expect(database.ping()).rejects.toThrow();
    await expect(database.prisma.workspace.count()).rejects.toThrow();
    await asServer('ALTER DATABASE $name ALLOW_CONNECTIONS true');
    await database.ping();
    expect(await database.prisma.workspace.count()).toBe(0);
  });

  it('closes once, also when it is asked twice', async () => {
    await database.ping();
    await database.close();
    await database.close();
    await expect(database.ping()).rejects.toThrow();
  });
});

describe('what an error was', () => {
  const insert = `INSERT INTO workspace VALUES ('w', 'name', $1)`;

  it('tells a unique violation, of Prisma and of raw SQL, from other errors', async () => {
    const data = { id: 'w', name: 'name', createdAt: AT };
    await database.prisma.workspace.create({ data });
    const raw = await rejection(database.pool.query(insert, [AT]));
    const byPrisma = await rejection(database.prisma.workspace.create({ data }));
    const rawByPrisma = await rejection(database.prisma.$executeRawUnsafe(insert, AT));
    for (const error of [raw, byPrisma, rawByPrisma, new Error('outer', { cause: raw })]) expect(isUniqueViolation(error)).toBe(true);
    const other = await rejection(database.pool.query('SELECT nothing'));
    for (const error of [other, undefined, null, 'text', new Error('23505')]) expect(isUniqueViolation(error)).toBe(false);
  });

  it('tells a lost race, of Prisma and of raw SQL, from other errors', async () => {
    await database.pool.query(insert, [AT]);
    const touch = (client: { query: (sql: string) => Promise<unknown> }) => client.query(`UPDATE workspace SET name = name || 'x'`);
    const raw = await rejection(
      database.transaction(async (tx) => {
        await tx.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ');
        await tx.query('SELECT * FROM workspace');
        await touch(database.pool);
        await touch(tx);
      }),
    );
    const byPrisma = await rejection(
      database.prisma.$transaction(
        async (tx) => {
          await tx.workspace.findMany();
          await touch(database.pool);
          await tx.workspace.update({ where: { id: 'w' }, data: { name: 'mine' } });
        },
        { isolationLevel: 'RepeatableRead' },
      ),
    );
    for (const error of [raw, byPrisma]) expect(isSerializationFailure(error)).toBe(true);
    expect(isSerializationFailure(await rejection(database.pool.query(insert, [AT])))).toBe(false);
  });
});

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

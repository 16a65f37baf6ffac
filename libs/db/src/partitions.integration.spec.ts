import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createTestDatabase } from '@vane/testing';
import pg from 'pg';
import { ensurePartitions } from './partitions.js';

const NOW = new Date('2026-11-30T23:59:59.999Z');

let database: { url: string; drop(): Promise<void> };
let pool: pg.Pool;

beforeEach(async () => {
  database = await createTestDatabase();
  pool = new pg.Pool({ connectionString: database.url, max: 4 });
});

afterEach(async () => {
  await pool.end();
  await database.drop();
});

const insertEvent = (id: string, receivedAt: string) =>
  pool.query(
    `INSERT INTO event (id, received_at, workspace_id, feed_id, service, type, dedupe_key, payload)
     VALUES ($1, $2, 'wsp_a', 'fed_a', 'probe', 'thing', $1, '{}')`,
    [id, receivedAt],
  );

const partitionsOf = async (ids: string[]): Promise<Record<string, string>> => {
  const found = await pool.query('SELECT id, tableoid::regclass::text AS partition FROM event WHERE id = ANY($1)', [ids]);
  return Object.fromEntries(found.rows.map((row) => [row.id, row.partition]));
};

describe('ensurePartitions', () => {
  it('makes the month of now and those ahead, across the end of a year, once', async () => {
    const months = ['2026_11', '2026_12', '2027_01', '2027_02'];
    expect(await ensurePartitions(pool, NOW)).toEqual([...months.map((month) => `delivery_${month}`), ...months.map((month) => `event_${month}`)]);
    expect(await ensurePartitions(pool, NOW)).toEqual([]);
    expect(await ensurePartitions(pool, NOW, 4)).toEqual(['delivery_2027_03', 'event_2027_03']);
  });

  it('makes every partition once when several processes do so at the same time', async () => {
    const results = await Promise.all(Array.from({ length: 4 }, () => ensurePartitions(pool, NOW, 1)));
    expect(results.flat().sort()).toEqual(['delivery_2026_11', 'delivery_2026_12', 'event_2026_11', 'event_2026_12']);
  });

  it('puts a row into its month by its UTC time, whatever the time zone of the session', async () => {
    await pool.query(`ALTER DATABASE ${new URL(database.url).pathname.slice(1)} SET timezone = 'Pacific/Auckland'`);
    await pool.end();
    pool = new pg.Pool({ connectionString: database.url, max: 4 });
    await ensurePartitions(pool, NOW);
    await insertEvent('last', '2026-11-30T23:59:59.999Z');
    await insertEvent('first', '2026-12-01T00:00:00.000Z');
    await insertEvent('uncovered', '2026-10-31T23:59:59.999Z');
    expect(await partitionsOf(['last', 'first', 'uncovered'])).toEqual({ last: 'event_2026_11', first: 'event_2026_12', uncovered: 'event_default' });
  });

  it('moves the rows that came before their month was made, and keeps the others', async () => {
    await insertEvent('late', '2026-12-15T00:00:00Z');
    await insertEvent('other', '2027-09-15T00:00:00Z');
    expect(await partitionsOf(['late', 'other'])).toEqual({ late: 'event_default', other: 'event_default' });
    expect(await ensurePartitions(pool, NOW)).toContain('event_2026_12');
    expect(await partitionsOf(['late', 'other'])).toEqual({ late: 'event_2026_12', other: 'event_default' });
  });

  it('loses no row that is inserted while partitions are made', async () => {
    const ids = Array.from({ length: 200 }, (_, index) => `event-${index}`);
    const inserts = ids.map((id, index) => insertEvent(id, new Date(Date.UTC(2026, 10, 1 + (index % 90))).toISOString()));
    await Promise.all([...inserts, ensurePartitions(pool, NOW), ensurePartitions(pool, NOW)]);
    expect(Object.keys(await partitionsOf(ids)).sort()).toEqual([...ids].sort());
    expect((await pool.query('SELECT count(*)::int AS count FROM event_default')).rows).toEqual([{ count: 0 }]);
  });

  it('gives a new partition every index and check of its table', async () => {
    await ensurePartitions(pool, NOW, 0);
    const indexes = await pool.query(
      `SELECT inhparent::regclass::text AS parent FROM pg_inherits JOIN pg_index ON indexrelid = inhrelid
       WHERE indrelid = 'delivery_2026_11'::regclass ORDER BY 1`,
    );
    const wanted = await pool.query(`SELECT indexrelid::regclass::text AS parent FROM pg_index WHERE indrelid = 'delivery'::regclass ORDER BY 1`);
    expect(wanted.rows.length).toBeGreaterThanOrEqual(4);
    expect(indexes.rows).toEqual(wanted.rows);
    const checks = await pool.query(`SELECT conname FROM pg_constraint WHERE conrelid = 'delivery_2026_11'::regclass AND contype = 'c'`);
    expect(checks.rows).toEqual([{ conname: 'delivery_status_check' }]);
  });
});

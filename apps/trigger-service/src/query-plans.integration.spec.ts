import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Database, newId } from '@vane/db';
import { Clock } from '@vane/runtime';
import { createTestDatabase, type TestDatabase } from '@vane/testing';
import { DUE_CHECKS } from './drift/checks.js';
import { DUE_COUNTS } from './drift/syncs.js';
import { SubscriptionRows } from './sagas/subscription-rows.js';

type Node = { 'Node Type': string; 'Index Name'?: string; 'Actual Rows'?: number; Plans?: Node[] };

class StandingClock extends Clock {
  now(): Date {
    return new Date('2026-01-01T12:00:00Z');
  }
}

const clock = new StandingClock();
const workspace = newId('workspace', clock.now());
const MANY = 20_000;
const DUE = 50;
let testDatabase: TestDatabase;
let database: Database;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = Database.connect({ url: testDatabase.url, applicationName: 'spec', maxConnections: 2 });
  await database.pool.query('INSERT INTO workspace (id, name, created_at) VALUES ($1, $1, $2)', [workspace, clock.now()]);
  await database.pool.query(
    `INSERT INTO feed (id, workspace_id, connection_id, service, trigger_type, resource, created_at) VALUES ('fed', $1, '', 'acme', 'thing', 'r', $2)`, [workspace, clock.now()],
  );
  // A few are due now, most later, as in a workspace that works.
  await database.pool.query(
    `INSERT INTO subscription (id, workspace_id, feed_id, service, trigger_type, resource, key, secrets_enc, want, applied, status, status_since, attempts,
       version, created_at, secret_version, check_at, next_attempt_at)
     SELECT 'sub' || i, $1, 'fed', 'acme', 'thing', 'r', 'key' || i, '', '{}', '{}', 'active', $2, 0, 1, $2, 1, due, due
       FROM generate_series(1, $3::int) i, LATERAL (SELECT $2::timestamptz + (i - $4::int) * interval '1 s' AS due) AS times`,
    [workspace, clock.now(), MANY, DUE],
  );
  await database.pool.query(
    `INSERT INTO sync_request (id, workspace_id, requested_at, due_at, orphans)
     SELECT 'syn' || i, $1, $2, CASE WHEN i <= $4 THEN $2::timestamptz END, '{}' FROM generate_series(1, $3::int) i`,
    [workspace, clock.now(), MANY, DUE],
  );
  await database.pool.query('ANALYZE subscription, sync_request');
});
afterAll(async () => {
  await database?.close();
  await testDatabase?.drop();
});

async function plan(sql: string, parameters: unknown[]): Promise<Node[]> {
  const { rows } = await database.pool.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(`EXPLAIN (ANALYZE, FORMAT JSON) ${sql}`, parameters);
  const nodes = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(nodes)];
  return nodes(rows[0]!['QUERY PLAN'][0].Plan);
}

/** The one statement that a call sends, with its parameters. */
async function sentBy(call: (watched: Database) => Promise<unknown>): Promise<[string, unknown[]]> {
  const sent: [string, unknown[]][] = [];
  const pool = new Proxy(database.pool, {
    get: (target, name) => (name === 'query' ? (sql: string, values: unknown[]) => (sent.push([sql, values]), target.query(sql, values)) : Reflect.get(target, name)),
  });
  await call({ pool } as Database);
  expect(sent).toHaveLength(1);
  return sent[0]!;
}

const queries: [string, string, () => Promise<[string, unknown[]]>][] = [
  ['settle', 'subscription_due_idx', () => sentBy((watched) => new SubscriptionRows(watched, clock).due(100))],
  ['check', 'subscription_check_idx', async () => [DUE_CHECKS, [clock.now(), clock.now(), 100]]],
  ['check of a sync', 'sync_request_due_idx', async () => [DUE_COUNTS, [clock.now(), 100]]],
];

test.each(queries)('what is due of kind %s costs what is due, not what exists', async (_kind, index, query) => {
  const nodes = await plan(...(await query()));
  expect(nodes.map((node) => node['Node Type'])).not.toContain('Seq Scan');
  expect(nodes.map((node) => node['Index Name']).filter(Boolean)).toEqual([index]);
  expect(nodes.find((node) => node['Index Name'] === index)!['Actual Rows']).toBe(DUE);
});

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { AdapterRegistry } from '@vane/adapters';
import { Database, newId } from '@vane/db';
import { Clock } from '@vane/runtime';
import { createTestDatabase, type TestDatabase } from '@vane/testing';
import { ReplayBatches } from './bulk-replays/replay-batches.js';
import { Canaries } from './canaries/canaries.js';
import { DeliveryLogs } from './delivery-log/delivery-logs.js';
import { Checks } from './drift/checks.js';
import { Syncs } from './drift/syncs.js';
import { ExpressionNotices } from './health/expression-notices.js';
import { SubscriptionNotices } from './health/notices.js';
import { SilenceWatch } from './health/silence.js';
import { PullRows } from './pulls/pull-rows.js';
import { Renewal } from './sagas/renewal.js';
import { SubscriptionRows } from './sagas/subscription-rows.js';
import { withSubscription } from './trigger-views.js';

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
  // A few are due now, most later, as in an installation that works.
  const values = [workspace, clock.now(), MANY, DUE];
  const times = `generate_series(1, $3::int) i, LATERAL (SELECT $2::timestamptz + (i - $4::int) * interval '1 s' AS due) AS times`;
  await database.pool.query(
    `INSERT INTO feed (id, workspace_id, connection_id, service, trigger_type, resource, created_at)
     SELECT 'fed' || i, $1, '', 'acme', 'thing', 'r' || i, $2 FROM generate_series(1, $3::int) i`, values.slice(0, 3),
  );
  await database.pool.query(
    `INSERT INTO subscription (id, workspace_id, feed_id, service, trigger_type, resource, key, secrets_enc, want, applied, status, status_since, attempts,
       version, created_at, secret_version, next_attempt_at, renew_at, check_at, log_at, canary_at, notice_at)
     SELECT 'sub' || i, $1, 'fed' || i, 'acme', 'thing', 'r', 'key' || i, '', '{}', '{}', 'active', $2, 0, 1, $2, 1, due, due, due, due, due, due FROM ${times}`, values,
  );
  await database.pool.query(
    `INSERT INTO feed_pull (feed_id, workspace_id, replaying, wanted, done, due_at, failures, recovered, created_at)
     SELECT 'fed' || i, $1, false, 0, 0, due, 0, 0, $2 FROM ${times}`, values,
  );
  await database.pool.query(
    `INSERT INTO trigger (id, workspace_id, feed_id, name, service, type, config, want, status, version, created_at, updated_at, resync, on_drift, silence_at, failing_notice_at)
     SELECT 'trg' || i, $1, 'fed' || i, 'n', 'acme', 'thing', '{}', '{}', 'enabled', 1, $2, $2, 'from_now', 'restore', due, CASE WHEN i <= $4 THEN due END FROM ${times}`, values,
  );
  await database.pool.query(
    `INSERT INTO canary (id, workspace_id, subscription_id, started_at, heard_at) SELECT 'cny' || i, $1, 'sub' || i, $2, $2 FROM generate_series(1, $3::int) i`,
    values.slice(0, 3),
  );
  await database.pool.query(
    `INSERT INTO sync_request (id, workspace_id, requested_at, due_at, orphans)
     SELECT 'syn' || i, $1, $2, CASE WHEN i <= $4 THEN $2::timestamptz END, '{}' FROM generate_series(1, $3::int) i`,
    [workspace, clock.now(), MANY, DUE],
  );
  await database.pool.query(
    `INSERT INTO replay_job (id, workspace_id, status, run_statuses, run_order, rate, apply_filter, renormalise, total, started, skipped, failed, paced_until, due_at,
       created_by, correlation_id, created_at, updated_at)
     SELECT 'rpl' || i, $1, 'done', '{}', 'oldest_first', 1, true, false, 0, 0, 0, 0, $2, CASE WHEN i <= $4 THEN $2::timestamptz END, 'x', 'x', $2, $2
     FROM generate_series(1, $3::int) i`,
    [workspace, clock.now(), MANY, DUE],
  );
  await database.pool.query('ANALYZE replay_job, feed, subscription, feed_pull, trigger, canary, sync_request');
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
async function sentBy(due: (watched: Database) => Promise<string[]>): Promise<[string, unknown[]]> {
  const sent: [string, unknown[]][] = [];
  const pool = new Proxy(database.pool, {
    get: (target, name) => (name === 'query' ? (sql: string, values: unknown[]) => (sent.push([sql, values]), target.query(sql, values)) : Reflect.get(target, name)),
  });
  expect(await due({ pool } as Database)).toHaveLength(DUE);
  expect(sent).toHaveLength(1);
  return sent[0]!;
}

/** Of what looks for what is due only the database and the time are used. */
const none = undefined as never;
const noAdapters = { all: () => [] } as unknown as AdapterRegistry;
const queries: [string, string, (watched: Database) => Promise<string[]>][] = [
  ['settle', 'subscription_due_idx', (watched) => new SubscriptionRows(watched, clock).due(100)],
  ['renew', 'subscription_renew_idx', (watched) => new Renewal(watched, none, none, none, none, none, none, clock).due(100)],
  ['check', 'subscription_check_idx', (watched) => new Checks(watched, none, none, none, none, clock, none, none).due(100)],
  ['check of a sync', 'sync_request_due_idx', (watched) => new Syncs(watched, none, none, clock).dueCounts(100)],
  ['log', 'subscription_log_idx', (watched) => new DeliveryLogs(watched, none, none, none, clock, none, none).due(100)],
  ['pull', 'feed_pull_due_idx', (watched) => new PullRows(watched, clock).due(100)],
  ['canary', 'subscription_canary_idx', (watched) => new Canaries(watched, none, none, noAdapters, clock, none, none).due(100)],
  ['silence', 'trigger_silence_idx', (watched) => new SilenceWatch(watched, none, none, none, clock, none).due(100)],
  ['replay', 'replay_job_due_idx', (watched) => new ReplayBatches(watched, none, none, clock, none).due(100)],
  ['notice of a trigger', 'trigger_failing_notice_idx', (watched) => new ExpressionNotices(watched, none, clock, none).due(100)],
  ['notice', 'subscription_notice_idx', (watched) => new SubscriptionNotices(watched, none, none, clock, none).due(100)],
];

test.each(queries)('what is due of kind %s costs what is due, not what exists', async (_kind, index, due) => {
  const nodes = await plan(...(await sentBy(due)));
  expect(nodes.map((node) => node['Node Type'])).not.toContain('Seq Scan');
  expect(nodes.find((node) => node['Index Name'] === index)).toMatchObject({ 'Actual Rows': DUE });
});

test('what a trigger is read with does not grow with the subscriptions that its feed has had', async () => {
  await database.pool.query(
    `INSERT INTO subscription (id, workspace_id, feed_id, service, trigger_type, resource, key, secrets_enc, want, status, status_since, attempts, version, created_at, secret_version)
     SELECT 'tub' || i, $1, 'fed1', 'acme', 'thing', 'r', 'before' || i, '', '{}', 'removed', $2, 0, 1, $2, 1 FROM generate_series(1, 500) i`,
    [workspace, clock.now()],
  );
  const read = { ...withSubscription.feed.include, subscriptions: { ...withSubscription.feed.include.subscriptions, take: 1_000 } };
  const { feed } = await database.prisma.trigger.findUniqueOrThrow({ where: { id: 'trg1' }, include: { feed: { include: read } } });
  expect(feed.subscriptions.map(({ id }) => id)).toEqual(['sub1']);
});

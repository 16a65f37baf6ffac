import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { loadAdapters, type AdapterRegistry } from '@vane/adapters';
import type { CallContext, DeliveryHeader } from '@vane/contracts';
import { Database, ensurePartitions, newId } from '@vane/db';
import { createLogger, JobQueues, Metrics, SystemClock, type Bus } from '@vane/runtime';
import { createTestDatabase, deleteRedisKeys, type TestDatabase } from '@vane/testing';
import { Previews } from '../expressions/preview.js';
import { ExpressionNotices } from '../health/expression-notices.js';
import { HealthFacts } from '../health/health-facts.js';
import { findingsOf } from '../health/judge.js';
import { Replays } from '../replays.js';
import { insertGenericHook, insertRunnable } from './fixtures/generic-hook.js';
import { Intake } from './intake.js';

const clock = new SystemClock();
const logger = createLogger({ app: 'spec', level: 'silent' });
const redis = process.env.VANE_REDIS_URL ?? 'redis://127.0.0.1:6379';
const prefix = `spec_${randomBytes(5).toString('hex')}`;
const call = { correlationId: 'cor', actor: { kind: 'system', id: 'spec', label: 'spec' } } as unknown as CallContext;

let testDatabase: TestDatabase;
let database: Database;
let adapters: AdapterRegistry;
let queues: JobQueues;
let ids: { workspace: string; feed: string; subscription: string; runnable: string };

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = Database.connect({ url: testDatabase.url, applicationName: 'filters-spec', maxConnections: 4 });
  await ensurePartitions(database.pool, clock.now());
  adapters = await loadAdapters();
  queues = new JobQueues({ url: redis, prefix, logger });
});
afterAll(async () => {
  await queues.close();
  await deleteRedisKeys(redis, prefix);
  await database.close();
  await testDatabase.drop();
});

beforeEach(async () => {
  const now = clock.now();
  const hook = await insertGenericHook(database, adapters, now);
  ids = { ...hook, runnable: await insertRunnable(database, hook.workspace, now) };
});

async function addTrigger(filter: string | null, mapping: string | null = null, status = 'enabled'): Promise<string> {
  const id = newId('trigger', clock.now());
  await database.pool.query(
    `INSERT INTO trigger (id, workspace_id, feed_id, name, service, type, config, want, status, version, created_at, updated_at, resync, on_drift, runnable_id, filter, mapping)
     VALUES ($1, $2, $3, 'n', 'generic-webhook', 'webhook', '{}', '{}', $4, 1, $5, $5, 'from_now', 'restore', $6, $7, $8)`,
    [id, ids.workspace, ids.feed, status, clock.now(), ids.runnable, filter, mapping],
  );
  return id;
}

/** Each counts for itself. */
const intake = (into = new Metrics()) => new Intake(database, adapters, queues, clock, logger, into);

function delivery(payload: unknown) {
  const now = clock.now();
  const body = Buffer.from(JSON.stringify(payload));
  const header: DeliveryHeader = {
    v: 1, id: newId('delivery', now), receivedAt: now.toISOString(), status: 'accepted', reason: null, workspaceId: ids.workspace, subscriptionId: ids.subscription,
    feedId: ids.feed, service: 'generic-webhook', triggerType: 'webhook', method: 'POST', headers: { 'content-type': 'application/json', 'x-id': randomUUID() },
    size: body.length, sha256: 'x', bodyOmitted: false, sealedAuth: null, authUntil: null,
  };
  return { header, body };
}

type RunRow = { id: string; event_id: string; trigger_id: string; status: string; reason: string | null; reason_message: string | null; input: unknown; ended_at: Date | null };
const runsOf = async (trigger: string) =>
  (await database.pool.query<RunRow>('SELECT * FROM run WHERE workspace_id = $1 AND trigger_id = $2 ORDER BY id', [ids.workspace, trigger])).rows;

it('starts what the filter lets pass, and keeps what it does not with the reason, per trigger and in the same statements', async () => {
  const plain = await addTrigger(null);
  const statements = async () => {
    const seen: string[] = [];
    const counting = { ...database, pool: database.pool, transaction: <T>(work: (tx: never) => Promise<T>) =>
      database.transaction((tx) => work({ query: (sql: string, values: unknown[]) => (seen.push(sql), tx.query(sql, values)) } as never)) } as unknown as Database;
    await new Intake(counting, adapters, queues, clock, logger, new Metrics()).take([delivery({ type: 'a', n: 1 }), delivery({ type: 'b', n: 2 })]);
    return seen.length;
  };
  const without = await statements();
  const filtering = await addTrigger('event.type == "a" && payload.n == 1', '{"number": payload.n}');
  expect(await statements()).toBe(without);
  const [one, two] = await runsOf(filtering);
  expect([one, two].sort((a, b) => a!.status.localeCompare(b!.status))).toMatchObject([
    { status: 'queued', reason: null, reason_message: null, input: { number: 1 } },
    { status: 'skipped', reason: 'filtered', reason_message: 'The filter says no: event.type == "a" && payload.n == 1', input: null, ended_at: expect.any(Date) },
  ]);
  expect((await runsOf(plain)).map(({ status, input }) => ({ status, input }))).toEqual(Array.from({ length: 4 }, () => ({ status: 'queued', input: null })));
});

it('keeps what it cannot judge, counts it, and the health of the trigger says so until it is changed', async () => {
  const trigger = await addTrigger('payload.nothing == 1');
  const mapping = await addTrigger(null, 'payload.nothing');
  const metrics = new Metrics();
  await intake(metrics).take([delivery({ type: 'a' })]);
  expect(await runsOf(trigger)).toMatchObject([{ status: 'skipped', reason: 'filter_failed', reason_message: expect.stringContaining('No such key: nothing. (line 1, column 9)') }]);
  expect(await runsOf(mapping)).toMatchObject([{ status: 'skipped', reason: 'mapping_failed' }]);
  expect(await metrics.registry.metrics()).toMatch(/vane_intake_total\{[^}]*kind="run_filter_failed"[^}]*\} 1/);
  const health = async (updatedAt: Date) => {
    const facts = await new HealthFacts(database, clock).of(ids.workspace, [{ id: trigger, feedId: ids.feed, connectionId: null }]);
    return findingsOf({ id: trigger, feedId: ids.feed, connectionId: null, status: 'enabled', statusCode: null, statusMessage: null, silentSince: null, updatedAt }, facts);
  };
  expect(await health(clock.in(-60_000))).toMatchObject([{ layer: 'delivery', state: 'degraded', reason: { code: 'filter_failed', message: expect.stringContaining('No such key') } }]);
  await intake().take([delivery({ type: 'a' }), delivery({ type: 'a' })]);
  expect(await health(clock.in(-60_000))).toMatchObject([{ state: 'failing' }]);
  expect(await health(clock.in(60_000))).toEqual([]);
});

it('tells people once of what it cannot judge, also when they could not be told at first, and again after a change', async () => {
  const trigger = await addTrigger('payload.nothing == 1');
  const told: Record<string, unknown>[] = [];
  let away = true;
  const ask = async (_operation: unknown, input: Record<string, unknown>) => {
    if (away) throw new Error('the gateway is away');
    told.push(input);
  };
  const later = new (class extends SystemClock {
    aheadMs = 0;
    override now() {
      return new Date(super.now().getTime() + this.aheadMs);
    }
  })();
  const notices = new ExpressionNotices(database, { ask } as unknown as Bus, later, 'https://vane.example');
  await intake().take([delivery({ type: 'a' })]);
  expect(await notices.due(1_000)).toContain(trigger);
  await expect(notices.do(trigger)).rejects.toThrow('away');
  away = false;
  expect([await notices.do(trigger), told]).toEqual([false, []]);
  later.aheadMs = 31_000;
  expect(await notices.do(trigger)).toBe(true);
  await intake().take([delivery({ type: 'a' })]);
  expect(await notices.due(1_000)).not.toContain(trigger);
  expect(told).toEqual([expect.objectContaining({ workspace: ids.workspace, kind: 'trigger.expression-failing', text: expect.stringContaining('No such key: nothing'), title: 'The filter of "n" cannot be evaluated' })]);
  await database.pool.query('UPDATE trigger SET failing_since = NULL WHERE id = $1', [trigger]);
  await intake().take([delivery({ type: 'a' })]);
  expect(await notices.do(trigger)).toBe(true);
  expect(new Set(told.map(({ dedupeKey }) => dedupeKey)).size).toBe(2);
});

it('evaluates nothing for a trigger that is paused', async () => {
  const trigger = await addTrigger('payload.nothing == 1', 'payload.nothing', 'paused');
  await intake().take([delivery({ type: 'a' })]);
  expect(await runsOf(trigger)).toMatchObject([{ status: 'skipped', reason: 'trigger_paused', reason_message: null }]);
});

it('replays what was filtered, with the mapping of today', async () => {
  const trigger = await addTrigger('false', '{"then": payload.n}');
  await intake().take([delivery({ type: 'a', n: 7 })]);
  const [filtered] = await runsOf(trigger);
  await database.pool.query(`UPDATE trigger SET mapping = '{"now": payload.n}' WHERE id = $1`, [trigger]);
  const replays = new Replays(database, intake(), clock);
  const again = await replays.replay(ids.workspace, filtered!.id, call);
  expect((await runsOf(trigger)).find(({ id }) => id === again.id)).toMatchObject({ status: 'queued', reason: null, input: { now: 7 } });
  await database.pool.query(`UPDATE trigger SET mapping = 'payload.nothing' WHERE id = $1`, [trigger]);
  await expect(replays.replay(ids.workspace, filtered!.id, call)).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('No such key') });
  await database.pool.query(`UPDATE trigger SET mapping = 'null' WHERE id = $1`, [trigger]);
  const nothing = await replays.replay(ids.workspace, filtered!.id, call);
  expect((await database.pool.query<{ text: string }>('SELECT input::text AS text FROM run WHERE id = $1', [nothing.id])).rows).toEqual([{ text: 'null' }]);
});

it('previews on a past event of the workspace, or on a sample', async () => {
  const trigger = await addTrigger(null);
  await intake().take([delivery({ type: 'a', n: 7 })]);
  const [{ event_id: eventId }] = (await runsOf(trigger)) as [RunRow];
  const previews = new Previews(database, clock);
  const { workspace } = ids;
  expect(await previews.of({ workspace, eventId, filter: 'payload.n == 7', mapping: '{"type": event.type}' })).toEqual({
    filter: { verdict: 'passed', error: null }, mapping: { verdict: 'mapped', value: { type: 'a' }, error: null },
  });
  expect(await previews.of({ workspace, payload: { n: 1 }, filter: 'payload.n == 7', mapping: 'payload.x' })).toEqual({
    filter: { verdict: 'filtered', error: null }, mapping: { verdict: 'failed', value: null, error: { message: 'No such key: x.', line: 1, column: 9 } },
  });
  expect(await previews.of({ workspace, filter: 'payload.n ==' })).toEqual({
    filter: { verdict: 'invalid', error: { message: expect.any(String), line: 1, column: 13 } }, mapping: null,
  });
  await expect(previews.of({ workspace: newId('workspace', clock.now()), eventId, filter: 'true' })).rejects.toMatchObject({ code: 'not_found' });
});

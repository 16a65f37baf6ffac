import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { connectionChanged, reconcileRuns, systemCall } from '@vane/contracts';
import { newId } from '@vane/db';
import { Bus, createLogger } from '@vane/runtime';
import { House, type Seeded } from './fixtures/house.js';
import { MovableClock } from './fixtures/movable-clock.js';
import { deleteKeys, natsUrl, startWorker, type StartedWorker } from './fixtures/start-worker.js';
import { TargetServer } from './fixtures/target-server.js';
import { until } from './fixtures/until.js';
import { HeldRuns, PER_TRIGGER, RELEASE } from './held-runs.js';

const call = systemCall('run-worker', 'test');
const HELD = 12;

let house: House;
let target: TargetServer;
let bus: Bus;
let workers: StartedWorker[] = [];
let connection: string;
/** The first of the held runs; the others belong to the same trigger. */
let first: Seeded;
let runIds: string[];

beforeAll(async () => {
  house = await House.open();
  target = await TargetServer.open();
  bus = Bus.open({ url: natsUrl, tls: false, prefix: house.prefix, app: 'tools', logger: createLogger({ app: 'test', level: 'silent' }) });
  await until('bus is connected', () => bus.connected);
});
beforeEach(async () => {
  first = await house.seed({ spec: { kind: 'http', url: target.url, timeoutMs: 10_000 }, status: 'held' });
  connection = await connectionOf(first);
  runIds = [first.runId, ...(await holdMore(first, HELD - 1))];
});
afterEach(async () => {
  await Promise.all(workers.map(({ app }) => app.close()));
  workers = [];
  target.received.length = 0;
  await house.database.pool.query('DELETE FROM run');
});
afterAll(async () => {
  await bus?.close();
  await target?.close();
  await deleteKeys(house.prefix);
  await house?.close();
});

const sql = (text: string, values: unknown[] = []) => house.database.pool.query(text, values);

/** A connection that needs a person, used by the trigger; of its integration nothing is read here, so there is none. */
async function connectionOf({ workspaceId, triggerId }: Seeded): Promise<string> {
  const now = new Date();
  const id = newId('connection', now);
  await house.database.transaction(async (tx) => {
    await tx.query('SET LOCAL session_replication_role = replica');
    await tx.query(
      `INSERT INTO connection (id, workspace_id, integration_id, service, owner_id, account_id, account_label, scopes, status, status_since, notice_due,
         rejected_before, access_token_enc, token_type, generation, refresh_failures, version, created_at, updated_at)
       VALUES ($1, $2, 'int', 'probe', '', 'ada', 'Ada', '{}', 'auth_required', $3, false, false, 'sealed', 'bearer', 1, 0, 1, $3, $3)`,
      [id, workspaceId, now],
    );
  });
  await sql('UPDATE trigger SET connection_id = $2 WHERE id = $1', [triggerId, id]);
  return id;
}

/** Further held runs, each of an event that came a millisecond later; their ids sort the other way. */
async function holdMore(of: Seeded, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => newId('run', new Date())).reverse();
  const events = ids.map(() => newId('event', new Date()));
  const given = [of.runId, ids, events];
  await sql(
    `INSERT INTO event (id, received_at, workspace_id, feed_id, service, type, dedupe_key, payload)
     SELECT new.event_id, e.received_at + new.place * interval '1 millisecond', e.workspace_id, e.feed_id, e.service, e.type, new.event_id, e.payload
       FROM run r JOIN event e ON e.id = r.event_id, unnest($2::text[], $3::text[]) WITH ORDINALITY AS new (id, event_id, place) WHERE r.id = $1`, given,
  );
  await sql(
    `INSERT INTO run (id, workspace_id, trigger_id, event_id, event_received_at, runnable_id, replay, status, reason, attempts, fence, correlation_id, created_at)
     SELECT new.id, r.workspace_id, r.trigger_id, new.event_id, r.event_received_at + new.place * interval '1 millisecond', r.runnable_id, 0, 'held',
            'connection_auth_required', 0, 0, new.id, r.created_at
       FROM run r, unnest($2::text[], $3::text[]) WITH ORDINALITY AS new (id, event_id, place) WHERE r.id = $1`, given,
  );
  return ids;
}

const heal = () => sql(`UPDATE connection SET status = 'active' WHERE id = $1`, [connection]);
const statuses = async (ids = runIds) => {
  const { rows } = await sql('SELECT id, status, reason, ended_at FROM run WHERE id = ANY($1)', [ids]);
  return new Set(rows.map((row: { status: string }) => row.status));
};

const open = async () => (await sql('SELECT 1 FROM run WHERE id = ANY($1) AND ended_at IS NULL', [runIds])).rowCount;

async function worker(settings: Record<string, string> = {}): Promise<StartedWorker> {
  const started = await startWorker(house, { settings });
  workers.push(started);
  return started;
}
const reconciled = () => until('run-worker answers', () => bus.ask(reconcileRuns, { limit: 100 }, call).catch(() => undefined));

describe('runs held because their connection needs a person', () => {
  it('are left alone as long as it does, and while their trigger is not enabled', async () => {
    await worker();
    await reconciled();
    expect(await statuses()).toEqual(new Set(['held']));
    await heal();
    await sql(`UPDATE trigger SET status = 'paused' WHERE id = $1`, [first.triggerId]);
    await reconciled();
    expect(await statuses()).toEqual(new Set(['held']));
    expect(target.received).toHaveLength(0);
  });

  it('run in the order in which their events came, once each, as soon as it works again', async () => {
    await worker({ VANE_RUN_CONCURRENCY: '1' });
    await reconciled();
    await heal();
    bus.publishSignal(connectionChanged, { workspaceId: first.workspaceId, connectionId: connection, status: 'active' });
    await until('every run has ended', async () => !(await open()));
    expect(target.received.map(({ headers }) => headers['webhook-id'])).toEqual(runIds);
  });

  it('are found by the schedule when the signal was lost', async () => {
    await worker();
    await reconciled();
    await heal();
    expect((await reconciled()).requeued).toBe(HELD);
    await until('every run has ended', async () => !(await open()));
  });

  it('are let go a bounded number at a time, by one process at a time, and none twice', async () => {
    await holdMore(first, PER_TRIGGER);
    await heal();
    const handed: string[] = [];
    const hand = async (ids: string[]) => void handed.push(...ids);
    const processes = [1, 2, 3].map(() => new HeldRuns(house.database, new MovableClock()));
    const counts = await Promise.all(processes.map((one) => one.release(hand)));
    expect(Math.max(...counts)).toBe(PER_TRIGGER);
    while ((await processes[0]!.release(hand)) > 0);
    expect(handed).toHaveLength(PER_TRIGGER + HELD);
    expect(new Set(handed).size).toBe(handed.length);
  });

  it('are queued for whoever looks next when the process dies before it could hand them over', async () => {
    await heal();
    const dies = new HeldRuns(house.database, new MovableClock()).release(() => Promise.reject(new Error('killed')));
    await expect(dies).rejects.toThrow('killed');
    expect(await statuses()).toEqual(new Set(['queued']));
  });

  it.each([
    ['trigger_deleted', 'DELETE FROM trigger WHERE id = $1', () => first.triggerId],
    ['connection_deleted', 'DELETE FROM connection WHERE id = $1', () => connection],
  ])('end as cancelled: %s', async (reason, gone, id) => {
    await sql(gone, [id()]);
    await worker();
    await reconciled();
    const { rows } = await sql('SELECT DISTINCT status, reason, ended_at IS NULL AS open FROM run WHERE id = ANY($1)', [runIds]);
    expect(rows).toEqual([{ status: 'cancelled', reason, open: false }]);
  });

  it('are found by stepping from trigger to trigger, not by reading what is held', async () => {
    await holdMore(first, 300);
    await sql('ANALYZE run');
    const { rows } = await sql(`EXPLAIN (ANALYZE, FORMAT JSON) ${RELEASE}`, [5, 5, new Date()]);
    const nodes = nodesOf((rows[0] as { 'QUERY PLAN': { Plan: PlanNode }[] })['QUERY PLAN'][0]!.Plan);
    const reads = nodes.filter((node) => node['Relation Name'] === 'run' && node['Node Type'] !== 'ModifyTable');
    expect(reads.map((node) => node['Node Type'])).not.toContain('Seq Scan');
    for (const read of reads) expect(read['Actual Rows']).toBeLessThanOrEqual(5);
  });
});

type PlanNode = { 'Node Type': string; 'Relation Name'?: string; 'Actual Rows': number; Plans?: PlanNode[] };
const nodesOf = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];

import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { executeRun, getRun, listRuns, reconcileRuns, type CallContext } from '@vane/contracts';
import { Bus, createLogger } from '@vane/runtime';
import { House, type Seeded } from './fixtures/house.js';
import { MovableClock } from './fixtures/movable-clock.js';
import { deleteKeys, natsUrl, startWorker, type StartedWorker } from './fixtures/start-worker.js';
import { TargetServer } from './fixtures/target-server.js';
import { until } from './fixtures/until.js';
import { runJob, type RunWorker } from './run-worker.js';

const call: CallContext = { correlationId: 'test', actor: { kind: 'system', id: 'test', role: 'superadmin', userId: null, label: 'test' } };

let house: House;
let target: TargetServer;
let bus: Bus;
let workers: StartedWorker[] = [];

beforeAll(async () => {
  house = await House.open();
  target = await TargetServer.open();
  bus = Bus.open({ url: natsUrl, tls: false, prefix: house.prefix, app: 'tools', logger: createLogger({ app: 'test', level: 'silent' }) });
  await until('bus is connected', () => bus.connected);
});
afterEach(async () => {
  await Promise.all(workers.map(({ app }) => app.close()));
  workers = [];
  target.reply = () => ({ status: 200, body: 'ok' });
  target.received.length = 0;
});
afterAll(async () => {
  await bus.close();
  await target.close();
  await deleteKeys(house.prefix);
  await house.close();
});

const spec = () => ({ kind: 'http' as const, url: target.url, timeoutMs: 60_000 });

async function worker(clock = new MovableClock()): Promise<StartedWorker> {
  const started = await startWorker(house, { clock });
  workers.push(started);
  return started;
}

async function startBusy(): Promise<StartedWorker> {
  const started = await startWorker(house, { settings: { VANE_RUN_CONCURRENCY: '1' } });
  workers.push(started);
  return started;
}

const stopAtOnce = (stopped: RunWorker) => stopped.stop(0);

const reaches = ({ runId }: Pick<Seeded, 'runId'>, status: string) =>
  until(`run is ${status}`, async () => {
    const run = await house.run(runId);
    return run.status === status ? run : undefined;
  });

const callsOf = ({ runId }: Seeded) => target.received.filter(({ headers }) => headers['webhook-id'] === runId).length;

async function reconciled(limit = 100) {
  return until('run-worker answers', () => bus.ask(reconcileRuns, { limit }, call).catch(() => undefined));
}

test('runs whose jobs were lost with Redis are found again and run once each', async () => {
  const past = new Date(Date.now() - 60_000);
  const first = await house.seed({ spec: spec() }, past);
  const runIds = [first.runId];
  for (let replay = 1; replay < 30; replay += 1) runIds.push(await house.replay(first, replay));
  const { queues } = await worker();
  await queues.add(executeRun, runIds.map((id) => ({ ...runJob(id, 1), delayMs: 3_600_000 })));
  expect(await deleteKeys(house.prefix)).toBeGreaterThan(30);
  for (let more = true; more; ) ({ more } = await reconciled(10));
  await until('all runs are done', async () => {
    await reconciled(10);
    return (await house.database.prisma.run.count({ where: { eventId: first.eventId, status: 'succeeded' } })) === 30;
  });
  expect(target.received.map(({ headers }) => headers['webhook-id']).sort()).toEqual(runIds.sort());
});

test('jobs of a backlog that is still queued do not multiply', async () => {
  const first = await house.seed({ spec: spec() }, new Date(Date.now() - 60_000));
  const runIds = [first.runId];
  for (let replay = 1; replay < 40; replay += 1) runIds.push(await house.replay(first, replay));
  target.reply = () => 'hang';
  const { queues, worker: busy } = await startBusy();
  await queues.add(executeRun, runIds.map((id) => runJob(id, 1)));
  await until('the worker is busy', () => target.received.length > 0);
  for (let round = 0; round < 4; round += 1) await reconciled(50);
  const counts = await queues.counts(executeRun);
  expect((counts['wait'] ?? 0) + (counts['active'] ?? 0)).toBe(40);
  await stopAtOnce(busy);
  await deleteKeys(house.prefix);
});

test('a run of a worker that is gone is found by its lease and ends with the same id', async () => {
  const clock = new MovableClock();
  const seeded = await house.seed({ spec: spec() });
  await house.database.pool.query(
    `WITH gone AS (UPDATE run SET status = 'running', lease_owner = 'gone', lease_until = $2, fence = 1, attempts = 1, started_at = $3
       WHERE id = $1 RETURNING *)
     INSERT INTO attempt (run_id, number, workspace_id, started_at, outcome, logs) SELECT id, 1, workspace_id, $3, 'running', '' FROM gone`,
    [seeded.runId, clock.in(15_000), clock.now()],
  );
  await worker(clock);
  await reconciled();
  expect(await house.run(seeded.runId)).toMatchObject({ status: 'running', attempts: 1 });
  clock.move(20_000);
  expect((await reconciled()).requeued).toBeGreaterThanOrEqual(1);
  const run = await reaches(seeded, 'succeeded');
  expect(run.attemptList.map(({ outcome }) => outcome)).toEqual(['interrupted', 'succeeded']);
  expect(callsOf(seeded)).toBe(1);
});

test('a worker that stops gives back what it has not finished, and another goes on at once', async () => {
  target.reply = (_call, count) => (count === 1 ? 'hang' : { status: 200 });
  const seeded = await house.seed({ spec: spec() });
  const leaving = await worker();
  await leaving.queues.add(executeRun, [runJob(seeded.runId, 1)]);
  await until('the target is called', () => callsOf(seeded) === 1);
  await worker();
  await stopAtOnce(leaving.worker);
  const run = await reaches(seeded, 'succeeded');
  expect(run.attemptList).toMatchObject([
    { number: 1, outcome: 'interrupted', fault: 'ours', code: 'worker_stopped' },
    { number: 2, outcome: 'succeeded' },
  ]);
});

test('a worker that stops lets a run finish that can', async () => {
  let answer: (() => void) | undefined;
  const slow = await house.seed({ spec: { kind: 'script', language: 'typescript', timeoutMs: 30_000, memoryMb: 32, code: `
    export async function main(event) { await fetch(event.payload.url); await new Promise((done) => setTimeout(done, 500)); return 'finished'; }` },
    payload: JSON.stringify({ url: target.url }) });
  target.reply = () => { answer?.(); return { status: 200 }; };
  const called = new Promise<void>((resolve) => (answer = resolve));
  const leaving = await worker();
  await leaving.queues.add(executeRun, [runJob(slow.runId, 1)]);
  await called;
  await leaving.worker.stop();
  expect(await house.run(slow.runId)).toMatchObject({ status: 'succeeded', attempts: 1 });
});

test('a worker that lost its lease aborts the run and drops its result', async () => {
  target.reply = () => 'hang';
  const clock = new MovableClock();
  const seeded = await house.seed({ spec: spec() });
  const frozen = await worker(clock);
  const handled = frozen.worker.handle(seeded.runId);
  await until('the target is called', () => callsOf(seeded) === 1);
  await house.database.pool.query(`UPDATE run SET fence = fence + 1, lease_owner = 'heir' WHERE id = $1`, [seeded.runId]);
  await frozen.worker.heartbeat();
  await handled;
  const run = await house.run(seeded.runId);
  expect(run).toMatchObject({ status: 'running', leaseOwner: 'heir', fence: 2 });
  expect(run.attemptList).toMatchObject([{ outcome: 'running' }]);
});

test('two workers given the same id at once make one attempt', async () => {
  const [one, two] = [await worker(), await worker()];
  const seeded = await house.seed({ spec: spec() });
  await Promise.all([one, two, one, two].map((started) => started.worker.handle(seeded.runId)));
  expect((await house.run(seeded.runId)).attemptList).toMatchObject([{ outcome: 'succeeded' }]);
  expect(callsOf(seeded)).toBe(1);
});

test('runs are listed newest first in pages, and only those of the workspace', async () => {
  await worker();
  const first = await house.seed({ spec: spec() }, new Date(Date.now() - 10_000));
  const runIds = [first.runId, await house.replay(first, 1), await house.replay(first, 2)];
  await house.seed({ spec: spec() });
  const page = await until('run-worker answers', () => bus.ask(listRuns, { workspace: first.workspaceId, limit: 2 }, call).catch(() => undefined));
  expect(page.items.map(({ id }) => id)).toEqual([runIds[2], runIds[1]]);
  const rest = await bus.ask(listRuns, { workspace: first.workspaceId, limit: 2, cursor: page.next! }, call);
  expect(rest).toMatchObject({ items: [{ id: runIds[0], status: 'queued', triggerId: first.triggerId }], next: null });
  const filtered = await bus.ask(listRuns, { workspace: first.workspaceId, status: 'succeeded' }, call);
  expect(filtered.items).toEqual([]);
});

test('a run is read with its attempts, and not from another workspace', async () => {
  const { worker: one } = await worker();
  const seeded = await house.seed({ spec: spec() });
  await one.handle(seeded.runId);
  const view = await until('run-worker answers', () =>
    bus.ask(getRun, { workspace: seeded.workspaceId, run: seeded.runId }, call).catch(() => undefined),
  );
  expect(getRun.output.parse(view)).toMatchObject({
    id: seeded.runId, status: 'succeeded', attemptList: [{ number: 1, outcome: 'succeeded', result: { status: 200, body: 'ok' } }],
  });
  const elsewhere = bus.ask(getRun, { workspace: await house.workspace(), run: seeded.runId }, call);
  await expect(elsewhere).rejects.toMatchObject({ code: 'not_found' });
});

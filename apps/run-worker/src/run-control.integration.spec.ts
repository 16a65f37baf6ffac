import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { cancelRun, executeRun, runNow, systemCall } from '@vane/contracts';
import { Bus, createLogger } from '@vane/runtime';
import { House, type Seeded } from './fixtures/house.js';
import { deleteKeys, natsUrl, startWorker, type StartedWorker } from './fixtures/start-worker.js';
import { TargetServer } from './fixtures/target-server.js';
import { until } from './fixtures/until.js';
import { runJob } from './run-worker.js';

const call = systemCall('run-worker', 'test');
const HOUR_MS = 3_600_000;

let house: House;
let target: TargetServer;
let bus: Bus;
let started: StartedWorker;
beforeAll(async () => {
  house = await House.open();
  target = await TargetServer.open();
  bus = Bus.open({ url: natsUrl, tls: false, prefix: house.prefix, app: 'tools', logger: createLogger({ app: 'test', level: 'silent' }) });
  await until('bus is connected', () => bus.connected);
  started = await startWorker(house);
});
beforeEach(() => {
  target.reply = () => ({ status: 200, body: 'ok' });
});
afterAll(async () => {
  await started?.app.close();
  await bus?.close();
  await target?.close();
  await deleteKeys(house.prefix);
  await house?.close();
});

const seed = (of: { status?: 'held' | 'skipped'; backoffMs?: number } = {}) =>
  house.seed({
    spec: { kind: 'http', url: target.url, timeoutMs: 60_000 }, ...(of.status ? { status: of.status } : {}),
    ...(of.backoffMs ? { retry: { backoffMs: of.backoffMs } } : {}),
  });
const start = ({ runId }: Seeded) => started.queues.add(executeRun, [runJob(runId, 1)]);
const calls = ({ runId }: Seeded) => target.received.filter(({ headers }) => headers['webhook-id'] === runId).length;
const cancel = ({ workspaceId, runId }: Seeded, workspace = workspaceId) => bus.ask(cancelRun, { workspace, run: runId }, call);
const now = ({ workspaceId, runId }: Seeded, workspace = workspaceId) => bus.ask(runNow, { workspace, run: runId }, call);

/** A run whose first attempt failed and whose second one is an hour away. */
async function waitingForRetry(): Promise<Seeded> {
  const seeded = await seed({ backoffMs: HOUR_MS });
  target.reply = () => ({ status: 503 });
  await start(seeded);
  await until('the run waits', async () => (await house.run(seeded.runId)).nextAttemptAt !== null);
  target.reply = () => ({ status: 200, body: 'ok' });
  return seeded;
}

describe('cancel', () => {
  it('ends a run that waits for its next attempt, and twice is as good as once', async () => {
    const seeded = await waitingForRetry();
    expect(await cancel(seeded)).toMatchObject({ id: seeded.runId, status: 'cancelled', reason: 'cancelled_by_member', nextAttemptAt: null });
    expect(await cancel(seeded)).toMatchObject({ status: 'cancelled' });
    await started.queues.add(executeRun, [runJob(seeded.runId, 2)]);
    const other = await seed();
    await start(other);
    await until('a later run has ended', async () => (await house.run(other.runId)).status === 'succeeded');
    expect(calls(seeded)).toBe(1);
    expect((await house.run(seeded.runId)).attemptList).toMatchObject([{ number: 1, outcome: 'failed', code: 'http_503' }]);
  });

  it('ends a held run', async () => {
    expect(await cancel(await seed({ status: 'held' }))).toMatchObject({ status: 'cancelled' });
  });

  it('takes a run under way from its worker, which stops the call and writes nothing', async () => {
    const seeded = await seed();
    target.reply = () => 'hang';
    await start(seeded);
    await until('the target was called', () => calls(seeded) === 1);
    expect(await cancel(seeded)).toMatchObject({ status: 'cancelled' });
    await started.worker.heartbeat();
    await until('the slot is free', async () => ((await started.queues.counts(executeRun))['active'] ?? 0) === 0);
    const run = await house.run(seeded.runId);
    expect(run).toMatchObject({ status: 'cancelled', leaseOwner: null });
    expect(run.attemptList).toMatchObject([{ number: 1, outcome: 'interrupted', code: 'cancelled', fault: null }]);
    expect(calls(seeded)).toBe(1);
  });

  it('is refused for a run that ended otherwise, and knows no run of another workspace', async () => {
    await expect(cancel(await seed({ status: 'skipped' }))).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('it is skipped') });
    const seeded = await seed({ status: 'held' });
    await expect(cancel(seeded, (await seed()).workspaceId)).rejects.toMatchObject({ code: 'not_found' });
    expect(await house.run(seeded.runId)).toMatchObject({ status: 'held' });
  });
});

describe('run now', () => {
  it('starts the next attempt at once, and the one that was planned does nothing', async () => {
    const seeded = await waitingForRetry();
    await now(seeded);
    await until('the run has ended', async () => (await house.run(seeded.runId)).status === 'succeeded');
    await started.queues.add(executeRun, [{ ...runJob(seeded.runId, 2), id: `${seeded.runId}.planned` }]);
    const other = await seed();
    await start(other);
    await until('a later run has ended', async () => (await house.run(other.runId)).status === 'succeeded');
    expect(calls(seeded)).toBe(2);
    expect((await house.run(seeded.runId)).attemptList).toMatchObject([{ outcome: 'failed' }, { outcome: 'succeeded' }]);
  });

  it('is refused with what stands in its way', async () => {
    const held = await seed({ status: 'held' });
    await expect(now(held)).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('is held') });
    await expect(now(await seed({ status: 'skipped' }))).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('Replay it') });
    await expect(now(await waitingForRetry(), held.workspaceId)).rejects.toMatchObject({ code: 'not_found' });
  });
});

import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { executeRun } from '@vane/contracts';
import { Webhook } from 'standardwebhooks';
import { House, type Seeded } from './fixtures/house.js';
import { deleteKeys, startWorker, type StartedWorker } from './fixtures/start-worker.js';
import { TargetServer } from './fixtures/target-server.js';
import { until } from './fixtures/until.js';
import { runJob } from './run-worker.js';

let house: House;
let target: TargetServer;
let started: StartedWorker;

beforeAll(async () => {
  house = await House.open();
  target = await TargetServer.open();
  started = await startWorker(house);
});
afterEach(() => {
  target.reply = () => ({ status: 200, body: 'ok' });
});
afterAll(async () => {
  await started.app.close();
  await target.close();
  await deleteKeys(house.prefix);
  await house.close();
});

const http = (url = target.url, timeoutMs = 5000) => ({ kind: 'http' as const, url, timeoutMs });
const received = (runId: string) => target.received.filter(({ headers }) => headers['webhook-id'] === runId);

async function finished(seeded: Pick<Seeded, 'runId'>, status: string) {
  await started.queues.add(executeRun, [runJob(seeded.runId, 1)]);
  return until(`run is ${status}`, async () => {
    const run = await house.run(seeded.runId);
    return run.status === status ? run : undefined;
  });
}

test('a target gets the event signed as Standard Webhooks says, with the run as its id', async () => {
  const seeded = await house.seed({ spec: http(), payload: '{"large":12345678901234567890,"name":"Zoë"}' });
  const run = await finished(seeded, 'succeeded');
  const [call] = received(seeded.runId);
  expect(new Webhook(house.secret).verify(call!.body, call!.headers as Record<string, string>)).toEqual({
    type: 'thing.made',
    timestamp: seeded.at.toISOString(),
    data: { large: expect.any(Number), name: 'Zoë' },
    trigger: { id: seeded.triggerId, name: 'Things' },
    event: { id: seeded.eventId, service: 'probe', receivedAt: seeded.at.toISOString() },
    run: { id: seeded.runId, attempt: 1, replay: 0 },
  });
  expect(call!.body).toContain('"large":12345678901234567890');
  expect(call!.headers).toMatchObject({ 'content-type': 'application/json', 'user-agent': 'Vane' });
  expect(run).toMatchObject({ reason: null, attempts: 1, leaseOwner: null });
  expect(run.attemptList).toMatchObject([{ outcome: 'succeeded', fault: null, result: { status: 200, body: 'ok' } }]);
  const other = `whsec_${Buffer.alloc(24).toString('base64')}`;
  expect(() => new Webhook(other).verify(call!.body, call!.headers as Record<string, string>)).toThrow();
});

test('a target gets what the mapping made of the event as the whole body, signed the same', async () => {
  const seeded = await house.seed({ spec: http(), input: '{"text": "hello"}' });
  await finished(seeded, 'succeeded');
  const [call] = received(seeded.runId);
  expect(call!.body).toBe('{"text": "hello"}');
  expect(new Webhook(house.secret).verify(call!.body, call!.headers as Record<string, string>)).toEqual({ text: 'hello' });
});

test('a target that fails is tried again with the same id until it succeeds', async () => {
  target.reply = (_call, count) => (count === 1 ? { status: 503, body: 'later' } : count === 2 ? 'drop' : { status: 204 });
  const seeded = await house.seed({ spec: http() });
  const run = await finished(seeded, 'succeeded');
  expect(run.attempts).toBe(3);
  expect(run.attemptList).toMatchObject([
    { outcome: 'failed', fault: 'target', code: 'http_503', result: { status: 503, body: 'later' } },
    { outcome: 'failed', fault: 'target', code: 'connection_lost' },
    { outcome: 'succeeded', result: { status: 204 } },
  ]);
  const calls = received(seeded.runId);
  expect(calls.map(({ body }) => (JSON.parse(body) as { run: unknown }).run)).toEqual(
    [1, 2, 3].map((attempt) => ({ id: seeded.runId, attempt, replay: 0 })),
  );
});

test('a target that asks for time gets it', async () => {
  target.reply = (_call, count) => (count === 1 ? { status: 429, headers: { 'retry-after': '1' } } : { status: 200 });
  const seeded = await house.seed({ spec: http() });
  await finished(seeded, 'succeeded');
  const [first, second] = received(seeded.runId);
  expect(second!.at - first!.at).toBeGreaterThanOrEqual(990);
});

test('a target that says no is not asked again', async () => {
  target.reply = () => ({ status: 410, body: 'gone\0for good' });
  const seeded = await house.seed({ spec: http() });
  const run = await finished(seeded, 'failed');
  expect(run).toMatchObject({ reason: 'http_410', attempts: 1 });
  expect(run.attemptList).toMatchObject([{ outcome: 'failed', fault: 'target', result: { status: 410, body: 'gonefor good' } }]);
});

test('a run is dead after its last attempt', async () => {
  target.reply = () => ({ status: 500 });
  const seeded = await house.seed({ spec: http(), retry: { maxAttempts: 3 } });
  const run = await finished(seeded, 'dead');
  expect(run).toMatchObject({ reason: 'http_500', attempts: 3 });
  expect(received(seeded.runId)).toHaveLength(3);
});

test('a target that does not answer in time has failed', async () => {
  target.reply = () => 'hang';
  const seeded = await house.seed({ spec: http(target.url, 200), retry: { maxAttempts: 1 } });
  const run = await finished(seeded, 'dead');
  expect(run.attemptList).toMatchObject([{ code: 'timeout', fault: 'target', message: expect.stringContaining('200 ms') }]);
});

test('a private address that the operator did not allow is never called', async () => {
  const seeded = await house.seed({ spec: http(target.url.replace('127.0.0.1', '[::1]')) });
  const run = await finished(seeded, 'failed');
  expect(run).toMatchObject({ reason: 'egress_blocked', attempts: 1 });
  expect(run.attemptList[0]!.message).toMatch(/blocked.*VANE_EGRESS_ALLOW/);
});

test('a redirect is not followed and says what to do', async () => {
  target.reply = () => ({ status: 307, headers: { location: `${target.url}/elsewhere` } });
  const seeded = await house.seed({ spec: http() });
  const run = await finished(seeded, 'failed');
  expect(run.attemptList).toMatchObject([{ code: 'redirect_refused', message: expect.stringContaining('Use the final URL') }]);
  expect(received(seeded.runId)).toHaveLength(1);
});

test('a long answer is kept up to its limit', async () => {
  target.reply = () => ({ status: 200, body: 'x'.repeat(200_000) });
  const run = await finished(await house.seed({ spec: http() }), 'succeeded');
  expect(run.attemptList[0]!.result).toEqual({ status: 200, body: 'x'.repeat(65_536), truncated: true });
});

test('a run whose runnable was deleted meanwhile fails, saying so', async () => {
  const seeded = await house.seed({ spec: http() });
  await house.database.pool.query('UPDATE runnable SET deleted_at = $2 WHERE id = $1', [seeded.runnableId, seeded.at]);
  expect(await finished(seeded, 'failed')).toMatchObject({ reason: 'runnable_deleted' });
  expect(received(seeded.runId)).toHaveLength(0);
});

test('a secret that was sealed for another runnable is not used, which costs the run none of its attempts', async () => {
  const [mine, other] = [await house.seed({ spec: http(), retry: { maxAttempts: 1, backoffMs: 3_600_000 } }), await house.seed({ spec: http() })];
  await house.database.pool.query(
    'UPDATE runnable SET secret_sealed = (SELECT secret_sealed FROM runnable WHERE id = $2) WHERE id = $1',
    [mine.runnableId, other.runnableId],
  );
  await started.queues.add(executeRun, [runJob(mine.runId, 1)]);
  const run = await until('the first attempt has failed', async () => {
    const now = await house.run(mine.runId);
    return now.attempts === 1 && now.status !== 'running' ? now : undefined;
  });
  expect(run).toMatchObject({ status: 'queued', attemptList: [{ code: 'secret_unreadable', fault: 'ours' }] });
  expect(received(mine.runId)).toHaveLength(0);
});

test('metrics count what became of runs', async () => {
  const text = await (await fetch(`${started.url}/metrics`)).text();
  expect(text).toMatch(/vane_runs_total\{outcome="succeeded"\} [1-9]/);
  expect(text).toMatch(/vane_runs_total\{outcome="retried"\} [1-9]/);
  expect(text).toMatch(/vane_run_queue_lag_seconds_count [1-9]/);
});

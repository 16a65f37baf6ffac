import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { executeRun } from '@vane/contracts';
import { newSecret } from '@vane/testing';
import { House, type Seeded } from './fixtures/house.js';
import { deleteKeys, startWorker, type StartedWorker } from './fixtures/start-worker.js';
import { TargetServer } from './fixtures/target-server.js';
import { until } from './fixtures/until.js';
import { Reconciler } from './reconciler.js';
import { CLOCK_SKEW_MS, LEASE_MS } from './run-store.js';
import { runJob } from './run-worker.js';

let house: House;
let target: TargetServer;
let started: StartedWorker;

beforeAll(async () => {
  house = await House.open();
  target = await TargetServer.open();
  started = await startWorker(house);
});
afterAll(async () => {
  await started.app.close();
  await target.close();
  await deleteKeys(house.prefix);
  await house.close();
});

const script = (code: string, limits: { timeoutMs?: number; memoryMb?: number } = {}) => ({
  kind: 'script' as const, language: 'typescript' as const, code, timeoutMs: 10_000, memoryMb: 32, ...limits,
});

async function finished(seeded: Seeded, status: string) {
  await started.queues.add(executeRun, [runJob(seeded.runId, 1)]);
  return until(`run is ${status}`, async () => {
    const run = await house.run(seeded.runId);
    return run.status === status ? run : undefined;
  }, 40_000);
}

test('a script gets the event, the run, the trigger, the secrets and what the service sent along', async () => {
  const spec = script('export async function main(event, ctx) { return { event, ctx: { ...ctx, length: ctx.secrets.API_KEY.length } }; }');
  const auth = { value: { token: newSecret('token of an hour') }, until: new Date(Date.now() + 60_000) };
  const seeded = await house.seed({ spec, auth, config: { colour: 'blue' }, payload: '{"a":[1,2]}' });
  await house.putSecret(seeded.workspaceId, 'API_KEY', newSecret('API_KEY'));
  await house.putSecret(await house.workspace(), 'OTHER', newSecret('OTHER'));
  const run = await finished(seeded, 'succeeded');
  expect(run.attemptList[0]!.result).toMatchObject({
    event: {
      id: seeded.eventId, type: 'thing.made', service: 'probe', payload: { a: [1, 2] },
      occurredAt: seeded.at.toISOString(), receivedAt: seeded.at.toISOString(),
    },
    ctx: {
      run: { id: seeded.runId, attempt: 1, replay: 0 },
      trigger: { id: seeded.triggerId, name: 'Things', config: { colour: 'blue' } },
      auth: expect.anything(),
      length: 32,
    },
  });
  const { ctx } = run.attemptList[0]!.result as { ctx: { secrets: Record<string, string> } };
  expect(Object.keys(ctx.secrets)).toEqual(['API_KEY']);
});

test('a script gets what the mapping made of the event, next to the event, and nothing of it without a mapping', async () => {
  const spec = script('export async function main(event, ctx) { return [ctx.args ?? "none", event.payload]; }');
  const mapped = await finished(await house.seed({ spec, input: '{"n":[1]}', payload: '{"a":1}' }), 'succeeded');
  expect(mapped.attemptList[0]!.result).toEqual([{ n: [1] }, { a: 1 }]);
  const plain = await finished(await house.seed({ spec, payload: '{"a":1}' }), 'succeeded');
  expect(plain.attemptList[0]!.result).toEqual(['none', { a: 1 }]);
});

test('what the service sent along is gone when its time is over', async () => {
  const spec = script('export async function main(event, ctx) { return "auth" in ctx; }');
  const auth = { value: { token: newSecret('token that has ended') }, until: new Date(Date.now() - 1000) };
  const run = await finished(await house.seed({ spec, auth }), 'succeeded');
  expect(run.attemptList[0]!.result).toBe(false);
});

test('console output is kept with its times, without secrets and without what Postgres refuses', async () => {
  const spec = script(`export async function main(event, ctx) {
    console.info('hello', { n: 1 }); console.error('nul:' + String.fromCharCode(0) + ':' + ctx.secrets.API_KEY);
    return { text: 'a' + String.fromCharCode(0) + 'b' };
  }`);
  const seeded = await house.seed({ spec });
  const secret = newSecret('API_KEY');
  await house.putSecret(seeded.workspaceId, 'API_KEY', secret);
  const run = await finished(seeded, 'succeeded');
  const { logs, result } = run.attemptList[0]!;
  expect(logs).toMatch(/^\[\+\d+ms info\] hello .*1.*\n\[\+\d+ms error\] nul::/);
  expect(logs).not.toContain(secret);
  expect(result).toEqual({ text: 'ab' });
});

test('a script that throws is tried again, then dead, with the place it threw at', async () => {
  const spec = script('export async function main(event, ctx) {\n  console.log("try", ctx.run.attempt);\n  throw new Error("no luck");\n}');
  const run = await finished(await house.seed({ spec, retry: { maxAttempts: 2 } }), 'dead');
  expect(run).toMatchObject({ reason: 'threw', attempts: 2 });
  expect(run.attemptList).toMatchObject([
    { outcome: 'failed', fault: 'script', code: 'threw', message: expect.stringMatching(/no luck[\s\S]*:3:/), logs: expect.stringContaining('try 1') },
    { outcome: 'failed', fault: 'script', code: 'threw', logs: expect.stringContaining('try 2') },
  ]);
});

test('a script that cannot work in any attempt fails at once', async () => {
  const broken = await finished(await house.seed({ spec: script('export async function main( {') }), 'failed');
  expect(broken).toMatchObject({ reason: 'compile_error', attempts: 1 });
  const empty = await finished(await house.seed({ spec: script('export const x = 1;') }), 'failed');
  expect(empty).toMatchObject({ reason: 'no_main', attempts: 1 });
});

test('a script that does not end is stopped', async () => {
  const spec = script('export async function main() { for (;;); }', { timeoutMs: 300 });
  const run = await finished(await house.seed({ spec, retry: { maxAttempts: 1 } }), 'dead');
  expect(run.attemptList).toMatchObject([{ code: 'timeout', fault: 'script', message: expect.stringContaining('300 ms') }]);
});

test('a script that computes for longer than a lease keeps its run', async () => {
  const busyMs = LEASE_MS + CLOCK_SKEW_MS + 1000;
  const spec = script(`export async function main() { const until = Date.now() + ${busyMs}; while (Date.now() < until); return 'done'; }`, { timeoutMs: 40_000 });
  const seeded = await house.seed({ spec });
  await started.queues.add(executeRun, [runJob(seeded.runId, 1)]);
  const since = Date.now();
  // Had the lease been over at any moment, this would have handed the run over to another attempt.
  const reconciler = started.app.get(Reconciler);
  const run = await until('the run has ended', async () => {
    await reconciler.run(100);
    const now = await house.run(seeded.runId);
    return now.endedAt ? now : undefined;
  }, 40_000);
  expect(Date.now() - since).toBeGreaterThan(LEASE_MS + CLOCK_SKEW_MS);
  expect(run).toMatchObject({ status: 'succeeded', attempts: 1, attemptList: [{ outcome: 'succeeded', result: 'done' }] });
}, 60_000);

test('a script reaches allowed hosts only', async () => {
  const spec = script(`export async function main(event) {
    const answer = await fetch(event.payload.url, { method: 'POST', body: 'hi' });
    let refused = ''; try { await fetch('http://169.254.169.254/latest/meta-data'); } catch (error) { refused = error.message; }
    return { status: answer.status, text: await answer.text(), refused };
  }`);
  target.reply = ({ body }) => ({ status: 201, body: `got ${body}` });
  const run = await finished(await house.seed({ spec, payload: JSON.stringify({ url: target.url }) }), 'succeeded');
  expect(run.attemptList[0]!.result).toMatchObject({ status: 201, text: 'got hi', refused: expect.stringContaining('blocked') });
});

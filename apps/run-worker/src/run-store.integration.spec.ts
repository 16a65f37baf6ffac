import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createLogger } from '@vane/runtime';
import { House } from './fixtures/house.js';
import { MovableClock } from './fixtures/movable-clock.js';
import { INTERRUPTIONS_ALLOWED } from './retry.js';
import { CLOCK_SKEW_MS, LEASE_MS, RunStore, type AttemptRecord, type Claim } from './run-store.js';
import { saveOutcome } from './save-outcome.js';

const spec = { kind: 'http' as const, url: 'https://target.example/hook', timeoutMs: 1000 };
const succeeded: AttemptRecord = {
  run: { status: 'succeeded', reason: null, nextAttemptAt: null },
  attempt: { outcome: 'succeeded', fault: null, code: null, message: null, result: '{"done":true}', logs: '' },
};

let house: House;
beforeAll(async () => {
  house = await House.open();
});
afterAll(() => house.close());

const newStore = (clock = new MovableClock(), owner = 'worker') => new RunStore(house.database, clock, owner);

async function taken(store: RunStore, runId: string): Promise<Claim> {
  const result = await store.claim(runId);
  if (result.kind !== 'taken') throw new Error(`The run was not taken but ${result.kind}.`);
  return result.claim;
}

test('a claim opens an attempt and holds a lease', async () => {
  const { runId, workspaceId } = await house.seed({ spec });
  const claim = await taken(newStore(new MovableClock(), 'worker-1'), runId);
  expect(claim).toMatchObject({ runId, workspaceId, attempt: 1, fence: 1, correlationId: `cor-${runId}` });
  const run = await house.run(runId);
  expect(run).toMatchObject({ status: 'running', leaseOwner: 'worker-1', attempts: 1, fence: 1 });
  expect(run.attemptList).toMatchObject([{ number: 1, outcome: 'running', workspaceId }]);
});

test('of many workers that claim the same run at once, one gets it', async () => {
  const { runId } = await house.seed({ spec });
  const stores = Array.from({ length: 8 }, (_, index) => newStore(new MovableClock(), `worker-${index}`));
  const results = await Promise.all(stores.map((store) => store.claim(runId)));
  expect(results.filter(({ kind }) => kind === 'taken')).toHaveLength(1);
  expect((await house.run(runId)).attemptList).toHaveLength(1);
});

test('a run that is skipped, finished, unknown or not due yet is not taken', async () => {
  const skipped = await house.seed({ spec, status: 'skipped' });
  const finished = await house.seed({ spec });
  const later = await house.seed({ spec });
  const clock = new MovableClock();
  const store = newStore(clock);
  await store.save(await taken(store, finished.runId), succeeded);
  await store.save(await taken(store, later.runId), {
    run: { status: 'queued', reason: 'http_500', nextAttemptAt: clock.in(60_000) },
    attempt: { outcome: 'failed', fault: 'target', code: 'http_500', message: 'The target answered 500.', result: null, logs: '' },
  });
  for (const runId of [skipped.runId, finished.runId, later.runId, 'run_unknown']) {
    expect(await store.claim(runId)).toEqual({ kind: 'none' });
  }
  clock.move(60_000);
  expect(await taken(store, later.runId)).toMatchObject({ attempt: 2 });
});

test('a run whose worker stopped beating is taken over, its attempt interrupted and its id kept', async () => {
  const { runId } = await house.seed({ spec });
  const clock = new MovableClock();
  await taken(newStore(clock, 'dead'), runId);
  const heir = newStore(clock, 'heir');
  clock.move(LEASE_MS + CLOCK_SKEW_MS - 1000);
  expect(await heir.claim(runId)).toEqual({ kind: 'none' });
  clock.move(2000);
  expect(await taken(heir, runId)).toMatchObject({ runId, attempt: 2 });
  const run = await house.run(runId);
  expect(run).toMatchObject({ status: 'running', leaseOwner: 'heir' });
  expect(run.attemptList).toMatchObject([
    { number: 1, outcome: 'interrupted', fault: 'ours', code: 'worker_lost', message: expect.stringContaining('without a result') },
    { number: 2, outcome: 'running' },
  ]);
});

test('of many workers that take over the same run at once, one gets it', async () => {
  const { runId } = await house.seed({ spec });
  const clock = new MovableClock();
  await taken(newStore(clock, 'dead'), runId);
  clock.move(60_000);
  const results = await Promise.all(Array.from({ length: 6 }, () => newStore(clock).claim(runId)));
  expect(results.filter(({ kind }) => kind === 'taken')).toHaveLength(1);
  expect((await house.run(runId)).attemptList.map(({ outcome }) => outcome)).toEqual(['interrupted', 'running']);
});

test('the result of a worker that lost its lease is refused', async () => {
  const { runId } = await house.seed({ spec });
  const clock = new MovableClock();
  const slow = newStore(clock, 'slow');
  const stale = await taken(slow, runId);
  clock.move(60_000);
  const heir = newStore(clock, 'heir');
  const claim = await taken(heir, runId);
  expect(await slow.save(stale, succeeded)).toBe(false);
  expect(await slow.release(stale)).toBeNull();
  expect(await house.run(runId)).toMatchObject({ status: 'running', leaseOwner: 'heir' });
  expect(await heir.save(claim, succeeded)).toBe(true);
  expect(await heir.save(claim, succeeded)).toBe(false);
  const run = await house.run(runId);
  expect(run).toMatchObject({ status: 'succeeded', leaseOwner: null, leaseUntil: null });
  expect(run.attemptList[1]).toMatchObject({ outcome: 'succeeded', result: { done: true } });
});

test('a heartbeat extends what is still ours and names what is not', async () => {
  const [mine, theirs] = [await house.seed({ spec }), await house.seed({ spec })];
  const clock = new MovableClock();
  const store = newStore(clock);
  const claims = [await taken(store, mine.runId), await taken(store, theirs.runId)];
  clock.move(60_000);
  await taken(newStore(clock, 'heir'), theirs.runId);
  expect(await store.heartbeat(claims)).toEqual([claims[1]]);
  expect((await house.run(mine.runId)).leaseUntil!.getTime()).toBeGreaterThan(clock.now().getTime() + LEASE_MS - 5000);
  expect(await newStore(clock).claim(mine.runId)).toEqual({ kind: 'none' });
});

test('an at-most-once run that was cut off ends interrupted and is not tried again', async () => {
  const { runId } = await house.seed({ spec, retry: { atMostOnce: true } });
  const clock = new MovableClock();
  await taken(newStore(clock), runId);
  clock.move(60_000);
  expect(await newStore(clock).claim(runId)).toEqual({ kind: 'ended', status: 'interrupted' });
  const run = await house.run(runId);
  expect(run).toMatchObject({ status: 'interrupted', reason: 'worker_lost', attempts: 1 });
  expect(run.endedAt).not.toBeNull();
  expect(run.attemptList).toMatchObject([{ outcome: 'interrupted' }]);
});

test('a run that brings every worker down ends dead, saying so', async () => {
  const { runId } = await house.seed({ spec, retry: { maxAttempts: 2 } });
  const clock = new MovableClock();
  let attempts = 0;
  for (; (await newStore(clock).claim(runId)).kind === 'taken'; attempts += 1) clock.move(60_000);
  expect(attempts).toBe(2 + INTERRUPTIONS_ALLOWED);
  const run = await house.run(runId);
  expect(run).toMatchObject({ status: 'dead', reason: 'interrupted_too_often' });
  expect(run.attemptList.at(-1)!.message).toContain('too often');
});

test('a run given back is queued at once, without a failed attempt', async () => {
  const { runId } = await house.seed({ spec });
  const store = newStore();
  expect(await store.release(await taken(store, runId))).toBe('queued');
  const run = await house.run(runId);
  expect(run).toMatchObject({ status: 'queued', nextAttemptAt: null, endedAt: null });
  expect(run.attemptList).toMatchObject([{ outcome: 'interrupted', code: 'worker_stopped' }]);
  expect(await taken(newStore(), runId)).toMatchObject({ attempt: 2 });
});

test('a result that Postgres refuses fails the run instead of blocking it', async () => {
  const { runId } = await house.seed({ spec });
  const clock = new MovableClock();
  const store = newStore(clock);
  const deep = { ...succeeded, attempt: { ...succeeded.attempt, result: `${'['.repeat(50_000)}${']'.repeat(50_000)}`, logs: 'kept' } };
  const options = { signal: new AbortController().signal, clock, logger: createLogger({ app: 'test', level: 'silent' }) };
  await saveOutcome(store, await taken(store, runId), deep, options);
  const run = await house.run(runId);
  expect(run).toMatchObject({ status: 'failed', reason: 'result_not_storable' });
  expect(run.attemptList).toMatchObject([{ outcome: 'failed', fault: 'script', result: null, logs: 'kept' }]);
});

test('heartbeats and results of many runs at once never wait for one another in a circle', async () => {
  const ids: string[] = [];
  for (let n = 0; n < 40; n += 1) ids.push((await house.seed({ spec })).runId);
  const problems: unknown[] = [];
  const pool = { query: (sql: string, values: unknown[]) => house.database.pool.query(sql, values).catch((error: unknown) => {
    problems.push(error);
    throw error;
  }) };
  const clock = new MovableClock();
  const store = new RunStore({ ...house.database, pool, transaction: house.database.transaction.bind(house.database) } as unknown as typeof house.database, clock, 'worker');
  const again: AttemptRecord = {
    run: { status: 'queued', reason: 'http_500', nextAttemptAt: clock.now() },
    attempt: { outcome: 'failed', fault: 'target', code: 'http_500', message: 'The target answered 500.', result: null, logs: '' },
  };
  for (let round = 0; round < 15; round += 1) {
    const claims = await Promise.all(ids.map((id) => taken(store, id)));
    const [here, back] = round % 2 === 0 ? [claims, claims.toReversed()] : [claims.toReversed(), claims];
    await Promise.all([store.heartbeat(here), ...back.map((claim) => store.save(claim, again)), store.heartbeat(back), store.heartbeat(here)]);
  }
  expect(problems).toEqual([]);
});

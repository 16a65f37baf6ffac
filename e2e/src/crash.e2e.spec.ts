import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getRun, listRuns } from '@vane/contracts';
import { Database } from '@vane/db';
import { HookKeys } from '@vane/runtime';
import { eventually, startHttpReceiver } from '@vane/testing';
import { Redis } from 'ioredis';
import { killApp, killServer, startOwnServers, waitReady } from '../../tools/launch/index.mjs';
import { portsOf, settingOf } from './instance-files.js';
import { startOwnInstance, type OwnInstance } from './own-instance.js';
import { atPort, postSigned } from './posting.js';
import { Workspace } from './system.js';

/** Longer than a lease with its skew, a reconciler's round and the time in which a flushed Redis gets its schedules back. */
const RECOVERY_MS = 90_000;
const TEST_MS = 150_000;
const BURST = 150;

type Hook = { id: string; url: string; secret: string };

let instance: OwnInstance;
let workspace: Workspace;
let script: string;
let ingresses: number[];

beforeAll(async () => {
  instance = await startOwnInstance({ VANE_SCALE: 'webhook-ingress=2' });
  workspace = await Workspace.create('crash', instance);
  script = await workspace.script('export async function main(event) { return event.payload.n; }');
  ingresses = portsOf(instance.dir, 'webhook-ingress');
}, TEST_MS);
afterAll(() => instance?.stop(), TEST_MS);

async function newHook(runnable = script, config: Record<string, string> = { scheme: 'standard-webhooks' }): Promise<Hook> {
  const trigger = await workspace.genericTrigger(runnable, config);
  return { id: trigger.id, url: trigger.callbackUrl, secret: trigger.secret ?? '' };
}

const details = (run: { id: string }) => workspace.api.call(getRun, { workspace: workspace.id, run: run.id });
const recovered = (hook: Hook, count: number) => workspace.endedRuns(hook.id, count, { timeoutMs: RECOVERY_MS });
const post = (hook: Hook, n: number) => postSigned(atPort(hook.url, ingresses[n % ingresses.length]!), hook.secret, `msg_${n}`, { n });
const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);

/** Posts many events, some at a time, and calls `midway` after a third of them without waiting for it to end. */
async function burst(hook: Hook, count: number, midway: () => unknown): Promise<number[]> {
  const statuses: number[] = [];
  let disturbance: unknown;
  for (let next = 0; next < count; next += 10) {
    if (next >= count / 3) disturbance ??= midway();
    statuses.push(...(await Promise.all(numbers(next, Math.min(next + 10, count)).map((n) => post(hook, n)))));
  }
  await disturbance;
  return statuses;
}

/** Every event ran exactly once and successfully, none was lost and none was doubled. */
async function expectEachOnce(hook: Hook, expected: number[]): Promise<void> {
  const runs = await Promise.all((await recovered(hook, expected.length)).map(details));
  const succeeded = runs.map((run) => ({ status: run.status, n: run.attemptList.at(-1)!.result as number }));
  expect(succeeded.sort((a, b) => a.n - b.n)).toEqual(expected.map((n) => ({ status: 'succeeded', n })));
  expect(await workspace.events(hook.id)).toHaveLength(expected.length);
}

async function inDatabase<T>(use: (database: Database) => Promise<T>): Promise<T> {
  const database = Database.connect({ url: instance.urls.database, applicationName: 'e2e', maxConnections: 1 });
  try {
    return await use(database);
  } finally {
    await database.close();
  }
}

const inboxSize = () =>
  inDatabase(async ({ pool }) => Number((await pool.query<{ count: string }>('SELECT count(*) FROM inbox')).rows[0]!.count));

describe('NATS is killed', () => {
  it('while events arrive: all are accepted through the inbox, and run once when it is back', async () => {
    const hook = await newHook();
    const statuses = await burst(hook, BURST, () => killServer(instance.dir, 'nats'));
    expect(statuses).toEqual(numbers(0, BURST).map(() => 200));
    expect(await inboxSize()).toBeGreaterThan(BURST / 3);
    // A sender that repeats itself meanwhile gets its answer too, and no second run.
    expect(await Promise.all([0, BURST / 2, BURST - 1].map((n) => post(hook, n)))).toEqual([200, 200, 200]);
    await startOwnServers({ dir: instance.dir, nats: true });
    await waitReady(instance.dir);
    await expectEachOnce(hook, numbers(0, BURST));
    expect(await inboxSize()).toBe(0);
  }, TEST_MS);

  it('while events without an id arrive: one event for every answer that said yes', async () => {
    const hook = await newHook(script, { scheme: 'none' });
    const send = async (n: number) => (await fetch(atPort(hook.url, ingresses[n % 2]!), { method: 'POST', body: JSON.stringify({ n }) })).status;
    const killing = numbers(0, 60).map(send);
    await killServer(instance.dir, 'nats');
    const statuses = await Promise.all([...killing, ...numbers(60, 100).map(send)]);
    expect(statuses).toEqual(numbers(0, 100).map(() => 200));
    await startOwnServers({ dir: instance.dir, nats: true });
    await waitReady(instance.dir);
    await expectEachOnce(hook, numbers(0, 100));
  }, TEST_MS);
});

describe('Redis', () => {
  it('is flushed while runs are queued: all of them are found again', async () => {
    const hook = await newHook();
    killApp(instance.dir, 'run-worker', { signal: 'SIGSTOP' });
    const redis = new Redis(instance.urls.redis);
    try {
      expect(await Promise.all(numbers(0, 40).map((n) => post(hook, n)))).toEqual(numbers(0, 40).map(() => 200));
      await eventually('40 queued jobs', async () => (await redis.llen('vane:runs:wait')) >= 40);
      await redis.flushall();
    } finally {
      redis.disconnect();
      killApp(instance.dir, 'run-worker', { signal: 'SIGCONT' });
    }
    await expectEachOnce(hook, numbers(0, 40));
  }, TEST_MS);

  it('is gone while events arrive: they are accepted, and run when it is back', async () => {
    const hook = await newHook();
    const statuses = await burst(hook, 60, () => killServer(instance.dir, 'redis'));
    expect(statuses).toEqual(numbers(0, 60).map(() => 200));
    await startOwnServers({ dir: instance.dir, redis: true });
    await expectEachOnce(hook, numbers(0, 60));
  }, TEST_MS);
});

describe('trigger-service', () => {
  it('is killed twice in the middle of a burst: every event runs once', async () => {
    const hook = await newHook();
    const statuses = await burst(hook, BURST, async () => {
      const first = killApp(instance.dir, 'trigger-service');
      await eventually('another process', async () => killApp(instance.dir, 'trigger-service') !== first);
    });
    expect(statuses).toEqual(numbers(0, BURST).map(() => 200));
    await waitReady(instance.dir);
    await expectEachOnce(hook, numbers(0, BURST));
  }, TEST_MS);
});

describe('Postgres is stopped', () => {
  it('refuses what it cannot know with 503, what is forged with 404, and still takes what it knows', async () => {
    const known = await newHook();
    const unused = await newHook();
    for (const port of ingresses) expect(await postSigned(atPort(known.url, port), known.secret, 'msg_0', { n: 0 })).toBe(200);
    const minted = new HookKeys(settingOf(instance.dir, 'VANE_INGRESS_KEY_SECRET')).mint();
    await killServer(instance.dir, 'postgres', 'SIGINT');
    for (const port of ingresses) {
      const unknown = await fetch(`http://127.0.0.1:${port}/hooks/${minted}`, { method: 'POST', body: '{}' });
      expect(unknown.status).toBe(503);
      expect(Number(unknown.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(await postSigned(atPort(unused.url, port), unused.secret, 'msg_1', { n: 1 })).toBe(503);
      // Nobody can have been asked: there is nobody to ask.
      const forged = minted.slice(0, -3) + (minted.at(-3) === 'A' ? 'B' : 'A') + minted.slice(-2);
      expect((await fetch(`http://127.0.0.1:${port}/hooks/${forged}`, { method: 'POST', body: '{}' })).status).toBe(404);
    }
    expect(await Promise.all(numbers(1, 40).map((n) => post(known, n)))).toEqual(numbers(1, 40).map(() => 200));
    await startOwnServers({ dir: instance.dir, postgres: true });
    await waitReady(instance.dir);
    expect(await postSigned(unused.url, unused.secret, 'msg_1', { n: 1 })).toBe(200);
    expect((await fetch(`${instance.ingress}/hooks/${minted}`, { method: 'POST', body: '{}' })).status).toBe(404);
    await expectEachOnce(known, numbers(0, 40));
    await expectEachOnce(unused, [1]);
  }, TEST_MS);
});

describe('Postgres and NATS are both gone', () => {
  it('says 503 rather than take what it could lose, and takes it when it is sent again', async () => {
    const hook = await newHook();
    for (const port of ingresses) expect(await postSigned(atPort(hook.url, port), hook.secret, 'msg_0', { n: 0 })).toBe(200);
    await Promise.all([killServer(instance.dir, 'nats'), killServer(instance.dir, 'postgres', 'SIGINT')]);
    expect(await Promise.all(numbers(1, 9).map((n) => post(hook, n)))).toEqual(numbers(1, 9).map(() => 503));
    await startOwnServers({ dir: instance.dir, nats: true, postgres: true });
    await waitReady(instance.dir);
    expect(await Promise.all(numbers(1, 9).map((n) => post(hook, n)))).toEqual(numbers(1, 9).map(() => 200));
    await expectEachOnce(hook, numbers(0, 9));
  }, TEST_MS);
});

describe('an ingress is killed', () => {
  it('while it is sent to: nothing it said yes to is lost, and what is sent again elsewhere runs once', async () => {
    const hook = await newHook();
    const answered: number[] = [];
    const cutOff: number[] = [];
    const sendTo = async (port: number, n: number) => {
      const status = await postSigned(atPort(hook.url, port), hook.secret, `msg_${n}`, { n }).catch(() => 0);
      (status === 200 ? answered : cutOff).push(n);
    };
    // Sent until the kill has cut something off, however fast this machine is.
    const sending: Promise<void>[] = [];
    const sender = (async () => {
      for (let n = 0; cutOff.length === 0; n += 1) {
        sending.push(sendTo(ingresses[1]!, n));
        if (n % 20 === 19) await Promise.race(sending.slice(-20));
      }
    })();
    await eventually('a first answer', async () => answered.length > 0, { everyMs: 1 });
    killApp(instance.dir, 'webhook-ingress', { instance: 2 });
    await sender;
    await Promise.all(sending);
    const sent = answered.length + cutOff.length;
    expect(sent).toBe(sending.length);
    await workspace.endedRuns(hook.id, answered.length, { timeoutMs: RECOVERY_MS });
    const missed = [...cutOff];
    await Promise.all(missed.map((n) => sendTo(ingresses[0]!, n)));
    expect(answered.sort((a, b) => a - b)).toEqual(numbers(0, sent));
    await expectEachOnce(hook, numbers(0, sent));
    await waitReady(instance.dir);
  }, TEST_MS);
});

describe('run-worker is killed', () => {
  it('with a script and a call under way: both are repeated as the same run, and not where that was forbidden', async () => {
    const receiver = await startHttpReceiver();
    receiver.answer = () => ({ status: 200, delayMs: receiver.calls.length === 1 ? 120_000 : 0 });
    try {
      const slow = 'export async function main(event, ctx) { if (ctx.run.attempt === 1) await new Promise((resolve) => setTimeout(resolve, 55_000)); return event.payload.n; }';
      const hooks = {
        script: await newHook(await workspace.script(slow)),
        once: await newHook(await workspace.script(slow, { atMostOnce: true })),
        target: await newHook((await workspace.httpTarget(`${receiver.url}/hook`, { maxAttempts: 1 })).id),
      };
      for (const hook of Object.values(hooks)) expect(await post(hook, 7)).toBe(200);
      const running = await eventually('three runs under way', async () => {
        const { items } = await workspace.api.call(listRuns, { workspace: workspace.id, status: 'running' });
        return items.length === 3 && receiver.calls.length === 1 ? items : undefined;
      });
      killApp(instance.dir, 'run-worker');
      const [script1] = await recovered(hooks.script, 1);
      const [once] = await recovered(hooks.once, 1);
      const [target] = await recovered(hooks.target, 1);
      expect([script1!.id, once!.id, target!.id].sort()).toEqual(running.map(({ id }) => id).sort());
      const cutOff = { number: 1, outcome: 'interrupted', fault: 'ours', code: 'worker_lost' };
      const repeated = await details(script1!);
      expect(repeated).toMatchObject({ status: 'succeeded', attempts: 2 });
      expect(repeated.attemptList).toMatchObject([cutOff, { number: 2, outcome: 'succeeded', result: 7 }]);
      expect(await details(once!)).toMatchObject({ status: 'interrupted', attempts: 1, attemptList: [cutOff] });
      expect(await details(target!)).toMatchObject({ status: 'succeeded', attempts: 2, attemptList: [cutOff, { outcome: 'succeeded' }] });
      expect(receiver.calls.map(({ headers }) => headers['webhook-id'])).toEqual([target!.id, target!.id]);
    } finally {
      await receiver.close();
    }
  }, TEST_MS);
});

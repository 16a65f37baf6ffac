import { randomBytes } from 'node:crypto';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { OPERATIONS, SCHEDULES } from '@vane/contracts';
import { Bus, createLogger, operationSubject, startApp } from '@vane/runtime';
import { Redis } from 'ioredis';
import { AppModule } from './app.module.js';
import { readSyncWorkerSettings } from './config.js';
import { MAX_STEPS, SyncWorker } from './sync-worker.js';
import type { ScheduledOperation } from './work.js';

const redisUrl = process.env['VANE_REDIS_URL'] ?? 'redis://127.0.0.1:6379';
const natsUrl = process.env['VANE_NATS_URL'] ?? 'nats://127.0.0.1:4222';
const logger = createLogger({ app: 'test', level: 'silent' });

const outputs: Record<ScheduledOperation, object> = {
  'subscriptions.sweep': { ok: true },
  'work.due': { items: [], more: false },
  'connections.refresh-due': { refreshed: 0, failed: 0, more: false },
  'connections.disconnect-due': { disconnected: 0, more: false },
  'inbox.relay': { relayed: 0, more: false },
  'runs.reconcile': { requeued: 0, more: false },
  'notifications.deliver': { sent: 0, failed: 0, more: false },
  'retention.sweep': { deleted: 0, more: false },
  'runs.prune': { deleted: 0, more: false },
  'partitions.ensure': { created: [] },
};

let prefix: string;
let bus: Bus;
let redis: Redis;
let asked: { name: string; at: number; input: unknown; call: { actor: unknown } }[];
let apps: NestFastifyApplication[];

async function until(what: string, check: () => unknown, ms = 20_000): Promise<void> {
  for (const end = performance.now() + ms; !(await check()); await new Promise((resolve) => setTimeout(resolve, 20))) {
    if (performance.now() > end) throw new Error(`This did not happen within ${ms} ms: ${what}`);
  }
}

const asks = (name: string) => asked.filter((one) => one.name === name);

/** Answers like the owners of the operations named, each with the next of its replies. */
async function ownersAnswer(replies: Record<string, object[]> = {}, names = Object.keys(outputs)): Promise<void> {
  await until('bus is connected', () => bus.connected);
  for (const operation of OPERATIONS.filter(({ name }) => names.includes(name))) {
    bus.connection().subscribe(operationSubject(prefix, operation), {
      callback: (_error, message) => {
        const request = message.json<{ input: unknown; call: { actor: unknown } }>();
        asked.push({ name: operation.name, at: performance.now(), ...request });
        message.respond(JSON.stringify({ ok: true, output: replies[operation.name]?.shift() ?? outputs[operation.name as ScheduledOperation] }));
      },
    });
  }
  await bus.connection().flush();
}

async function start(): Promise<{ app: NestFastifyApplication; worker: SyncWorker; url: string }> {
  const settings = readSyncWorkerSettings({
    VANE_ENV: 'test', LOG_LEVEL: 'silent', PORT: '0', VANE_PREFIX: prefix, VANE_REDIS_URL: redisUrl, VANE_NATS_URL: natsUrl,
  });
  const app = await startApp({ name: 'sync-worker', settings, module: AppModule.with(settings) });
  apps.push(app);
  const worker = app.get(SyncWorker);
  await worker.start();
  return { app, worker, url: await app.getUrl() };
}

const metric = async (url: string, line: string) => {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(text.split('\n').find((one) => one.startsWith(`${line} `))?.split(' ').at(-1) ?? 0);
};

async function deleteKeys(): Promise<number> {
  const keys = await redis.keys(`${prefix}:*`);
  return keys.length === 0 ? 0 : redis.del(...keys);
}

beforeAll(() => {
  redis = new Redis(redisUrl);
});
beforeEach(() => {
  prefix = `t${randomBytes(5).toString('hex')}`;
  asked = [];
  apps = [];
  bus = Bus.open({ url: natsUrl, tls: false, prefix, app: 'tools', logger });
});
afterEach(async () => {
  await Promise.all(apps.map((app) => app.close()));
  await bus.close();
  await deleteKeys();
});
afterAll(() => redis.disconnect());

test('every schedule is asked of its owner, as the system, with input that fits its contract', async () => {
  await ownersAnswer();
  await start();
  await until('every operation was asked', () => SCHEDULES.every(({ name }) => asks(name).length > 0));
  for (const { name, input, call } of asked) {
    expect(OPERATIONS.find((operation) => operation.name === name)!.input.safeParse(input).success).toBe(true);
    expect(call.actor).toMatchObject({ kind: 'system', id: 'sync-worker', role: 'superadmin' });
  }
});

test('of two processes, one handles each tick, and both do their share of writing schedules', async () => {
  await ownersAnswer();
  const [one, two] = [await start(), await start()];
  await until('four ticks of the fastest schedule', () => asks('inbox.relay').length >= 4);
  await Promise.all([one.worker.schedule(), two.worker.schedule(), one.worker.schedule()]);
  await until('six ticks of the fastest schedule', () => asks('inbox.relay').length >= 6);
  const times = asks('inbox.relay').map(({ at }) => at);
  // The first tick comes at once, the second at the next whole interval, one more may have been late at the beginning.
  const everyMs = SCHEDULES.find(({ name }) => name === 'inbox.relay')!.everyMs;
  expect(times.length).toBeLessThanOrEqual((times.at(-1)! - times[0]!) / everyMs + 3);
  expect(asks('partitions.ensure')).toHaveLength(1);
  const done = (url: string) => metric(url, 'vane_sync_ticks_total{operation="inbox.relay",outcome="done"}');
  expect((await done(one.url)) + (await done(two.url))).toBe(times.length);
  expect(await redis.zcard(`${prefix}:sync:repeat`)).toBe(SCHEDULES.length);
});

test('an owner is asked again while it has more, and not for ever', async () => {
  const endless = { requeued: 1, more: true };
  await ownersAnswer({
    'inbox.relay': [{ relayed: 500, more: true }, { relayed: 500, more: true }, { relayed: 7, more: false }],
    'runs.reconcile': Array.from({ length: 80 }, () => endless),
  });
  const { url } = await start();
  await until('the first tick is over', async () => (await metric(url, 'vane_sync_items_total{operation="inbox.relay"}')) === 1007);
  await until('the endless tick is over', async () => (await metric(url, 'vane_sync_items_total{operation="runs.reconcile"}')) === MAX_STEPS);
  expect(asks('runs.reconcile').length).toBeGreaterThanOrEqual(MAX_STEPS);
});

test('an owner that is away, or fails, is counted and asked again later', async () => {
  const { url } = await start();
  const away = () => metric(url, 'vane_sync_ticks_total{operation="inbox.relay",outcome="unavailable"}');
  await until('a tick found nobody', async () => (await away()) > 0);
  await ownersAnswer({}, ['inbox.relay']);
  await until('a later tick was done', async () => (await metric(url, 'vane_sync_ticks_total{operation="inbox.relay",outcome="done"}')) > 0);
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
});

test('schedules come back after Redis was flushed', async () => {
  await ownersAnswer();
  const { worker } = await start();
  await until('the first tick', () => asks('inbox.relay').length > 0);
  await until('keys are gone', async () => (await deleteKeys()) > 0);
  await worker.schedule();
  const before = asks('inbox.relay').length;
  await until('ticks go on', () => asks('inbox.relay').length >= before + 2);
});

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import * as contracts from '@vane/contracts';
import type { CallContext } from '@vane/contracts';
import { Database, newId, newSealingKeyPair } from '@vane/db';
import { Bus, createLogger, deliveryStream, startApp, SystemClock, type NatsConnection } from '@vane/runtime';
import { createTestDatabase, expectNoSecretsUnder, newSecret, WatchedLogs, type TestDatabase } from '@vane/testing';
import { AppModule } from './app.module.js';
import { readTriggerSettings } from './config.js';
import { creationKeyOf } from './creation-key.js';

const prefix = `spec_${randomBytes(5).toString('hex')}`;
const natsUrl = process.env.VANE_NATS_URL ?? 'nats://127.0.0.1:4222';
const logger = createLogger({ app: 'spec', level: 'silent' });
const key = () => randomBytes(32).toString('base64');

let logs: WatchedLogs;
let testDatabase: TestDatabase;
let database: Database;
let app: Awaited<ReturnType<typeof startApp>>;
let bus: Bus;
let nats: NatsConnection;
let workspace: string;

const call = (idempotencyKey?: string): CallContext => ({
  correlationId: 'spec', actor: { kind: 'token', id: 'tok_spec', role: 'admin', userId: null, label: 'test' }, ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
});
const code = 'export async function main() { return 1; }';
const script = (idempotencyKey?: string) =>
  bus.ask(contracts.createRunnable, { workspace, name: 's', spec: { kind: 'script', code } }, call(idempotencyKey));
const hook = (runnableId: string, config: Record<string, string>, idempotencyKey?: string) =>
  bus.ask(contracts.createTrigger, { workspace, name: 't', service: 'generic-webhook', type: 'webhook', config, runnableId }, call(idempotencyKey));

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  logs = new WatchedLogs();
  database = Database.connect({ url: testDatabase.url, applicationName: 'spec', maxConnections: 2 });
  const settings = readTriggerSettings({
    VANE_ENV: 'test', VANE_PREFIX: prefix, VANE_NATS_URL: natsUrl, LOG_LEVEL: 'silent', PORT: '0', VANE_DATABASE_URL: testDatabase.url,
    VANE_REDIS_URL: process.env.VANE_REDIS_URL ?? 'redis://127.0.0.1:6379', VANE_PUBLIC_URL: 'https://hooks.example',
    VANE_KEYS_HOOKS: `k1:${key()}`, VANE_KEYS_DATA_PUBLIC: (await newSealingKeyPair('k1')).public, VANE_INGRESS_KEY_SECRET: key(),
  });
  app = await startApp({ name: 'trigger-service', settings, module: AppModule.with(settings) });
  bus = Bus.open({ url: natsUrl, tls: false, prefix, app: 'tools', logger });
  nats = await new Promise<NatsConnection>((resolve) => bus.whenConnected((connection) => resolve(connection)));
  workspace = newId('workspace', new SystemClock().now());
  await database.pool.query('INSERT INTO workspace (id, name, created_at) VALUES ($1, $1, $2)', [workspace, new SystemClock().now()]);
});
afterAll(async () => {
  await app.close();
  await expectNoSecretsUnder({ prefix, nats: natsUrl, redis: process.env.VANE_REDIS_URL ?? 'redis://127.0.0.1:6379' });
  await (await jetstreamManager(nats)).streams.delete(deliveryStream(prefix)).catch(() => undefined);
  await bus.close();
  await database.close();
  await testDatabase.drop();
  logs.expectNoSecrets();
});

describe('a call that is delivered twice', () => {
  it('creates one runnable and one trigger, and shows their secrets once', async () => {
    const first = await script('a');
    expect((await script('a')).id).toBe(first.id);
    const trigger = await hook(first.id, { scheme: 'standard-webhooks' }, 'b');
    const again = await hook(first.id, { scheme: 'standard-webhooks' }, 'b');
    expect(again.id).toBe(trigger.id);
    expect(trigger.secret).toMatch(/^whsec_/);
    expect(again.secret).toBeNull();
  });

  it('is known by a hash that a given secret cannot be tried against, and not when the secret is another', async () => {
    const { id } = await script();
    const input = (secret: string) => ({ workspace, name: 't', service: 'generic-webhook', type: 'webhook', config: { scheme: 'shared-secret', header: 'x-secret' }, runnableId: id, secret });
    const secrets = [newSecret('secret of the sender'), newSecret('another secret of the sender')];
    const [first, again, other] = await Promise.all([secrets[0]!, secrets[0]!, secrets[1]!].map((secret) => bus.ask(contracts.createTrigger, input(secret), call('s'))));
    expect([again!.id === first!.id, other!.id === first!.id]).toEqual([true, false]);
    const { creationKey } = await database.forWorkspace(workspace).trigger.findFirstOrThrow({ where: { id: first!.id } });
    const parsed = contracts.createTrigger.input.parse(input(secrets[0]!));
    expect(creationKey).toMatch(/^tok_spec\/s\//);
    expect(creationKey).not.toBe(await creationKeyOf(call('s'), parsed));
  });

  it('creates one trigger also when both arrive at once', async () => {
    const { id } = await script();
    const made = await Promise.all(Array.from({ length: 8 }, () => hook(id, { scheme: 'none' }, 'c')));
    expect(new Set(made.map((trigger) => trigger.id)).size).toBe(1);
  });

  it('is not taken for a repeat without a key, or with the key of another caller', async () => {
    const { id } = await script();
    const other = { ...call('c'), actor: { kind: 'token' as const, id: 'tok_other', role: 'admin' as const, userId: null, label: 'test' } };
    const input = { workspace, name: 't', service: 'generic-webhook', type: 'webhook', config: { scheme: 'none' }, runnableId: id };
    const made = [await hook(id, { scheme: 'none' }), await hook(id, { scheme: 'none' }), await bus.ask(contracts.createTrigger, input, other)];
    expect(new Set(made.map((trigger) => trigger.id)).size).toBe(3);
  });
});

describe('the secret of a new trigger', () => {
  it('is shown where the sender needs one, and null where nothing is verified', async () => {
    const { id } = await script();
    expect((await hook(id, { scheme: 'standard-webhooks' })).secret).toMatch(/^whsec_/);
    expect((await hook(id, { scheme: 'none' })).secret).toBeNull();
  });
});

describe('changing a trigger', () => {
  it('keeps the verification scheme, whose secret would not fit another', async () => {
    const { id } = await script();
    const trigger = await hook(id, { scheme: 'none' });
    const update = (config: Record<string, string>) =>
      bus.ask(contracts.updateTrigger, { workspace, trigger: trigger.id, ifMatch: trigger.version, config }, call());
    await expect(update({ scheme: 'standard-webhooks' })).rejects.toMatchObject({ code: 'invalid_config', fields: [{ path: 'config' }] });
    await expect(update({ scheme: 'none', idHeader: 'x-id' })).resolves.toMatchObject({ config: { idHeader: 'x-id' }, version: 2 });
  });

  it('lets one of two changes to the same version through', async () => {
    const { id } = await script();
    const trigger = await hook(id, { scheme: 'none' });
    const rename = (name: string) => bus.ask(contracts.updateTrigger, { workspace, trigger: trigger.id, ifMatch: 1, name }, call());
    const results = await Promise.allSettled([rename('a'), rename('b')]);
    expect(results.map((result) => result.status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(results.find((result) => result.status === 'rejected')).toMatchObject({ reason: { code: 'precondition_failed' } });
  });
});

describe('a runnable', () => {
  it('that is deleted disables and names its triggers; another runnable revives them', async () => {
    const { id } = await script();
    const trigger = await hook(id, { scheme: 'none' });
    const deleted = await bus.ask(contracts.deleteRunnable, { workspace, runnable: id }, call());
    expect(deleted.disabledTriggers).toEqual([{ id: trigger.id, name: 't' }]);
    const disabled = await bus.ask(contracts.getTrigger, { workspace, trigger: trigger.id }, call());
    expect(disabled).toMatchObject({ status: 'disabled', statusReason: { code: 'runnable_deleted' }, runnableId: null });
    await expect(bus.ask(contracts.resumeTrigger, { workspace, trigger: trigger.id }, call())).rejects.toMatchObject({ code: 'conflict' });
    const other = await script();
    const update = { workspace, trigger: trigger.id, ifMatch: disabled.version, runnableId: other.id };
    await expect(bus.ask(contracts.updateTrigger, update, call())).resolves.toMatchObject({ status: 'enabled', statusReason: null });
  });
});

describe('the filter and the mapping of a trigger', () => {
  it('are saved, changed and taken away, and refused with the place of what is wrong in them', async () => {
    const { id: runnableId } = await script();
    const input = { workspace, name: 't', service: 'generic-webhook', type: 'webhook', config: { scheme: 'none' }, runnableId };
    const created = await bus.ask(contracts.createTrigger, { ...input, filter: 'payload.n == 1', mapping: '{"n": payload.n}' }, call());
    expect(created).toMatchObject({ filter: 'payload.n == 1', mapping: '{"n": payload.n}' });
    const change = { workspace, trigger: created.id };
    const changed = await bus.ask(contracts.updateTrigger, { ...change, ifMatch: 1, filter: 'payload.n == 2' }, call());
    expect(changed).toMatchObject({ filter: 'payload.n == 2', mapping: '{"n": payload.n}', version: 2 });
    expect(await bus.ask(contracts.updateTrigger, { ...change, ifMatch: 2, filter: null, mapping: null }, call())).toMatchObject({ filter: null, mapping: null });
    const problem = { code: 'invalid_config', fields: [{ path: 'filter', message: expect.stringContaining('line 1, column 14') }] };
    await expect(bus.ask(contracts.createTrigger, { ...input, filter: 'payload.n == +' }, call())).rejects.toMatchObject(problem);
    await expect(bus.ask(contracts.updateTrigger, { ...change, ifMatch: 3, filter: 'payload.n == +' }, call())).rejects.toMatchObject(problem);
    expect(await bus.ask(contracts.previewTrigger, { workspace, filter: 'payload.n == 1', payload: { n: 1 } }, call())).toEqual({ filter: { verdict: 'passed', error: null }, mapping: null });
  });
});

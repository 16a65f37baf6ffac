import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { loadAdapters, type AdapterRegistry } from '@vane/adapters';
import type { DeliveryHeader } from '@vane/contracts';
import { Database, newId, newSealingKeyPair, parseKeyRing, parseSealingKey, Vault } from '@vane/db';
import { Bus, createLogger, decodeDelivery, HookKeys, Metrics, SystemClock } from '@vane/runtime';
import { createTestDatabase, newSecret, type TestDatabase } from '@vane/testing';
import { HOOK_LIMITS } from './config.js';
import { HookEndpoint } from './hook-endpoint.js';
import { Receiver } from './receiver.js';
import { DeliveryStore } from './store.js';
import { SubscriptionCache } from './subscription-cache.js';

const clock = new SystemClock();
const logger = createLogger({ app: 'spec', level: 'silent' });
const TOKEN = newSecret('token of a channel');
const keys = new HookKeys(randomBytes(32).toString('base64'));

let testDatabase: TestDatabase;
let database: Database;
let away: Database;
let bus: Bus;
let adapters: AdapterRegistry;
let vault: Vault;
let server: Server;
let ids: { workspace: string; feed: string; subscription: string; key: string };

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = Database.connect({ url: testDatabase.url, applicationName: 'thin-spec', maxConnections: 3 });
  away = Database.connect({ url: 'postgres://postgres@127.0.0.1:1/none', applicationName: 'thin-spec' });
  bus = Bus.open({ url: 'nats://127.0.0.1:1', tls: false, prefix: 'spec', app: 'tools', logger });
  adapters = await loadAdapters();
  vault = new Vault({ database, ring: 'hooks', keys: parseKeyRing(`k1:${randomBytes(32).toString('base64')}`), clock });
});
afterAll(async () => {
  await bus.close();
  await away.close();
  await database.close();
  await testDatabase.drop();
});

/** An ingress of its own: the bus is always away here, so what is taken is in the inbox. */
async function start(lookup: Database, inbox: Database): Promise<void> {
  const dataKey = await parseSealingKey((await newSealingKeyPair('k1')).public);
  const cache = new SubscriptionCache(lookup, vault, adapters, clock, bus);
  const receiver = new Receiver(keys, cache, new DeliveryStore(bus, inbox, clock, logger), dataKey, clock, logger, new Metrics());
  server = createServer(new HookEndpoint(receiver, HOOK_LIMITS, () => false).answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
}
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

/** A channel as trigger-service has it before the answer to its registration came. */
beforeEach(async () => {
  const now = clock.now();
  ids = { workspace: newId('workspace', now), feed: newId('feed', now), subscription: newId('subscription', now), key: keys.mint() };
  const { workspace, feed, subscription, key } = ids;
  const type = Object.keys(adapters.get('google')!.triggerTypes)[0]!;
  await database.pool.query('INSERT INTO workspace (id, name, created_at) VALUES ($1, $1, $2)', [workspace, now]);
  await database.pool.query(
    `INSERT INTO feed (id, workspace_id, connection_id, service, trigger_type, resource, created_at) VALUES ($1, $2, '', 'google', $4, $1, $3)`,
    [feed, workspace, now, type],
  );
  await database.pool.query(
    `INSERT INTO subscription (id, workspace_id, feed_id, service, trigger_type, resource, key, secrets_enc, secret_version, want, status, status_since, attempts, version, created_at)
     VALUES ($1, $2, $3, 'google', $4, 'r', $5, $6, 1, '{}', 'pending', $7, 1, 1, $7)`,
    [
      subscription, workspace, feed, type, key,
      await vault.encrypt(JSON.stringify([TOKEN]), { table: 'subscription', row: subscription, column: 'secrets_enc', workspaceId: workspace }), now,
    ],
  );
});

async function post(change: Record<string, string> = {}): Promise<{ status: number; retryAfter: string | null }> {
  const headers = {
    'x-goog-channel-token': TOKEN, 'x-goog-channel-id': ids.subscription, 'x-goog-resource-id': 'res-1', 'x-goog-resource-state': 'change', 'x-goog-message-number': '7',
    ...change,
  };
  const { port } = server.address() as AddressInfo;
  const response = await fetch(`http://127.0.0.1:${port}/hooks/${ids.key}`, { method: 'POST', headers });
  return { status: response.status, retryAfter: response.headers.get('retry-after') };
}

async function taken(): Promise<Pick<DeliveryHeader, 'status' | 'reason'>[]> {
  const { rows } = await database.pool.query<{ message: Buffer }>('SELECT message FROM inbox ORDER BY id');
  const headers = rows.map(({ message }) => decodeDelivery(message).header).filter((header) => header.subscriptionId === ids.subscription);
  return headers.map(({ status, reason }) => ({ status, reason }));
}

describe('a message of a channel', () => {
  it('handshake arrives before create returns (Google sync)', async () => {
    await start(database, database);
    expect((await post({ 'x-goog-resource-state': 'sync', 'x-goog-message-number': '1' })).status).toBe(200);
    expect(await taken()).toEqual([{ status: 'ping', reason: null }]);
  });

  it('is refused when it says another channel, and another resource as soon as that is known', async () => {
    await start(database, database);
    expect((await post({ 'x-goog-channel-id': 'sub_of_another' })).status).toBe(401);
    expect((await post({ 'x-goog-resource-id': 'res-2' })).status).toBe(200);
    await database.pool.query(`UPDATE subscription SET status = 'active', aux = '{"resourceId":"res-1"}', version = version + 1 WHERE id = $1`, [ids.subscription]);
    await server.close();
    await start(database, database);
    expect((await post({ 'x-goog-resource-id': 'res-2' })).status).toBe(401);
    expect((await post()).status).toBe(200);
    expect((await post({ 'x-goog-channel-token': 'a-guess' })).status).toBe(401);
  });
});

describe('where we cannot take a message', () => {
  it('Google answered 503 (retryable), never 4xx, on our overload', async () => {
    await start(away, database);
    expect(await post()).toEqual({ status: 503, retryAfter: '5' });
    await server.close();
    await start(database, away);
    const answers = await Promise.all(Array.from({ length: 50 }, () => post()));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
    expect(await taken()).toEqual([]);
  });
});

import { createHmac, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { loadAdapters, type AdapterRegistry } from '@vane/adapters';
import { Database, newId, parseKeyRing, Vault } from '@vane/db';
import type { RawRequest } from '@vane/kit';
import { Bus, Clock, createLogger } from '@vane/runtime';
import { createTestDatabase, type TestDatabase, newSecret } from '@vane/testing';
import { SubscriptionCache } from './subscription-cache.js';

const MINUTE = 60_000;
const logger = createLogger({ app: 'spec', level: 'silent' });
const [OLD, NEW] = [newSecret('secret before'), newSecret('newest secret')];

class MovableClock extends Clock {
  time = Date.parse('2030-01-01T00:00:00Z');

  now(): Date {
    return new Date(this.time);
  }
}

const clock = new MovableClock();
let testDatabase: TestDatabase;
let database: Database;
let bus: Bus;
let adapters: AdapterRegistry;
let vault: Vault;
let cache: SubscriptionCache;
let key: string;
let id: string;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = Database.connect({ url: testDatabase.url, applicationName: 'cache-spec', maxConnections: 2 });
  bus = Bus.open({ url: 'nats://127.0.0.1:1', tls: false, prefix: 'spec', app: 'tools', logger });
  adapters = await loadAdapters();
  vault = new Vault({ database, ring: 'hooks', keys: parseKeyRing(`k1:${randomBytes(32).toString('base64')}`), clock });
});
afterAll(async () => {
  await bus.close();
  await database.close();
  await testDatabase.drop();
});

beforeEach(() => {
  cache = new SubscriptionCache(database, vault, adapters, clock, bus);
});

/** A subscription with these live secrets, newest first, as trigger-service leaves it. */
async function subscribe(secrets: string[], oldUntil: Date | null): Promise<void> {
  const now = clock.now();
  const [workspace, feed] = [newId('workspace', now), newId('feed', now)];
  [id, key] = [newId('subscription', now), randomBytes(12).toString('hex')];
  const type = adapters.get('generic-webhook')!.triggerTypes['webhook']!;
  const { want } = type.plan(type.config.parse({ scheme: 'hmac', header: 'x-sig', hash: 'sha256', encoding: 'hex' }) as never);
  const { pool } = database;
  await pool.query('INSERT INTO workspace (id, name, created_at) VALUES ($1, $1, $2)', [workspace, now]);
  await pool.query(
    `INSERT INTO feed (id, workspace_id, connection_id, service, trigger_type, resource, created_at) VALUES ($1, $2, '', 'generic-webhook', 'webhook', $1, $3)`,
    [feed, workspace, now],
  );
  await pool.query(
    `INSERT INTO subscription (id, workspace_id, feed_id, service, trigger_type, resource, key, secrets_enc, secret_version, applied_secret,
       old_secrets_until, want, status, status_since, attempts, version, created_at)
     VALUES ($1, $2, $3, 'generic-webhook', 'webhook', $3, $4, $5, 2, 2, $6, $7, 'active', $8, 0, 1, $8)`,
    [
      id, workspace, feed, key, await vault.encrypt(JSON.stringify(secrets), { table: 'subscription', row: id, column: 'secrets_enc', workspaceId: workspace }),
      oldUntil, JSON.stringify(want), now,
    ],
  );
}

async function accepts(secret: string): Promise<boolean> {
  const body = Buffer.from('{}');
  const request: RawRequest = { method: 'POST', headers: { 'x-sig': createHmac('sha256', secret).update(body).digest('hex') }, query: {}, body };
  return (await cache.get(key))!.verify(request, clock.now()).ok;
}

describe('secrets of a subscription', () => {
  it('are both accepted until the end of the overlap, and then the newest alone', async () => {
    await subscribe([NEW, OLD], new Date(clock.time + 10 * MINUTE));
    expect([await accepts(OLD), await accepts(NEW), await accepts('neither')]).toEqual([true, true, false]);
    clock.time += 10 * MINUTE - 1;
    expect(await accepts(OLD)).toBe(true);
    clock.time += 1;
    expect([await accepts(OLD), await accepts(NEW)]).toEqual([false, true]);
  });

  it('end on time out of the cache, with no query and nobody who cleans up', async () => {
    await subscribe([NEW, OLD], new Date(clock.time + 2_000));
    expect(await accepts(OLD)).toBe(true);
    await database.pool.query('UPDATE subscription SET old_secrets_until = NULL WHERE id = $1', [id]);
    // Young enough to be taken from the cache, which is told of no change here.
    clock.time += 2_000;
    expect([await accepts(OLD), await accepts(NEW)]).toEqual([false, true]);
  });

  it('are both accepted while the service has not confirmed the new one, however long that takes', async () => {
    await subscribe([NEW, OLD], null);
    clock.time += 30 * 24 * 60 * MINUTE;
    expect([await accepts(OLD), await accepts(NEW)]).toEqual([true, true]);
  });
});

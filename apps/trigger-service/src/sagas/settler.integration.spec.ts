import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { AdapterRegistry } from '@vane/adapters';
import { systemCall } from '@vane/contracts';
import { Database, newId, parseKeyRing, Vault } from '@vane/db';
import { defineAdapter, defineTriggerType, ServiceError, type Adapter, type RemoteSubscription, type ServiceHttp } from '@vane/kit';
import { Bus, createLogger, HookKeys, hookUrl, Metrics, SystemClock } from '@vane/runtime';
import { createTestDatabase, type TestDatabase } from '@vane/testing';
import { z } from 'zod';
import type { Connections } from '../connections.js';
import { ConnectionFollower } from './connection-follower.js';
import { Feeds } from './feeds.js';
import { TriggerRows } from '../trigger-rows.js';
import { Moves } from './moves.js';
import { SecretRotation } from './secret-rotation.js';
import { Settler } from './settler.js';
import { SubscriptionRows } from './subscription-rows.js';
import { Sweeper } from './sweeper.js';

const PUBLIC = 'https://hooks.example';
const clock = new SystemClock();
const logger = createLogger({ app: 'spec', level: 'silent' });
const call = systemCall('trigger-service', 'spec');
const key = () => randomBytes(32).toString('base64');

/** A service with one list of objects, which forgets nothing and can be told to fail. */
class Objects {
  list: RemoteSubscription[] = [];
  calls: string[] = [];
  before: (name: string) => Promise<void> | void = () => undefined;
  after: (name: string) => void = () => undefined;
  private next = 1;

  async register(callbackUrl: string): Promise<{ externalId: string }> {
    await this.before('register');
    const externalId = String(this.next++);
    this.list.push({ externalId, callbackUrl, active: true, fields: {} });
    this.after('register');
    return { externalId };
  }
}

let testDatabase: TestDatabase;
let database: Database;
let bus: Bus;
let objects: Objects;
let installed: Adapter | undefined;
let parts: { feeds: Feeds; rows: SubscriptionRows; settler: Settler; secrets: SecretRotation; sweeper: Sweeper };
let workspaceId: string;

const adapterOf = (service: Objects): Adapter =>
  defineAdapter({
    id: 'acme', label: 'Acme', docsUrl: 'https://acme.example', icon: '<svg/>', hosts: { api: 'https://acme.example' }, setupSteps: [],
    triggerTypes: {
      thing: defineTriggerType({
        label: 'Thing', description: 'd', config: z.strictObject({}), summary: () => 's', starterScript: '', scopes: [], sharing: 'feed',
        plan: () => ({ resource: 'r', want: { events: ['a'] } }),
        webhook: {
          verification: { kind: 'shared-secret', header: 'x-secret' }, methods: ['POST'], ackDeadlineMs: 1000, retries: false, keepHeaders: [],
          normalise: () => [],
        },
        remote: {
          register: async (http, { callbackUrl }) => {
            await http.request({ method: 'POST', host: 'api', path: '/' });
            return service.register(callbackUrl);
          },
          list: async () => (service.calls.push('list'), [...service.list]),
          get: async (_http, _resource, id) => service.list.find((object) => object.externalId === id) ?? null,
          update: async (_http, id) => {
            service.calls.push(`update ${id}`);
            if (!service.list.some((object) => object.externalId === id)) throw new ServiceError('not_found', 'Acme does not have it.');
          },
          remove: async (_http, _resource, id) => {
            service.calls.push(`remove ${id}`);
            service.list = service.list.filter((object) => object.externalId !== id);
            return 'removed';
          },
        },
      }),
    },
  });

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = Database.connect({ url: testDatabase.url, applicationName: 'settler-spec', maxConnections: 6 });
  bus = Bus.open({ url: 'nats://127.0.0.1:1', tls: false, prefix: 'spec', app: 'tools', logger });
});
afterAll(async () => {
  await bus.close();
  await database.close();
  await testDatabase.drop();
});

beforeEach(async () => {
  objects = new Objects();
  installed = adapterOf(objects);
  const adapters = { get: () => installed, all: () => (installed ? [installed] : []) } as unknown as AdapterRegistry;
  const vault = new Vault({ database, ring: 'hooks', keys: parseKeyRing(`k1:${key()}`), clock });
  const http: ServiceHttp = { hostUrl: () => '', request: async () => ({ status: 200, headers: {}, json: undefined }) };
  const connections = { http: async () => http } as unknown as Connections;
  const feeds = new Feeds(vault, new HookKeys(key()), clock);
  const rows = new SubscriptionRows(database, clock);
  const settler = new Settler(rows, feeds, connections, adapters, bus, clock, logger, PUBLIC, new Metrics());
  const moves = new Moves(database, feeds, new TriggerRows(clock), adapters, clock);
  const secrets = new SecretRotation(database, feeds, vault, adapters, bus, clock);
  parts = { feeds, rows, settler, secrets, sweeper: new Sweeper(database, rows, new ConnectionFollower(database, clock), feeds, settler, secrets, moves, adapters, clock, logger) };
  workspaceId = newId('workspace', clock.now());
  await database.pool.query('INSERT INTO workspace (id, name, created_at) VALUES ($1, $1, $2)', [workspaceId, clock.now()]);
  await feeds.prepare(workspaceId);
});

/** A feed with one trigger on it, and the pending subscription that follows from that. */
async function pending() {
  const type = adapterOf(objects).triggerTypes['thing']!;
  return database.transaction(async (tx) => {
    const feedId = await parts.feeds.lock(tx, { workspaceId, service: 'acme', triggerType: 'thing', connectionId: 'con_x', resource: 'r' });
    await tx.query(
      `INSERT INTO trigger (id, workspace_id, feed_id, name, service, type, config, want, status, version, created_at, updated_at)
       VALUES ($1, $2, $3, 'n', 'acme', 'thing', '{}', '{"events":["a"]}', 'enabled', 1, $4, $4)`,
      [newId('trigger', clock.now()), workspaceId, feedId, clock.now()],
    );
    return (await parts.feeds.recompute(tx, feedId, type)).subscription!;
  });
}

async function dropTriggers(feedId: string): Promise<void> {
  await database.transaction(async (tx) => {
    await parts.feeds.lockById(tx, feedId);
    await tx.query('DELETE FROM trigger WHERE feed_id = $1', [feedId]);
    await parts.feeds.recompute(tx, feedId, installed?.triggerTypes['thing']);
  });
}

describe('settling a subscription', () => {
  it('registers it once, however many ask at the same time', async () => {
    const { id } = await pending();
    const results = await Promise.all(Array.from({ length: 6 }, () => parts.settler.settle(id, call)));
    expect(objects.list).toHaveLength(1);
    expect(results.filter(({ outcome }) => outcome === 'settled')).not.toHaveLength(0);
    expect(await parts.rows.read(id)).toMatchObject({ status: 'active', external_id: '1', attempts: 0, next_attempt_at: null });
  });

  it('adopts what an unheard try made and removes its doubles, leaving foreign objects alone', async () => {
    const row = await pending();
    objects.after = () => {
      throw new ServiceError('unavailable', 'The connection broke.');
    };
    expect((await parts.settler.settle(row.id, call)).outcome).toBe('later');
    objects.after = () => undefined;
    await objects.register(hookUrl(PUBLIC, row.key));
    await objects.register('https://elsewhere.example/hook');
    expect((await parts.settler.settle(row.id, call)).outcome).toBe('settled');
    expect(objects.list.map((object) => object.externalId)).toEqual(['1', '3']);
    expect(await parts.rows.read(row.id)).toMatchObject({ status: 'active', external_id: '1' });
  });

  it('looks for what an unheard try made before it says that it is removed', async () => {
    const row = await pending();
    objects.after = () => {
      throw new ServiceError('unavailable', 'The connection broke.');
    };
    await parts.settler.settle(row.id, call);
    await dropTriggers(row.feed_id);
    expect((await parts.settler.settle(row.id, call)).outcome).toBe('settled');
    expect(objects.list).toEqual([]);
    expect(await parts.rows.read(row.id)).toMatchObject({ status: 'removed' });
  });

  it('makes no call for a row that another has taken over meanwhile', async () => {
    const row = await pending();
    const stolen = parts.rows.extend.bind(parts.rows);
    parts.rows.extend = async (id, owner) => {
      await database.pool.query(`UPDATE subscription SET lease_owner = 'thief' WHERE id = $1`, [id]);
      return stolen(id, owner);
    };
    expect((await parts.settler.settle(row.id, call)).outcome).toBe('busy');
    expect(objects.list).toEqual([]);
  });

  it('waits for an adapter that is not installed, and goes on when it is back', async () => {
    const row = await pending();
    const adapter = installed;
    installed = undefined;
    expect(await parts.settler.settle(row.id, call)).toMatchObject({ outcome: 'later', error: { message: expect.stringContaining('acme/thing') } });
    expect((await parts.rows.read(row.id))?.next_attempt_at).not.toBeNull();
    installed = adapter;
    expect((await parts.settler.settle(row.id, call)).outcome).toBe('settled');
  });

  it('stores the words of a service that Postgres text cannot hold', async () => {
    const row = await pending();
    objects.before = () => {
      throw new ServiceError('invalid', 'Not \u0000 like this.');
    };
    expect((await parts.settler.settle(row.id, call)).outcome).toBe('refused');
    expect(await parts.rows.read(row.id)).toMatchObject({ status: 'degraded', reason_message: 'Not \uFFFD like this.' });
  });
});

describe('keeping triggers and subscriptions in step', () => {
  it('gives a feed with triggers a new subscription when its last one is on the way out', async () => {
    const row = await pending();
    await parts.settler.settle(row.id, call);
    await dropTriggers(row.feed_id);
    const again = await pending();
    expect(again).toMatchObject({ status: 'pending', feed_id: row.feed_id });
    expect(again.id).not.toBe(row.id);
  });

  it('sweeps what is due although one of them fails', async () => {
    const made = [await pending()];
    await database.pool.query(`UPDATE subscription SET secrets_enc = 'broken' WHERE id = $1`, [made[0]!.id]);
    const other = await database.transaction(async (tx) => {
      const feedId = await parts.feeds.lock(tx, { workspaceId, service: 'acme', triggerType: 'thing', connectionId: 'con_y', resource: 'r' });
      await tx.query(
        `INSERT INTO trigger (id, workspace_id, feed_id, name, service, type, config, want, status, version, created_at, updated_at)
         VALUES ($1, $2, $3, 'n', 'acme', 'thing', '{}', '{}', 'enabled', 1, $4, $4)`,
        [newId('trigger', clock.now()), workspaceId, feedId, clock.now()],
      );
      return (await parts.feeds.recompute(tx, feedId, installed!.triggerTypes['thing'])).subscription!;
    });
    await parts.sweeper.sweep(200);
    expect(await parts.rows.read(other.id)).toMatchObject({ status: 'active' });
    expect(await parts.rows.read(made[0]!.id)).toMatchObject({ status: 'pending', reason_message: expect.stringContaining('decrypt') });
  });
});

import { randomBytes } from 'node:crypto';
import { jetstreamManager } from '@nats-io/jetstream';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { loadAdapters } from '@vane/adapters';
import { Database, newId, newSealingKeyPair, parseSealingKey } from '@vane/db';
import type { TriggerType } from '@vane/kit';
import { Bus, createLogger, deliveryStream, ensureDeliveryStream, HookKeys, Metrics, SystemClock, type NatsConnection } from '@vane/runtime';
import { expectNoSecretsUnder, keepSecret } from '@vane/testing';
import { Receiver } from './receiver.js';
import { DeliveryStore } from './store.js';
import type { CachedSubscription, SubscriptionCache } from './subscription-cache.js';

const clock = new SystemClock();
const logger = createLogger({ app: 'spec', level: 'silent' });
const natsUrl = process.env.VANE_NATS_URL ?? 'nats://127.0.0.1:4222';
const prefix = `spec_${randomBytes(5).toString('hex')}`;

let bus: Bus;
let nats: NatsConnection;
let database: Database;
let receiver: Receiver;

beforeAll(async () => {
  bus = Bus.open({ url: natsUrl, tls: false, prefix, app: 'tools', logger });
  nats = await new Promise<NatsConnection>((resolve) => bus.whenConnected(resolve));
  await ensureDeliveryStream(nats, prefix);
  // Never asked: the bus takes everything here.
  database = Database.connect({ url: 'postgres://postgres@127.0.0.1:1/none', applicationName: 'receiver-spec' });
  const now = clock.now();
  const generic = (await loadAdapters()).get('generic-webhook')!.triggerTypes.webhook!;
  const type: TriggerType = { ...generic, webhook: { ...generic.webhook, handshake: ({ query }) => (query.challenge ? { status: 200, body: query.challenge } : undefined) } };
  const subscription: CachedSubscription = {
    id: newId('subscription', now), workspaceId: newId('workspace', now), feedId: newId('feed', now), service: 'generic-webhook',
    triggerType: 'webhook', version: 1, removed: false, type, verify: () => ({ ok: false, reason: 'bad_signature' }), headerNames: [],
  };
  const known = { get: async () => subscription, getNewer: async () => null, remembers: () => true } as unknown as SubscriptionCache;
  const dataKey = await parseSealingKey((await newSealingKeyPair('k1')).public);
  const hookSecret = randomBytes(32).toString('base64');
  keepSecret('secret of hook keys', hookSecret);
  const keys = new HookKeys(hookSecret);
  receiver = new Receiver(keys, known, new DeliveryStore(bus, database, clock, logger), dataKey, clock, logger, new Metrics());
});
afterAll(async () => {
  await expectNoSecretsUnder({ prefix, nats: natsUrl });
  await (await jetstreamManager(nats)).streams.delete(deliveryStream(prefix));
  await bus.close();
  await database.close();
});

const post = (query: Record<string, string>) => receiver.receive('key', { method: 'POST', headers: {}, query, body: Buffer.from('{}') });

it('answers every handshake, but records a thousand unverified requests an hour, apart from what feeds wait for', async () => {
  for (let n = 0; n < 1_010; n += 1) expect(await post({ challenge: `c${n}` })).toEqual({ status: 200, body: `c${n}` });
  expect((await post({})).status).toBe(401);
  await nats.flush();
  const { state } = await (await jetstreamManager(nats)).streams.info(deliveryStream(prefix), { subjects_filter: '>' });
  expect(state.subjects).toEqual({ [`${prefix}.deliveries.refused`]: 1_000 });
});

import { randomBytes } from 'node:crypto';
import { jetstreamManager } from '@nats-io/jetstream';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { loadAdapters } from '@vane/adapters';
import type { DeliveryHeader } from '@vane/contracts';
import { Database, ensurePartitions, newId } from '@vane/db';
import {
  Bus, createLogger, DeliveryPublisher, deliveryStream, deliverySubject, encodeDelivery, JobQueues, Metrics, PARTITIONS, SystemClock,
  type NatsConnection,
} from '@vane/runtime';
import { createTestDatabase, eventually, expectNoSecretsUnder, type TestDatabase } from '@vane/testing';
import type { PoolClient } from 'pg';
import { Intake } from './intake.js';
import { PartitionReaders } from './readers.js';

const clock = new SystemClock();
const logger = createLogger({ app: 'spec', level: 'silent' });
const natsUrl = process.env.VANE_NATS_URL ?? 'nats://127.0.0.1:4222';
const prefix = `spec_${randomBytes(5).toString('hex')}`;
const feed = newId('feed', clock.now());

let testDatabase: TestDatabase;
let database: Database;
let bus: Bus;
let nats: NatsConnection;
let queues: JobQueues;
let intake: Intake;
let readers: PartitionReaders;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = Database.connect({ url: testDatabase.url, applicationName: 'readers-spec', maxConnections: 5 });
  await ensurePartitions(database.pool, clock.now());
  queues = new JobQueues({ url: process.env.VANE_REDIS_URL ?? 'redis://127.0.0.1:6379', prefix, logger });
  intake = new Intake(database, await loadAdapters(), queues, clock, logger, new Metrics());
  bus = Bus.open({ url: natsUrl, tls: false, prefix, app: 'tools', logger });
  nats = await new Promise<NatsConnection>((resolve) => bus.whenConnected(resolve));
});
afterEach(async () => {
  await readers.stop();
  await expectNoSecretsUnder({ prefix, nats: natsUrl });
  await (await jetstreamManager(nats)).streams.delete(deliveryStream(prefix));
});
afterAll(async () => {
  await bus.close();
  await queues.close();
  await database.close();
  await testDatabase.drop();
});

function start(): void {
  readers = new PartitionReaders(bus, database, intake, logger);
  readers.start();
}

/** A ping: it is stored and needs no subscription. */
async function publish(change: Partial<DeliveryHeader> = {}): Promise<string> {
  const now = clock.now();
  const header: DeliveryHeader = {
    v: 1, id: newId('delivery', now), receivedAt: now.toISOString(), status: 'ping', reason: null, workspaceId: newId('workspace', now),
    subscriptionId: newId('subscription', now), feedId: feed, service: 'generic-webhook', triggerType: 'webhook', method: 'POST',
    headers: {}, size: 2, sha256: 'x', bodyOmitted: false, sealedAuth: null, authUntil: null, ...change,
  };
  await eventually('the stream takes it', async () => {
    await new DeliveryPublisher(bus).publish(deliverySubject(prefix, header), encodeDelivery(header, Buffer.from('{}')), 1_000);
    return true;
  });
  return header.id;
}

const stored = (id: string) =>
  eventually('the delivery is stored', async () => {
    const { rows } = await database.pool.query<{ status: string }>('SELECT status FROM delivery WHERE id = $1', [id]);
    return rows[0]?.status;
  });
const streamIsEmpty = () =>
  eventually('the stream is empty', async () => (await (await jetstreamManager(nats)).streams.info(deliveryStream(prefix))).state.messages === 0);

async function hold(client: PoolClient, how: 'lock' | 'unlock', partition: number): Promise<void> {
  await client.query(`SELECT pg_advisory_${how}(hashtext($1), hashtext($2))`, [`${prefix}.deliveries`, String(partition)]);
}
/** Until somebody else has claimed it. */
const claimed = (client: PoolClient, partition: number) =>
  eventually('the partition is claimed', async () => {
    const { rows } = await client.query<{ free: boolean }>('SELECT pg_try_advisory_lock(hashtext($1), hashtext($2)) AS free', [
      `${prefix}.deliveries`,
      String(partition),
    ]);
    if (rows[0]!.free) await hold(client, 'unlock', partition);
    return !rows[0]!.free;
  });

it('sets aside what Postgres refuses at once, and takes what stands around it', async () => {
  start();
  const [before, refused, after] = [await publish(), await publish({ size: 2 ** 40 }), await publish()];
  expect(await Promise.all([before, refused, after].map(stored))).toEqual(['ping', 'unprocessable', 'ping']);
  await streamIsEmpty();
});

it('sets nothing aside that fails for another reason, however often, and takes it when that has passed', async () => {
  start();
  const seen = newId('delivery', clock.now());
  await database.pool.query('ALTER TABLE delivery ADD CONSTRAINT spec_passing CHECK (status <> \'ping\' OR id <> ' + `'${seen}')`);
  await publish({ id: seen });
  expect(await stored(await publish())).toBe('ping');
  const info = async () => Promise.all([...Array(PARTITIONS).keys()].map(async (n) => (await jetstreamManager(nats)).consumers.info(deliveryStream(prefix), `reader_${n}`)));
  await eventually('five tries, and one of the other', async () => (await info()).some(({ delivered }) => delivered.consumer_seq >= 6));
  await database.pool.query('ALTER TABLE delivery DROP CONSTRAINT spec_passing');
  expect(await stored(seen)).toBe('ping');
  await streamIsEmpty();
}, 60_000);

it('asks for the stream once however often it looks for partitions, and again when the stream is gone', async () => {
  let asked = 0;
  nats.subscribe(`$JS.API.STREAM.INFO.${deliveryStream(prefix)}`, { callback: () => void (asked += 1) });
  const other = await database.pool.connect();
  for (const partition of [0, 1, 2]) await hold(other, 'lock', partition);
  start();
  await claimed(other, 3);
  for (const partition of [0, 1, 2]) {
    await hold(other, 'unlock', partition);
    await claimed(other, partition);
  }
  other.release();
  await nats.flush();
  expect(asked).toBe(1);
  await (await jetstreamManager(nats)).streams.delete(deliveryStream(prefix));
  expect(await stored(await publish())).toBe('ping');
}, 60_000);

import { randomBytes } from 'node:crypto';
import { jetstreamManager } from '@nats-io/jetstream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DeliveryHeader } from '@vane/contracts';
import { createLogger } from '../logger.js';
import { Bus, type NatsConnection } from './bus.js';
import {
  ACK_WAIT_MS, decodeDelivery, DeliveryReader, deliveryStream, deliverySubject, encodeDelivery, ensureDeliveryStream, isStreamMissing,
  PARTITIONS, partitionOf,
} from './deliveries.js';
import { DeliveryPublisher } from './delivery-publisher.js';

const prefix = `spec_${randomBytes(5).toString('hex')}`;
const logger = createLogger({ app: 'spec', level: 'silent' });
const ulid = (n: number) => `01k9zq3v8w5x2y7t4r6n0m${String(n).padStart(4, '0')}`;

const header = (n: number, feed = 1): DeliveryHeader => ({
  v: 1, id: `dlv_${ulid(n)}`, receivedAt: '2026-01-01T00:00:00.000Z', status: 'accepted', reason: null,
  workspaceId: `wsp_${ulid(1)}`, subscriptionId: `sub_${ulid(1)}`, feedId: `fed_${ulid(feed)}`, service: 'acme', triggerType: 'thing',
  method: 'POST', headers: {}, size: 3, sha256: 'x', bodyOmitted: false, sealedAuth: null, authUntil: null,
});

let bus: Bus;
let nats: NatsConnection;
beforeAll(async () => {
  bus = Bus.open({ url: process.env.VANE_NATS_URL ?? 'nats://127.0.0.1:4222', tls: false, prefix, app: 'tools', logger });
  nats = await new Promise<NatsConnection>((resolve) => bus.whenConnected((connection) => resolve(connection)));
  await ensureDeliveryStream(nats, prefix);
});
afterAll(async () => {
  await (await jetstreamManager(nats)).streams.delete(deliveryStream(prefix));
  await bus.close();
});

const publish = (one: DeliveryHeader, body: string | Uint8Array = 'abc') =>
  new DeliveryPublisher(bus).publish(deliverySubject(prefix, one), encodeDelivery(one, Buffer.from(body)), 1_000);
const stored = async () => (await (await jetstreamManager(nats)).streams.info(deliveryStream(prefix))).state.messages;
/** Until this many messages are with readers. */
async function pending(partition: number, count: number): Promise<void> {
  const manager = await jetstreamManager(nats);
  while ((await manager.consumers.info(deliveryStream(prefix), `reader_${partition}`)).num_ack_pending < count) continue;
}

describe('the delivery stream', () => {
  it('keeps every byte of a body, line ends and zeros included', () => {
    const body = Buffer.from([0, 10, 13, 255, 10]);
    const decoded = decodeDelivery(encodeDelivery(header(1), body));
    expect(decoded.header).toEqual(header(1));
    expect(decoded.body.equals(body)).toBe(true);
    expect(() => decodeDelivery(Buffer.from('no header'))).toThrow('no header line');
  });

  it('gives a feed one partition, and uses all of them', () => {
    const used = new Set(Array.from({ length: 500 }, (_, n) => partitionOf(`fed_${ulid(n)}`)));
    expect(used.size).toBe(PARTITIONS);
    expect(partitionOf(`fed_${ulid(3)}`)).toBe(partitionOf(`fed_${ulid(3)}`));
  });

  it('can be set up by many processes at once', async () => {
    await Promise.all(Array.from({ length: 5 }, () => ensureDeliveryStream(nats, prefix)));
  });

  it('hands messages out in order, holds them until they are acknowledged, then lets go of them', async () => {
    const feed = 77;
    for (let n = 100; n < 110; n += 1) await publish(header(n, feed));
    expect(await stored()).toBe(10);
    const reader = await DeliveryReader.open(nats, prefix, partitionOf(header(0, feed).feedId));
    const got: string[] = [];
    while (got.length < 10) {
      const batch = await reader.next(4);
      expect(batch.length).toBeLessThanOrEqual(4);
      for (const message of batch) {
        got.push(decodeDelivery(message.data).header.id);
        expect(await message.ackAck()).toBe(true);
      }
    }
    expect(got).toEqual(Array.from({ length: 10 }, (_, n) => `dlv_${ulid(100 + n)}`));
    await reader.stop();
    expect(await stored()).toBe(0);
  });

  it('rejects instead of waiting when the bus is away', async () => {
    const away = Bus.open({ url: 'nats://127.0.0.1:1', tls: false, prefix, app: 'tools', logger });
    await expect(new DeliveryPublisher(away).publish('x', Buffer.from('x'), 1_000)).rejects.toMatchObject({ code: 'unavailable' });
    await away.close();
  });

  it('rejects what no stream takes, what the stream refuses, and what is not confirmed in time, each by itself', async () => {
    const publisher = new DeliveryPublisher(bus);
    const one = header(250, 6);
    const silent = nats.subscribe(`${prefix}.silent`);
    const outcomes = await Promise.allSettled([
      publisher.publish(`${prefix}.nowhere`, Buffer.from('x'), 5_000),
      publisher.publish(`${prefix}.silent`, Buffer.from('x'), 100),
      publisher.publish(deliverySubject(prefix, one), encodeDelivery(one, Buffer.from('x')), 5_000),
    ]);
    silent.unsubscribe();
    expect(outcomes.map((outcome) => (outcome.status === 'rejected' ? (outcome.reason as Error).message : 'stored'))).toEqual([
      'no stream takes the message (status 503)', 'the stream has not confirmed in time', 'stored',
    ]);
    const manager = await jetstreamManager(nats);
    const before = (await manager.streams.info(deliveryStream(prefix))).state.messages;
    await manager.streams.update(deliveryStream(prefix), { max_msgs: before });
    await expect(publisher.publish(deliverySubject(prefix, one), encodeDelivery(one, Buffer.from('x')), 5_000)).rejects.toThrow('maximum messages exceeded');
    await manager.streams.update(deliveryStream(prefix), { max_msgs: -1 });
    await publisher.publish(deliverySubject(prefix, one), encodeDelivery(one, Buffer.from('x')), 5_000);
  });

  it('hands out nothing that was read ahead once the reader is stopped, but gives it to the next reader at once', async () => {
    const feed = 78;
    const partition = partitionOf(header(0, feed).feedId);
    for (let n = 300; n < 306; n += 1) await publish(header(n, feed));
    const first = await DeliveryReader.open(nats, prefix, partition);
    const [taken] = await first.next(1);
    await pending(partition, 6);
    await first.stop();
    expect(first.ended).toBe(true);
    expect(await first.next(10)).toEqual([]);
    taken!.ack();
    const second = await DeliveryReader.open(nats, prefix, partition);
    const got = new Set<string>();
    while (got.size < 5) {
      for (const message of await second.next(10)) {
        got.add(decodeDelivery(message.data).header.id);
        message.ack();
      }
    }
    expect([...got].sort()).toEqual(Array.from({ length: 5 }, (_, n) => `dlv_${ulid(301 + n)}`));
    await second.stop();
  }, 15_000);

  it('keeps what it has while it lives, however short the time to acknowledge is', async () => {
    const manager = await jetstreamManager(nats);
    const feed = 79;
    const durable = `reader_${partitionOf(header(0, feed).feedId)}`;
    await manager.consumers.update(deliveryStream(prefix), durable, { ack_wait: 300 * 1_000_000 });
    const asked = nats.subscribe(`$JS.ACK.${deliveryStream(prefix)}.${durable}.>`, { max: 20 });
    await publish(header(400, feed));
    await publish(header(401, feed));
    const reader = await DeliveryReader.open(nats, prefix, partitionOf(header(0, feed).feedId));
    const [taken] = await reader.next(1);
    // Ten times for the one in hand and ten times for the one read ahead: three times as long as the server waits.
    for await (const { data } of asked) expect(Buffer.from(data).toString()).toBe('+WPI');
    const { num_redelivered, num_ack_pending } = await manager.consumers.info(deliveryStream(prefix), durable);
    expect({ num_redelivered, num_ack_pending }).toEqual({ num_redelivered: 0, num_ack_pending: 2 });
    expect(await taken!.ackAck()).toBe(true);
    expect(await (await reader.next(1))[0]!.ackAck()).toBe(true);
    await reader.stop();
    await ensureDeliveryStream(nats, prefix);
    expect((await manager.consumers.info(deliveryStream(prefix), durable)).config.ack_wait).toBe(ACK_WAIT_MS * 1_000_000);
  });

  it('keeps requests that nobody verified out of the partitions of feeds', () => {
    const subjects = (['refused', 'handshake', 'accepted', 'ping', 'unprocessable'] as const).map((status) =>
      deliverySubject(prefix, { ...header(1), status }),
    );
    const ours = `${prefix}.deliveries.${partitionOf(header(1).feedId)}`;
    expect(subjects).toEqual([`${prefix}.deliveries.refused`, `${prefix}.deliveries.refused`, ours, ours, ours]);
  });

  it('ends a reader whose consumer is gone, and says so to who opens the next', async () => {
    const reader = await DeliveryReader.open(nats, prefix, 7);
    const waiting = reader.next(10);
    await (await jetstreamManager(nats)).consumers.delete(deliveryStream(prefix), 'reader_7');
    expect(await waiting).toEqual([]);
    const failure: unknown = await DeliveryReader.open(nats, prefix, 7).catch((error: unknown) => error);
    expect(isStreamMissing(failure)).toBe(true);
    expect(isStreamMissing(new Error('consumer not found'))).toBe(false);
    await reader.stop();
    await ensureDeliveryStream(nats, prefix);
  });

  it('ends a waiting reader when it is stopped', async () => {
    const reader = await DeliveryReader.open(nats, prefix, 'refused');
    const waiting = reader.next(10);
    await reader.stop();
    expect(await waiting).toEqual([]);
  });
});

import { createHash } from 'node:crypto';
import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type ConsumerMessages,
  type JetStreamClient,
  type JsMsg,
} from '@nats-io/jetstream';
import { deliveryHeader, type DeliveryHeader } from '@vane/contracts';
import type { Bus, NatsConnection } from './bus.js';

/** Deliveries of one feed always take the same partition, so one reader sees them in order of acceptance. */
export const PARTITIONS = 8;
export const REFUSED = 'refused';

const NANOSECONDS = 1_000_000;
const ACK_WAIT_MS = 30_000;
const DUPLICATE_WINDOW_MS = 120_000;
/** Messages of one partition held in memory ahead of being worked on. */
const READ_AHEAD = 500;

export const deliveryStream = (prefix: string) => `${prefix}_deliveries`;

/** The partition of a feed: a hash, stable over versions. */
export function partitionOf(feedId: string): number {
  return createHash('sha1').update(feedId).digest()[0]! % PARTITIONS;
}

export function deliverySubject(prefix: string, header: Pick<DeliveryHeader, 'status' | 'feedId'>): string {
  return `${prefix}.deliveries.${header.status === REFUSED ? REFUSED : partitionOf(header.feedId)}`;
}

/** One message: the header as a line of JSON, then the body's bytes untouched. */
export function encodeDelivery(header: DeliveryHeader, body: Uint8Array): Uint8Array {
  const line = Buffer.from(`${JSON.stringify(header)}\n`);
  return body.length === 0 ? line : Buffer.concat([line, body]);
}

/** The inverse of `encodeDelivery`. Throws when the header is not what the contract says. */
export function decodeDelivery(message: Uint8Array): { header: DeliveryHeader; body: Buffer } {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  const end = bytes.indexOf(10);
  if (end < 0) throw new Error('A delivery message has no header line.');
  return { header: deliveryHeader.parse(JSON.parse(bytes.toString('utf8', 0, end))), body: bytes.subarray(end + 1) };
}

/**
 * Creates the stream and its consumers if they are not there. Work-queue retention: a message lives until
 * trigger-service has committed it; `discard: new` refuses what does not fit instead of losing what is stored.
 */
export async function ensureDeliveryStream(nats: NatsConnection, prefix: string): Promise<void> {
  const manager = await jetstreamManager(nats);
  const name = deliveryStream(prefix);
  const stream = {
    name,
    subjects: [`${prefix}.deliveries.>`],
    retention: RetentionPolicy.Workqueue,
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    duplicate_window: DUPLICATE_WINDOW_MS * NANOSECONDS,
    max_age: 0,
  };
  await manager.streams.info(name).catch(() => manager.streams.add(stream));
  for (const partition of [...Array(PARTITIONS).keys(), REFUSED]) {
    const durable = `reader_${partition}`;
    await manager.consumers.info(name, durable).catch(() =>
      manager.consumers.add(name, {
        durable_name: durable,
        ack_policy: AckPolicy.Explicit,
        deliver_policy: DeliverPolicy.All,
        ack_wait: ACK_WAIT_MS * NANOSECONDS,
        max_ack_pending: 2 * READ_AHEAD,
        max_deliver: -1,
        filter_subject: `${prefix}.deliveries.${partition}`,
      }),
    );
  }
}

/** Publishes deliveries and waits for the stream's acknowledgement: stored on disk once this resolves. */
export class DeliveryPublisher {
  private client: JetStreamClient | undefined;

  constructor(private readonly bus: Bus) {}

  /** Rejects when the bus is away or has not confirmed within `timeoutMs`. `id` is the delivery's own. */
  async publish(subject: string, message: Uint8Array, id: string, timeoutMs: number): Promise<void> {
    this.client ??= jetstream(this.bus.connection());
    this.bus.check();
    await this.client.publish(subject, message, { msgID: id, timeout: timeoutMs, retries: 0 });
  }

  /** Sends without waiting; lost when the bus is away. */
  publishUnconfirmed(subject: string, message: Uint8Array): void {
    if (this.bus.connected) this.bus.connection().publish(subject, message);
  }
}

/**
 * Reads one partition's durable consumer: messages stream in ahead of need, and `next` takes all that are there, so a
 * busy partition is worked in large batches and a quiet one at once.
 */
export class DeliveryReader {
  private readonly waiting: JsMsg[] = [];
  private wake: () => void = () => undefined;
  private resume: () => void = () => undefined;
  private ended = false;

  private constructor(private readonly messages: ConsumerMessages) {
    void this.pump();
  }

  static async open(nats: NatsConnection, prefix: string, partition: number | typeof REFUSED): Promise<DeliveryReader> {
    const consumer = await jetstream(nats).consumers.get(deliveryStream(prefix), `reader_${partition}`);
    return new DeliveryReader(await consumer.consume({ max_messages: READ_AHEAD, expires: 10_000 }));
  }

  /** Up to `max` messages as soon as there is one; empty when the reader was stopped. */
  async next(max: number): Promise<JsMsg[]> {
    while (this.waiting.length === 0 && !this.ended) await new Promise<void>((resolve) => (this.wake = resolve));
    const batch = this.waiting.splice(0, max);
    this.resume();
    return batch;
  }

  async stop(): Promise<void> {
    this.ended = true;
    this.wake();
    this.resume();
    await this.messages.close();
  }

  private async pump(): Promise<void> {
    try {
      for await (const message of this.messages) {
        this.waiting.push(message);
        this.wake();
        while (this.waiting.length >= READ_AHEAD && !this.ended) await new Promise<void>((resolve) => (this.resume = resolve));
      }
    } finally {
      this.ended = true;
      this.wake();
    }
  }
}

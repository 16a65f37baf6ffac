import { hash } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  jetstream,
  JetStreamApiCodes,
  JetStreamApiError,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type ConsumerMessages,
  type JsMsg,
} from '@nats-io/jetstream';
import { deliveryHeader, type DeliveryHeader } from '@vane/contracts';
import type { Logger } from '../logger.js';
import type { Bus, NatsConnection } from './bus.js';

/** Deliveries of one feed always take the same partition, so one reader sees them in order of acceptance. */
export const PARTITIONS = 8;
export const REFUSED = 'refused';

const NANOSECONDS = 1_000_000;
/** What a reader has that dies is given out again after this time; one that lives asks for more. */
export const ACK_WAIT_MS = 5_000;
/** Messages asked for at a time, and how many of one partition can be in a reader's hands. */
const READ_AHEAD = 500;
const MAX_IN_HAND = 2 * READ_AHEAD;
/** Parts of the time to acknowledge after which a reader asks for more of it. */
const EXTENDS_PER_WAIT = 3;
const ENSURE_RETRY_MS = 1_000;
/** Handed back without any delay, not all of them come again from nats-server 2.9. */
const GIVE_BACK_MS = 50;

export const deliveryStream = (prefix: string) => `${prefix}_deliveries`;

/** The partition of a feed: a hash, stable over versions. */
export function partitionOf(feedId: string): number {
  return hash('sha1', feedId, 'buffer')[0]! % PARTITIONS;
}

/**
 * Where a delivery is published. What nobody verified (refused requests, handshakes) has a partition of its own, so that
 * a flood of it holds up no feed.
 */
export function deliverySubject(prefix: string, { status, feedId }: Pick<DeliveryHeader, 'status' | 'feedId'>): string {
  const unverified = status === 'refused' || status === 'handshake';
  return `${prefix}.deliveries.${unverified ? REFUSED : partitionOf(feedId)}`;
}

/** One message: the header as a line of JSON, then the body's bytes untouched. */
export function encodeDelivery(header: DeliveryHeader, body: Uint8Array): Uint8Array {
  const line = `${JSON.stringify(header)}\n`;
  const length = Buffer.byteLength(line);
  const message = Buffer.allocUnsafe(length + body.length);
  message.write(line);
  message.set(body, length);
  return message;
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
    max_age: 0,
  };
  await manager.streams.info(name).catch(() => manager.streams.add(stream));
  for (const partition of [...Array(PARTITIONS).keys(), REFUSED]) {
    const durable = `reader_${partition}`;
    const ackWait = ACK_WAIT_MS * NANOSECONDS;
    const { config } = await manager.consumers.info(name, durable).catch(() =>
      manager.consumers.add(name, {
        durable_name: durable,
        ack_policy: AckPolicy.Explicit,
        deliver_policy: DeliverPolicy.All,
        ack_wait: ackWait,
        max_ack_pending: MAX_IN_HAND,
        max_deliver: -1,
        filter_subject: `${prefix}.deliveries.${partition}`,
      }),
    );
    // One that an older version has made.
    if (config.ack_wait !== ackWait) await manager.consumers.update(name, durable, { ack_wait: ackWait });
  }
}

/**
 * After a crash nats-server can have messages again whose acknowledgement its consumer remembers: nobody would ever get them,
 * and they would stay. Where there is such a one, the consumer is made anew, which gives out all that is there, whoever has
 * it in hand: what was taken in before adds nothing. True when it was.
 */
export async function giveOutLeftovers(nats: NatsConnection, prefix: string, partition: number | typeof REFUSED): Promise<boolean> {
  const manager = await jetstreamManager(nats);
  const [name, durable] = [deliveryStream(prefix), `reader_${partition}`];
  const { ack_floor } = await manager.consumers.info(name, durable);
  const firstOfPartition = { seq: 1, next_by_subj: `${prefix}.deliveries.${partition}` };
  const oldest = await manager.streams.getMessage(name, firstOfPartition);
  if (!oldest || oldest.seq > ack_floor.stream_seq) return false;
  await manager.consumers.delete(name, durable);
  await ensureDeliveryStream(nats, prefix);
  return true;
}

/**
 * Ensures the stream on the first connection and after every reconnect, and tries again until JetStream takes it: a server
 * answers some time before its JetStream does, and may come back without what it stored.
 */
export function keepDeliveryStream(bus: Bus, logger: Logger): void {
  let latest = 0;
  const ensure = async (nats: NatsConnection): Promise<void> => {
    const mine = ++latest;
    while (mine === latest && !nats.isClosed()) {
      try {
        return await ensureDeliveryStream(nats, bus.prefix);
      } catch (error) {
        logger.warn({ err: error }, 'delivery stream cannot be set up yet, trying again');
      }
      await wait(ENSURE_RETRY_MS, undefined, { ref: false });
    }
  };
  bus.whenConnected(ensure);
  bus.onReconnect(ensure);
}

/** Whether an error of JetStream says that the stream or a consumer is not there. */
export function isStreamMissing(error: unknown): boolean {
  const { StreamNotFound, ConsumerNotFound } = JetStreamApiCodes;
  return error instanceof JetStreamApiError && (error.code === StreamNotFound || error.code === ConsumerNotFound);
}

/**
 * Reads one partition's durable consumer: messages stream in ahead of need, and `next` takes all that are there, so a
 * busy partition is worked in large batches and a quiet one at once. While it lives it keeps what it has, however long a
 * batch takes. Ends when it is stopped, and by itself when the stream or the consumer is gone.
 */
export class DeliveryReader {
  private readonly waiting: JsMsg[] = [];
  /** The batch that `next` handed out last. */
  private inHand: JsMsg[] = [];
  private wake: () => void = () => undefined;
  private over = false;
  private readonly pumped: Promise<void>;
  private readonly timer: NodeJS.Timeout;

  private constructor(private readonly messages: ConsumerMessages, ackWaitMs: number) {
    this.pumped = this.pump();
    this.timer = setInterval(() => this.keep(), ackWaitMs / EXTENDS_PER_WAIT).unref();
  }

  /** Rejects with an error that `isStreamMissing` knows when the stream or its consumer is not there. */
  static async open(nats: NatsConnection, prefix: string, partition: number | typeof REFUSED): Promise<DeliveryReader> {
    const consumer = await jetstream(nats).consumers.get(deliveryStream(prefix), `reader_${partition}`);
    const { config } = await consumer.info();
    const messages = await consumer.consume({ max_messages: READ_AHEAD, expires: 10_000, abort_on_missing_resource: true });
    return new DeliveryReader(messages, (config.ack_wait ?? ACK_WAIT_MS * NANOSECONDS) / NANOSECONDS);
  }

  /** True once it was stopped or has ended: what it handed out belongs to the next reader. */
  get ended(): boolean {
    return this.over;
  }

  /** Up to `max` messages as soon as there is one; empty when the reader has ended. To ask again is to be done with the last ones. */
  async next(max: number): Promise<JsMsg[]> {
    this.inHand = [];
    while (this.waiting.length === 0 && !this.over) await new Promise<void>((resolve) => (this.wake = resolve));
    this.inHand = this.over ? [] : this.waiting.splice(0, max);
    return [...this.inHand];
  }

  /** Ends at once. What was read ahead goes back to the stream, for whoever reads next. */
  async stop(): Promise<void> {
    this.end();
    await this.messages.close();
    await this.pumped;
    // Only now: before, the stream would send them to this reader again.
    for (const message of this.waiting.splice(0)) giveBack(message);
  }

  private async pump(): Promise<void> {
    try {
      for await (const message of this.messages) {
        this.waiting.push(message);
        this.wake();
      }
    } catch {
      // The stream or the consumer is gone; opening the next reader says which.
    }
    this.end();
  }

  /** Asks for more time for all that is not acknowledged yet; for what is, this says nothing. */
  private keep(): void {
    for (const message of [...this.inHand, ...this.waiting]) tell(() => message.working());
  }

  private end(): void {
    this.over = true;
    clearInterval(this.timer);
    this.wake();
  }
}

const giveBack = (message: JsMsg): void => tell(() => message.nak(GIVE_BACK_MS));

/** On a closed connection a message comes back by itself when its time to be acknowledged is over. */
function tell(say: () => void): void {
  try {
    say();
  } catch {
    return;
  }
}

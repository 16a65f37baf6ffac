import type { Database } from '@vane/db';
import {
  decodeDelivery, DeliveryReader, ensureDeliveryStream, giveOutLeftovers, isStreamMissing, PARTITIONS, REFUSED, type Bus, type Logger, type NatsConnection,
} from '@vane/runtime';
import type { JsMsg } from '@nats-io/jetstream';
import type { PoolClient } from 'pg';
import type { Intake } from './intake.js';
import { takeEach } from './take-each.js';

const BATCH = 200;
const CLAIM_EVERY_MS = 1_000;
const LEFTOVERS_EVERY_MS = 60_000;
const RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 10_000;
/** Not none at all: nats-server 2.9 would not send all of them again. */
const HAND_OVER_MS = 50;

type Partition = number | typeof REFUSED;
type Running = { reader: DeliveryReader; done: Promise<void> };

/**
 * One active reader per partition over all processes. Who reads is settled by a Postgres advisory lock on a connection
 * of its own: it is free again the moment its process dies. Correctness does not hang on it: event keys do that.
 */
export class PartitionReaders {
  private readonly running = new Map<Partition, Running>();
  private lock: PoolClient | undefined;
  private timer: NodeJS.Timeout | undefined;
  private ticking = Promise.resolve();
  private stopped = false;
  /** Whether this connection has seen the stream; asking every second would cost ten calls each time. */
  private ensured = false;
  /** When to look for messages that the stream has and its consumers do not know of. */
  private lookAt = 0;

  constructor(
    private readonly bus: Bus,
    private readonly database: Database,
    private readonly intake: Intake,
    private readonly logger: Logger,
  ) {}

  start(): void {
    this.bus.onReconnect(() => {
      this.ensured = false;
    });
    this.bus.whenConnected((nats) => this.tick(nats));
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.stopAll();
    await this.ticking;
    await this.stopAll();
    const lock = this.lock;
    this.lock = undefined;
    lock?.release(true);
  }

  private tick(nats: NatsConnection): void {
    if (this.stopped) return;
    this.ticking = this.claim(nats).finally(() => {
      if (!this.stopped) this.timer = setTimeout(() => this.tick(nats), CLAIM_EVERY_MS);
    });
  }

  private async claim(nats: NatsConnection): Promise<void> {
    try {
      if (!this.ensured) {
        this.ensured = true;
        await ensureDeliveryStream(nats, this.bus.prefix).catch((error: unknown) => {
          this.ensured = false;
          throw error;
        });
        this.lookAt = 0;
      }
      await this.claimPartitions(nats);
      if (performance.now() >= this.lookAt) await this.findLeftovers(nats);
    } catch (error) {
      if (isStreamMissing(error)) this.ensured = false;
      this.logger.warn({ err: error }, 'partitions cannot be claimed yet, trying again');
    }
  }

  private async claimPartitions(nats: NatsConnection): Promise<void> {
    const lock = (this.lock ??= await this.lockConnection());
    for (const partition of [...Array(PARTITIONS).keys(), REFUSED] as Partition[]) {
      if (this.running.has(partition) || this.stopped) continue;
      const { rows } = await lock.query<{ held: boolean }>('SELECT pg_try_advisory_lock(hashtext($1), hashtext($2)) AS held', [
        `${this.bus.prefix}.deliveries`,
        String(partition),
      ]);
      if (rows[0]?.held) await this.read(nats, partition);
    }
  }

  /** Its reader ends with the consumer that is made anew, and the next claim opens another one. */
  private async findLeftovers(nats: NatsConnection): Promise<void> {
    this.lookAt = performance.now() + LEFTOVERS_EVERY_MS;
    for (const partition of [...this.running.keys()]) {
      if (await giveOutLeftovers(nats, this.bus.prefix, partition)) {
        this.logger.warn({ partition }, 'the stream had messages that it would not have given out any more: it gives out all again');
      }
    }
  }

  /** When the connection that holds the locks breaks, another process may read: stop at once. */
  private async lockConnection(): Promise<PoolClient> {
    const client = await this.database.pool.connect();
    client.on('error', (error) => {
      if (this.lock !== client) return;
      this.logger.warn({ err: error }, 'connection that holds the partitions broke, letting go of them');
      this.lock = undefined;
      client.release(true);
      this.stopAll().catch((failure: unknown) => this.logger.warn({ err: failure }, 'a reader could not be closed'));
    });
    return client;
  }

  private async read(nats: NatsConnection, partition: Partition): Promise<void> {
    const reader = await DeliveryReader.open(nats, this.bus.prefix, partition);
    const done = this.loop(partition, reader).finally(() => this.running.delete(partition));
    this.running.set(partition, { reader, done });
    this.logger.debug({ partition }, 'reading partition');
  }

  private async loop(partition: Partition, reader: DeliveryReader): Promise<void> {
    for (;;) {
      const messages = await reader.next(BATCH);
      if (messages.length === 0) return;
      try {
        await this.takeBatch(messages, reader);
      } catch (error) {
        this.logger.error({ err: error, partition, messages: messages.length }, 'batch could not be taken in, trying again');
        for (const message of messages) this.giveBack(message);
      }
    }
  }

  private async takeBatch(messages: JsMsg[], reader: DeliveryReader): Promise<void> {
    const readable = messages.flatMap((message) => this.decode(message));
    if (readable.length === 0) return;
    await takeEach({ intake: this.intake, database: this.database, logger: this.logger }, readable, {
      taken: ({ message }) => this.settle(() => message.ack()),
      left: ({ message }) => this.giveBack(message, reader.ended),
      ended: () => reader.ended,
    });
  }

  /** Hands a message back: to whoever reads next at once, to ourselves after a pause that grows with every try. */
  private giveBack(message: JsMsg, toAnother = false): void {
    const pause = toAnother ? HAND_OVER_MS : Math.min(LONGEST_RETRY_MS, RETRY_MS * message.info.deliveryCount);
    this.settle(() => message.nak(pause));
  }

  /** What the stream is not told, it sends again, which adds nothing. */
  private settle(tell: () => void): void {
    try {
      tell();
    } catch (error) {
      this.logger.warn({ err: error }, 'the stream could not be told what became of a message, it will send it again');
    }
  }

  /** A message that is no delivery was not written by us: it is dropped loudly. */
  private decode(message: JsMsg) {
    try {
      return [{ message, ...decodeDelivery(message.data) }];
    } catch (error) {
      this.logger.error({ err: error, subject: message.subject }, 'message on the delivery stream is not a delivery, dropping it');
      this.settle(() => message.term('not a delivery'));
      return [];
    }
  }

  private async stopAll(): Promise<void> {
    const running = [...this.running.values()];
    await Promise.all(running.map(({ reader }) => reader.stop()));
    await Promise.all(running.map(({ done }) => done));
  }
}

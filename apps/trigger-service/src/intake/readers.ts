import type { Database } from '@vane/db';
import { decodeDelivery, DeliveryReader, ensureDeliveryStream, PARTITIONS, REFUSED, type Bus, type Logger, type NatsConnection } from '@vane/runtime';
import type { JsMsg } from '@nats-io/jetstream';
import type { PoolClient } from 'pg';
import type { Intake } from './intake.js';

const BATCH = 200;
const CLAIM_EVERY_MS = 1_000;
const RETRY_MS = 1_000;
/** A delivery that fails this often on its own is set aside instead of holding up its partition. */
const MAX_TRIES = 5;

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
  private stopped = false;

  constructor(
    private readonly bus: Bus,
    private readonly database: Database,
    private readonly intake: Intake,
    private readonly logger: Logger,
  ) {}

  start(): void {
    this.bus.whenConnected(async (nats) => {
      await this.tick(nats);
    });
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.stopAll();
    this.lock?.release(true);
  }

  private async tick(nats: NatsConnection): Promise<void> {
    if (this.stopped) return;
    try {
      await ensureDeliveryStream(nats, this.bus.prefix);
      await this.claimPartitions(nats);
    } catch (error) {
      this.logger.warn({ err: error }, 'partitions cannot be claimed yet, trying again');
    }
    this.timer = setTimeout(() => void this.tick(nats), CLAIM_EVERY_MS);
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

  /** When the connection that holds the locks breaks, another process may read: stop at once. */
  private async lockConnection(): Promise<PoolClient> {
    const client = await this.database.pool.connect();
    client.on('error', (error) => {
      this.logger.warn({ err: error }, 'connection that holds the partitions broke, letting go of them');
      this.lock = undefined;
      client.release(true);
      void this.stopAll();
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
        await this.takeBatch(messages);
      } catch (error) {
        this.logger.error({ err: error, partition, messages: messages.length }, 'batch could not be taken in, trying again');
        for (const message of messages) message.nak(RETRY_MS);
      }
    }
  }

  private async takeBatch(messages: JsMsg[]): Promise<void> {
    const readable = messages.flatMap((message) => this.decode(message));
    try {
      await this.intake.take(readable);
      for (const { message } of readable) message.ack();
    } catch (error) {
      await this.database.ping();
      this.logger.warn({ err: error, messages: readable.length }, 'batch failed, taking its deliveries one by one');
      for (const one of readable) await this.takeOne(one);
    }
  }

  private async takeOne(one: ReturnType<PartitionReaders['decode']>[number]): Promise<void> {
    const { message, header, body } = one;
    try {
      await this.intake.take([one]);
      message.ack();
    } catch (error) {
      // Tries made while Postgres was away say nothing about the delivery.
      await this.database.ping();
      if (message.info.deliveryCount < MAX_TRIES) return message.nak(RETRY_MS * message.info.deliveryCount);
      this.logger.error({ err: error, deliveryId: header.id }, 'delivery cannot be taken in, it is set aside as unprocessable');
      await this.intake.setAside(header, body, error instanceof Error ? error.message : String(error));
      message.ack();
    }
  }

  /** A message that is no delivery was not written by us: it is dropped loudly. */
  private decode(message: JsMsg) {
    try {
      return [{ message, ...decodeDelivery(message.data) }];
    } catch (error) {
      this.logger.error({ err: error, subject: message.subject }, 'message on the delivery stream is not a delivery, dropping it');
      message.term('not a delivery');
      return [];
    }
  }

  private async stopAll(): Promise<void> {
    const running = [...this.running.values()];
    await Promise.all(running.map(({ reader }) => reader.stop()));
    await Promise.all(running.map(({ done }) => done));
  }
}

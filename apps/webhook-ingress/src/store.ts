import type { DeliveryHeader } from '@vane/contracts';
import type { Database } from '@vane/db';
import { DeliveryPublisher, deliverySubject, encodeDelivery, type Bus, type Clock, type Logger } from '@vane/runtime';

/** The bus has confirmed, or this many milliseconds have passed and the inbox is tried. */
const ACK_DEADLINE_MS = 1_000;
const LOG_TOGETHER_MS = 50;

/** Makes deliveries durable before the sender gets its answer: the stream, and the Postgres inbox while the bus is away. */
export class DeliveryStore {
  private readonly publisher: DeliveryPublisher;
  private turn: Promise<void> | undefined;
  private readonly stored: string[] = [];

  constructor(
    private readonly bus: Bus,
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {
    this.publisher = new DeliveryPublisher(bus);
  }

  /** Resolves to where it is stored now, or to null when neither place would take it. */
  async store(header: DeliveryHeader, body: Uint8Array): Promise<'stream' | 'inbox' | null> {
    const subject = deliverySubject(this.bus.prefix, header);
    const message = encodeDelivery(header, body);
    await this.endOfTurn();
    try {
      await this.publisher.publish(subject, message, ACK_DEADLINE_MS);
      this.logStored(header.id);
      return 'stream';
    } catch (error) {
      this.logger.warn({ err: error, deliveryId: header.id }, 'bus did not confirm, delivery goes to the inbox');
    }
    try {
      await this.database.pool.query(
        'INSERT INTO inbox (id, subject, message, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING',
        [header.id, subject, message, this.clock.now()],
      );
      this.logStored(header.id);
      return 'inbox';
    } catch (error) {
      this.logger.error({ err: error, deliveryId: header.id }, 'delivery could not be stored anywhere');
      return null;
    }
  }

  /**
   * Resolves when every socket that is readable now has been read: what arrived together is published together, with
   * one write to the bus instead of one each.
   */
  private endOfTurn(): Promise<void> {
    return (this.turn ??= new Promise((resolve) => {
      setImmediate(() => {
        this.turn = undefined;
        resolve();
      });
    }));
  }

  /** What was confirmed at about the same time is one line: a line for each would cost more than judging them. */
  private logStored(id: string): void {
    if (this.stored.push(id) === 1) setTimeout(() => this.writeStored(), LOG_TOGETHER_MS);
  }

  /** Writes now what is still to be logged; when the app stops. */
  writeStored(): void {
    if (this.stored.length > 0) this.logger.info({ correlationIds: this.stored.splice(0) }, 'deliveries stored');
  }

  /** For records nobody waits for: refused requests, handshakes. */
  record(header: DeliveryHeader, body: Uint8Array): void {
    this.publisher.publishUnconfirmed(deliverySubject(this.bus.prefix, header), encodeDelivery(header, body));
  }
}

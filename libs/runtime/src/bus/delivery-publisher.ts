import { createInbox, type Msg, type NatsConnection } from '@nats-io/transport-node';
import type { Bus } from './bus.js';

type Waiting = { until: number; resolve: () => void; reject: (error: Error) => void };

/** How often acknowledgements that are late are looked for, in milliseconds. */
const LATE_EVERY_MS = 50;

/**
 * Publishes deliveries and waits for the stream's acknowledgement: stored on disk once `publish` resolves.
 *
 * The acknowledgement of a publish is the reply to it (https://docs.nats.io/reference/reference-protocols/nats_api_reference).
 * All replies come over one subscription and are told apart by a number, and one timer finds those that are late: a
 * request of the client's own makes a timer, two promises and an error with a stack each, which is a fifth of what ingress does.
 */
export class DeliveryPublisher {
  private readonly waiting = new Map<number, Waiting>();
  private inbox: { nats: NatsConnection; prefix: string } | undefined;
  private late: NodeJS.Timeout | undefined;
  private number = 0;

  constructor(private readonly bus: Bus) {}

  /**
   * Rejects when the bus is away or has not confirmed within `timeoutMs`, which is the same for all. Sent once, and without
   * a message id: the stream would keep each for a while and compare, for a repetition that nobody sends. Whoever takes
   * deliveries in knows them by their own id.
   */
  publish(subject: string, message: Uint8Array, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const nats = this.bus.connection();
      const number = ++this.number;
      nats.publish(subject, message, { reply: `${this.inboxOf(nats)}${number}` });
      this.waiting.set(number, { until: performance.now() + timeoutMs, resolve, reject });
      this.late ??= setInterval(() => this.giveUpLate(), LATE_EVERY_MS).unref();
    });
  }

  /** Sends without waiting; lost when the bus is away. */
  publishUnconfirmed(subject: string, message: Uint8Array): void {
    if (this.bus.connected) this.bus.connection().publish(subject, message);
  }

  private inboxOf(nats: NatsConnection): string {
    if (this.inbox?.nats !== nats) {
      const prefix = `${createInbox(this.bus.inboxPrefix)}.`;
      nats.subscribe(`${prefix}*`, { callback: (error, reply) => (error ? undefined : this.settle(Number(reply.subject.slice(prefix.length)), reply)) });
      this.inbox = { nats, prefix };
    }
    return this.inbox.prefix;
  }

  private settle(number: number, reply: Msg): void {
    const waiting = this.waiting.get(number);
    if (!waiting) return;
    this.waiting.delete(number);
    const problem = problemIn(reply);
    if (problem === undefined) waiting.resolve();
    else waiting.reject(new Error(problem));
  }

  /** Oldest first, so the first that is in time ends the search. */
  private giveUpLate(): void {
    const now = performance.now();
    for (const [number, { until, reject }] of this.waiting) {
      if (until > now) return;
      this.waiting.delete(number);
      reject(new Error('the stream has not confirmed in time'));
    }
    clearInterval(this.late);
    this.late = undefined;
  }
}

/** Why the stream has not stored it; undefined when it has. */
function problemIn(reply: Msg): string | undefined {
  if (reply.data.length === 0) return `no stream takes the message (status ${reply.headers?.code ?? 'unknown'})`;
  const answer = JSON.parse(reply.string()) as { stream?: string; error?: { description?: string } };
  if (answer.error) return answer.error.description ?? 'the stream has refused the message';
  return answer.stream === undefined ? 'the answer does not name a stream' : undefined;
}

import type { OutputOf, deliverNotifications } from '@vane/contracts';
import type { Clock, Logger } from '@vane/runtime';
import type { SendResult } from './channel-sender.js';
import type { Claimed, DeliveryRows, Settled } from './delivery-rows.js';
import { afterFailure } from './retry.js';
import type { Senders } from './senders.js';

/** As many channels as one notification is sent over at once; the rest follows with the next sweep. */
const AT_ONCE = 50;
const OUR_FAULT = 'This did not work because of a fault on our side. It is tried again.';

/**
 * Sends what channels are owed: claimed by lease, sent outside any transaction, then settled. At least once: when this
 * process dies between the two, another sends it again under the same id.
 */
export class Deliverer {
  private readonly underWay = new Set<Promise<unknown>>();

  constructor(
    private readonly rows: DeliveryRows,
    private readonly senders: Senders,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  /** Sends up to `limit` of what is due, all side by side, so that a receiver that does not answer holds up no other. */
  async deliver(limit: number, notificationId: string | null = null): Promise<OutputOf<typeof deliverNotifications>> {
    const claimed = await this.rows.claim(limit, notificationId);
    const taken = await Promise.all(claimed.map((one) => this.deliverOne(one)));
    const sent = taken.filter(Boolean).length;
    return { sent, failed: taken.length - sent, more: claimed.length === limit };
  }

  /** Begins sending a notification and does not wait for it; what does not work is due for the next sweep. */
  soon(notificationId: string): void {
    const work = this.deliver(AT_ONCE, notificationId)
      .catch((error: unknown) => this.logger.warn({ err: error, notificationId }, 'notification is left to the next sweep'))
      .finally(() => this.underWay.delete(work));
    this.underWay.add(work);
  }

  /** Resolves when what was begun by `soon` has ended. */
  async stop(): Promise<void> {
    while (this.underWay.size > 0) await Promise.all(this.underWay);
  }

  /** Whether it was sent. Never rejects: what cannot even be settled is due again when its lease ends. */
  private async deliverOne(claimed: Claimed): Promise<boolean> {
    const { message, channel, attempt } = claimed;
    const fields = { notificationId: message.id, channelId: channel.id, workspaceId: message.workspaceId, attempt };
    try {
      const result = await this.send(claimed);
      if (result.outcome === 'gone') await this.end(claimed, result.error);
      else await this.rows.settle(claimed, this.judge(claimed, result));
      if (result.outcome !== 'sent') this.logger.info({ ...fields, outcome: result.outcome, reason: result.error }, 'notification was not taken');
      return result.outcome === 'sent';
    } catch (error) {
      this.logger.error({ err: error, ...fields }, 'delivery of a notification could not be settled');
      return false;
    }
  }

  private async send({ message, channel, attempt }: Claimed): Promise<SendResult> {
    if (!channel.enabled) return { outcome: 'refused', error: 'The channel is switched off.' };
    try {
      return await this.senders.of(channel.kind).send(message, channel);
    } catch (error) {
      this.logger.error({ err: error, notificationId: message.id, channelId: channel.id, attempt }, 'notification cannot be sent');
      return { outcome: 'failed', error: OUR_FAULT };
    }
  }

  private judge({ message, attempt }: Claimed, result: Exclude<SendResult, { outcome: 'gone' }>): Settled {
    if (result.outcome === 'sent') return { status: 'sent' };
    const { error } = result;
    if (result.outcome === 'refused') return { status: 'failed', error };
    const tried = { attempt, createdAt: message.createdAt, now: this.clock.now(), retryAfterMs: result.retryAfterMs };
    const nextAttemptAt = afterFailure(tried, Math.random());
    return nextAttemptAt ? { status: 'pending', error, nextAttemptAt } : { status: 'failed', error };
  }

  private async end(claimed: Claimed, error: string): Promise<void> {
    const told = await this.rows.end(claimed, error);
    if (told !== undefined) this.soon(told);
  }
}

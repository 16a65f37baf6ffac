import { Webhook } from 'standardwebhooks';

export type SendOptions = { url: string; secret: string; perSecond: number; seconds: number; prefix: string };

const TRY_MS = 5_000;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 2_000;
/** How long after the load an event may still be repeated. */
const PATIENCE_MS = 60_000;

/**
 * A sender as Standard Webhooks describes it: every event has an id of its own and is repeated under it, with a fresh
 * timestamp and signature, until it is answered 2xx.
 */
export class Sender {
  /** Ids that were answered 2xx. */
  readonly accepted = new Set<string>();
  sent = 0;
  /** Tries beyond the first of an event. */
  repeats = 0;
  private readonly webhook: Webhook;

  constructor(private readonly options: SendOptions) {
    this.webhook = new Webhook(options.secret);
  }

  /** Sends at a steady rate; resolves when every event was accepted or is given up. */
  async run(): Promise<void> {
    const { perSecond, seconds } = this.options;
    const startedAt = performance.now();
    const giveUpAt = startedAt + seconds * 1000 + PATIENCE_MS;
    const underWay: Promise<void>[] = [];
    for (let index = 0; index < perSecond * seconds; index += 1) {
      const wait = startedAt + (index * 1000) / perSecond - performance.now();
      if (wait > 0) await pause(wait);
      this.sent += 1;
      underWay.push(this.deliver(`${this.options.prefix}_${index}`, giveUpAt));
    }
    await Promise.all(underWay);
  }

  private async deliver(id: string, giveUpAt: number): Promise<void> {
    const body = JSON.stringify({ id, type: 'chaos.happened', timestamp: new Date().toISOString(), data: {} });
    for (let tries = 0; performance.now() < giveUpAt; tries += 1) {
      if (await this.post(id, body)) {
        this.accepted.add(id);
        return;
      }
      this.repeats += 1;
      // Spread, so that the repeats of a dead second do not come in one.
      await pause((0.5 + Math.random() / 2) * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** tries));
    }
  }

  private async post(id: string, body: string): Promise<boolean> {
    const at = new Date();
    try {
      const answer = await fetch(this.options.url, {
        method: 'POST',
        body,
        signal: AbortSignal.timeout(TRY_MS),
        headers: {
          'content-type': 'application/json',
          'webhook-id': id,
          'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
          'webhook-signature': this.webhook.sign(id, at, body),
        },
      });
      await answer.arrayBuffer();
      return answer.ok;
    } catch {
      return false;
    }
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

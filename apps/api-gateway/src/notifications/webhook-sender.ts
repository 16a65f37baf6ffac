import { VaneError, webUrl } from '@vane/contracts';
import type { Vault } from '@vane/db';
import { EgressError, postSigned, retryAfter, type Clock, type EgressClient } from '@vane/runtime';
import type { ChannelSender, Destination, Message, SendResult } from './channel-sender.js';
import { secretCell } from './secret-cell.js';

const TIMEOUT_MS = 10_000;
/** Longest pause a receiver may ask for. */
const MAX_PAUSE_MS = 3_600_000;

/** Posts notifications as JSON, signed as Standard Webhooks says. 410 says that the receiver is gone, as in that specification. */
export class WebhookSender implements ChannelSender {
  constructor(
    private readonly egress: EgressClient,
    private readonly vault: Vault,
    private readonly clock: Clock,
  ) {}

  checkTarget(target: string): void {
    const refuse = (code: 'invalid_config' | 'url_not_allowed', message: string) =>
      new VaneError(code, `target: ${message}`, { fields: [{ path: 'target', message }] });
    if (!webUrl().safeParse(target).success) throw refuse('invalid_config', 'A webhook needs an absolute http(s) URL.');
    try {
      this.egress.checkUrl(target);
    } catch (error) {
      if (error instanceof EgressError) throw refuse('url_not_allowed', error.message);
      throw error;
    }
  }

  async send(message: Message, destination: Destination): Promise<SendResult> {
    if (destination.secretEnc === null) return { outcome: 'refused', error: 'The channel has no signing secret. Give it a new one.' };
    const secret = await this.vault.decrypt(destination.secretEnc, secretCell(destination.workspaceId, destination.id));
    const now = this.clock.now();
    try {
      const { status, headers } = await postSigned(this.egress, {
        url: destination.target, secret, id: message.id, body: bodyOf(message), now, timeoutMs: TIMEOUT_MS,
      });
      return judge(status, retryAfter(headers['retry-after'], now, MAX_PAUSE_MS));
    } catch (error) {
      if (error instanceof EgressError) return { outcome: 'failed', error: error.message };
      throw error;
    }
  }
}

function judge(status: number, retryAfterMs: number | undefined): SendResult {
  if (status >= 200 && status < 300) return { outcome: 'sent' };
  if (status === 410) return { outcome: 'gone', error: 'The receiver answered 410: it wants no more notifications.' };
  return { outcome: 'failed', error: `The receiver answered ${status}.`, retryAfterMs };
}

const bodyOf = ({ id, kind, severity, workspaceId, title, text, link, facts, createdAt }: Message): string =>
  JSON.stringify({ id, kind, severity, workspace: workspaceId, title, text, link, facts, createdAt: createdAt.toISOString() });

import type { Severity } from '@vane/contracts';

/** What is sent, over whatever kind of channel. */
export type Message = {
  /** The notification's id: the same in every repeat. */
  id: string;
  workspaceId: string;
  kind: string;
  severity: Severity;
  title: string;
  text: string;
  link: string | null;
  facts: unknown;
  createdAt: Date;
};

/** Where it is sent. */
export type Destination = { id: string; workspaceId: string; target: string; secretEnc: string | null };

/**
 * What became of one try. `gone`: the receiver wants nothing more, ever. `refused`: a repeat of this message would be
 * refused as well. `failed`: worth another try, after `retryAfterMs` when the receiver asked for a pause.
 * `error` is a sentence for the workspace's people, without anything secret.
 */
export type SendResult =
  | { outcome: 'sent' }
  | { outcome: 'gone'; error: string }
  | { outcome: 'refused'; error: string }
  | { outcome: 'failed'; error: string; retryAfterMs?: number | undefined };

/** One kind of channel. */
export type ChannelSender = {
  /** Throws a VaneError when nothing could ever be sent there. */
  checkTarget(target: string): void;
  /** Rejects only for a fault of ours. */
  send(message: Message, destination: Destination): Promise<SendResult>;
};

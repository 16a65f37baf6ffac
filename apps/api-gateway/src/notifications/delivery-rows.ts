import { Injectable } from '@nestjs/common';
import type { ChannelKind, Severity } from '@vane/contracts';
import { Database } from '@vane/db';
import { Clock } from '@vane/runtime';
import type { Destination, Message } from './channel-sender.js';
import { NotificationStore, type Queries } from './notification-store.js';

/** Longer than any sender takes, so that nobody else sends the same at the same time. */
export const LEASE_MS = 60_000;

/** One delivery that this process may try now. */
export type Claimed = {
  message: Message;
  channel: Destination & { kind: ChannelKind; enabled: boolean; version: number };
  /** The number of this try, which also fences it: whoever takes over later has a higher one. */
  attempt: number;
};

/** How a try leaves its delivery. */
export type Settled = { status: 'sent' } | { status: 'failed'; error: string } | { status: 'pending'; error: string; nextAttemptAt: Date };

type Row = {
  notification_id: string; workspace_id: string; attempts: number;
  kind: string; severity: Severity; title: string; text: string; link: string | null; facts: unknown; created_at: Date;
  channel_id: string; channel_kind: ChannelKind; target: string; secret_enc: string | null; enabled: boolean; version: number;
};

/** Table `notification_delivery`: claiming what is due by lease, and writing what became of it. */
@Injectable()
export class DeliveryRows {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly store: NotificationStore,
  ) {}

  /** Takes up to `limit` deliveries that are due and that nobody has in hand, of all workspaces or of one notification. */
  async claim(limit: number, notificationId: string | null = null): Promise<Claimed[]> {
    const { rows } = await this.database.pool.query<Row>(
      `WITH due AS (
         SELECT notification_id, channel_id FROM notification_delivery
         WHERE next_attempt_at <= $1 AND (lease_until IS NULL OR lease_until <= $1) AND ($4::text IS NULL OR notification_id = $4)
         ORDER BY next_attempt_at LIMIT $3 FOR UPDATE SKIP LOCKED
       )
       UPDATE notification_delivery d SET lease_until = $2, attempts = d.attempts + 1
       FROM due, notification n, notification_channel c
       WHERE d.notification_id = due.notification_id AND d.channel_id = due.channel_id
         AND n.id = d.notification_id AND c.id = d.channel_id
       RETURNING d.notification_id, d.workspace_id, d.attempts, n.kind, n.severity, n.title, n.text, n.link, n.facts, n.created_at,
         c.id AS channel_id, c.kind AS channel_kind, c.target, c.secret_enc, c.enabled, c.version`,
      [this.clock.now(), this.clock.in(LEASE_MS), limit, notificationId],
    );
    return rows.map(claimedOf);
  }

  /** Writes what became of a try, unless another one has begun since. */
  async settle(claimed: Claimed, settled: Settled, queries: Queries = this.database.pool): Promise<boolean> {
    const { rowCount } = await queries.query(
      `UPDATE notification_delivery SET status = $4, lease_until = NULL, last_error = $5, next_attempt_at = $6, sent_at = $7
       WHERE notification_id = $1 AND channel_id = $2 AND workspace_id = $8 AND attempts = $3 AND status = 'pending'`,
      [
        claimed.message.id, claimed.channel.id, claimed.attempt, settled.status,
        settled.status === 'sent' ? null : settled.error,
        settled.status === 'pending' ? settled.nextAttemptAt : null,
        settled.status === 'sent' ? this.clock.now() : null,
        claimed.message.workspaceId,
      ],
    );
    return rowCount === 1;
  }

  /**
   * A receiver said that it is gone: in one transaction the delivery ends, the channel is switched off, unless somebody
   * changed it meanwhile, and the workspace is told over the channels that are left. Returns the id of what it is told.
   */
  async end(claimed: Claimed, error: string): Promise<string | undefined> {
    const { channel, message } = claimed;
    return this.database.transaction(async (tx) => {
      if (!(await this.settle(claimed, { status: 'failed', error }, tx))) return undefined;
      const { rowCount } = await tx.query(
        `UPDATE notification_channel SET enabled = false, version = version + 1, updated_at = $4
         WHERE id = $1 AND workspace_id = $2 AND version = $3 AND enabled`,
        [channel.id, channel.workspaceId, channel.version, this.clock.now()],
      );
      if (rowCount !== 1) return undefined;
      return this.store.post(
        {
          workspace: message.workspaceId,
          kind: 'notification-channel.disabled',
          severity: 'warning',
          dedupeKey: `notification-channel.disabled:${channel.id}:${channel.version}`,
          title: 'A notification channel was switched off',
          text: `${error} Vane has switched the channel off. Correct its target and enable it again, or delete it.`,
          link: null,
          facts: { channel: channel.id, kind: channel.kind },
        },
        tx,
      );
    });
  }
}

const claimedOf = (row: Row): Claimed => ({
  message: {
    id: row.notification_id, workspaceId: row.workspace_id, kind: row.kind, severity: row.severity, title: row.title, text: row.text,
    link: row.link, facts: row.facts, createdAt: row.created_at,
  },
  channel: {
    id: row.channel_id, workspaceId: row.workspace_id, kind: row.channel_kind, target: row.target, secretEnc: row.secret_enc,
    enabled: row.enabled, version: row.version,
  },
  attempt: row.attempts,
});

import { Injectable } from '@nestjs/common';
import type { InputOf, postNotification } from '@vane/contracts';
import { Database, newId } from '@vane/db';
import { Clock } from '@vane/runtime';

/** A pool, or the connection of a transaction. */
export type Queries = Pick<Database['pool'], 'query'>;

/** Writes notifications of workspaces and what is owed of them to channels. */
@Injectable()
export class NotificationStore {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /**
   * Writes a notification and, in the same statement, a delivery due now for every channel that is enabled. Returns its
   * id, or undefined when the workspace has one with this dedupe key.
   */
  async post(input: InputOf<typeof postNotification>, queries: Queries = this.database.pool): Promise<string | undefined> {
    const now = this.clock.now();
    const { rows } = await queries.query<{ id: string }>(
      `WITH posted AS (
         INSERT INTO notification (id, workspace_id, kind, severity, dedupe_key, title, text, link, facts, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (workspace_id, dedupe_key) DO NOTHING RETURNING id, workspace_id
       ), owed AS (
         INSERT INTO notification_delivery (notification_id, channel_id, workspace_id, status, attempts, next_attempt_at)
         SELECT posted.id, channel.id, channel.workspace_id, 'pending', 0, $10::timestamptz
         FROM posted JOIN notification_channel channel ON channel.workspace_id = posted.workspace_id
         WHERE channel.enabled FOR KEY SHARE OF channel
       )
       SELECT id FROM posted`,
      [
        newId('notification', now), input.workspace, input.kind, input.severity, input.dedupeKey, input.title, input.text, input.link,
        JSON.stringify(input.facts), now,
      ],
    );
    return rows[0]?.id;
  }
}

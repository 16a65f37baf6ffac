import { VaneError, type createTrigger, type InputOf, type updateTrigger } from '@vane/contracts';
import type { JsonObject } from '@vane/kit';
import type { Clock } from '@vane/runtime';
import type { PoolClient } from 'pg';
import type { Planned } from './trigger-plans.js';
import type { TriggerRow } from './trigger-views.js';

type UpdateInput = InputOf<typeof updateTrigger>;

/** Where a trigger goes, and the feed that serves it until it is there. */
export type Move = { feedId: string; connectionId: string | null; oldFeedId: string | null };

/** Writes trigger rows inside the transactions of their sagas. */
export class TriggerRows {
  constructor(private readonly clock: Clock) {}

  async insert(
    tx: PoolClient,
    row: { id: string; feedId: string; connectionId: string | null; creationKey: string | null; planned: Planned },
    input: InputOf<typeof createTrigger>,
  ): Promise<void> {
    await this.holdRunnable(tx, input.workspace, input.runnableId);
    await tx.query(
      `INSERT INTO trigger (id, workspace_id, feed_id, name, service, type, connection_id, config, want, runnable_id, status, version, created_at, updated_at, creation_key,
         resync, on_drift, expect_every_seconds, filter, mapping, silence_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, $12, $12, $13, $14, $15, $16, $17, $18, CASE WHEN $11 = 'enabled' THEN $12::timestamptz END)`,
      [
        row.id, input.workspace, row.feedId, input.name, input.service, input.type, row.connectionId, JSON.stringify(row.planned.config),
        JSON.stringify(row.planned.plan.want), input.runnableId, input.paused ? 'paused' : 'enabled', this.clock.now(), row.creationKey,
        input.resync, input.onDrift, input.expectEverySeconds, input.filter, input.mapping,
      ],
    );
  }

  /** Writes a change over the version that was read. A trigger that lost its runnable is enabled again with another. */
  async update(tx: PoolClient, before: TriggerRow, input: UpdateInput, planned: Planned, move?: Move): Promise<void> {
    if (input.runnableId !== undefined) await this.holdRunnable(tx, before.workspaceId, input.runnableId);
    const revived = input.runnableId !== undefined && before.status === 'disabled' && before.statusCode === 'runnable_deleted';
    const { rowCount } = await tx.query(
      `UPDATE trigger SET name = $3, config = $4, want = $5, runnable_id = $6, updated_at = $7, version = version + 1,
         status = CASE WHEN $9 THEN 'enabled' ELSE status END,
         status_code = CASE WHEN $9 THEN NULL ELSE status_code END, status_message = CASE WHEN $9 THEN NULL ELSE status_message END,
         feed_id = CASE WHEN $10 THEN $11 ELSE feed_id END, connection_id = CASE WHEN $10 THEN $12 ELSE connection_id END,
         resync = $14, on_drift = $15, expect_every_seconds = $16, filter = $17, mapping = $18, failing_since = NULL, failing_notice_at = NULL, silence_at = CASE WHEN $9 OR status = 'enabled' THEN $7::timestamptz END, silence_asked_at = NULL,
         old_feed_id = CASE WHEN $10 THEN $13 ELSE old_feed_id END, old_feed_until = CASE WHEN $10 THEN NULL ELSE old_feed_until END
       WHERE id = $1 AND workspace_id = $2 AND version = $8`,
      [
        before.id, before.workspaceId, input.name ?? before.name, JSON.stringify(planned.config), JSON.stringify(planned.plan.want),
        input.runnableId ?? before.runnableId, this.clock.now(), before.version, revived,
        move !== undefined, move?.feedId, move?.connectionId, move?.oldFeedId,
        input.resync ?? before.resync, input.onDrift ?? before.onDrift,
        input.expectEverySeconds === undefined ? before.expectEverySeconds : input.expectEverySeconds,
        input.filter === undefined ? before.filter : input.filter, input.mapping === undefined ? before.mapping : input.mapping,
      ],
    );
    if (rowCount === 0) throw changed();
  }

  /** Takes a change back, unless somebody has changed the trigger again since: theirs then stands. */
  async restore(tx: PoolClient, before: TriggerRow): Promise<void> {
    await tx.query(
      `UPDATE trigger SET name = $3, config = $4, want = $5, runnable_id = $6, status = $7, status_code = $8, status_message = $9,
         updated_at = $10, version = version + 1, feed_id = $12, connection_id = $13, old_feed_id = $14, old_feed_until = $15,
         resync = $16, on_drift = $17, expect_every_seconds = $18, filter = $19, mapping = $20
       WHERE id = $1 AND workspace_id = $2 AND version = $11`,
      [
        before.id, before.workspaceId, before.name, JSON.stringify(before.config), JSON.stringify(before.want as JsonObject), before.runnableId,
        before.status, before.statusCode, before.statusMessage, this.clock.now(), before.version + 1,
        before.feedId, before.connectionId, before.oldFeedId, before.oldFeedUntil, before.resync, before.onDrift, before.expectEverySeconds,
        before.filter, before.mapping,
      ],
    );
  }

  async delete(tx: PoolClient, workspaceId: string, id: string): Promise<void> {
    await tx.query('DELETE FROM trigger WHERE id = $1 AND workspace_id = $2', [id, workspaceId]);
  }

  /** A runnable that is being deleted at this moment is waited for, and then is not there. */
  private async holdRunnable(tx: PoolClient, workspaceId: string, id: string): Promise<void> {
    const { rows } = await tx.query('SELECT 1 FROM runnable WHERE id = $1 AND workspace_id = $2 AND deleted_at IS NULL FOR SHARE', [id, workspaceId]);
    if (rows.length > 0) return;
    throw new VaneError('not_found', `There is no runnable ${id} in this workspace.`, { fields: [{ path: 'runnableId', message: 'does not exist' }] });
  }
}

export function changed(current?: number): VaneError {
  const now = current === undefined ? '' : ` It is at version ${current} now.`;
  return new VaneError('precondition_failed', `The trigger was changed since you read it.${now} Read it again and repeat your change.`);
}

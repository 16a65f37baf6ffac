import { firstIdAt, newId, type Database } from '@vane/db';
import type { Clock } from '@vane/runtime';
import type { PoolClient } from 'pg';
import { CLOCK_SKEW_MS, type SubscriptionRow } from '../sagas/subscription-rows.js';

export type CanaryRow = {
  id: string;
  subscription_id: string;
  started_at: Date;
  heard_at: Date | null;
  failed_at: Date | null;
  message: string | null;
};

/** A message that starts nothing: of which feed, and the marker of the canary where it carries one. */
export type Heard = { feedId: string; marker: string | null; receivedAt: string };

const KEPT_MS = 90 * 86_400_000;

type Queryable = Pick<PoolClient, 'query'>;

/** What stands for a canary in an event: its id, in the letters that every service takes. */
export const markerFor = (canaryId: string): string => canaryId.replace('_', '-');
const idOf = (marker: string): string => marker.replace('-', '_');

export const isOpen = ({ heard_at: heard, failed_at: failed }: CanaryRow): boolean => heard === null && failed === null;

/**
 * Notes that what canaries sent has arrived: by its marker, or the first message of the feed since then. A feed's, because
 * where a renewal is the canary, its first message comes to the subscription that is new.
 */
export async function noteHeard(tx: Queryable, heard: readonly Heard[]): Promise<void> {
  if (heard.length === 0) return;
  await tx.query(
    `UPDATE canary c SET heard_at = first.at FROM (
       SELECT c.id, min(greatest(h.received_at, c.started_at)) AS at
       FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS h (feed_id, canary_id, received_at)
       JOIN subscription s ON s.feed_id = h.feed_id
       JOIN canary c ON c.subscription_id = s.id AND c.heard_at IS NULL AND c.failed_at IS NULL
       WHERE CASE WHEN h.canary_id IS NULL THEN h.received_at >= c.started_at - $4 * interval '1 millisecond' ELSE c.id = h.canary_id END
       GROUP BY c.id) AS first
     WHERE c.id = first.id AND c.heard_at IS NULL AND c.failed_at IS NULL`,
    [heard.map(({ feedId }) => feedId), heard.map(({ marker }) => marker && idOf(marker)), heard.map(({ receivedAt }) => receivedAt), CLOCK_SKEW_MS],
  );
}

export class CanaryRows {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** Makes one, and forgets those that nobody looks at any more. */
  async start(tx: Queryable, { id, workspace_id: workspaceId }: SubscriptionRow): Promise<CanaryRow> {
    const now = this.clock.now();
    await tx.query('DELETE FROM canary WHERE subscription_id = $1 AND id < $2', [id, firstIdAt('canary', this.clock.in(-KEPT_MS))]);
    const { rows } = await tx.query<CanaryRow>(
      'INSERT INTO canary (id, workspace_id, subscription_id, started_at) VALUES ($1, $2, $3, $4) RETURNING *',
      [newId('canary', now), workspaceId, id, now],
    );
    return rows[0]!;
  }

  /** The last two of a feed, the newest first. */
  async last(feedId: string): Promise<CanaryRow[]> {
    const { rows } = await this.database.pool.query<CanaryRow>(
      'SELECT c.* FROM subscription s JOIN canary c ON c.subscription_id = s.id WHERE s.feed_id = $1 ORDER BY c.id DESC LIMIT 2',
      [feedId],
    );
    return rows;
  }

  /** False when it was heard in this moment. */
  async fail(tx: Queryable, id: string, message: string): Promise<boolean> {
    const { rowCount } = await tx.query('UPDATE canary SET failed_at = $2, message = $3 WHERE id = $1 AND heard_at IS NULL AND failed_at IS NULL', [
      id, this.clock.now(), message,
    ]);
    return rowCount === 1;
  }

  /** Nothing was sent, so there is nothing to be heard. */
  async forget(id: string): Promise<void> {
    await this.database.pool.query('DELETE FROM canary WHERE id = $1', [id]);
  }
}

import type { Database } from '@vane/db';
import type { ServiceHttp, TriggerType } from '@vane/kit';
import type { Clock } from '@vane/runtime';
import type { PoolClient } from 'pg';
import type { SubscriptionRow } from '../sagas/subscription-rows.js';

/** What happens between the first cursor and the registration sends no message, so the first pull comes soon. */
const FIRST_PULL_MS = 10_000;

/** What is known of a feed's pulling, for those who decide that there is something to fetch. */
export class FeedPulls {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /**
   * To be called before the subscription is registered: makes sure that the feed has a cursor, committed, so that nothing
   * that happens from then on is missed. The service is asked only when there is none. Rejects as the service does.
   */
  async begin(row: SubscriptionRow, type: TriggerType, http: ServiceHttp): Promise<void> {
    if (!type.pull || (await this.hasBegun(row))) return;
    const cursor = await type.pull.begin(http, { resource: row.resource, want: row.want });
    const now = this.clock.now();
    // Of two that ask at once the first stays: both cursors are from before either registration.
    await this.database.pool.query(
      `UPDATE feed_pull SET cursor = $2, due_at = $3, pulled_at = $4, failures = 0, reason_code = NULL, reason_message = NULL
       WHERE feed_id = $1 AND cursor IS NULL AND NOT replaying`,
      [row.feed_id, cursor, this.clock.in(FIRST_PULL_MS), now],
    );
  }

  /** Takes the row's lock, so that a `stop` at the same moment is either seen here or sees the subscription. */
  private async hasBegun(row: SubscriptionRow): Promise<boolean> {
    const { rows } = await this.database.pool.query<{ begun: boolean }>(
      `INSERT INTO feed_pull (feed_id, workspace_id, replaying, wanted, done, failures, recovered, created_at) VALUES ($1, $2, false, 0, 0, 0, 0, $3)
       ON CONFLICT (feed_id) DO UPDATE SET wanted = feed_pull.wanted RETURNING cursor IS NOT NULL OR replaying AS begun`,
      [row.feed_id, row.workspace_id, this.clock.now()],
    );
    return rows[0]!.begun;
  }

  /**
   * There is something to fetch: counted, and due now unless the service is being left alone after a failure. What a pull
   * read before this is not enough. In one order for all, so that two batches cannot wait for each other.
   */
  async want(tx: PoolClient, feedIds: string[]): Promise<void> {
    if (feedIds.length === 0) return;
    await tx.query(
      `UPDATE feed_pull SET wanted = wanted + 1, due_at = CASE WHEN failures > 0 THEN due_at ELSE LEAST(due_at, $2) END
       WHERE feed_id IN (SELECT feed_id FROM feed_pull WHERE feed_id = ANY($1) AND due_at IS NOT NULL ORDER BY feed_id FOR UPDATE)`,
      [[...new Set(feedIds)], this.clock.now()],
    );
  }

  /** Nobody listened since `from`: remembered until a pull has ended while somebody listens, and there is something to fetch. */
  async gap(tx: PoolClient, feedId: string, from: Date): Promise<void> {
    await tx.query('UPDATE feed_pull SET gap_from = LEAST(gap_from, $2) WHERE feed_id = $1 AND due_at IS NOT NULL', [feedId, from]);
    await this.want(tx, [feedId]);
  }

  /** The connection works again: what could not be fetched without it is due. What waits because the service said so, waits. */
  async wake(one: { workspaceId: string; connectionId: string }): Promise<void> {
    await this.database.pool.query(
      `UPDATE feed_pull p SET due_at = $1 FROM feed f JOIN connection c ON c.workspace_id = f.workspace_id AND c.id = f.connection_id
       WHERE f.workspace_id = $2 AND f.connection_id = $3 AND c.status = 'active' AND p.feed_id = f.id AND p.due_at > $1
         AND (p.reason_code IS NULL OR p.reason_code = 'unauthorised')`,
      [this.clock.now(), one.workspaceId, one.connectionId],
    );
  }

  /**
   * Nothing of the feed is registered any more, unless a subscription has come meanwhile: no pulls, and the cursor goes,
   * because whoever listens to it again begins at that time.
   */
  async stop(tx: PoolClient, feedId: string): Promise<void> {
    await tx.query('SELECT 1 FROM feed_pull WHERE feed_id = $1 FOR UPDATE', [feedId]);
    await tx.query(
      `UPDATE feed_pull SET cursor = NULL, replaying = false, replay_cursor = NULL, due_at = NULL, gap_from = NULL, recovered = 0, done = wanted,
         lease_owner = NULL, lease_until = NULL, failures = 0, reason_code = NULL, reason_message = NULL
       WHERE feed_id = $1 AND NOT EXISTS (SELECT 1 FROM subscription WHERE feed_id = $1 AND status NOT IN ('removing', 'removed'))`,
      [feedId],
    );
  }
}

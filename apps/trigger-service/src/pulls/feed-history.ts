import type { Clock } from '@vane/runtime';
import type { PoolClient } from 'pg';
import { storable } from '../intake/refused-content.js';
import { applyChange, type SubscriptionRow } from '../sagas/subscription-rows.js';

/** The reason of a subscription that is well at the service, but whose feed cannot be fetched. */
export const PULL_FAILING = 'pull_failing';

/** Tells what becomes of a feed's pulling in the history of the subscription that serves it. */
export class FeedHistory {
  constructor(private readonly clock: Clock) {}

  /** A line beside the state, which stays as it is. */
  async note(tx: PoolClient, feedId: string, code: string, message: string): Promise<void> {
    await tx.query(
      `INSERT INTO subscription_history (workspace_id, subscription_id, at, status, reason_code, reason_message)
       SELECT workspace_id, id, $2, status, $3, $4 FROM subscription WHERE feed_id = $1 AND status NOT IN ('removing', 'removed')
       ORDER BY status = 'pending', id DESC LIMIT 1`,
      [feedId, this.clock.now(), code, storable(message)],
    );
  }

  /** An active subscription becomes degraded; one that is in another state has something more important to say. */
  async failing(tx: PoolClient, feedId: string, message: string): Promise<void> {
    const { rows } = await tx.query<SubscriptionRow>(`SELECT * FROM subscription WHERE feed_id = $1 AND status = 'active' ORDER BY id FOR UPDATE`, [feedId]);
    for (const row of rows) await applyChange(tx, row, { status: 'degraded', reason: { code: PULL_FAILING, message } }, this.clock);
  }

  async recovered(tx: PoolClient, feedId: string): Promise<void> {
    const { rows } = await tx.query<SubscriptionRow>(
      `SELECT * FROM subscription WHERE feed_id = $1 AND status = 'degraded' AND reason_code = $2 ORDER BY id FOR UPDATE`,
      [feedId, PULL_FAILING],
    );
    for (const row of rows) await applyChange(tx, row, { status: 'active', reason: null }, this.clock);
  }
}

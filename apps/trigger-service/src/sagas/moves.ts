import type { AdapterRegistry } from '@vane/adapters';
import type { InputOf, updateTrigger } from '@vane/contracts';
import type { Database } from '@vane/db';
import type { Clock, Logger } from '@vane/runtime';
import type { PoolClient } from 'pg';
import type { Planned } from '../trigger-plans.js';
import type { TriggerRows } from '../trigger-rows.js';
import type { TriggerRow } from '../trigger-views.js';
import type { Feeds } from './feeds.js';
import type { SubscriptionRow } from './subscription-rows.js';

type Moving = { id: string; feed_id: string; old_feed_id: string; service: string; type: string };

/** How long a delivery may take from ingress to intake and still start a trigger that has moved away meanwhile. */
const REMEMBERED_MS = 24 * 60 * 60_000;

/**
 * Moves a trigger to another feed: another resource, or another connection. From the first commit on it listens to both.
 * When the subscription of the new feed is active, and not before, the old feed is left: `finish`, which the sweeper repeats
 * after a crash. What both feeds report in between starts the trigger twice, because each has identities of its own.
 */
export class Moves {
  constructor(
    private readonly database: Database,
    private readonly feeds: Feeds,
    private readonly rows: TriggerRows,
    private readonly adapters: AdapterRegistry,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  /** Changes the trigger over; returns the subscription of the new feed. @throws VaneError `precondition_failed` */
  async start(tx: PoolClient, before: TriggerRow, input: InputOf<typeof updateTrigger>, planned: Planned, connectionId: string | null): Promise<SubscriptionRow> {
    const { workspaceId, service, type: triggerType } = before;
    const feedId = await this.feeds.ensure(tx, { workspaceId, service, triggerType, connectionId, resource: planned.plan.resource });
    await this.feeds.lockAll(tx, [feedId, before.feedId, before.oldFeedId]);
    const kept = await this.keptFeed(tx, before);
    await this.rows.update(tx, before, input, planned, { feedId, connectionId, oldFeedId: kept === feedId ? null : kept });
    // A move that had not ended is given up for this one.
    if (kept !== before.feedId) await this.feeds.recompute(tx, before.feedId, planned.type);
    return (await this.feeds.recompute(tx, feedId, planned.type)).subscription!;
  }

  /** The feed that goes on to be listened to until the new one is ready: where a move had not ended, the one it began at. */
  private async keptFeed(tx: PoolClient, before: TriggerRow): Promise<string> {
    const { rows } = await tx.query<{ old_feed_id: string }>(
      'SELECT old_feed_id FROM trigger WHERE id = $1 AND workspace_id = $2 AND old_feed_id IS NOT NULL AND old_feed_until IS NULL',
      [before.id, before.workspaceId],
    );
    return rows[0]?.old_feed_id ?? before.feedId;
  }

  /**
   * Leaves the old feeds of triggers whose new subscription is active, of one trigger or of all in no order: one that fails is logged and holds up no other.
   *
   * @returns subscriptions of old feeds that have changed; they are due
   */
  async finish(limit: number, triggerId?: string): Promise<SubscriptionRow[]> {
    const { rows } = await this.database.pool.query<Moving>(
      `SELECT id, feed_id, old_feed_id, service, type FROM trigger WHERE ${READY} AND ($2::text IS NULL OR id = $2) ORDER BY random() LIMIT $1`,
      [limit, triggerId ?? null],
    );
    const left: SubscriptionRow[] = [];
    for (const move of rows) {
      try {
        const subscription = await this.leave(move);
        if (subscription) left.push(subscription);
      } catch (error) {
        this.logger.error({ err: error, triggerId: move.id }, 'the feed that a trigger has moved away from could not be left');
      }
    }
    return left;
  }

  private leave({ id, feed_id: feedId, old_feed_id: oldFeedId, service, type }: Moving): Promise<SubscriptionRow | null> {
    return this.database.transaction(async (tx) => {
      await this.feeds.lockAll(tx, [feedId, oldFeedId]);
      const { rowCount } = await tx.query(`UPDATE trigger SET old_feed_until = $4 WHERE id = $1 AND feed_id = $2 AND old_feed_id = $3 AND ${READY}`, [
        id, feedId, oldFeedId, this.clock.now(),
      ]);
      return rowCount === 1 ? (await this.feeds.recompute(tx, oldFeedId, this.adapters.get(service)?.triggerTypes[type])).subscription : null;
    });
  }

  /** Forgets feeds that were left so long ago that nothing of theirs can still be on its way. */
  async forget(): Promise<void> {
    await this.database.pool.query('UPDATE trigger SET old_feed_id = NULL, old_feed_until = NULL WHERE old_feed_id IS NOT NULL AND old_feed_until < $1', [
      this.clock.in(-REMEMBERED_MS),
    ]);
  }
}

/** A trigger on the move whose new subscription does all that is wanted of it. */
const READY = `old_feed_id IS NOT NULL AND old_feed_until IS NULL AND EXISTS (
  SELECT 1 FROM subscription s WHERE s.feed_id = trigger.feed_id AND s.status IN ('active', 'renewing') AND s.applied = s.want)`;

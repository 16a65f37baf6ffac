import type { CallContext, InputOf, OutputOf, releaseConnection } from '@vane/contracts';
import type { Database } from '@vane/db';
import type { Clock, Logger } from '@vane/runtime';
import type { PoolClient } from 'pg';
import type { Feeds } from './sagas/feeds.js';
import type { Settler } from './sagas/settler.js';
import type { SubscriptionRow } from './sagas/subscription-rows.js';
import type { TriggerPlans } from './trigger-plans.js';

type Input = InputOf<typeof releaseConnection>;

const PARALLEL = 8;
/** The caller is answered then; what is still owed, the sweeper goes on with. */
const WAIT_MS = 5_000;

/**
 * Lets go of a connection that is being disconnected: its triggers are deleted in one transaction, and their subscriptions
 * become removals, as when a trigger is deleted by itself. The settler then asks the service, with the connection's token,
 * which lives until nothing is owed any more.
 */
export class ConnectionRelease {
  constructor(
    private readonly database: Database,
    private readonly plans: TriggerPlans,
    private readonly feeds: Feeds,
    private readonly settler: Settler,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  async release(input: Input, call: CallContext): Promise<OutputOf<typeof releaseConnection>> {
    const triggers = await this.database.transaction((tx) => this.removeWants(tx, input));
    if (triggers > 0) return { triggers, owed: await this.owed(input) };
    await this.settleDue(input, call);
    return { triggers, owed: await this.owed(input) };
  }

  /** Returns how many triggers stand in the way; nothing is done then. */
  private async removeWants(tx: PoolClient, { workspace, connection, triggers, force }: Input): Promise<number> {
    const of = [workspace, connection];
    // In order of id, as whoever locks two feeds does. Feeds that its triggers are moving away from go with them.
    const feeds = await tx.query<{ id: string; service: string; trigger_type: string }>(
      `SELECT id, service, trigger_type FROM feed
       WHERE workspace_id = $1 AND (connection_id = $2 OR id IN (
         SELECT old_feed_id FROM trigger WHERE workspace_id = $1 AND connection_id = $2 AND old_feed_until IS NULL))
       ORDER BY id FOR UPDATE`,
      of,
    );
    const { rows } = await tx.query<{ count: string }>('SELECT count(*) AS count FROM trigger WHERE workspace_id = $1 AND connection_id = $2', of);
    const count = Number(rows[0]!.count);
    if (count > 0 && !triggers) return count;
    await tx.query('DELETE FROM trigger WHERE workspace_id = $1 AND connection_id = $2', of);
    // Triggers on their way to another connection cannot be served by this one until they are there.
    await tx.query(
      `UPDATE trigger SET old_feed_until = $3 FROM feed f
       WHERE trigger.workspace_id = $1 AND f.workspace_id = $1 AND f.connection_id = $2 AND f.id = trigger.old_feed_id AND trigger.old_feed_until IS NULL`,
      [...of, this.clock.now()],
    );
    for (const feed of feeds.rows) await this.feeds.recompute(tx, feed.id, this.plans.installed(feed.service, feed.trigger_type));
    if (force) await this.giveUp(tx, of);
    return 0;
  }

  private async giveUp(tx: PoolClient, of: string[]): Promise<void> {
    const { rows } = await tx.query<SubscriptionRow>(
      `SELECT * FROM subscription WHERE workspace_id = $1 AND connection_id = $2 AND status = 'removing' ORDER BY id FOR UPDATE`, of,
    );
    for (const row of rows) await this.feeds.giveUp(tx, row);
  }

  /** Has what is due removed at the service now, side by side, instead of at the next sweep. */
  private async settleDue(input: Input, call: CallContext): Promise<void> {
    const { rows } = await this.database.pool.query<{ id: string }>(
      `SELECT id FROM subscription
       WHERE workspace_id = $1 AND connection_id = $2 AND status = 'removing' AND next_attempt_at <= $3 ORDER BY next_attempt_at`,
      [input.workspace, input.connection, this.clock.now()],
    );
    const left = rows.map(({ id }) => id);
    const stopAt = performance.now() + WAIT_MS;
    const work = async () => {
      for (let id = left.shift(); id !== undefined && performance.now() < stopAt; id = left.shift()) await this.settle(id, call);
    };
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, WAIT_MS);
    });
    await Promise.race([Promise.all(Array.from({ length: PARALLEL }, work)), late]);
    clearTimeout(timer);
  }

  private async settle(subscriptionId: string, call: CallContext): Promise<void> {
    try {
      await this.settler.settle(subscriptionId, call);
    } catch (error) {
      this.logger.error({ err: error, subscriptionId, correlationId: call.correlationId }, 'settling failed, the sweeper takes over');
    }
  }

  private owed({ workspace, connection }: Input): Promise<number> {
    return this.database.forWorkspace(workspace).subscription.count({ where: { connectionId: connection, status: 'removing' } });
  }
}

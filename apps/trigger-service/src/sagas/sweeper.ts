import { randomUUID } from 'node:crypto';
import type { AdapterRegistry } from '@vane/adapters';
import { systemCall, type CallContext } from '@vane/contracts';
import type { Database } from '@vane/db';
import type { Clock, Logger } from '@vane/runtime';
import type { ConnectionFollower } from './connection-follower.js';
import type { Feeds } from './feeds.js';
import type { Moves } from './moves.js';
import type { SecretRotation } from './secret-rotation.js';
import type { Settler } from './settler.js';
import type { SubscriptionRows } from './subscription-rows.js';

const PARALLEL = 8;
/** Well below the deadline of whoever asks for a sweep. */
const SWEEP_MS = 40_000;

/** Finishes or undoes what a crash, an outage or a refusal left open: whatever is due and held by nobody. */
export class Sweeper {
  constructor(
    private readonly database: Database,
    private readonly rows: SubscriptionRows,
    private readonly connections: ConnectionFollower,
    private readonly feeds: Feeds,
    private readonly settler: Settler,
    private readonly secrets: SecretRotation,
    private readonly moves: Moves,
    private readonly adapters: AdapterRegistry,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  async sweep(limit: number): Promise<{ settled: number; more: boolean }> {
    await this.secrets.wipeEnded(limit);
    await this.moves.finish(limit);
    await this.moves.forget();
    await this.connections.follow();
    const ids = await this.rows.due(limit);
    const call = systemCall('trigger-service', `sweep-${randomUUID()}`);
    const stopAt = this.clock.in(SWEEP_MS);
    const left = [...ids];
    let settled = 0;
    const work = async () => {
      for (let id = left.shift(); id !== undefined && this.clock.now() < stopAt; id = left.shift()) {
        if (await this.settleOne(id, call)) settled += 1;
      }
    };
    // Side by side, so that one service that does not answer holds up no other.
    await Promise.all(Array.from({ length: PARALLEL }, work));
    return { settled, more: left.length > 0 || ids.length === limit };
  }

  /** One that fails is logged and stays due; it does not end the sweep. */
  private async settleOne(id: string, call: CallContext): Promise<boolean> {
    try {
      await this.recompute(id);
      return (await this.settler.settle(id, call)).outcome === 'settled';
    } catch (error) {
      this.logger.error({ err: error, subscriptionId: id, correlationId: call.correlationId }, 'subscription could not be swept');
      return false;
    }
  }

  /** A crash may have left a subscription that no trigger wants any more. */
  private async recompute(id: string): Promise<void> {
    const row = await this.rows.read(id);
    const type = row && this.adapters.get(row.service)?.triggerTypes[row.trigger_type];
    if (!row || !type || row.status === 'removing' || row.status === 'removed') return;
    await this.database.transaction(async (tx) => {
      await this.feeds.lockById(tx, row.feed_id);
      const { rows } = await tx.query('SELECT 1 FROM trigger WHERE feed_id = $1 OR (old_feed_id = $1 AND old_feed_until IS NULL) LIMIT 1', [row.feed_id]);
      if (rows.length === 0) await this.feeds.recompute(tx, row.feed_id, type);
    });
  }
}

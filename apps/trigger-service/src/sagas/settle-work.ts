import type { AdapterRegistry } from '@vane/adapters';
import type { CallContext } from '@vane/contracts';
import type { Database } from '@vane/db';
import type { Work } from '../work-desk.js';
import type { Feeds } from './feeds.js';
import type { Settler } from './settler.js';
import type { SubscriptionRow, SubscriptionRows } from './subscription-rows.js';

/** Finishes or undoes what a crash, an outage or a refusal left open. */
export function settleWork(database: Database, rows: SubscriptionRows, feeds: Feeds, settler: Settler, adapters: AdapterRegistry): Work {
  /** A crash may have left a subscription that no trigger wants any more. */
  const recompute = async (row: SubscriptionRow): Promise<void> => {
    const type = adapters.get(row.service)?.triggerTypes[row.trigger_type];
    if (!type || row.status === 'removing' || row.status === 'removed') return;
    await database.transaction(async (tx) => {
      await feeds.lockById(tx, row.feed_id);
      const { rows: wanting } = await tx.query('SELECT 1 FROM trigger WHERE feed_id = $1 OR (old_feed_id = $1 AND old_feed_until IS NULL) LIMIT 1', [row.feed_id]);
      if (wanting.length === 0) await feeds.recompute(tx, row.feed_id, type);
    });
  };
  return {
    kind: 'settle',
    due: (limit) => rows.due(limit),
    async do(id: string, call: CallContext) {
      const row = await rows.read(id);
      // Who asked the service meanwhile has heard from it when the next try may be.
      if (!row || !rows.isDue(row)) return false;
      await recompute(row);
      return (await settler.settle(id, call)).outcome === 'settled';
    },
  };
}

import { randomUUID } from 'node:crypto';
import type { AdapterRegistry } from '@vane/adapters';
import { systemCall } from '@vane/contracts';
import type { Database } from '@vane/db';
import type { Feeds } from './feeds.js';
import type { Settler } from './settler.js';
import type { SubscriptionRows } from './subscription-rows.js';

/** Finishes or undoes what a crash, an outage or a refusal left open: whatever is due and held by nobody. */
export class Sweeper {
  constructor(
    private readonly database: Database,
    private readonly rows: SubscriptionRows,
    private readonly feeds: Feeds,
    private readonly settler: Settler,
    private readonly adapters: AdapterRegistry,
  ) {}

  async sweep(limit: number): Promise<{ settled: number; more: boolean }> {
    const ids = await this.rows.due(limit);
    const call = systemCall('trigger-service', `sweep-${randomUUID()}`);
    let settled = 0;
    for (const id of ids) {
      await this.recompute(id);
      const result = await this.settler.settle(id, call);
      if (result.outcome === 'settled') settled += 1;
    }
    return { settled, more: ids.length === limit };
  }

  /** A crash may have left a subscription that no trigger wants any more. */
  private async recompute(id: string): Promise<void> {
    const row = await this.rows.read(id);
    const type = row && this.adapters.get(row.service)?.triggerTypes[row.trigger_type];
    if (!row || !type || row.status === 'removing' || row.status === 'removed') return;
    await this.database.transaction(async (tx) => {
      await this.feeds.lockById(tx, row.feed_id);
      const { rows } = await tx.query('SELECT 1 FROM trigger WHERE feed_id = $1 LIMIT 1', [row.feed_id]);
      if (rows.length === 0) await this.feeds.recompute(tx, row.feed_id, type);
    });
  }
}

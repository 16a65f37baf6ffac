import { VaneError, type CallContext, type DriftView, type InputOf, type resolveDrift, type SubscriptionView } from '@vane/contracts';
import type { Database } from '@vane/db';
import type { Clock } from '@vane/runtime';
import type { PoolClient } from 'pg';
import type { Connections } from '../connections.js';
import type { Feeds } from '../sagas/feeds.js';
import type { Settler } from '../sagas/settler.js';
import { applyChange, type SubscriptionRow } from '../sagas/subscription-rows.js';
import { historyOf, type SubscriptionWithHistory, type TriggerViews } from '../trigger-views.js';
import { isOfCheck } from './checks.js';
import { restoring } from './difference.js';

/** What people decide about objects that were changed or deleted at the service. */
export class DriftDecisions {
  constructor(
    private readonly database: Database,
    private readonly feeds: Feeds,
    private readonly settler: Settler,
    private readonly connections: Connections,
    private readonly views: TriggerViews,
    private readonly clock: Clock,
  ) {}

  /** @throws VaneError `not_found`, `forbidden`, `conflict` */
  async resolve({ workspace, subscription: id, action }: InputOf<typeof resolveDrift>, call: CallContext): Promise<SubscriptionView> {
    const { subscription } = this.database.forWorkspace(workspace);
    const used = await subscription.findFirst({ where: { id }, select: { connectionId: true } });
    // What is put back is put back as the account behind the connection.
    if (used?.connectionId) await this.connections.own(workspace, used.connectionId, call);
    await this.database.transaction(async (tx) => {
      const row = await this.feeds.lockSubscription(tx, workspace, id);
      if (!row) throw new VaneError('not_found', `There is no subscription ${id} in this workspace.`);
      await this.decide(tx, row, action);
    });
    if (action === 'restore') await this.settler.settle(id, call);
    return this.views.subscription((await subscription.findFirst({ where: { id }, include: historyOf() })) as SubscriptionWithHistory);
  }

  private async decide(tx: PoolClient, row: SubscriptionRow, action: 'restore' | 'keep'): Promise<void> {
    const drift = row.drift as DriftView | null;
    if (!drift || row.status === 'removing' || row.status === 'removed') {
      throw new VaneError('conflict', 'Nothing of this subscription is known to differ at the service. Look again with POST .../syncs.');
    }
    const { kind, ours, theirs } = drift;
    if (action === 'restore') {
      await applyChange(tx, row, restoring(kind, this.clock), this.clock);
      return;
    }
    if (kind !== 'changed') {
      throw new VaneError('conflict', 'Nothing would reach us if it were left like this. Restore it, or delete the triggers of this subscription.');
    }
    const reason = { code: 'kept', message: 'It is left as it was changed at the service.' };
    const driftKept = { ours, theirs } as SubscriptionRow['drift_kept'];
    await applyChange(tx, row, { drift: null, driftKept, ...(isOfCheck(row) ? { status: 'active' as const, reason } : {}) }, this.clock);
  }
}

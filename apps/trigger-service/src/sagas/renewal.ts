import { randomUUID } from 'node:crypto';
import type { AdapterRegistry } from '@vane/adapters';
import { subscriptionChanged, type CallContext } from '@vane/contracts';
import type { Database } from '@vane/db';
import type { Bus, Clock } from '@vane/runtime';
import type { SubscriptionCalls } from '../subscription-calls.js';
import { idsFrom, type Work } from '../work-desk.js';
import type { Replacements } from './replacements.js';
import type { Settler } from './settler.js';
import { CLOCK_SKEW_MS, isLeaving, type SubscriptionRow, type SubscriptionRows } from './subscription-rows.js';

/** Until it is looked again whether something can be renewed that cannot be: no connection that works, no adapter. */
const LOOK_AGAIN_MS = 600_000;

/**
 * Replaces subscriptions ahead of the end that their service has set. `renew_at` is when the next step is due: making the
 * replacement, telling people that it does not come about, saying that nobody listens any more. Tries at the service are the
 * replacement's own, so its backoff and its answers are those of every registration.
 */
export class Renewal implements Work {
  readonly kind = 'renew';

  constructor(
    private readonly database: Database,
    private readonly rows: SubscriptionRows,
    private readonly calls: SubscriptionCalls,
    private readonly replacements: Replacements,
    private readonly settler: Settler,
    private readonly adapters: AdapterRegistry,
    private readonly bus: Bus,
    private readonly clock: Clock,
  ) {}

  due = (limit: number): Promise<string[]> =>
    idsFrom(
      this.database,
      `SELECT id FROM subscription
       WHERE renew_at <= $1 AND status NOT IN ('removing', 'removed') AND (lease_owner IS NULL OR lease_until < $2)
       ORDER BY renew_at LIMIT $3`,
      [this.clock.now(), this.clock.in(-CLOCK_SKEW_MS), limit],
    );

  do = async (id: string, call: CallContext): Promise<boolean> => {
    const owner = `renewal/${randomUUID()}`;
    const claimed = await this.rows.claim(id, owner);
    if (!claimed) return false;
    let made: SubscriptionRow | null;
    try {
      made = await this.renew(claimed, owner);
    } finally {
      await this.rows.release(id, owner);
    }
    return made !== null && (await this.settler.settle(made.id, call)).outcome === 'settled';
  };

  /** The replacement, if it was made now. */
  private async renew(row: SubscriptionRow, owner: string): Promise<SubscriptionRow | null> {
    if (!row.renew_at || row.renew_at > this.clock.now() || isLeaving(row)) return null;
    const type = this.adapters.get(row.service)?.triggerTypes[row.trigger_type];
    if (!type?.remote || row.status === 'auth_required' || !(await this.calls.allowed(row))) {
      await this.rows.change(row, owner, { renewAt: this.clock.in(LOOK_AGAIN_MS) });
      return null;
    }
    const begun = await this.replacements.begin(row, owner, type);
    if (begun) this.bus.publishSignal(subscriptionChanged, { subscriptionId: row.id, key: row.key, version: begun.row.version });
    return begun?.made ?? null;
  }
}

import { ID_KINDS, type CallContext } from '@vane/contracts';
import type { Work } from '../work-desk.js';
import type { Checks } from './checks.js';
import type { Syncs } from './syncs.js';

/** Looks at what services hold: of one subscription, or, for a sync, what one connection has there beside them. */
export class CheckWork implements Work {
  readonly kind = 'check';

  constructor(
    private readonly checks: Checks,
    private readonly syncs: Syncs,
  ) {}

  due = async (limit: number): Promise<string[]> => {
    // Syncs are few, and somebody waits for them.
    const counts = await this.syncs.dueCounts(limit);
    return [...counts, ...(await this.checks.due(limit))].slice(0, limit);
  };

  do(id: string, call: CallContext): Promise<boolean> {
    return id.startsWith(`${ID_KINDS.sync}_`) ? this.syncs.count(id, call) : this.checks.do(id, call);
  }
}

import { DEFAULT_RETENTION, TERMINAL_RUN_STATUSES } from '@vane/contracts';
import { firstIdAt, keptDays, type Database } from '@vane/db';
import type { Clock } from '@vane/runtime';

const DAY_MS = 86_400_000;

const OLD_RUNS = `
  DELETE FROM run WHERE id IN (SELECT id FROM run WHERE workspace_id = $1 AND id < $2 AND status = ANY($3) ORDER BY id LIMIT $4)`;

/** Ends runs that their workspace does not keep any longer, with their attempts. What has not ended stays, however old. */
export class RunPruner {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** Deletes at most `limit`, the oldest of each workspace first. */
  async prune(limit: number): Promise<{ deleted: number; more: boolean }> {
    let left = limit;
    for (const { workspaceId, runsDays } of await keptDays(this.database.pool, DEFAULT_RETENTION)) {
      if (runsDays === 0) continue;
      const { rowCount } = await this.database.pool.query(OLD_RUNS, [workspaceId, firstIdAt('run', this.clock.in(-runsDays * DAY_MS)), TERMINAL_RUN_STATUSES, left]);
      left -= rowCount ?? 0;
      if (left <= 0) break;
    }
    return { deleted: limit - left, more: left <= 0 };
  }
}

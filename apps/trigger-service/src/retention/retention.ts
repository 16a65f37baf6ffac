import { DEFAULT_RETENTION, IDENTITIES_DAYS, REMOVED_SUBSCRIPTIONS_DAYS, VaneError, type InputOf, type OutputOf, type getRetention, type updateRetention } from '@vane/contracts';
import { firstIdAt, keptDays, type Database } from '@vane/db';
import type { Clock } from '@vane/runtime';

type View = OutputOf<typeof getRetention>;

const DAY_MS = 86_400_000;

/** Of a month's partition, by the index of workspace and id; `received_at` only keeps younger partitions out. */
const oldOf = (table: 'delivery' | 'event'): string => `
  DELETE FROM ${table} WHERE (id, received_at) IN (
    SELECT id, received_at FROM ${table} WHERE workspace_id = $1 AND id < $2 AND received_at < $3 ORDER BY id LIMIT $4)`;

const OLD_IDENTITIES = `
  DELETE FROM event_key WHERE (feed_id, dedupe_key) IN (SELECT feed_id, dedupe_key FROM event_key WHERE seen_at < $1 LIMIT $2)`;

const OLD_SUBSCRIPTIONS = `
  DELETE FROM subscription WHERE id IN (SELECT id FROM subscription WHERE status = 'removed' AND status_since < $1 LIMIT $2)`;

/** How long workspaces keep what was received, and the end of what is older. Runs are their worker's to delete. */
export class Retention {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  async get(workspace: string): Promise<View> {
    const row = await this.database.forWorkspace(workspace).retention.findFirst({});
    if (!row) return { ...DEFAULT_RETENTION, isDefault: true, updatedAt: null, version: 0 };
    const { deliveriesDays, eventsDays, runsDays, version, updatedAt } = row;
    return { deliveriesDays, eventsDays, runsDays, isDefault: false, updatedAt: updatedAt.toISOString(), version };
  }

  /** @throws VaneError `precondition_failed`, or `invalid_config` where runs would outlive their events */
  async update({ workspace, ifMatch, ...change }: InputOf<typeof updateRetention>): Promise<View> {
    const before = await this.get(workspace);
    if (before.version !== ifMatch) throw changed(before.version);
    const { deliveriesDays, eventsDays, runsDays } = { ...before, ...definedOf(change) };
    if (eventsDays !== 0 && (runsDays === 0 || runsDays > eventsDays)) {
      throw new VaneError('invalid_config', 'Events have to be kept at least as long as runs, because a run shows its event and is replayed with it.', {
        fields: [{ path: 'eventsDays', message: 'is less than runsDays' }],
      });
    }
    const { rowCount } = await this.database.pool.query(
      `INSERT INTO retention (workspace_id, deliveries_days, events_days, runs_days, version, updated_at) VALUES ($1, $2, $3, $4, 1, $5)
       ON CONFLICT (workspace_id) DO UPDATE SET deliveries_days = $2, events_days = $3, runs_days = $4, version = retention.version + 1, updated_at = $5
       WHERE retention.version = $6`,
      [workspace, deliveriesDays, eventsDays, runsDays, this.clock.now(), ifMatch],
    );
    if (rowCount === 0) throw changed();
    return this.get(workspace);
  }

  /** Deletes at most about `limit` rows, the oldest of each workspace first. */
  async sweep(limit: number): Promise<{ deleted: number; more: boolean }> {
    let left = limit;
    const spend = async (sql: string, values: unknown[]) => {
      if (left <= 0) return;
      const { rowCount } = await this.database.pool.query(sql, [...values, left]);
      left -= rowCount ?? 0;
    };
    for (const { workspaceId, deliveriesDays, eventsDays } of await keptDays(this.database.pool, DEFAULT_RETENTION)) {
      const before = (days: number) => this.clock.in(-days * DAY_MS);
      if (deliveriesDays > 0) await spend(oldOf('delivery'), [workspaceId, firstIdAt('delivery', before(deliveriesDays)), before(deliveriesDays)]);
      if (eventsDays > 0) await spend(oldOf('event'), [workspaceId, firstIdAt('event', before(eventsDays)), before(eventsDays)]);
    }
    await spend(OLD_IDENTITIES, [this.clock.in(-IDENTITIES_DAYS * DAY_MS)]);
    await spend(OLD_SUBSCRIPTIONS, [this.clock.in(-REMOVED_SUBSCRIPTIONS_DAYS * DAY_MS)]);
    return { deleted: limit - left, more: left <= 0 };
  }
}

const definedOf = <T extends object>(change: T): Partial<T> => Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined)) as Partial<T>;

function changed(current?: number): VaneError {
  const now = current === undefined ? '' : ` It is at version ${current} now.`;
  return new VaneError('precondition_failed', `The retention was changed since you read it.${now} Read it again and repeat your change.`);
}

import { randomUUID } from 'node:crypto';
import { postNotification, systemCall } from '@vane/contracts';
import type { Database } from '@vane/db';
import type { Bus, Clock } from '@vane/runtime';
import { idsFrom } from '../work-desk.js';
import { hintOf } from './hints.js';
import { cut, triggerLink } from './notice-parts.js';

/** A gateway that cannot be told something is left alone for so long. */
const AGAIN_MS = 30_000;

type Trigger = { id: string; workspace_id: string; name: string; failing_since: Date | null; failing_notice_at: Date };
type FailedRun = { reason: 'filter_failed' | 'mapping_failed'; reason_message: string };

const DUE = 'SELECT id FROM trigger WHERE failing_notice_at <= $1 ORDER BY failing_notice_at LIMIT $2';
/** Due again where it is not told, and with one of two who are at it at once. */
const CLAIM = 'UPDATE trigger SET failing_notice_at = $3 WHERE id = $1 AND failing_notice_at <= $2 RETURNING id, workspace_id, name, failing_since, failing_notice_at';
const NEWEST = `
  SELECT reason, reason_message FROM run WHERE trigger_id = $1 AND workspace_id = $2 AND created_at >= $3 AND reason IN ('filter_failed', 'mapping_failed') ORDER BY id DESC LIMIT 1`;

/**
 * Tells people once that the filter or the mapping of a trigger could not be evaluated, until the trigger is changed. That it
 * is owed is committed with the runs that were not started, so a crash or an outage only delays it.
 */
export class ExpressionNotices {
  constructor(
    private readonly database: Database,
    private readonly bus: Bus,
    private readonly clock: Clock,
    private readonly apiUrl: string | undefined,
  ) {}

  readonly due = (limit: number): Promise<string[]> => idsFrom(this.database, DUE, [this.clock.now(), limit]);

  async do(id: string): Promise<boolean> {
    const { rows } = await this.database.pool.query<Trigger>(CLAIM, [id, this.clock.now(), this.clock.in(AGAIN_MS)]);
    const trigger = rows[0];
    if (!trigger) return false;
    if (trigger.failing_since) await this.tell(trigger, trigger.failing_since);
    await this.database.pool.query('UPDATE trigger SET failing_notice_at = NULL WHERE id = $1 AND failing_notice_at = $2', [id, trigger.failing_notice_at]);
    return true;
  }

  private async tell({ id, workspace_id: workspace, name }: Trigger, since: Date): Promise<void> {
    const { rows } = await this.database.pool.query<FailedRun>(NEWEST, [id, workspace, since]);
    const run = rows[0];
    if (!run) return;
    const what = run.reason === 'filter_failed' ? 'filter' : 'mapping';
    const input = {
      workspace, kind: 'trigger.expression-failing', severity: 'warning' as const, title: `The ${what} of "${cut(name, 150)}" cannot be evaluated`,
      text: [`Since ${since.toISOString()} events of the trigger "${cut(name, 100)}" start nothing. ${cut(run.reason_message, 1_000)}`, hintOf('delivery', run.reason)].join('\n\n'),
      dedupeKey: `trigger:${id}:expression:${since.toISOString()}`, link: triggerLink(this.apiUrl, workspace, id),
      facts: { reason: run.reason, since: since.toISOString(), triggers: [{ id, name }] },
    };
    await this.bus.ask(postNotification, input, systemCall('trigger-service', randomUUID()));
  }
}

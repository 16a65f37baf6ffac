import { randomUUID } from 'node:crypto';
import type { AdapterRegistry } from '@vane/adapters';
import { postNotification, systemCall, type Severity } from '@vane/contracts';
import type { Database } from '@vane/db';
import type { Bus, Clock } from '@vane/runtime';
import type { SubscriptionRow } from '../sagas/subscription-rows.js';
import { idsFrom, type Work } from '../work-desk.js';
import { hintOf } from './hints.js';
import { cut, triggerLink } from './notice-parts.js';
import { nextNotice, type NextNotice, type Trouble } from './notice-times.js';

/** Triggers named in the text; the rest are counted. */
const NAMED = 20;

type Served = { triggers: { id: string; name: string }[]; count: number };

const SAID: Record<Trouble, { severity: Severity; title: string }> = {
  degraded: { severity: 'warning', title: 'does not work as it should' },
  renewal_failing: { severity: 'critical', title: 'ends soon and is not renewed' },
  disabled: { severity: 'critical', title: 'is switched off there' },
  missing: { severity: 'critical', title: 'is gone there' },
};

/** A gateway that cannot be told something is left alone for so long. */
const AGAIN_MS = 30_000;

const DUE = 'SELECT id FROM subscription WHERE notice_at <= $1 ORDER BY notice_at LIMIT $2';
/** Due again where it is not told, and with one of two who are at it at once. */
const CLAIM = 'UPDATE subscription SET notice_at = $3 WHERE id = $1 AND notice_at <= $2 RETURNING *';
/** What turned meanwhile is looked at again with what people know by now. */
const SETTLE = `
  UPDATE subscription SET told_status = $2, notice_at = CASE WHEN notice_at = $3 THEN NULL ELSE $4::timestamptz END
  WHERE id = $1`;

/**
 * Tells the people of a workspace that a subscription does not work and, when they were told that, that it works again. That
 * it is owed is a column of the subscription, set with its state, so a crash or an outage only delays it; since when it is in
 * that state names the occasion, so that a crash between telling and noting that tells nobody twice.
 */
export class SubscriptionNotices implements Work {
  readonly kind = 'notice';

  constructor(
    private readonly database: Database,
    private readonly adapters: AdapterRegistry,
    private readonly bus: Bus,
    private readonly clock: Clock,
    private readonly apiUrl: string | undefined,
  ) {}

  readonly due = (limit: number): Promise<string[]> => idsFrom(this.database, DUE, [this.clock.now(), limit]);

  async do(id: string): Promise<boolean> {
    const { rows } = await this.database.pool.query<SubscriptionRow>(CLAIM, [id, this.clock.now(), this.clock.in(AGAIN_MS)]);
    const row = rows[0];
    if (!row) return false;
    const next = nextNotice(row, row.status_since);
    const served = await this.served(row);
    // Who has deleted the last trigger knows.
    if (next && served.count > 0) await this.post(row, next, served);
    const told = next === null ? row.told_status : next.say === 'recovered' ? null : next.say;
    await this.database.pool.query(SETTLE, [id, told, row.notice_at, this.clock.now()]);
    return true;
  }

  private async served({ workspace_id: workspaceId, feed_id: feedId }: SubscriptionRow): Promise<Served> {
    const { rows } = await this.database.pool.query<{ id: string; name: string; count: string }>(
      `SELECT id, name, count(*) OVER () AS count FROM trigger WHERE workspace_id = $1 AND feed_id = $2 ORDER BY id LIMIT ${NAMED}`,
      [workspaceId, feedId],
    );
    return { triggers: rows.map(({ id, name }) => ({ id, name })), count: Number(rows[0]?.count ?? 0) };
  }

  private async post(row: SubscriptionRow, { say }: NextNotice, served: Served): Promise<void> {
    const { id, workspace_id: workspace, service, resource, status, reason_code: reasonCode, status_since: since } = row;
    const label = this.adapters.get(service)?.label ?? service;
    const subject = `The subscription to ${resource} at ${label}`;
    const said = say === 'recovered' ? worksAgain(subject, served) : doesNot(subject, label, row, say, served);
    const facts = { subscriptionId: id, service, resource, status, since: since.toISOString(), reasonCode, triggers: served.triggers, triggerCount: served.count };
    const link = triggerLink(this.apiUrl, workspace, served.triggers[0]?.id);
    const dedupeKey = `subscription:${id}:${say}:${since.toISOString()}`;
    await this.bus.ask(postNotification, { workspace, ...said, dedupeKey, link, facts }, systemCall('trigger-service', randomUUID()));
  }
}

function doesNot(subject: string, label: string, row: SubscriptionRow, say: Trouble, served: Served) {
  const { severity, title } = SAID[say];
  const events = say === 'missing' || say === 'disabled' ? `Until it is there again ${label} sends nothing for` : 'This concerns';
  return {
    kind: `subscription.${say.replaceAll('_', '-')}`,
    severity,
    title: `${cut(subject, 199 - title.length)} ${title}`,
    text: [
      cut(`Since ${row.status_since.toISOString()}: ${row.reason_message ?? `${subject} ${title}.`}`, 1_500),
      `${events} ${names(served)}.`,
      hintOf('subscription', row.reason_code ?? row.status),
      `To see where it is stuck: ./vane why ${served.triggers[0]!.id}`,
    ].join('\n\n'),
  };
}

function worksAgain(subject: string, served: Served) {
  const title = 'works again';
  return {
    kind: 'subscription.recovered',
    severity: 'info' as const,
    title: `${cut(subject, 199 - title.length)} ${title}`,
    text: `${cut(subject, 500)} works again, and so does what it serves: ${names(served)}.`,
  };
}

function names({ triggers, count }: Served): string {
  const named = triggers.map(({ name }) => `"${cut(name, 100)}"`).join(', ');
  const more = count > triggers.length ? ` and ${count - triggers.length} more` : '';
  return `${count === 1 ? 'the trigger' : 'the triggers'} ${named}${more}`;
}

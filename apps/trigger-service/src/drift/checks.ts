import { randomUUID } from 'node:crypto';
import type { AdapterRegistry } from '@vane/adapters';
import type { CallContext, DriftKind } from '@vane/contracts';
import type { Database } from '@vane/db';
import type { RemoteSubscription } from '@vane/kit';
import { hookUrl, type Clock, type Logger } from '@vane/runtime';
import { isOurFault, toServiceError } from '../connections.js';
import { sameJson } from '../sagas/feeds.js';
import { nextCheck } from '../sagas/schedule.js';
import type { Settler } from '../sagas/settler.js';
import type { SubscriptionCalls } from '../subscription-calls.js';
import { CLOCK_SKEW_MS, LeaseLost, type Change, type SubscriptionRow, type SubscriptionRows } from '../sagas/subscription-rows.js';
import { idsFrom, type Work } from '../work-desk.js';
import { differenceOf, restoring, type Difference } from './difference.js';

/** `$1` now, `$2` leases that ended before this are over, `$3` how many. */
const DUE_CHECKS = `
  SELECT id FROM subscription WHERE check_at <= $1 AND (lease_owner IS NULL OR lease_until < $2) ORDER BY check_at LIMIT $3`;

/** What could not be looked at is looked at again after this part of the usual time. */
const SOONER = 12;

/** The status that a difference means, and the code of its reason. */
const STATES = {
  missing: { status: 'missing', code: 'missing_at_service' },
  disabled: { status: 'disabled', code: 'disabled_at_service' },
  changed: { status: 'degraded', code: 'changed_at_service' },
  url_changed: { status: 'degraded', code: 'url_changed_at_service' },
} as const satisfies Record<DriftKind, { status: SubscriptionRow['status']; code: string }>;

const REFUSED = 'check_refused';
const OURS: readonly (string | null)[] = [...Object.values(STATES).map(({ code }) => code), REFUSED];

/** Whether the state of a subscription is one that a check brought it into, so that a check may take it out again. */
export const isOfCheck = ({ reason_code: code }: Pick<SubscriptionRow, 'reason_code'>): boolean => OURS.includes(code);

/**
 * Compares what a service holds of a subscription with what we want it to hold, at its time and under its lease. What
 * differs is put back or flagged, as the feed's triggers say. A look that the service did not allow says nothing about
 * what is there.
 */
export class Checks implements Work {
  readonly kind = 'check';
  private readonly owner = randomUUID();

  constructor(
    private readonly database: Database,
    private readonly rows: SubscriptionRows,
    private readonly settler: Settler,
    private readonly calls: SubscriptionCalls,
    private readonly adapters: AdapterRegistry,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly settings: { publicUrl: string; everySeconds: number },
  ) {}

  due = (limit: number): Promise<string[]> => idsFrom(this.database, DUE_CHECKS, [this.clock.now(), this.clock.in(-CLOCK_SKEW_MS), limit]);

  async do(id: string, call: CallContext): Promise<boolean> {
    const owner = `${this.owner}/${randomUUID()}`;
    const row = await this.rows.claim(id, owner);
    if (!row) return false;
    let checked: SubscriptionRow | null = null;
    try {
      if (row.check_at !== null && row.check_at <= this.clock.now()) checked = await this.check(row, owner, call);
    } finally {
      await this.rows.release(id, owner);
    }
    if (!checked?.checked_at || checked.checked_at.getTime() === row.checked_at?.getTime()) return false;
    if (checked.next_attempt_at !== null) await this.settler.settle(id, call);
    return true;
  }

  /** When what could not be looked at is due again. */
  private sooner = (retryAfterMs?: number): Date => (retryAfterMs === undefined ? nextCheck(this.clock, this.settings.everySeconds / SOONER) : this.clock.in(retryAfterMs));

  private async check(row: SubscriptionRow, owner: string, call: CallContext): Promise<SubscriptionRow | null> {
    const adapter = this.adapters.get(row.service);
    const remote = adapter?.triggerTypes[row.trigger_type]?.remote;
    const over = row.status === 'removing' || row.status === 'removed';
    if (over || (adapter && !remote?.get)) return this.rows.change(row, owner, { checkAt: null });
    // What the settler is at is made right by it, or its refusal is told by it.
    const settling = row.external_id === null || row.next_attempt_at !== null;
    if (!adapter || !remote?.get || settling || !(await this.calls.allowed(row))) return this.rows.change(row, owner, { checkAt: this.sooner() });
    try {
      const http = await this.calls.http(adapter, row, owner, call);
      return await this.judge(row, owner, adapter.label, await remote.get(http, row.resource, row.external_id!));
    } catch (cause) {
      if (cause instanceof LeaseLost) return null;
      return this.unseen(row, owner, cause, call);
    }
  }

  private async judge(row: SubscriptionRow, owner: string, label: string, there: RemoteSubscription | null): Promise<SubscriptionRow | null> {
    const { publicUrl, everySeconds } = this.settings;
    const difference = differenceOf(row.want, callbackUrlsOf(row, publicUrl), there);
    const policy = difference && (await this.policy(row));
    const seen = { checkedAt: this.clock.now(), checkAt: nextCheck(this.clock, everySeconds) };
    return this.rows.change(row, owner, (current) => {
      // Another wish came in meanwhile: what was seen is not what it is compared with, and the settler is due.
      const overtaken = current.next_attempt_at !== null || current.status !== row.status || !sameJson(current.want, row.want);
      if (overtaken || (difference && policy === null)) return seen;
      if (!difference || isKept(current, difference)) return { ...seen, ...right(current, difference, label) };
      return { ...seen, ...(policy === 'restore' ? restored(difference, label, this.clock) : flagged(current, difference, label, this.clock.now())) };
    });
  }

  /** What the feed's triggers want done; null when it has none any more. */
  private async policy(row: SubscriptionRow): Promise<'restore' | 'flag' | null> {
    const { rows } = await this.database.pool.query<{ restore: boolean | null }>(
      `SELECT bool_or(on_drift = 'restore') AS restore FROM trigger
       WHERE workspace_id = $1 AND (feed_id = $2 OR (old_feed_id = $2 AND old_feed_until IS NULL))`,
      [row.workspace_id, row.feed_id],
    );
    const { restore } = rows[0]!;
    return restore === null ? null : restore ? 'restore' : 'flag';
  }

  /** The service did not let us look, so nothing is known to have changed. */
  private async unseen(row: SubscriptionRow, owner: string, cause: unknown, call: CallContext): Promise<SubscriptionRow | null> {
    const error = toServiceError(cause);
    const context = { subscriptionId: row.id, service: row.service, correlationId: call.correlationId };
    if (isOurFault(cause)) this.logger.error({ err: cause, ...context }, 'a check failed by our own fault');
    else this.logger.warn({ kind: error.kind, problem: error.message, ...context }, 'service did not show what it holds');
    const checkAt = this.sooner(error.details.retryAfterMs);
    // A grant that is refused is the connection's state, and a service that does not answer nobody's.
    if (error.transient || error.kind === 'unauthorised') return this.rows.change(row, owner, { checkAt });
    const reason = { code: REFUSED, message: error.message };
    return this.rows.change(row, owner, ({ status }) => (status === 'active' ? { checkAt, status: 'degraded', reason } : { checkAt }));
  }
}

/** Where this subscription is reached: under the public URL of now, and under the one it was registered with. */
export const callbackUrlsOf = (row: Pick<SubscriptionRow, 'key' | 'public_url'>, publicUrl: string): string[] =>
  [publicUrl, row.public_url ?? publicUrl].map((base) => hookUrl(base, row.key));

/** A person has said that this difference may stay. */
const isKept = ({ drift_kept: kept }: SubscriptionRow, { kind, ours, theirs }: Difference): boolean =>
  kept !== null && kind === 'changed' && sameJson(kept, { ours, theirs });

function right(current: SubscriptionRow, kept: Difference | null, label: string): Change {
  const change = { drift: null, ...(kept ? {} : { driftKept: null }) };
  if (!isOfCheck(current)) return change;
  return { ...change, status: 'active', reason: { code: 'recovered', message: `It is at ${label} again as it should be.` } };
}

function restored({ kind }: Difference, label: string, clock: Clock): Change {
  const { status, code } = STATES[kind];
  const done = kind === 'missing' ? 'was gone, so it is made again' : `${WHAT[kind]}, so it is made as it should be again`;
  return { ...restoring(kind, clock), status, reason: { code, message: `At ${label} it ${done}.` } };
}

function flagged(current: SubscriptionRow, difference: Difference, label: string, now: Date): Change {
  const { status, code } = STATES[difference.kind];
  const { seenAt, ...before } = current.drift ?? {};
  const drift = { ...difference, seenAt: sameJson(before, difference) ? seenAt! : now.toISOString() };
  const keep = difference.kind === 'changed' ? ', or {"action": "keep"} to leave it as it is there' : ', or delete its triggers';
  const message = `At ${label} it ${WHAT[difference.kind]}. Send POST .../subscriptions/${current.id}/drift with {"action": "restore"} to put it back${keep}.`;
  return { status, reason: { code, message }, drift };
}

const WHAT = {
  missing: 'is gone: somebody deleted it there',
  disabled: 'was switched off, so nothing is sent',
  changed: 'was changed by somebody',
  url_changed: 'was pointed at another address, so nothing reaches us',
} as const satisfies Record<DriftKind, string>;

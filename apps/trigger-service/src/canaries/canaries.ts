import { randomUUID } from 'node:crypto';
import type { AdapterRegistry } from '@vane/adapters';
import { VaneError, type CallContext } from '@vane/contracts';
import type { Database } from '@vane/db';
import { ServiceError, type Adapter, type Canary } from '@vane/kit';
import type { Clock, Logger } from '@vane/runtime';
import { isOurFault, toServiceError, toVaneError } from '../connections.js';
import { spread } from '../sagas/schedule.js';
import { applyChange, CLOCK_SKEW_MS, isLeaving, LeaseLost, type Change, type SubscriptionRow, type SubscriptionRows } from '../sagas/subscription-rows.js';
import type { SubscriptionCalls } from '../subscription-calls.js';
import { idsFrom, type Work } from '../work-desk.js';
import { CanaryRows, isOpen, markerFor, type CanaryRow } from './canary-rows.js';

/**
 * `$1` now, `$2` leases that ended before this are over, `$3` how many, `$4` canaries begun before this are late, of
 * whatever service: one whose subscription was replaced meanwhile is judged by what serves the feed now.
 */
export const DUE_CANARIES = `
  SELECT id FROM (
    (SELECT id, canary_at AS at FROM subscription WHERE canary_at <= $1 AND (lease_owner IS NULL OR lease_until < $2) ORDER BY canary_at LIMIT $3)
    UNION
    (SELECT l.id, c.started_at FROM canary c
       JOIN subscription s ON s.id = c.subscription_id AND s.status IN ('removing', 'removed')
       JOIN subscription l ON l.feed_id = s.feed_id AND l.status NOT IN ('removing', 'removed') AND (l.lease_owner IS NULL OR l.lease_until < $2)
     WHERE c.heard_at IS NULL AND c.failed_at IS NULL AND c.started_at <= $4 ORDER BY c.started_at LIMIT $3)
  ) AS due GROUP BY id ORDER BY min(at) LIMIT $3`;

const ARRIVES_WITHIN_MS = 120_000;
/** Most are heard by then; those that are not are looked at again when their time is over. */
const FIRST_LOOK_MS = 10_000;
const DAY_SECONDS = 86_400;
const WHEN_OFF_SECONDS = 7 * DAY_SECONDS;
/** The night is the first hours of a day, in UTC. */
const NIGHT_SECONDS = 5 * 3600;
/** The reason of a subscription whose canaries are not heard. */
export const CANARY_LOST = 'canary_lost';

type Known = { adapter: Adapter; canary: Canary };

/**
 * Sends what starts nothing and sees whether it arrives, every night and when a person asks. The row is there before the
 * service is asked, so that what comes sooner than its answer is heard; a canary that a crash kept from being sent is
 * silent, and one alone says nothing: two in a row do.
 */
export class Canaries implements Work {
  readonly kind = 'canary';
  private readonly owner = randomUUID();
  private readonly canaries: CanaryRows;
  private readonly longestMs: number;

  constructor(
    private readonly database: Database,
    private readonly rows: SubscriptionRows,
    private readonly calls: SubscriptionCalls,
    private readonly adapters: AdapterRegistry,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly everySeconds: number,
  ) {
    this.canaries = new CanaryRows(database, clock);
    const times = adapters.all().flatMap(({ triggerTypes }) => Object.values(triggerTypes).map(({ remote }) => remote?.canary?.arrivesWithinMs ?? 0));
    this.longestMs = Math.max(ARRIVES_WITHIN_MS, ...times);
  }

  due = (limit: number): Promise<string[]> =>
    idsFrom(this.database, DUE_CANARIES, [this.clock.now(), this.clock.in(-CLOCK_SKEW_MS), limit, this.clock.in(-this.longestMs)]);

  async do(id: string, call: CallContext): Promise<boolean> {
    const owner = `${this.owner}/${randomUUID()}`;
    const row = await this.rows.claim(id, owner);
    if (!row) return false;
    try {
      return await this.look(row, owner, call);
    } catch (cause) {
      if (cause instanceof LeaseLost) return false;
      return await this.unsent(row, owner, cause, call);
    } finally {
      await this.rows.release(id, owner);
    }
  }

  /** One at once, or the one that is under way. @throws VaneError `conflict` where none can be sent, or what the service said */
  async request(row: SubscriptionRow, call: CallContext): Promise<CanaryRow> {
    const [latest] = await this.canaries.last(row.feed_id);
    if (latest && isOpen(latest)) return latest;
    const owner = `${this.owner}/${randomUUID()}`;
    const claimed = await this.rows.claim(row.id, owner);
    if (!claimed) throw new VaneError('conflict', 'The subscription is being changed or looked at in this moment. Try again in a few seconds.');
    try {
      const known = this.known(claimed);
      if (!known || isLeaving(claimed) || claimed.external_id === null) throw notPossible(claimed);
      return await this.send(known, claimed, owner, call);
    } catch (cause) {
      if (cause instanceof LeaseLost) throw new VaneError('conflict', 'The subscription was taken over by another process meanwhile. Try again in a few seconds.');
      throw cause instanceof ServiceError ? toVaneError(cause) : cause;
    } finally {
      await this.rows.release(row.id, owner);
    }
  }

  private known(row: SubscriptionRow): Known | null {
    const adapter = this.adapters.get(row.service);
    const canary = adapter?.triggerTypes[row.trigger_type]?.remote?.canary;
    if (!adapter || !canary || (canary.by === 'event' && !canary.applies(row.want))) return null;
    return { adapter, canary };
  }

  /** Judges what was sent, and sends another when it is time. */
  private async look(row: SubscriptionRow, owner: string, call: CallContext): Promise<boolean> {
    const known = this.known(row);
    if (isLeaving(row)) return this.put(row, owner, { canaryAt: null });
    const [latest, before] = await this.canaries.last(row.feed_id);
    if (latest && isOpen(latest)) return this.judge(row, owner, latest, before, known);
    if (row.canary_at === null || row.canary_at > this.clock.now()) return false;
    if (latest?.heard_at && row.reason_code === CANARY_LOST) return this.recovered(row, owner);
    const lately = latest && latest.started_at > this.clock.in((-this.everySeconds * 1000) / 2);
    if (!known || this.everySeconds === 0 || lately) return this.put(row, owner, { canaryAt: this.next() });
    if (row.external_id === null || !(await this.calls.allowed(row))) return this.put(row, owner, { canaryAt: this.next() });
    await this.send(known, row, owner, call);
    return true;
  }

  private async judge(row: SubscriptionRow, owner: string, open: CanaryRow, before: CanaryRow | undefined, known: Known | null): Promise<boolean> {
    const withinMs = known?.canary.arrivesWithinMs ?? ARRIVES_WITHIN_MS;
    const until = new Date(open.started_at.getTime() + withinMs);
    if (until > this.clock.now()) return this.put(row, owner, { canaryAt: until });
    const message = lostSentence(open, withinMs, known);
    return this.database.transaction(async (tx) => {
      const current = await this.rows.lockLeased(tx, row.id, owner);
      if (!current || !(await this.canaries.fail(tx, open.id, message))) return false;
      const lost = before?.failed_at && current.status === 'active';
      const state: Change = lost ? { status: 'degraded', reason: { code: CANARY_LOST, message: `Twice in a row: ${message}` } } : {};
      await applyChange(tx, current, { ...state, canaryAt: this.next() }, this.clock);
      return true;
    });
  }

  /** Commits the canary, then has it sent. @throws ServiceError when it was not, and then there is none */
  private async send({ adapter, canary }: Known, row: SubscriptionRow, owner: string, call: CallContext): Promise<CanaryRow> {
    const http = await this.calls.http(adapter, row, owner, call);
    const started = await this.database.transaction(async (tx) => {
      const current = await this.rows.lockLeased(tx, row.id, owner);
      if (!current) throw new LeaseLost();
      const renewal = canary.by === 'renewal' && current.expires_at !== null ? { renewAt: this.clock.now() } : {};
      await applyChange(tx, current, { canaryAt: this.clock.in(FIRST_LOOK_MS), ...renewal }, this.clock);
      return this.canaries.start(tx, current);
    });
    try {
      if (canary.by === 'message') await canary.send(http, { resource: row.resource, externalId: row.external_id!, aux: row.aux });
      if (canary.by === 'event') await canary.send(http, markerFor(started.id));
    } catch (cause) {
      const error = toServiceError(cause);
      // It may have got through unheard, and is then heard of in the other way.
      if (error.transient && !error.details.unsent) return started;
      await this.canaries.forget(started.id);
      throw cause;
    }
    return started;
  }

  private async unsent(row: SubscriptionRow, owner: string, cause: unknown, call: CallContext): Promise<boolean> {
    const error = toServiceError(cause);
    const context = { subscriptionId: row.id, service: row.service, correlationId: call.correlationId };
    if (isOurFault(cause)) this.logger.error({ err: cause, ...context }, 'a canary failed by our own fault');
    else this.logger.warn({ kind: error.kind, problem: error.message, ...context }, 'service did not send a canary');
    return this.put(row, owner, { canaryAt: this.next() });
  }

  private recovered(row: SubscriptionRow, owner: string): Promise<boolean> {
    const reason = { code: 'recovered', message: 'What the service sends arrives again.' };
    const canaryAt = this.next();
    return this.put(row, owner, ({ status, reason_code: code }) => (status === 'degraded' && code === CANARY_LOST ? { canaryAt, status: 'active', reason } : { canaryAt }), true);
  }

  /** In the next night, or after as long as is set; where none is sent unasked, seldom: the setting may change. */
  private next(): Date {
    const seconds = this.everySeconds || WHEN_OFF_SECONDS;
    if (seconds % DAY_SECONDS !== 0) return spread(this.clock, seconds);
    const day = this.clock.now().getTime() - (this.clock.now().getTime() % (DAY_SECONDS * 1000));
    return new Date(day + (seconds + Math.random() * NIGHT_SECONDS) * 1000);
  }

  private async put(row: SubscriptionRow, owner: string, change: Change | ((current: SubscriptionRow) => Change), done = false): Promise<boolean> {
    await this.rows.change(row, owner, change);
    return done;
  }
}

const notPossible = ({ service, status }: SubscriptionRow): VaneError =>
  new VaneError(
    'conflict',
    status === 'pending' || status === 'removing' || status === 'removed'
      ? `The subscription is ${status}, so nothing is sent to it yet or any more.`
      : `A subscription of ${service} like this one has no way to be tried: cause an event there and look whether it arrives.`,
  );

function lostSentence({ started_at: at }: CanaryRow, withinMs: number, known: Known | null): string {
  const label = known?.adapter.label ?? 'the service';
  const what = { message: 'The test message', renewal: 'The first message of the renewed subscription', event: 'The event of the test' }[known?.canary.by ?? 'message'];
  const look = known?.canary.by === 'event' ? `whether the background jobs of ${label} run, and ` : '';
  return `${what} of ${at.toISOString()} did not arrive within ${withinMs / 60_000} minutes. Look ${look}whether ${label} can reach the public URL of webhook-ingress.`;
}

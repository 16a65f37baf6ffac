import { randomUUID } from 'node:crypto';
import type { AdapterRegistry } from '@vane/adapters';
import type { CallContext } from '@vane/contracts';
import type { Database } from '@vane/db';
import { ServiceError, type DeliveryLog, type RemoteRef, type SentDelivery, type ServiceHttp } from '@vane/kit';
import type { Clock, Logger } from '@vane/runtime';
import { isOurFault, toServiceError } from '../connections.js';
import { FeedHistory } from '../pulls/feed-history.js';
import { spread } from '../sagas/schedule.js';
import { applyChange, CLOCK_SKEW_MS, isLeaving, LeaseLost, type Change, type SubscriptionRow, type SubscriptionRows } from '../sagas/subscription-rows.js';
import type { SubscriptionCalls } from '../subscription-calls.js';
import { idsFrom, type Work } from '../work-desk.js';
import { eventsOf, firstAt, verdictOn, type SentEvent } from './missing.js';

/** `$1` now, `$2` leases that ended before this are over, `$3` how many. */
export const DUE_LOGS = `
  SELECT id FROM subscription WHERE log_at <= $1 AND (lease_owner IS NULL OR lease_until < $2) ORDER BY log_at LIMIT $3`;

/** What was read is read again for this long: services write their logs late, and clocks differ. */
const OVERLAP_MS = 5 * 60_000;
/** The newest of one log that are looked at. */
const MOST_READ = 10_000;
/** Asked for in one go; the rest follows, when what was asked for stands in the log. */
const MOST_ASKED = 100;
const REST_MS = 60_000;

/**
 * Reads the log that a service keeps of what it sent, and has it send again what never came here. That comes the usual way
 * and under its first identity, so whatever happens in between it is one event. How often each was sent is counted in the
 * log itself: nothing is asked for for ever.
 */
export class DeliveryLogs implements Work {
  readonly kind = 'log';
  private readonly owner = randomUUID();
  private readonly history: FeedHistory;

  constructor(
    private readonly database: Database,
    private readonly rows: SubscriptionRows,
    private readonly calls: SubscriptionCalls,
    private readonly adapters: AdapterRegistry,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly everySeconds: number,
  ) {
    this.history = new FeedHistory(clock);
  }

  due = (limit: number): Promise<string[]> => idsFrom(this.database, DUE_LOGS, [this.clock.now(), this.clock.in(-CLOCK_SKEW_MS), limit]);

  async do(id: string, call: CallContext): Promise<boolean> {
    const owner = `${this.owner}/${randomUUID()}`;
    const row = await this.rows.claim(id, owner);
    if (!row) return false;
    try {
      return row.log_at !== null && row.log_at <= this.clock.now() && (await this.read(row, owner, call));
    } catch (cause) {
      if (cause instanceof LeaseLost) return false;
      return await this.unread(row, owner, cause, call);
    } finally {
      await this.rows.release(id, owner);
    }
  }

  private next = (): Date => spread(this.clock, this.everySeconds);

  private async read(row: SubscriptionRow, owner: string, call: CallContext): Promise<boolean> {
    const adapter = this.adapters.get(row.service);
    const log = adapter?.triggerTypes[row.trigger_type]?.remote?.deliveryLog;
    if (isLeaving(row) || (adapter && !log)) return this.put(row, owner, { logAt: null });
    if (!adapter || !log || row.external_id === null || !(await this.calls.allowed(row))) return this.put(row, owner, { logAt: this.next() });
    const http = await this.calls.http(adapter, row, owner, call);
    const ref: RemoteRef = { resource: row.resource, externalId: row.external_id, aux: row.aux };
    const now = this.clock.now();
    const kept = now.getTime() - log.keptMs;
    const from = Math.max(kept, ((row.log_read_until ?? row.registered_at)?.getTime() ?? 0) - OVERLAP_MS);
    const read = await log.list(http, ref, new Date(from), MOST_READ);
    const missing = await this.missing(row, eventsOf(read));
    const judged = await this.judge(missing, now, () => log.list(http, ref, new Date(kept), MOST_READ));
    const asked = await this.ask(log, http, ref, judged.ask.slice(0, MOST_ASKED));
    const unsettled = [...judged.ask, ...judged.wait].map(firstAt);
    this.report(row, { read: read.length, missing: missing.length, asked, givenUp: judged.givenUp }, call);
    await this.commit(row, owner, {
      asked, label: adapter.label, since: new Date(from),
      logReadUntil: new Date(Math.min(now.getTime(), ...unsettled)),
      logAt: judged.ask.length > MOST_ASKED ? this.clock.in(REST_MS) : this.next(),
    });
    return true;
  }

  /** Events of the log that were never taken in. */
  private async missing(row: SubscriptionRow, events: SentEvent[]): Promise<SentEvent[]> {
    if (events.length === 0) return [];
    const { rows } = await this.database.pool.query<{ dedupe_key: string }>(
      'SELECT dedupe_key FROM event_key WHERE feed_id = $1 AND dedupe_key = ANY($2)',
      [row.feed_id, events.map(({ dedupeKey }) => dedupeKey)],
    );
    const known = new Set(rows.map(({ dedupe_key: key }) => key));
    return events.filter(({ dedupeKey }) => !known.has(dedupeKey));
  }

  /** How often something was sent, only the whole log says: it is read when something is missing, and not else. */
  private async judge(missing: SentEvent[], now: Date, whole: () => Promise<SentDelivery[]>): Promise<{ ask: SentEvent[]; wait: SentEvent[]; givenUp: number }> {
    if (missing.length === 0) return { ask: [], wait: [], givenUp: 0 };
    const all = new Map(eventsOf(await whole()).map((event) => [event.dedupeKey, event]));
    // The oldest first, as the log has it where times are too coarse: sorting keeps that order.
    const judged = missing
      .toReversed()
      .map((event) => all.get(event.dedupeKey) ?? event)
      .map((event) => ({ event, verdict: verdictOn(event, now) }))
      .sort((a, b) => firstAt(a.event) - firstAt(b.event));
    const of = (wanted: string) => judged.filter(({ verdict }) => verdict === wanted).map(({ event }) => event);
    return { ask: of('ask'), wait: of('wait'), givenUp: of('given_up').length };
  }

  /** @returns how many the service said it would send again */
  private async ask(log: DeliveryLog, http: ServiceHttp, ref: RemoteRef, events: SentEvent[]): Promise<number> {
    let asked = 0;
    for (const { times } of events) {
      try {
        await log.redeliver(http, ref, times[0]!.id);
        asked += 1;
      } catch (error) {
        // One that it does not want to send must not keep back the others.
        const ofThisOne = error instanceof ServiceError && ['not_found', 'invalid', 'conflict'].includes(error.kind);
        if (ofThisOne) continue;
        if (asked === 0) throw error;
        return asked;
      }
    }
    return asked;
  }

  private async commit(
    row: SubscriptionRow, owner: string, { asked, label, since, ...change }: Change & { asked: number; label: string; since: Date },
  ): Promise<void> {
    const events = asked === 1 ? 'an event' : `${asked} events`;
    const message = `${label}'s log had ${events} that we did not get since ${since.toISOString()}; asked it to send ${asked === 1 ? 'it' : 'them'} again.`;
    await this.database.transaction(async (tx) => {
      const current = await this.rows.lockLeased(tx, row.id, owner);
      if (!current) return;
      await applyChange(tx, current, change, this.clock);
      if (asked > 0) await this.history.note(tx, row.feed_id, 'deliveries_recovered', message);
    });
  }

  private report(row: SubscriptionRow, counts: { read: number; missing: number; asked: number; givenUp: number }, call: CallContext): void {
    const fields = { subscriptionId: row.id, service: row.service, correlationId: call.correlationId, ...counts };
    if (counts.read === MOST_READ) this.logger.warn(fields, 'log of a service is longer than what is read of it');
    else if (counts.missing > 0) this.logger.info(fields, 'log of a service had events that never came');
    if (counts.givenUp > 0) this.logger.warn(fields, 'events were sent several times and could not be taken in; they are not asked for any more');
  }

  /** A log that cannot be read says nothing of the subscription; whether that is gone is for the check to say. */
  private async unread(row: SubscriptionRow, owner: string, cause: unknown, call: CallContext): Promise<boolean> {
    const error = toServiceError(cause);
    const context = { subscriptionId: row.id, service: row.service, correlationId: call.correlationId };
    if (isOurFault(cause)) this.logger.error({ err: cause, ...context }, 'reading a log failed by our own fault');
    else this.logger.warn({ kind: error.kind, problem: error.message, ...context }, 'service did not show its log');
    const logAt = error.details.retryAfterMs === undefined ? this.next() : this.clock.in(error.details.retryAfterMs);
    return this.put(row, owner, { logAt, ...(error.kind === 'not_found' ? { checkAt: this.clock.now() } : {}) });
  }

  /** False: nothing was read. */
  private async put(row: SubscriptionRow, owner: string, change: Change): Promise<false> {
    await this.rows.change(row, owner, change);
    return false;
  }
}

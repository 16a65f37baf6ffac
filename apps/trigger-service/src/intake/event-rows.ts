import type { AdapterRegistry } from '@vane/adapters';
import { executeRun } from '@vane/contracts';
import { newId } from '@vane/db';
import type { JsonObject, TriggerType } from '@vane/kit';
import type { Clock, JobQueues, Logger } from '@vane/runtime';
import type { PoolClient } from 'pg';
import { TriggerExpressions } from '../expressions/trigger-expressions.js';
import type { IncomingEvent } from './normalise.js';
import { reasonOf, UnreadableContent } from './refused-content.js';

/** What an event came out of: a delivery, or a pull, which has none. */
export type EventOrigin = {
  workspaceId: string;
  feedId: string;
  service: string;
  /** ISO 8601. */
  receivedAt: string;
  deliveryId: string | null;
  /** What its runs are found by in the logs. */
  correlationId: string;
};

/** A trigger of a feed, as far as it decides what an event of it starts. */
export type ListeningTrigger = {
  id: string; name: string; filter: string | null; mapping: string | null; failing: boolean; feed_id: string; old_feed_id: string | null; old_feed_until: Date | null; service: string; type: string; config: JsonObject;
  runnable_id: string | null; status: string; status_code: string | null; resync: string; held: boolean;
};

export type NewEvent = { event: IncomingEvent; origin: EventOrigin };
type Stored = NewEvent & { eventId: string };
type Beginning = { status: 'queued' | 'held' | 'skipped'; reason: string | null; message: string | null; input: string | null };
type NewRun = { id: string; trigger: ListeningTrigger; stored: Stored } & Beginning;

/**
 * What was added; `queued` are the runs to hand to the queue after the commit, `refused` those that a filter or a mapping has
 * made skipped ones, by reason.
 */
export type Added = { events: number; runs: number; queued: string[]; refused: Record<string, number> };

/** Says which triggers a new event starts, of those that listen and match. */
export type Starts = (trigger: ListeningTrigger, event: IncomingEvent) => boolean;

/**
 * The one way in which events come into being: identities, events and runs, in the transaction of whoever has received them.
 * The same events again add nothing, and name the runs that are still queued.
 */
export class EventRows {
  private readonly expressions = new TriggerExpressions();

  constructor(
    private readonly adapters: AdapterRegistry,
    private readonly queues: JobQueues,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  /** @throws UnreadableContent when a trigger cannot be matched with an event */
  async add(tx: PoolClient, events: NewEvent[], starts: Starts = () => true): Promise<Added> {
    const { fresh, repeated } = await this.takeIdentities(tx, events);
    await this.insertEvents(tx, fresh);
    const runs = await this.insertRuns(tx, fresh, starts);
    const waiting = await this.stillQueued(tx, repeated);
    const queued = [...runs.filter((run) => run.status === 'queued').map((run) => run.id), ...waiting];
    return { events: fresh.length, runs: runs.length, queued, refused: refusedOf(runs) };
  }

  /** Redis may be away: the rows are the truth, and the reconciler finds them. */
  async enqueue(runIds: string[]): Promise<void> {
    if (runIds.length === 0) return;
    try {
      await this.queues.add(executeRun, runIds.map((runId) => ({ data: { runId }, id: `${runId}.1` })));
    } catch (error) {
      this.logger.warn({ err: error, runs: runIds.length }, 'runs could not be queued, the reconciler will do it');
    }
  }

  /** Who comes first with a (feed, dedupe key) owns it; the primary key decides, also between two readers. */
  private async takeIdentities(tx: PoolClient, events: NewEvent[]): Promise<{ fresh: Stored[]; repeated: Stored[] }> {
    const now = this.clock.now();
    const candidates = new Map<string, Stored>();
    const repeated: Stored[] = [];
    for (const one of events) {
      const stored = { ...one, eventId: newId('event', now) };
      const identity = `${one.origin.feedId}\n${one.event.dedupeKey}`;
      if (candidates.has(identity)) repeated.push(stored);
      else candidates.set(identity, stored);
    }
    if (candidates.size === 0) return { fresh: [], repeated };
    // One order for all writers, so that two batches cannot deadlock on each other's keys.
    const sorted = [...candidates.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, stored]) => stored);
    const { rows } = await tx.query<{ event_id: string }>(
      `INSERT INTO event_key (feed_id, dedupe_key, event_id, seen_at)
       SELECT feed_id, dedupe_key, event_id, $4 FROM unnest($1::text[], $2::text[], $3::text[]) AS k (feed_id, dedupe_key, event_id)
       ON CONFLICT (feed_id, dedupe_key) DO NOTHING RETURNING event_id`,
      [sorted.map((s) => s.origin.feedId), sorted.map((s) => s.event.dedupeKey), sorted.map((s) => s.eventId), now],
    );
    const won = new Set(rows.map((row) => row.event_id));
    return { fresh: sorted.filter((s) => won.has(s.eventId)), repeated: [...repeated, ...sorted.filter((s) => !won.has(s.eventId))] };
  }

  private async insertEvents(tx: PoolClient, fresh: Stored[]): Promise<void> {
    if (fresh.length === 0) return;
    const map = <T>(of: (stored: Stored) => T) => fresh.map(of);
    await tx.query(
      `INSERT INTO event (id, received_at, workspace_id, feed_id, delivery_id, service, type, dedupe_key, occurred_at, payload)
       SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
         $9::timestamptz[], $10::json[])`,
      [
        map((s) => s.eventId), map((s) => s.origin.receivedAt), map((s) => s.origin.workspaceId), map((s) => s.origin.feedId),
        map((s) => s.origin.deliveryId), map((s) => s.origin.service), map((s) => s.event.type), map((s) => s.event.dedupeKey),
        map((s) => s.event.occurredAt), map((s) => s.event.payloadText),
      ],
    );
  }

  private async insertRuns(tx: PoolClient, fresh: Stored[], starts: Starts): Promise<NewRun[]> {
    if (fresh.length === 0) return [];
    const feeds = [...new Set(fresh.map((stored) => stored.origin.feedId))];
    const { rows: triggers } = await tx.query<ListeningTrigger>(
      `SELECT t.id, t.feed_id, t.name, t.filter, t.mapping, t.failing_since IS NOT NULL AS failing, t.old_feed_id, t.old_feed_until, t.service, t.type, t.config, t.runnable_id, t.status, t.status_code, t.resync,
         COALESCE(c.status = 'auth_required', false) AS held
       FROM trigger t LEFT JOIN connection c ON c.workspace_id = t.workspace_id AND c.id = t.connection_id
       WHERE t.feed_id = ANY($1) OR t.old_feed_id = ANY($1) ORDER BY t.id`,
      [feeds],
    );
    const runs = fresh.flatMap((stored) => this.runsOf(stored, triggers, starts));
    if (runs.length === 0) return [];
    const now = this.clock.now();
    const map = <T>(of: (run: NewRun) => T) => runs.map(of);
    await tx.query(
      `INSERT INTO run (id, workspace_id, trigger_id, event_id, event_received_at, runnable_id, replay, status, reason, reason_message, input,
         attempts, fence, correlation_id, created_at, ended_at)
       SELECT id, workspace_id, trigger_id, event_id, event_received_at, runnable_id, 0, status, reason, reason_message, input, 0, 0, correlation_id, $10,
         CASE WHEN status = 'skipped' THEN $10::timestamptz END
       FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::text[], $8::text[], $9::text[], $11::text[],
         $12::json[]) AS r (id, workspace_id, trigger_id, event_id, event_received_at, runnable_id, status, reason, correlation_id, reason_message, input)
       ON CONFLICT (trigger_id, event_id, replay) DO NOTHING`,
      [
        map((r) => r.id), map((r) => r.stored.origin.workspaceId), map((r) => r.trigger.id), map((r) => r.stored.eventId),
        map((r) => r.stored.origin.receivedAt), map((r) => r.trigger.runnable_id), map((r) => r.status), map((r) => r.reason),
        map((r) => r.stored.origin.correlationId), now, map((r) => r.message), map((r) => r.input),
      ],
    );
    await this.noteFailing(tx, runs, now);
    return runs;
  }

  /** Once for a trigger, until it is changed: that people are to be told is committed with what they are told of. */
  private async noteFailing(tx: PoolClient, runs: NewRun[], now: Date): Promise<void> {
    const failing = runs.filter(({ message, reason, trigger }) => message !== null && reason !== 'filtered' && !trigger.failing);
    if (failing.length === 0) return;
    const ids = [...new Set(failing.map(({ trigger }) => trigger.id))].sort();
    await tx.query(
      `UPDATE trigger SET failing_since = $2, failing_notice_at = $2
       WHERE id IN (SELECT id FROM trigger WHERE id = ANY($1) AND failing_since IS NULL ORDER BY id FOR UPDATE)`,
      [ids, now],
    );
  }

  private runsOf(stored: Stored, triggers: ListeningTrigger[], starts: Starts): NewRun[] {
    const { event, origin } = stored;
    return triggers
      .filter((trigger) => listensTo(trigger, origin) && starts(trigger, event) && this.matches(trigger, event))
      .map((trigger) => ({ id: newId('run', this.clock.now()), trigger, stored, ...this.beginning(trigger, stored) }));
  }

  /** An event that a filter keeps out, or that cannot be judged, has a skipped run as well: it says why, and can be replayed. */
  private beginning(trigger: ListeningTrigger, { eventId, event, origin }: Stored): Beginning {
    const first = beginningOf(trigger);
    if (first.status === 'skipped') return { ...first, message: null, input: null };
    const { type, occurredAt, payload, payloadText } = event;
    const verdict = this.expressions.judge(trigger, { id: eventId, type, service: origin.service, occurredAt, receivedAt: origin.receivedAt, payload, payloadText });
    if (verdict.starts) return { ...first, message: null, input: verdict.input };
    return { status: 'skipped', reason: verdict.code, message: verdict.message, input: null };
  }

  private matches(trigger: ListeningTrigger, event: IncomingEvent): boolean {
    const type: TriggerType | undefined = this.adapters.get(trigger.service)?.triggerTypes[trigger.type];
    try {
      return type?.matches ? type.matches(trigger.config as never, event) : true;
    } catch (error) {
      throw new UnreadableContent(`A trigger cannot be matched with the event: ${reasonOf(error)}`, { cause: error });
    }
  }

  /** A repeat may mean that we died between commit and queue: what still waits is handed over again. */
  private async stillQueued(tx: PoolClient, repeated: Stored[]): Promise<string[]> {
    if (repeated.length === 0) return [];
    const { rows } = await tx.query<{ id: string }>(
      `SELECT r.id FROM event_key k JOIN run r ON r.event_id = k.event_id
       JOIN unnest($1::text[], $2::text[]) AS wanted (feed_id, dedupe_key) ON k.feed_id = wanted.feed_id AND k.dedupe_key = wanted.dedupe_key
       WHERE r.status = 'queued' AND r.attempts = 0`,
      [repeated.map((s) => s.origin.feedId), repeated.map((s) => s.event.dedupeKey)],
    );
    return rows.map((row) => row.id);
  }
}

function refusedOf(runs: NewRun[]): Record<string, number> {
  const refused: Record<string, number> = {};
  for (const { message, reason } of runs) if (message !== null && reason !== null) refused[reason] = (refused[reason] ?? 0) + 1;
  return refused;
}

/** A trigger on the move listens to the feed it comes from as well, and to all that this had received when it was left. */
function listensTo({ feed_id: feedId, old_feed_id: oldFeedId, old_feed_until: until }: ListeningTrigger, origin: EventOrigin): boolean {
  return feedId === origin.feedId || (oldFeedId === origin.feedId && (until === null || Date.parse(origin.receivedAt) <= until.getTime()));
}

/** What becomes of an event of this trigger at first: one whose connection needs a person is kept until it works again. */
function beginningOf({ status, status_code, held }: ListeningTrigger): Pick<NewRun, 'status' | 'reason'> {
  if (status !== 'enabled') return { status: 'skipped', reason: status_code ?? `trigger_${status}` };
  return held ? { status: 'held', reason: 'connection_auth_required' } : { status: 'queued', reason: null };
}

import type { AdapterRegistry } from '@vane/adapters';
import { executeRun, type DeliveryHeader } from '@vane/contracts';
import { newId, type Database } from '@vane/db';
import type { JsonObject, TriggerType } from '@vane/kit';
import type { Clock, JobQueues, Logger, Metrics } from '@vane/runtime';
import type { PoolClient } from 'pg';
import { hashAndSizeOf, normaliseDelivery, unprocessable, type IncomingDelivery, type IncomingEvent } from './normalise.js';
import { isAboutContent, reasonOf, storable, UnreadableContent } from './refused-content.js';

type TriggerRow = {
  id: string; feed_id: string; old_feed_id: string | null; old_feed_until: Date | null; service: string; type: string; config: JsonObject;
  runnable_id: string | null; status: string; status_code: string | null; held: boolean;
};
type Stored = { event: IncomingEvent; header: DeliveryHeader; eventId: string };
type NewRun = { id: string; trigger: TriggerRow; stored: Stored; status: 'queued' | 'held' | 'skipped'; reason: string | null };

const MAX_INTEGER = 2 ** 31 - 1;

/**
 * Takes deliveries in by the batch: deliveries, identities, events and runs in one transaction, then the ids of all
 * runs still queued to the run queue. Every step can be repeated: the same batch again adds nothing and queues what is
 * still waiting.
 */
export class Intake {
  private readonly taken;

  constructor(
    private readonly database: Database,
    private readonly adapters: AdapterRegistry,
    private readonly queues: JobQueues,
    private readonly clock: Clock,
    private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.taken = metrics.counter('vane_intake_total', 'What deliveries became', ['kind']);
  }

  async take(batch: { header: DeliveryHeader; body: Buffer }[]): Promise<void> {
    if (batch.length === 0) return;
    const wants = await this.wants(batch.map(({ header }) => header.subscriptionId));
    const deliveries = batch.map(({ header, body }) => normaliseDelivery(this.adapters, header, body, wants.get(header.subscriptionId)));
    const { events, runs, waiting } = await this.database.transaction(async (tx) => {
      await this.insertDeliveries(tx, deliveries);
      const { fresh, repeated } = await this.takeIdentities(tx, deliveries);
      await this.insertEvents(tx, fresh);
      return { events: fresh.length, runs: await this.insertRuns(tx, fresh), waiting: await this.stillQueued(tx, repeated) };
    });
    this.report(deliveries, events, runs);
    const queued = [...runs.filter((run) => run.status === 'queued').map((run) => run.id), ...waiting];
    await this.enqueue(queued);
  }

  /** Takes one delivery in, or sets it aside when its content is what Postgres refuses; rejects with anything else. */
  async takeOrSetAside(one: { header: DeliveryHeader; body: Buffer }): Promise<void> {
    try {
      await this.take([one]);
    } catch (error) {
      if (!isAboutContent(error)) throw error;
      this.logger.error({ err: error, deliveryId: one.header.id }, 'delivery cannot be taken in, it is set aside as unprocessable');
      await this.setAside(one.header, one.body, reasonOf(error));
    }
  }

  /**
   * Stores one delivery that can never be taken in, so that it can be acknowledged and looked at. When its headers or its
   * body are what cannot be stored, it is stored without them.
   */
  async setAside(header: DeliveryHeader, body: Buffer, reason: string): Promise<void> {
    const aside = unprocessable(this.adapters, header, body, reasonOf(reason));
    try {
      await this.database.transaction((tx) => this.insertDeliveries(tx, [aside]));
    } catch (error) {
      if (!isAboutContent(error)) throw error;
      const bare = hashAndSizeOf({ ...aside.header, headers: {}, size: Math.min(header.size, MAX_INTEGER) });
      await this.database.transaction((tx) => this.insertDeliveries(tx, [bare]));
    }
    this.taken.inc({ kind: 'set_aside' });
  }

  private async wants(subscriptionIds: string[]): Promise<Map<string, JsonObject>> {
    const { rows } = await this.database.pool.query<{ id: string; want: JsonObject }>(
      'SELECT id, want FROM subscription WHERE id = ANY($1)',
      [[...new Set(subscriptionIds)]],
    );
    return new Map(rows.map((row) => [row.id, row.want]));
  }

  private async insertDeliveries(tx: PoolClient, unsorted: IncomingDelivery[]): Promise<void> {
    // One order for all writers, so that two that take in the same deliveries cannot deadlock.
    const deliveries = [...unsorted].sort((a, b) => (a.header.id < b.header.id ? -1 : 1));
    const rows = deliveries.map(({ header }) => header);
    const column = <K extends keyof DeliveryHeader>(key: K) => rows.map((row) => row[key]);
    await tx.query(
      `INSERT INTO delivery (id, received_at, workspace_id, subscription_id, feed_id, service, status, reason, method, headers,
         body, size, sha256, sealed_auth, auth_until)
       SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
         $9::text[], $10::jsonb[], $11::bytea[], $12::int[], $13::text[], $14::text[], $15::timestamptz[])
       ON CONFLICT (id, received_at) DO NOTHING`,
      [
        column('id'), column('receivedAt'), column('workspaceId'), column('subscriptionId'), column('feedId'), column('service'),
        column('status'), column('reason'), column('method').map(storable), rows.map(({ headers }) => jsonb(headers)),
        deliveries.map(({ header, body }) => (header.bodyOmitted ? null : body)), column('size'), column('sha256'),
        column('sealedAuth'), column('authUntil'),
      ],
    );
  }

  /** Who comes first with a (feed, dedupe key) owns it; the primary key decides, also between two readers. */
  private async takeIdentities(tx: PoolClient, deliveries: IncomingDelivery[]): Promise<{ fresh: Stored[]; repeated: Stored[] }> {
    const now = this.clock.now();
    const candidates = new Map<string, Stored>();
    const repeated: Stored[] = [];
    for (const { header, events } of deliveries) {
      for (const event of events) {
        const stored = { event, header, eventId: newId('event', now) };
        const identity = `${header.feedId}\n${event.dedupeKey}`;
        if (candidates.has(identity)) repeated.push(stored);
        else candidates.set(identity, stored);
      }
    }
    if (candidates.size === 0) return { fresh: [], repeated };
    // One order for all writers, so that two batches cannot deadlock on each other's keys.
    const sorted = [...candidates.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, stored]) => stored);
    const { rows } = await tx.query<{ event_id: string }>(
      `INSERT INTO event_key (feed_id, dedupe_key, event_id, seen_at)
       SELECT feed_id, dedupe_key, event_id, $4 FROM unnest($1::text[], $2::text[], $3::text[]) AS k (feed_id, dedupe_key, event_id)
       ON CONFLICT (feed_id, dedupe_key) DO NOTHING RETURNING event_id`,
      [sorted.map((s) => s.header.feedId), sorted.map((s) => s.event.dedupeKey), sorted.map((s) => s.eventId), now],
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
        map((s) => s.eventId), map((s) => s.header.receivedAt), map((s) => s.header.workspaceId), map((s) => s.header.feedId),
        map((s) => s.header.id), map((s) => s.header.service), map((s) => s.event.type), map((s) => s.event.dedupeKey),
        map((s) => s.event.occurredAt), map((s) => s.event.payloadText),
      ],
    );
  }

  private async insertRuns(tx: PoolClient, fresh: Stored[]): Promise<NewRun[]> {
    if (fresh.length === 0) return [];
    const feeds = [...new Set(fresh.map((stored) => stored.header.feedId))];
    const { rows: triggers } = await tx.query<TriggerRow>(
      `SELECT t.id, t.feed_id, t.old_feed_id, t.old_feed_until, t.service, t.type, t.config, t.runnable_id, t.status, t.status_code, COALESCE(c.status = 'auth_required', false) AS held
       FROM trigger t LEFT JOIN connection c ON c.workspace_id = t.workspace_id AND c.id = t.connection_id
       WHERE t.feed_id = ANY($1) OR t.old_feed_id = ANY($1) ORDER BY t.id`,
      [feeds],
    );
    const runs = fresh.flatMap((stored) => this.runsOf(stored, triggers));
    if (runs.length === 0) return [];
    const now = this.clock.now();
    const map = <T>(of: (run: NewRun) => T) => runs.map(of);
    await tx.query(
      `INSERT INTO run (id, workspace_id, trigger_id, event_id, event_received_at, runnable_id, replay, status, reason, attempts, fence,
         correlation_id, created_at, ended_at)
       SELECT id, workspace_id, trigger_id, event_id, event_received_at, runnable_id, 0, status, reason, 0, 0, correlation_id, $10,
         CASE WHEN status = 'skipped' THEN $10::timestamptz END
       FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::text[], $8::text[], $9::text[])
         AS r (id, workspace_id, trigger_id, event_id, event_received_at, runnable_id, status, reason, correlation_id)
       ON CONFLICT (trigger_id, event_id, replay) DO NOTHING`,
      [
        map((r) => r.id), map((r) => r.stored.header.workspaceId), map((r) => r.trigger.id), map((r) => r.stored.eventId),
        map((r) => r.stored.header.receivedAt), map((r) => r.trigger.runnable_id), map((r) => r.status), map((r) => r.reason),
        map((r) => r.stored.header.id), now,
      ],
    );
    return runs;
  }

  private runsOf(stored: Stored, triggers: TriggerRow[]): NewRun[] {
    return triggers
      .filter((trigger) => listensTo(trigger, stored.header) && this.matches(trigger, stored.event))
      .map((trigger) => ({ id: newId('run', this.clock.now()), trigger, stored, ...beginningOf(trigger) }));
  }

  private matches(trigger: TriggerRow, event: IncomingEvent): boolean {
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
      [repeated.map((s) => s.header.feedId), repeated.map((s) => s.event.dedupeKey)],
    );
    return rows.map((row) => row.id);
  }

  /** Redis may be away: the rows are the truth, and the reconciler finds them. */
  async enqueue(runIds: string[]): Promise<void> {
    try {
      await this.queues.add(executeRun, runIds.map((runId) => ({ data: { runId }, id: `${runId}.1` })));
    } catch (error) {
      this.logger.warn({ err: error, runs: runIds.length }, 'runs could not be queued, the reconciler will do it');
    }
  }

  private report(deliveries: IncomingDelivery[], events: number, runs: NewRun[]): void {
    this.logger.info({ correlationIds: deliveries.map(({ header }) => header.id), events, runs: runs.length }, 'deliveries taken in');
    for (const { header } of deliveries) this.taken.inc({ kind: `delivery_${header.status}` });
    this.taken.inc({ kind: 'event' }, events);
    this.taken.inc({ kind: 'run' }, runs.length);
  }
}

/** A trigger on the move listens to the feed it comes from as well, and to all that this had received when it was left. */
function listensTo({ feed_id: feedId, old_feed_id: oldFeedId, old_feed_until: until }: TriggerRow, header: DeliveryHeader): boolean {
  return feedId === header.feedId || (oldFeedId === header.feedId && (until === null || Date.parse(header.receivedAt) <= until.getTime()));
}

/** What becomes of an event of this trigger at first: one whose connection needs a person is kept until it works again. */
function beginningOf({ status, status_code, held }: TriggerRow): Pick<NewRun, 'status' | 'reason'> {
  if (status !== 'enabled') return { status: 'skipped', reason: status_code ?? `trigger_${status}` };
  return held ? { status: 'held', reason: 'connection_auth_required' } : { status: 'queued', reason: null };
}

/** Cleaned before it becomes JSON: within JSON text nothing tells an escape from six characters that look like one. */
function jsonb(headers: Record<string, string>): string {
  return JSON.stringify(Object.fromEntries(Object.entries(headers).map(([name, value]) => [storable(name), storable(value)])));
}

import type { AdapterRegistry } from '@vane/adapters';
import { itemWork, type DeliveryHeader } from '@vane/contracts';
import type { Database } from '@vane/db';
import type { JsonObject } from '@vane/kit';
import type { Clock, JobQueues, Logger, Metrics } from '@vane/runtime';
import type { PoolClient } from 'pg';
import { noteHeard, type Heard } from '../canaries/canary-rows.js';
import { FeedPulls } from '../pulls/feed-pulls.js';
import { EventRows, type Added, type NewEvent } from './event-rows.js';
import { hashAndSizeOf, normaliseDelivery, unprocessable, type IncomingDelivery } from './normalise.js';
import { isAboutContent, reasonOf, storable } from './refused-content.js';

const MAX_INTEGER = 2 ** 31 - 1;

/**
 * Takes deliveries in by the batch: deliveries, identities, events, runs and what there is to fetch in one transaction, then
 * the ids of all runs still queued to the run queue. Every step can be repeated: the same batch again adds nothing and
 * queues what is still waiting.
 */
export class Intake {
  private readonly taken;
  private readonly events: EventRows;
  private readonly pulls: FeedPulls;

  constructor(
    private readonly database: Database,
    private readonly adapters: AdapterRegistry,
    private readonly queues: JobQueues,
    clock: Clock,
    private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.events = new EventRows(adapters, queues, clock, logger);
    this.pulls = new FeedPulls(database, clock);
    this.taken = metrics.counter('vane_intake_total', 'What deliveries became', ['kind']);
  }

  async take(batch: { header: DeliveryHeader; body: Buffer }[]): Promise<void> {
    if (batch.length === 0) return;
    const wants = await this.wants(batch.map(({ header }) => header.subscriptionId));
    const deliveries = batch.map(({ header, body }) => normaliseDelivery(this.adapters, header, body, wants.get(header.subscriptionId)));
    const toFetch = [...new Set(deliveries.filter(({ fetch }) => fetch).map(({ header }) => header.feedId))];
    const added = await this.database.transaction(async (tx) => {
      await this.insertDeliveries(tx, deliveries);
      const made = await this.events.add(tx, deliveries.flatMap(newEventsOf));
      await this.pulls.want(tx, toFetch);
      await noteHeard(tx, deliveries.filter(({ header }) => header.status === 'ping').map(heardOf));
      return made;
    });
    this.report(deliveries, added);
    await this.enqueue(added.queued);
    await this.hurry(toFetch);
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

  /** Redis may be away: the rows are the truth, and the reconciler finds them. */
  enqueue(runIds: string[]): Promise<void> {
    return this.events.enqueue(runIds);
  }

  /** What is due is found by itself; told, it is sooner. */
  private async hurry(feedIds: string[]): Promise<void> {
    if (feedIds.length === 0) return;
    try {
      await this.queues.add(itemWork, feedIds.map((id) => ({ data: { kind: 'pull' as const, id }, id: `pull-${id}` })));
    } catch (error) {
      this.logger.debug({ err: error, feeds: feedIds.length }, 'pulls could not be queued, they are found by themselves');
    }
  }

  private report(deliveries: IncomingDelivery[], { events, runs, refused }: Added): void {
    this.logger.info({ correlationIds: deliveries.map(({ header }) => header.id), events, runs }, 'deliveries taken in');
    for (const { header } of deliveries) this.taken.inc({ kind: `delivery_${header.status}` });
    this.taken.inc({ kind: 'event' }, events);
    this.taken.inc({ kind: 'run' }, runs);
    for (const [reason, count] of Object.entries(refused)) this.taken.inc({ kind: `run_${reason}` }, count);
  }
}

const heardOf = ({ header, marker }: IncomingDelivery): Heard => ({ feedId: header.feedId, marker: marker ?? null, receivedAt: header.receivedAt });

/** The delivery's id is the correlation id of what comes of it. */
function newEventsOf({ header, events }: IncomingDelivery): NewEvent[] {
  const { id, workspaceId, feedId, service, receivedAt } = header;
  const origin = { workspaceId, feedId, service, receivedAt, deliveryId: id, correlationId: id };
  return events.map((event) => ({ event, origin }));
}

/** Cleaned before it becomes JSON: within JSON text nothing tells an escape from six characters that look like one. */
function jsonb(headers: Record<string, string>): string {
  return JSON.stringify(Object.fromEntries(Object.entries(headers).map(([name, value]) => [storable(name), storable(value)])));
}

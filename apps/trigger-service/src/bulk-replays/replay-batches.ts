import { randomUUID } from 'node:crypto';
import type { AdapterRegistry } from '@vane/adapters';
import { isUniqueViolation, newId, type Database } from '@vane/db';
import type { Clock, Logger } from '@vane/runtime';
import type { PoolClient } from 'pg';
import type { Intake } from '../intake/intake.js';
import { idsFrom, type Work } from '../work-desk.js';
import { ReplayItems, type Candidate, type Item } from './replay-items.js';
import { selected } from './selection.js';

/** Runs that one transaction makes at most. */
const BATCH = 100;
/** A process that died in the middle is taken over from after this; a turn is shorter. */
const LEASE_MS = 60_000;
const TURN_MS = 20_000;
/** What was not used of the rate is made up for, as far back as this. */
const BURST_MS = 5_000;
const TURN_EVERY_MS = 1_000;
const TRIES = 5;

type Job = {
  id: string; workspace_id: string; trigger_id: string | null; runnable_id: string | null; run_statuses: string[]; reason: string | null; received_from: Date | null;
  received_to: Date | null; event_type: string | null; run_order: string; rate: number; apply_filter: boolean; renormalise: boolean; cursor: string | null;
  paced_until: Date; correlation_id: string; created_at: Date;
};
type Batch = { queued: string[]; pacedUntil: Date; ended: boolean };

const DUE = 'SELECT id FROM replay_job WHERE due_at <= $1 AND (lease_until IS NULL OR lease_until <= $1) ORDER BY due_at LIMIT $2';
const CLAIM = `
  UPDATE replay_job SET lease_owner = $3, lease_until = $4 WHERE id = $1 AND due_at <= $2 AND (lease_until IS NULL OR lease_until <= $2) RETURNING rate, paced_until`;
const HELD = `SELECT * FROM replay_job WHERE id = $1 AND lease_owner = $2 AND status = 'running' FOR UPDATE`;
const LEAVE = 'UPDATE replay_job SET lease_owner = NULL, lease_until = NULL, due_at = CASE WHEN due_at IS NULL THEN NULL ELSE $3::timestamptz END WHERE id = $1 AND lease_owner = $2';

/**
 * Carries replays out, batch after batch. A batch's runs, its items and the place behind it are one commit under the job's
 * row, so whatever cuts a turn off, each event of the selection is come to once. Runs that did not reach the queue are found
 * there by the reconciler, as all are.
 */
export class ReplayBatches implements Work {
  readonly kind = 'replay' as const;
  private readonly items: ReplayItems;

  constructor(
    private readonly database: Database,
    adapters: AdapterRegistry,
    private readonly intake: Pick<Intake, 'enqueue'>,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {
    this.items = new ReplayItems(adapters);
  }

  readonly due = (limit: number): Promise<string[]> => idsFrom(this.database, DUE, [this.clock.now(), limit]);

  async do(id: string): Promise<boolean> {
    const owner = randomUUID();
    const { rows } = await this.database.pool.query<{ rate: number; paced_until: Date }>(CLAIM, [id, this.clock.now(), owner, this.clock.in(LEASE_MS)]);
    const claimed = rows[0];
    if (!claimed) return false;
    const until = this.clock.in(TURN_MS);
    let pacedUntil = claimed.paced_until;
    for (let allowed = this.allowed(claimed.rate, pacedUntil); allowed > 0; allowed = this.allowed(claimed.rate, pacedUntil)) {
      const batch = await this.batch(id, owner, Math.min(BATCH, allowed));
      if (!batch) return false;
      await this.intake.enqueue(batch.queued);
      if (batch.ended || this.clock.now() >= until) break;
      pacedUntil = batch.pacedUntil;
    }
    await this.database.pool.query(LEAVE, [id, owner, this.clock.in(Math.max(TURN_EVERY_MS, 1_000 / claimed.rate))]);
    return true;
  }

  /** How many may be started now. */
  private allowed(rate: number, pacedUntil: Date): number {
    return Math.floor(((this.clock.now().getTime() - this.from(pacedUntil).getTime()) * rate) / 1_000);
  }

  private from(pacedUntil: Date): Date {
    const earliest = this.clock.in(-BURST_MS);
    return pacedUntil > earliest ? pacedUntil : earliest;
  }

  /** Null when the job was paused, cancelled or taken over. Of two that make a run of one event at once, one begins again. */
  private async batch(id: string, owner: string, size: number): Promise<Batch | null> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.database.transaction((tx) => this.step(tx, id, owner, size));
      } catch (error) {
        if (!isUniqueViolation(error) || attempt === TRIES) throw error;
      }
    }
  }

  private async step(tx: PoolClient, id: string, owner: string, size: number): Promise<Batch | null> {
    const { rows } = await tx.query<Job>(HELD, [id, owner]);
    const job = rows[0];
    if (!job) return null;
    const candidates = await this.candidates(tx, job, size);
    const decided = candidates.map((one) => this.items.decide(one, { applyFilter: job.apply_filter, renormalise: job.renormalise, workspaceId: job.workspace_id }));
    const runs = new Map(decided.filter(({ code }) => code === null).map((item) => [item, newId('run', this.clock.now())]));
    const fresh = await this.insertItems(tx, job, decided, runs);
    await this.saveEvents(tx, fresh);
    const queued = await this.insertRuns(tx, job, fresh, runs);
    return { queued, ...(await this.advance(tx, job, { size, candidates, fresh })) };
  }

  private async candidates(tx: PoolClient, job: Job, size: number): Promise<Candidate[]> {
    const { sql, values } = selected({
      workspaceId: job.workspace_id, at: job.created_at, triggerId: job.trigger_id, runnableId: job.runnable_id, runStatuses: job.run_statuses, reason: job.reason,
      receivedFrom: job.received_from, receivedTo: job.received_to, eventType: job.event_type,
    });
    const newest = job.run_order === 'newest_first';
    const behind = job.cursor === null ? '' : `AND r.id ${newest ? '<' : '>'} $${values.push(job.cursor)}`;
    // What is large is read only where it is needed.
    const anew = `$${values.push(job.renormalise)}::boolean`;
    const { rows } = await tx.query<Candidate>(
      `SELECT s.*, d.id AS delivery_id, d.subscription_id, d.headers, d.body, u.want FROM (
         SELECT r.id, r.trigger_id, r.event_id, r.event_received_at, r.workspace_id, t.id IS NOT NULL AS trigger_there, t.name AS trigger_name, t.type AS trigger_type,
           t.runnable_id, t.filter, t.mapping, t.want AS trigger_want, e.id IS NOT NULL AS event_there, e.type, e.service, e.feed_id, e.dedupe_key, e.occurred_at,
           CASE WHEN t.filter IS NOT NULL OR t.mapping IS NOT NULL THEN e.payload::text END AS payload, e.delivery_id AS wanted_delivery
         ${sql} ${behind} ORDER BY r.id ${newest ? 'DESC' : 'ASC'} LIMIT $${values.push(size)}
       ) s
       LEFT JOIN delivery d ON ${anew} AND d.workspace_id = s.workspace_id AND d.id = s.wanted_delivery AND d.received_at = s.event_received_at
       LEFT JOIN subscription u ON ${anew} AND u.workspace_id = s.workspace_id AND u.id = d.subscription_id
       ORDER BY s.id ${newest ? 'DESC' : 'ASC'}`,
      values,
    );
    return rows;
  }

  /** The primary key is what keeps an event from being come to twice, whatever the place says. */
  private async insertItems(tx: PoolClient, job: Job, items: Item[], runs: Map<Item, string>): Promise<Item[]> {
    if (items.length === 0) return [];
    const map = <T>(of: (item: Item) => T) => items.map(of);
    const { rows } = await tx.query<{ trigger_id: string; event_id: string }>(
      `INSERT INTO replay_item (job_id, workspace_id, trigger_id, event_id, run_id, code, message)
       SELECT $1, $2, trigger_id, event_id, run_id, code, message
       FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) AS i (trigger_id, event_id, run_id, code, message)
       ON CONFLICT (job_id, trigger_id, event_id) DO NOTHING RETURNING trigger_id, event_id`,
      [
        job.id, job.workspace_id, map(({ candidate }) => candidate.trigger_id), map(({ candidate }) => candidate.event_id), map((item) => runs.get(item) ?? null),
        map(({ code }) => code), map(({ message }) => message),
      ],
    );
    const won = new Set(rows.map(({ trigger_id: trigger, event_id: event }) => `${trigger}\n${event}`));
    return items.filter(({ candidate }) => won.has(`${candidate.trigger_id}\n${candidate.event_id}`));
  }

  private async saveEvents(tx: PoolClient, items: Item[]): Promise<void> {
    const read = [...new Map(items.filter(({ event }) => event !== null).map((item) => [item.candidate.event_id, item])).values()];
    if (read.length === 0) return;
    await tx.query(
      `UPDATE event e SET type = n.type, occurred_at = n.occurred_at, payload = n.payload
       FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::timestamptz[], $5::json[]) AS n (id, received_at, type, occurred_at, payload)
       WHERE e.id = n.id AND e.received_at = n.received_at`,
      [
        read.map(({ candidate }) => candidate.event_id), read.map(({ candidate }) => candidate.event_received_at), read.map(({ event }) => event!.type),
        read.map(({ event }) => event!.occurredAt), read.map(({ event }) => event!.payloadText),
      ],
    );
  }

  private async insertRuns(tx: PoolClient, job: Job, items: Item[], runs: Map<Item, string>): Promise<string[]> {
    const started = items.filter((item) => runs.has(item));
    if (started.length === 0) return [];
    const map = <T>(of: (item: Item) => T) => started.map(of);
    await tx.query(
      `INSERT INTO run (id, workspace_id, trigger_id, event_id, event_received_at, runnable_id, replay, status, input, attempts, fence, correlation_id, created_at)
       SELECT n.id, $1, n.trigger_id, n.event_id, n.received_at, n.runnable_id,
         (SELECT COALESCE(max(replay), 0) + 1 FROM run l WHERE l.trigger_id = n.trigger_id AND l.event_id = n.event_id), 'queued', n.input, 0, 0, $2, $3
       FROM unnest($4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::text[], $9::json[]) AS n (id, trigger_id, event_id, received_at, runnable_id, input)`,
      [
        job.workspace_id, job.correlation_id, this.clock.now(), map((item) => runs.get(item)), map(({ candidate }) => candidate.trigger_id),
        map(({ candidate }) => candidate.event_id), map(({ candidate }) => candidate.event_received_at), map(({ candidate }) => candidate.runnable_id), map(({ input }) => input),
      ],
    );
    return map((item) => runs.get(item)!);
  }

  private async advance(tx: PoolClient, job: Job, { size, candidates, fresh }: { size: number; candidates: Candidate[]; fresh: Item[] }): Promise<Omit<Batch, 'queued'>> {
    const ended = candidates.length < size;
    const count = (of: (item: Item) => boolean) => fresh.filter(of).length;
    const progress = { started: count(({ code }) => code === null), skipped: count(({ code }) => code === 'filtered') };
    const failed = fresh.length - progress.started - progress.skipped;
    const pacedUntil = new Date(this.from(job.paced_until).getTime() + (candidates.length * 1_000) / job.rate);
    const now = this.clock.now();
    await tx.query(
      `UPDATE replay_job SET started = started + $2, skipped = skipped + $3, failed = failed + $4, cursor = COALESCE($5, cursor), paced_until = $6, updated_at = $7,
         status = CASE WHEN $8 THEN 'done' ELSE status END, due_at = CASE WHEN $8 THEN NULL ELSE due_at END, ended_at = CASE WHEN $8 THEN $7::timestamptz END
       WHERE id = $1`,
      [job.id, progress.started, progress.skipped, failed, candidates.at(-1)?.id ?? null, pacedUntil, now, ended],
    );
    this.logger.info({ replayId: job.id, correlationId: job.correlation_id, ...progress, failed, ended }, 'batch of a replay');
    return { pacedUntil, ended };
  }
}

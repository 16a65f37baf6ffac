import { executeRun, VaneError } from '@vane/contracts';
import type { Database } from '@vane/db';
import type { Clock, JobQueues } from '@vane/runtime';
import { CLOCK_SKEW_MS } from './run-store.js';
import { runJob } from './run-worker.js';

/** A run that is due for this long without having been started may be one that no queue knows. */
export const OVERDUE_MS = 5_000;
/** Looked at even when the queue is full: what was lost is older than what is queued. */
const HEAD = 100;

type Row = { id: string; attempts: number };

const ABANDONED = `
  SELECT id, attempts FROM run WHERE status = 'running' AND lease_until < $1 ORDER BY lease_until LIMIT $2`;

/** Reads no more rows than it returns: an index is in this order. */
export const OVERDUE = `
  SELECT id, attempts FROM run
   WHERE status = 'queued' AND COALESCE(next_attempt_at, created_at) < $1
   ORDER BY COALESCE(next_attempt_at, created_at), id LIMIT $2`;

/** Finds runs that no queue knows: Redis was flushed, or a process was killed between Postgres and Redis. */
export class Reconciler {
  constructor(
    private readonly database: Database,
    private readonly queues: JobQueues,
    private readonly clock: Clock,
  ) {}

  /**
   * Hands over the oldest runs that are overdue, and those whose worker lost its lease. Which of them the queue still
   * knows is not asked: their jobs have the same ids and collapse. Only as many are looked at as can be missing from a
   * queue that is topped up to `limit` jobs, so a large backlog costs no more than a small one.
   *
   * @returns `requeued`: runs handed over, those that collapsed included; `more`: there may be others, ask again
   */
  async run(limit: number): Promise<{ requeued: number; more: boolean }> {
    const waiting = await this.waiting();
    const now = this.clock.now().getTime();
    const full = waiting >= limit;
    const look = full ? Math.min(HEAD, limit) : waiting + limit;
    const [abandoned, overdue] = await Promise.all([
      this.database.pool.query<Row>(ABANDONED, [new Date(now - CLOCK_SKEW_MS), limit]),
      this.database.pool.query<Row>(OVERDUE, [new Date(now - OVERDUE_MS), look]),
    ]);
    const rows = [...abandoned.rows, ...overdue.rows];
    await this.hand(rows);
    return { requeued: rows.length, more: abandoned.rows.length === limit || (!full && overdue.rows.length === look) };
  }

  private async waiting(): Promise<number> {
    try {
      return (await this.queues.counts(executeRun))['wait'] ?? 0;
    } catch (error) {
      throw new VaneError('unavailable', 'Redis is not reachable, so runs cannot be queued. Try again shortly.', { cause: error });
    }
  }

  private async hand(rows: Row[]): Promise<void> {
    for (let from = 0; from < rows.length; from += 500) {
      const jobs = rows.slice(from, from + 500).map((row) => runJob(row.id, row.attempts + 1));
      await this.queues.add(executeRun, jobs);
    }
  }
}

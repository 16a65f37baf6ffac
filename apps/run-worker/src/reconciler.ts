import { executeRun, VaneError } from '@vane/contracts';
import type { Database } from '@vane/db';
import type { Clock, JobQueues, Logger } from '@vane/runtime';
import { HeldRuns } from './held-runs.js';
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

/**
 * Finds runs that no queue knows: Redis was flushed, a process was killed between Postgres and Redis, or what they were held
 * for is over.
 */
export class Reconciler {
  private readonly held: HeldRuns;

  constructor(
    private readonly database: Database,
    private readonly queues: JobQueues,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {
    this.held = new HeldRuns(database, clock);
  }

  /**
   * Hands over the oldest runs that are overdue, and those whose worker lost its lease. Which of them the queue still
   * knows is not asked: their jobs have the same ids and collapse. Only as many are looked at as can be missing from a
   * queue that is topped up to `limit` jobs, so a large backlog costs no more than a small one. Held runs that may go on
   * follow in a full queue's next pass.
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
    const released = full ? 0 : await this.release();
    return { requeued: rows.length + released, more: abandoned.rows.length === limit || (!full && overdue.rows.length === look) };
  }

  /** Lets go of held runs whose connection works again, in the order in which they came. */
  async release(): Promise<number> {
    const released = await this.held.release((ids) => this.hand(ids.map((id) => ({ id, attempts: 0 }))));
    if (released > 0) this.logger.info({ runs: released }, 'held runs let go');
    return released;
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

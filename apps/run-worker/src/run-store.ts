import { retryPolicy, type Fault, type RunStatus } from '@vane/contracts';
import type { Database } from '@vane/db';
import type { Clock } from '@vane/runtime';
import { Batches } from './batches.js';
import { afterInterruption } from './retry.js';

/** How long a claim stands without a heartbeat. */
export const LEASE_MS = 10_000;
/** How far the clocks of two workers may differ: a lease is only over when it is over on both. */
export const CLOCK_SKEW_MS = 2_000;

type Client = { query: Database['pool']['query'] };

/** The right to run one attempt: results count only as long as `fence` is the newest of the run. */
export type Claim = {
  runId: string;
  workspaceId: string;
  fence: number;
  attempt: number;
  correlationId: string;
  createdAt: Date;
};

/** `taken`: run it. `ended`: it was cut off for the last time. `none`: nothing to do here, now. */
export type ClaimResult = { kind: 'taken'; claim: Claim } | { kind: 'ended'; status: RunStatus } | { kind: 'none' };

/** What is written when an attempt is over; texts and `result` (JSON text) must be fit for Postgres. */
export type AttemptRecord = {
  run: { status: RunStatus; reason: string | null; nextAttemptAt: Date | null };
  attempt: {
    outcome: 'succeeded' | 'failed';
    fault: Fault | null;
    code: string | null;
    message: string | null;
    result: string | null;
    logs: string;
  };
};

type Interruption = { code: string; message: string };

const WORKER_LOST: Interruption = {
  code: 'worker_lost',
  message: 'The worker that ran this attempt stopped without a result.',
};
const WORKER_STOPPED: Interruption = {
  code: 'worker_stopped',
  message: 'The worker was told to stop before this attempt had a result.',
};

type ClaimRow = { id: string; workspace_id: string; fence: number; attempts: number; correlation_id: string; created_at: Date };

/**
 * Rows of many runs are locked by id before they are changed: a heartbeat, results and claims that meet would otherwise wait
 * for one another in a circle. The array keeps the change on the primary key.
 */
const inOrder = (condition: string): string => `ARRAY(SELECT id FROM run WHERE id = ANY($1) AND ${condition} ORDER BY id FOR UPDATE)`;

const TAKE = `
  WITH taken AS (
    UPDATE run
       SET status = 'running', lease_owner = $2, lease_until = $3, fence = fence + 1, attempts = attempts + 1,
           started_at = COALESCE(started_at, $4::timestamptz), next_attempt_at = NULL
     WHERE id = ANY(${inOrder(`status = 'queued' AND (next_attempt_at IS NULL OR next_attempt_at <= $5)`)})
    RETURNING id, workspace_id, fence, attempts, correlation_id, created_at
  ), opened AS (
    INSERT INTO attempt (run_id, number, workspace_id, started_at, outcome, logs)
    SELECT id, attempts, workspace_id, $4::timestamptz, 'running', '' FROM taken
  )
  SELECT * FROM taken`;

const LOCK_ABANDONED = `
  SELECT r.id, r.workspace_id, r.fence, r.attempts, rb.retry
    FROM run r LEFT JOIN runnable rb ON rb.workspace_id = r.workspace_id AND rb.id = r.runnable_id
   WHERE r.id = $1 AND r.status = 'running' AND r.lease_until < $2
     FOR UPDATE OF r`;

const LOCK_MINE = `
  SELECT r.id, r.workspace_id, r.fence, r.attempts, rb.retry
    FROM run r LEFT JOIN runnable rb ON rb.workspace_id = r.workspace_id AND rb.id = r.runnable_id
   WHERE r.id = $1 AND r.workspace_id = $2 AND r.fence = $3 AND r.status = 'running'
     FOR UPDATE OF r`;

const CLOSE_INTERRUPTED = `
  WITH freed AS (
    UPDATE run
       SET status = $4, reason = $5, ended_at = $6, fence = fence + 1, lease_owner = NULL, lease_until = NULL
     WHERE id = $1 AND workspace_id = $2
    RETURNING id
  )
  UPDATE attempt SET outcome = 'interrupted', fault = 'ours', code = $7, message = $8, ended_at = $9
   WHERE workspace_id = $2 AND run_id = $1 AND number = $3 AND outcome = 'running'`;

const SAVE = `
  WITH given AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[], $8::text[],
      $9::text[], $10::text[], $11::text[], $12::jsonb[], $13::text[])
      AS g (id, workspace_id, fence, status, reason, ended_at, next_attempt_at, outcome, fault, code, message, result, logs)
  ), saved AS (
    UPDATE run r
       SET status = g.status, reason = g.reason, ended_at = g.ended_at, next_attempt_at = g.next_attempt_at, lease_owner = NULL, lease_until = NULL
      FROM given g
     WHERE r.id = ANY(${inOrder(`status = 'running'`)}) AND r.id = g.id AND r.workspace_id = g.workspace_id AND r.fence = g.fence AND r.status = 'running'
    RETURNING r.id, r.workspace_id, r.attempts
  )
  UPDATE attempt a
     SET ended_at = $14, outcome = g.outcome, fault = g.fault, code = g.code, message = g.message, result = g.result, logs = g.logs
    FROM saved s JOIN given g ON g.id = s.id
   WHERE a.run_id = ANY($1) AND a.workspace_id = s.workspace_id AND a.run_id = s.id AND a.number = s.attempts
  RETURNING a.run_id`;

const EXTEND = `
  UPDATE run r SET lease_until = $3
    FROM unnest($1::text[], $2::int[]) AS held(id, fence)
   WHERE r.id = ANY(${inOrder(`status = 'running'`)}) AND r.id = held.id AND r.fence = held.fence AND r.status = 'running'
  RETURNING r.id, r.fence`;

type HeldRow = { id: string; workspace_id: string; fence: number; attempts: number; retry: unknown };

type Saving = { claim: Claim; record: AttemptRecord };

/**
 * The states of runs in Postgres, for one worker. Every method is one transaction; many at the same time share theirs.
 */
export class RunStore {
  private readonly takes = new Batches((runIds: string[]) => this.take(this.database.pool, runIds));
  private readonly saves = new Batches((items: Saving[]) => this.saveAll(items));

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    /** Names this process in `lease_owner`. */
    readonly owner: string,
  ) {}

  /**
   * Takes a run that is queued and due, or one whose worker lost its lease; the attempt that worker left open is recorded
   * as interrupted first. Of any number of callers at once, one gets it.
   */
  async claim(runId: string): Promise<ClaimResult> {
    const claim = await this.takes.do(runId);
    if (claim) return { kind: 'taken', claim };
    return this.database.transaction(async (tx) => {
      const leaseEnd = new Date(this.clock.now().getTime() - CLOCK_SKEW_MS);
      const abandoned = (await tx.query<HeldRow>(LOCK_ABANDONED, [runId, leaseEnd])).rows[0];
      if (!abandoned) return { kind: 'none' };
      const status = await this.interrupt(tx, abandoned, WORKER_LOST);
      if (status !== 'queued') return { kind: 'ended', status };
      const [next] = await this.take(tx, [runId]);
      return next ? { kind: 'taken', claim: next } : { kind: 'none' };
    });
  }

  /** Extends the leases of what is in hand, in one statement. Returns the claims that are no longer ours. */
  async heartbeat(claims: readonly Claim[]): Promise<Claim[]> {
    if (claims.length === 0) return [];
    const held = await this.database.pool.query<{ id: string; fence: number }>(EXTEND, [
      claims.map((claim) => claim.runId),
      claims.map((claim) => claim.fence),
      this.clock.in(LEASE_MS),
    ]);
    const fences = new Map(held.rows.map((row) => [row.id, row.fence]));
    return claims.filter((claim) => fences.get(claim.runId) !== claim.fence);
  }

  /** Writes an attempt's end and what the run becomes. False, and nothing written, when the claim is not the newest. */
  save(claim: Claim, record: AttemptRecord): Promise<boolean> {
    return this.saves.do({ claim, record });
  }

  /** Gives back a run that this worker will not finish, as interrupted. Null when the claim is not the newest. */
  async release(claim: Claim): Promise<RunStatus | null> {
    return this.database.transaction(async (tx) => {
      const mine = (await tx.query<HeldRow>(LOCK_MINE, [claim.runId, claim.workspaceId, claim.fence])).rows[0];
      return mine ? this.interrupt(tx, mine, WORKER_STOPPED) : null;
    });
  }

  private async saveAll(items: Saving[]): Promise<boolean[]> {
    const now = this.clock.now();
    const column = <T>(of: (item: Saving) => T) => items.map(of);
    const { rows } = await this.database.pool.query<{ run_id: string }>(SAVE, [
      column(({ claim }) => claim.runId), column(({ claim }) => claim.workspaceId), column(({ claim }) => claim.fence),
      column(({ record }) => record.run.status), column(({ record }) => record.run.reason),
      column(({ record }) => (record.run.status === 'queued' ? null : now)), column(({ record }) => record.run.nextAttemptAt),
      column(({ record }) => record.attempt.outcome), column(({ record }) => record.attempt.fault), column(({ record }) => record.attempt.code),
      column(({ record }) => record.attempt.message), column(({ record }) => record.attempt.result), column(({ record }) => record.attempt.logs), now,
    ]);
    const saved = new Set(rows.map((row) => row.run_id));
    return items.map(({ claim }) => saved.has(claim.runId));
  }

  /** A claim for every run that was there to be taken; the same run twice gives one. */
  private async take(client: Client, runIds: string[]): Promise<(Claim | undefined)[]> {
    const now = this.clock.now();
    const dueBy = new Date(now.getTime() + CLOCK_SKEW_MS);
    const { rows } = await client.query<ClaimRow>(TAKE, [[...new Set(runIds)], this.owner, this.clock.in(LEASE_MS), now, dueBy]);
    const taken = new Map(rows.map((row) => [row.id, claimOf(row)]));
    return runIds.map((id) => {
      const claim = taken.get(id);
      taken.delete(id);
      return claim;
    });
  }

  private async interrupt(tx: Client, held: HeldRow, why: Interruption): Promise<'queued' | 'interrupted' | 'dead'> {
    const policy = retryPolicy.safeParse(held.retry ?? {});
    const status = afterInterruption(policy.success ? policy.data : retryPolicy.parse({}), held.attempts);
    const now = this.clock.now();
    const dead = status === 'dead';
    await tx.query(CLOSE_INTERRUPTED, [
      held.id, held.workspace_id, held.attempts,
      status, dead ? 'interrupted_too_often' : why.code, status === 'queued' ? null : now,
      why.code, dead ? `${why.message} It was cut off too often to be tried again: does it bring its worker down?` : why.message, now,
    ]);
    return status;
  }
}

const claimOf = (row: ClaimRow): Claim => ({
  runId: row.id,
  workspaceId: row.workspace_id,
  fence: row.fence,
  attempt: row.attempts,
  correlationId: row.correlation_id,
  createdAt: row.created_at,
});

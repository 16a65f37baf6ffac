import { executeRun, retryPolicy } from '@vane/contracts';
import type { Database } from '@vane/db';
import type { Clock, JobQueues, Logger } from '@vane/runtime';
import { recordOf } from './attempt-record.js';
import type { AttemptOutcome } from './outcome.js';
import { afterFailure } from './retry.js';
import { RunDetailsReader, type RunDetails } from './run-details.js';
import type { RunExecutor } from './run-executor.js';
import type { RunMetrics } from './run-metrics.js';
import type { Claim, RunStore } from './run-store.js';
import { saveOutcome } from './save-outcome.js';

export const HEARTBEAT_MS = 2_500;
/** What runs under way get to finish when the worker is told to stop. */
export const STOP_GRACE_MS = 10_000;
/** Closing the queue needs Redis, which may be away. */
const QUEUE_CLOSE_MS = 2_000;

type InHand = { claim: Claim; abort: AbortController; lost: boolean; done: Promise<void> };

export type RunWorkerParts = {
  store: RunStore;
  database: Database;
  executor: RunExecutor;
  queues: JobQueues;
  clock: Clock;
  logger: Logger;
  metrics: RunMetrics;
  concurrency: number;
};

/** The job that hands a run to the queue: one per attempt, so that repeats collapse. */
export const runJob = (runId: string, attempt: number) => ({ data: { runId }, id: `${runId}.${attempt}` });

/** Takes ids from the queue, and the right to run them from Postgres; keeps the leases of what it has in hand. */
export class RunWorker {
  private readonly inHand = new Set<InHand>();
  private jobs: ReturnType<JobQueues['work']> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private beating = false;
  private readonly details: RunDetailsReader;

  constructor(private readonly parts: RunWorkerParts) {
    this.details = new RunDetailsReader(parts.database);
  }

  start(): void {
    const { queues, concurrency } = this.parts;
    this.jobs = queues.work(executeRun, ({ runId }) => this.handle(runId), { concurrency });
    this.timer = setInterval(() => void this.heartbeat(), HEARTBEAT_MS);
  }

  /** Runs the next attempt of a run if it is due and nobody else has it. */
  async handle(runId: string): Promise<void> {
    const { store, metrics, logger } = this.parts;
    const result = await store.claim(runId);
    if (result.kind === 'none') return;
    if (result.kind === 'ended') {
      metrics.ended(result.status);
      return logger.warn({ runId, status: result.status }, 'run ended after its worker was lost');
    }
    const held: InHand = { claim: result.claim, abort: new AbortController(), lost: false, done: Promise.resolve() };
    held.done = this.work(held).finally(() => this.inHand.delete(held));
    this.inHand.add(held);
    await held.done;
  }

  /** Extends the leases in hand; a run that somebody else took meanwhile is stopped and its result dropped. */
  async heartbeat(): Promise<void> {
    if (this.beating) return;
    this.beating = true;
    const held = [...this.inHand];
    try {
      const lost = new Set(await this.parts.store.heartbeat(held.map(({ claim }) => claim)));
      for (const run of held) {
        if (!lost.has(run.claim) || !this.inHand.has(run)) continue;
        run.lost = true;
        run.abort.abort(new Error('The lease of this run was lost.'));
      }
    } catch (error) {
      this.parts.logger.warn({ err: error, runs: held.length }, 'leases cannot be extended');
    } finally {
      this.beating = false;
    }
  }

  /** Takes no more jobs, lets runs under way finish for a while, gives back the rest for another worker to go on with. */
  async stop(graceMs = STOP_GRACE_MS): Promise<void> {
    const closing = this.closeJobs();
    await settledWithin([...this.inHand].map(({ done }) => done), graceMs);
    for (const run of this.inHand) run.abort.abort(new Error('The worker stops.'));
    await Promise.allSettled([...this.inHand].map(({ done }) => done));
    await settledWithin([closing], QUEUE_CLOSE_MS);
    clearInterval(this.timer);
  }

  /** Takes no more jobs at once, and resolves when those under way are done. */
  private async closeJobs(): Promise<void> {
    try {
      await this.jobs?.close();
    } catch (error) {
      this.parts.logger.warn({ err: error }, 'queue cannot be closed');
    }
  }

  private async work(held: InHand): Promise<void> {
    const { executor, metrics, clock } = this.parts;
    const { claim } = held;
    const logger = this.parts.logger.child({ runId: claim.runId, attempt: claim.attempt, correlationId: claim.correlationId });
    const began = clock.now();
    if (claim.attempt === 1) metrics.started(claim.createdAt, began);
    const details = await this.details.read(claim);
    const outcome = await executor.run(claim, details, held.abort.signal, logger);
    metrics.attempted(outcome.kind, began, clock.now());
    if (held.lost) return logger.warn({}, 'result dropped because the lease was lost');
    if (outcome.kind === 'cancelled') return this.giveBack(claim, logger);
    await this.finish(held, details, outcome, logger);
  }

  private async finish(
    held: InHand,
    details: RunDetails,
    outcome: Exclude<AttemptOutcome, { kind: 'cancelled' }>,
    logger: Logger,
  ): Promise<void> {
    const { store, clock, metrics } = this.parts;
    const { claim } = held;
    const policy = retryPolicy.safeParse(details.runnable?.retry ?? {});
    const tried = { attempt: claim.attempt, uncounted: details.uncounted };
    const next =
      outcome.kind === 'succeeded'
        ? { status: 'succeeded' as const }
        : afterFailure(outcome, policy.success ? policy.data : retryPolicy.parse({}), tried, Math.random());
    const saved = await saveOutcome(store, claim, recordOf(outcome, next, clock.now()), { signal: held.abort.signal, clock, logger });
    if (!saved) return logger.warn({}, 'result dropped because another worker has the run');
    const { run, attempt } = saved;
    metrics.ended(run.status === 'queued' ? 'retried' : run.status);
    logger.info({ outcome: attempt.outcome, status: run.status, failure: attempt.code, fault: attempt.fault }, 'attempt ended');
    if (run.nextAttemptAt) await this.enqueue(claim, run.nextAttemptAt.getTime() - clock.now().getTime());
  }

  private async giveBack(claim: Claim, logger: Logger): Promise<void> {
    const status = await this.parts.store.release(claim);
    if (status === null) return logger.warn({}, 'run was taken over before it could be given back');
    this.parts.metrics.ended(status === 'queued' ? 'given_back' : status);
    logger.info({ status }, 'attempt interrupted');
    if (status === 'queued') await this.enqueue(claim, 0);
  }

  /** Without Redis the run waits in Postgres for the reconciler. */
  private async enqueue(claim: Claim, delayMs: number): Promise<void> {
    try {
      await this.parts.queues.add(executeRun, [{ ...runJob(claim.runId, claim.attempt + 1), ...(delayMs > 0 ? { delayMs } : {}) }]);
    } catch (error) {
      this.parts.logger.warn({ err: error, runId: claim.runId }, 'next attempt could not be queued and waits for the reconciler');
    }
  }
}

async function settledWithin(work: Promise<unknown>[], ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([Promise.allSettled(work), late]);
  clearTimeout(timer);
}

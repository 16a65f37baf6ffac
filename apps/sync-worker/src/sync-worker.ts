import { randomUUID } from 'node:crypto';
import { doWork, itemWork, SCHEDULES, scheduledWork, systemCall, VaneError, type CallContext, type WorkItem } from '@vane/contracts';
import type { Bus, Clock, JobQueues, Logger, Metrics } from '@vane/runtime';
import { WORK, type ScheduledOperation } from './work.js';

/** How often the schedules are written again, which is how long a flushed Redis stays without them. */
export const UPSERT_MS = 10_000;
/** Steps of one tick: an owner that always has more must not keep its turn for ever. */
export const MAX_STEPS = 50;
/** Asking an owner may take as long as its operation's deadline; stopping does not wait for that. */
const STOP_MS = 8_000;
/** Items under way at once: they wait for services, mostly. More of them: more processes. */
const ITEMS_AT_ONCE = 16;

export type SyncWorkerParts = { bus: Bus; queues: JobQueues; clock: Clock; logger: Logger; metrics: Metrics };

type Outcome = 'done' | 'unavailable' | 'failed' | 'overlap';

/** Finds recurring work due by BullMQ Job Schedulers and asks its owner to do it. Knows nothing of the work itself. */
export class SyncWorker {
  private readonly running = new Set<ScheduledOperation>();
  private readonly ticks;
  private readonly items;
  private readonly done;
  private readonly duration;
  private timer: NodeJS.Timeout | undefined;
  private stopping = false;

  constructor(private readonly parts: SyncWorkerParts) {
    const { metrics } = parts;
    this.ticks = metrics.counter('vane_sync_ticks_total', 'Ticks of recurring work by what became of them', ['operation', 'outcome']);
    this.items = metrics.counter('vane_sync_items_total', 'What recurring work took care of', ['operation']);
    this.done = metrics.counter('vane_sync_work_total', 'Things that were due by what became of them', ['kind', 'outcome']);
    this.duration = metrics.histogram('vane_sync_tick_seconds', 'Time a tick took', ['operation']);
  }

  /** Begins working, and writes the schedules now and again and again. */
  async start(): Promise<void> {
    const concurrency = SCHEDULES.length * 2;
    this.parts.queues.work(scheduledWork, ({ operation }) => this.tick(operation), { concurrency });
    this.parts.queues.work(itemWork, (item) => this.item(item), { concurrency: ITEMS_AT_ONCE });
    this.timer = setInterval(() => void this.schedule(), UPSERT_MS);
    await this.schedule();
  }

  /** Writes every schedule. Those that exist keep their time, so any number of processes may do so at any time. */
  async schedule(): Promise<void> {
    for (const schedule of SCHEDULES) {
      try {
        await this.parts.queues.schedule(scheduledWork, schedule, { operation: schedule.name });
      } catch (error) {
        this.parts.logger.warn({ err: error, operation: schedule.name }, 'schedule cannot be written');
      }
    }
  }

  /** Does one tick: asks the owner until it has no more. Never rejects. */
  async tick(operation: ScheduledOperation): Promise<void> {
    // A tick that is late finds the one before still at it: what it would do is being done.
    if (this.running.has(operation)) return this.count(operation, 'overlap');
    this.running.add(operation);
    const { clock, logger } = this.parts;
    const correlationId = randomUUID();
    const began = clock.now();
    try {
      const { done, steps } = await this.ask(operation, correlationId);
      this.items.inc({ operation }, done);
      this.count(operation, 'done');
      const fields = { operation, correlationId, done, steps };
      if (done > 0) logger.info(fields, 'recurring work done');
      else logger.debug(fields, 'no recurring work was due');
    } catch (error) {
      const away = isAway(error);
      this.count(operation, away ? 'unavailable' : 'failed');
      const fields = { err: error, operation, correlationId };
      if (away) logger.warn(fields, 'owner of recurring work cannot be asked');
      else logger.error(fields, 'recurring work failed');
    } finally {
      this.running.delete(operation);
      this.duration.observe({ operation }, (clock.now().getTime() - began.getTime()) / 1000);
    }
  }

  /** Has its owner do one thing that is due. Never rejects: what did not work is due again, and comes with a later tick. */
  async item(item: WorkItem): Promise<void> {
    const correlationId = randomUUID();
    const { kind } = item;
    try {
      const { done } = await this.parts.bus.ask(doWork, item, systemCall('sync-worker', correlationId));
      this.done.inc({ kind, outcome: done ? 'done' : 'left' });
    } catch (error) {
      const away = isAway(error);
      this.done.inc({ kind, outcome: away ? 'unavailable' : 'failed' });
      this.parts.logger[away ? 'warn' : 'error']({ err: error, ...item, correlationId }, 'what is due could not be done');
    }
  }

  /** Takes no more ticks and waits a while for those under way. */
  async stop(): Promise<void> {
    this.stopping = true;
    clearInterval(this.timer);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, STOP_MS);
    });
    await Promise.race([this.close(), late]);
    clearTimeout(timer);
  }

  private async close(): Promise<void> {
    try {
      await this.parts.queues.close();
    } catch (error) {
      this.parts.logger.warn({ err: error }, 'queue cannot be closed');
    }
  }

  private async ask(operation: ScheduledOperation, correlationId: string): Promise<{ done: number; steps: number }> {
    let done = 0;
    for (let steps = 1; ; steps += 1) {
      const call: CallContext = {
        correlationId,
        actor: systemCall('sync-worker', correlationId).actor,
        idempotencyKey: `${correlationId}.${steps}`,
      };
      const reply = await WORK[operation](this.parts, call);
      done += reply.done;
      if (!reply.more || steps >= MAX_STEPS || this.stopping) return { done, steps };
    }
  }

  private count(operation: ScheduledOperation, outcome: Outcome): void {
    this.ticks.inc({ operation, outcome });
  }
}

const isAway = (error: unknown): boolean =>
  error instanceof VaneError && (error.code === 'unavailable' || error.code === 'deadline_exceeded');

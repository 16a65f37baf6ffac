import { once } from 'node:events';
import { VaneError, type Job as JobContract, type SCHEDULES } from '@vane/contracts';
import { Queue, Worker, type ConnectionOptions, type Job } from 'bullmq';
import { Redis } from 'ioredis';
import type { z } from 'zod';
import { withDeadline } from './deadline.js';
import type { Logger } from './logger.js';

const ADD_DEADLINE_MS = 3_000;
/** States of a connection that was lost or never came about; while it is first being made, adding waits. */
const LOST = ['reconnecting', 'close', 'end'];

export type QueueOptions = { url: string; prefix: string; logger: Logger };

export type JobToAdd<J extends JobContract> = {
  data: z.output<J['schema']>;
  /** Jobs with the same id collapse into one while it is in the queue; no colon. */
  id?: string;
  delayMs?: number;
};

/** BullMQ over one Redis: what to do next and when. It only carries ids, so a flushed Redis loses nothing that matters. */
export class JobQueues {
  private readonly producer: Redis;
  private readonly queues = new Map<string, Queue>();
  private readonly workers: { worker: Worker; connection: Redis }[] = [];

  constructor(private readonly options: QueueOptions) {
    // Producers fail fast; workers, below, wait for Redis for ever.
    this.producer = new Redis(options.url, { maxRetriesPerRequest: 1, enableOfflineQueue: true, lazyConnect: false });
    this.producer.on('error', (error) => options.logger.debug({ err: error }, 'redis connection failed'));
  }

  async check(): Promise<void> {
    await this.producer.ping();
  }

  /** Throws soon while Redis is away, instead of waiting for it: whoever adds has a reconciler behind it. */
  async add<J extends JobContract>(job: J, items: JobToAdd<J>[]): Promise<void> {
    if (items.length === 0) return;
    await this.reachable();
    const added = this.queue(job.queue).addBulk(
      items.map((item) => ({
        name: job.name,
        data: item.data,
        opts: {
          removeOnComplete: true,
          removeOnFail: true,
          ...(item.id === undefined ? {} : { jobId: item.id }),
          ...(item.delayMs === undefined ? {} : { delay: item.delayMs }),
        },
      })),
    );
    await withDeadline(added, ADD_DEADLINE_MS, () => new VaneError('unavailable', 'Redis did not take the jobs in time.'));
  }

  /** Starts working on a job. A handler that throws has failed for good: retries are the owner's, in Postgres. */
  work<J extends JobContract>(
    job: J,
    handler: (data: z.output<J['schema']>) => Promise<void>,
    options: { concurrency: number },
  ): Worker {
    const connection = new Redis(this.options.url, { maxRetriesPerRequest: null });
    connection.on('error', (error) => this.options.logger.debug({ err: error }, 'redis connection failed'));
    const worker = new Worker(
      job.queue,
      async (task: Job) => {
        const data = job.schema.safeParse(task.data);
        if (!data.success) return this.options.logger.error({ job: job.name, id: task.id }, 'job does not fit its contract');
        await handler(data.data as z.output<J['schema']>);
      },
      {
        connection: connection as unknown as ConnectionOptions,
        prefix: this.options.prefix,
        concurrency: options.concurrency,
        lockDuration: 15_000,
        stalledInterval: 5_000,
        maxStalledCount: 1_000,
      },
    );
    worker.on('error', (error) => this.options.logger.warn({ err: error, job: job.name }, 'queue worker failed'));
    worker.on('failed', (task, error) => this.options.logger.error({ err: error, job: job.name, id: task?.id }, 'job failed'));
    this.workers.push({ worker, connection });
    return worker;
  }

  /** Makes sure a schedule exists; repeating this heals a flushed Redis. */
  async schedule<J extends JobContract>(
    job: J,
    schedule: (typeof SCHEDULES)[number],
    data: z.output<J['schema']>,
  ): Promise<void> {
    await this.queue(job.queue).upsertJobScheduler(
      schedule.name,
      { every: schedule.everyMs },
      { name: job.name, data, opts: { removeOnComplete: true, removeOnFail: true } },
    );
  }

  /** Jobs waiting, delayed and active, for metrics. */
  async counts(job: JobContract): Promise<Record<string, number>> {
    return this.queue(job.queue).getJobCounts('wait', 'delayed', 'active');
  }

  async close(): Promise<void> {
    for (const { worker, connection } of this.workers.splice(0)) {
      await worker.close();
      // BullMQ leaves the connection it was given open.
      connection.disconnect();
    }
    // A queue that never reached Redis would wait for it while closing.
    const queues = this.producer.status === 'ready' ? [...this.queues.values()] : [];
    await Promise.all(queues.map((queue) => queue.close()));
    this.producer.disconnect();
  }

  /** BullMQ waits for Redis for ever once it is asked, so it is only asked while Redis is there. */
  private async reachable(): Promise<void> {
    const away = () => new VaneError('unavailable', 'Redis is not reachable.');
    if (this.producer.status === 'ready') return;
    if (LOST.includes(this.producer.status)) throw away();
    const gone = new AbortController();
    this.producer.once('close', () => gone.abort());
    await withDeadline(once(this.producer, 'ready', { signal: gone.signal }), ADD_DEADLINE_MS, away).catch(() => {
      throw away();
    });
  }

  private queue(name: string): Queue {
    let queue = this.queues.get(name);
    if (!queue) {
      queue = new Queue(name, { connection: this.producer as unknown as ConnectionOptions, prefix: this.options.prefix });
      queue.on('error', (error) => this.options.logger.debug({ err: error }, 'queue connection failed'));
      this.queues.set(name, queue);
    }
    return queue;
  }
}

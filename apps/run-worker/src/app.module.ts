import { randomBytes } from 'node:crypto';
import { type DynamicModule, Module } from '@nestjs/common';
import { Database, openDatabase, parseOpeningKeys } from '@vane/db';
import { Clock, EgressClient, egressProvider, Health, JobQueues, Lifecycle, Logger, Metrics, queuesProvider, RuntimeModule } from '@vane/runtime';
import type { RunWorkerSettings } from './config.js';
import { HttpTarget } from './http-target.js';
import { Reconciler } from './reconciler.js';
import { RunExecutor } from './run-executor.js';
import { RunMetrics } from './run-metrics.js';
import { RunStore } from './run-store.js';
import { RunWorker } from './run-worker.js';
import { RunsController } from './runs.controller.js';
import { ScriptSandbox } from './sandbox/script-sandbox.js';
import { guardedFetch, ScriptTarget } from './script-target.js';
import { SealedValues } from './sealed-values.js';

@Module({})
export class AppModule {
  static with(settings: RunWorkerSettings, clock?: Clock): DynamicModule {
    return {
      module: AppModule,
      imports: [RuntimeModule.forApp('run-worker', settings, clock)],
      controllers: [RunsController],
      providers: [...outside(settings), ...targets(settings), ...work(settings)],
    };
  }
}

/** What lies outside the process. Opened first, so closed last. */
const outside = (settings: RunWorkerSettings) => [
  {
    provide: Database,
    inject: [Health, Lifecycle, Logger],
    useFactory: (health: Health, lifecycle: Lifecycle, logger: Logger) => openDatabase('run-worker', settings, { health, lifecycle, logger }),
  },
  queuesProvider(settings, { needed: true }),
];

const targets = (settings: RunWorkerSettings) => [
  egressProvider(settings),
  {
    provide: ScriptSandbox,
    inject: [EgressClient, Lifecycle, Clock],
    useFactory: (egress: EgressClient, lifecycle: Lifecycle, time: Clock) => {
      const now = () => time.now().getTime();
      const sandbox = new ScriptSandbox({ fetch: guardedFetch(egress), processes: settings.VANE_SCRIPT_PROCESSES, now });
      lifecycle.onStop(() => sandbox.close());
      return sandbox;
    },
  },
];

const work = (settings: RunWorkerSettings) => [
  {
    provide: Reconciler,
    inject: [Database, JobQueues, Clock],
    useFactory: (database: Database, queues: JobQueues, time: Clock) => new Reconciler(database, queues, time),
  },
  {
    provide: RunWorker,
    inject: [Database, JobQueues, EgressClient, ScriptSandbox, Clock, Logger, Metrics, Lifecycle],
    useFactory: async (
      database: Database,
      queues: JobQueues,
      egress: EgressClient,
      sandbox: ScriptSandbox,
      clock: Clock,
      logger: Logger,
      metrics: Metrics,
      lifecycle: Lifecycle,
    ) => {
      const sealed = new SealedValues(database, await parseOpeningKeys(settings.VANE_KEYS_DATA_PRIVATE), clock);
      const executor = new RunExecutor(new HttpTarget(egress, clock), new ScriptTarget(sandbox), sealed);
      const store = new RunStore(database, clock, `run-worker-${process.pid}-${randomBytes(6).toString('hex')}`);
      const concurrency = settings.VANE_RUN_CONCURRENCY;
      const worker = new RunWorker({ store, database, executor, queues, clock, logger, metrics: new RunMetrics(metrics), concurrency });
      lifecycle.onStop(() => worker.stop());
      return worker;
    },
  },
];

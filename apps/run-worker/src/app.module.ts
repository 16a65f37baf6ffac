import { randomBytes } from 'node:crypto';
import { type DynamicModule, Inject, Module, type OnApplicationBootstrap } from '@nestjs/common';
import { connectionChanged } from '@vane/contracts';
import { Database, openDatabase, openOpeningKeys } from '@vane/db';
import { Bus, Clock, EgressClient, egressProvider, Health, JobQueues, Lifecycle, Logger, Metrics, queuesProvider, RuntimeModule } from '@vane/runtime';
import type { RunWorkerSettings } from './config.js';
import { HttpTarget } from './http-target.js';
import { Reconciler } from './reconciler.js';
import { RunControl } from './run-control.js';
import { RunPruner } from './run-pruner.js';
import { RunExecutor } from './run-executor.js';
import { RunMetrics } from './run-metrics.js';
import { RunStore } from './run-store.js';
import { RunWorker } from './run-worker.js';
import { RunsController } from './runs.controller.js';
import { ScriptSandbox } from './sandbox/script-sandbox.js';
import { guardedFetch, ScriptTarget } from './script-target.js';
import { SealedValues } from './sealed-values.js';

@Module({})
export class AppModule implements OnApplicationBootstrap {
  constructor(
    @Inject(Reconciler) private readonly reconciler: Reconciler,
    @Inject(Bus) private readonly bus: Bus,
    @Inject(Logger) private readonly logger: Logger,
  ) {}

  static with(settings: RunWorkerSettings, clock?: Clock): DynamicModule {
    return {
      module: AppModule,
      imports: [RuntimeModule.forApp('run-worker', settings, clock)],
      controllers: [RunsController],
      providers: [...outside(settings), ...targets(settings), ...work(settings)],
    };
  }

  onApplicationBootstrap(): void {
    this.bus.onSignal(connectionChanged, ({ status }) => {
      // Lost signals and failed passes only mean that the next scheduled pass does it.
      if (status === 'active') this.reconciler.release().catch((error: unknown) => this.logger.warn({ err: error }, 'held runs are let go later'));
    });
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
    inject: [Database, JobQueues, Clock, Logger],
    useFactory: (database: Database, queues: JobQueues, time: Clock, logger: Logger) => new Reconciler(database, queues, time, logger),
  },
  {
    provide: RunControl,
    inject: [Database, JobQueues, Clock],
    useFactory: (database: Database, queues: JobQueues, time: Clock) => new RunControl(database, queues, time),
  },
  { provide: RunPruner, inject: [Database, Clock], useFactory: (database: Database, time: Clock) => new RunPruner(database, time) },
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
      const sealed = new SealedValues(database, await openOpeningKeys(settings, { database, logger }), clock);
      const executor = new RunExecutor(new HttpTarget(egress, clock), new ScriptTarget(sandbox), sealed);
      const store = new RunStore(database, clock, `run-worker-${process.pid}-${randomBytes(6).toString('hex')}`);
      const concurrency = settings.VANE_RUN_CONCURRENCY;
      const worker = new RunWorker({ store, database, executor, queues, clock, logger, metrics: new RunMetrics(metrics), concurrency });
      lifecycle.onStop(() => worker.stop());
      return worker;
    },
  },
];

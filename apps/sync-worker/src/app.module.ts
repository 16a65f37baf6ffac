import { type DynamicModule, Module } from '@nestjs/common';
import { Bus, Clock, Health, JobQueues, Lifecycle, Logger, Metrics, RuntimeModule } from '@vane/runtime';
import type { SyncWorkerSettings } from './config.js';
import { SyncWorker } from './sync-worker.js';

@Module({})
export class AppModule {
  static with(settings: SyncWorkerSettings, clock?: Clock): DynamicModule {
    return {
      module: AppModule,
      imports: [RuntimeModule.forApp('sync-worker', settings, clock)],
      providers: [
        {
          provide: JobQueues,
          inject: [Health, Logger],
          useFactory: (health: Health, logger: Logger) => {
            const queues = new JobQueues({ url: settings.VANE_REDIS_URL, prefix: settings.VANE_PREFIX, logger });
            health.add('redis', () => queues.check());
            return queues;
          },
        },
        {
          provide: SyncWorker,
          inject: [Bus, JobQueues, Clock, Logger, Metrics, Lifecycle],
          useFactory: (bus: Bus, queues: JobQueues, time: Clock, logger: Logger, metrics: Metrics, lifecycle: Lifecycle) => {
            const worker = new SyncWorker({ bus, queues, clock: time, logger, metrics });
            lifecycle.onStop(() => worker.stop());
            return worker;
          },
        },
      ],
    };
  }
}

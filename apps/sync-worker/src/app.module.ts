import { type DynamicModule, Module } from '@nestjs/common';
import { Bus, Clock, JobQueues, Lifecycle, Logger, Metrics, queuesProvider, RuntimeModule } from '@vane/runtime';
import type { SyncWorkerSettings } from './config.js';
import { SyncWorker } from './sync-worker.js';

@Module({})
export class AppModule {
  static with(settings: SyncWorkerSettings, clock?: Clock): DynamicModule {
    return {
      module: AppModule,
      imports: [RuntimeModule.forApp('sync-worker', settings, clock)],
      providers: [
        queuesProvider(settings, { needed: true }),
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

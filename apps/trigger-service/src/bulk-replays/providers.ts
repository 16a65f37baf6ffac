import { AdapterRegistry } from '@vane/adapters';
import { Database } from '@vane/db';
import { Clock, Logger } from '@vane/runtime';
import { Intake } from '../intake/intake.js';
import { ReplayBatches } from './replay-batches.js';
import { ReplayJobs } from './replay-jobs.js';

/** Replays of many events. */
export const replayProviders = () => [
  { provide: ReplayJobs, inject: [Database, Clock], useFactory: (database: Database, clock: Clock) => new ReplayJobs(database, clock) },
  {
    provide: ReplayBatches,
    inject: [Database, AdapterRegistry, Intake, Clock, Logger],
    useFactory: (database: Database, adapters: AdapterRegistry, intake: Intake, clock: Clock, logger: Logger) => new ReplayBatches(database, adapters, intake, clock, logger),
  },
];

import { AdapterRegistry } from '@vane/adapters';
import { Database } from '@vane/db';
import { Clock, JobQueues, Logger, Metrics } from '@vane/runtime';
import type { TriggerSettings } from '../config.js';
import { Connections } from '../connections.js';
import { EventRows } from '../intake/event-rows.js';
import { FeedPulls } from './feed-pulls.js';
import { PullRows } from './pull-rows.js';
import { Puller } from './puller.js';

/** Fetching of feeds whose services only say that there is something. */
export const pullProviders = (settings: TriggerSettings) => [
  { provide: FeedPulls, inject: [Database, Clock], useFactory: (database: Database, clock: Clock) => new FeedPulls(database, clock) },
  {
    provide: Puller,
    inject: [Database, FeedPulls, Connections, AdapterRegistry, JobQueues, Clock, Logger, Metrics],
    useFactory: (
      database: Database, feeds: FeedPulls, uses: Connections, adapters: AdapterRegistry, queues: JobQueues, clock: Clock, logger: Logger, metrics: Metrics,
    ) => {
      const events = new EventRows(adapters, queues, clock, logger);
      return new Puller({ database, rows: new PullRows(database, clock), feeds, events, connections: uses, adapters, clock, logger }, settings.VANE_PULL_EVERY_SECONDS, metrics);
    },
  },
];

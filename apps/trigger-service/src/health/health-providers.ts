import { AdapterRegistry } from '@vane/adapters';
import { Database } from '@vane/db';
import { Bus, Clock } from '@vane/runtime';
import type { TriggerSettings } from '../config.js';
import { FeedPulls } from '../pulls/feed-pulls.js';
import { HealthFacts } from './health-facts.js';
import { SubscriptionNotices } from './notices.js';
import { SilenceWatch } from './silence.js';
import { TriggerHealth } from './trigger-health.js';

/** What tells how triggers are, and tells people. */
export const healthProviders = (settings: TriggerSettings) => [
  { provide: HealthFacts, inject: [Database, Clock], useFactory: (database: Database, clock: Clock) => new HealthFacts(database, clock) },
  { provide: TriggerHealth, inject: [HealthFacts], useFactory: (facts: HealthFacts) => new TriggerHealth(facts) },
  {
    provide: SubscriptionNotices,
    inject: [Database, AdapterRegistry, Bus, Clock],
    useFactory: (database: Database, adapters: AdapterRegistry, bus: Bus, clock: Clock) => new SubscriptionNotices(database, adapters, bus, clock, settings.VANE_API_URL),
  },
  {
    provide: SilenceWatch,
    inject: [Database, AdapterRegistry, FeedPulls, Bus, Clock],
    useFactory: (database: Database, adapters: AdapterRegistry, pulls: FeedPulls, bus: Bus, clock: Clock) =>
      new SilenceWatch(database, adapters, pulls, bus, clock, settings.VANE_API_URL),
  },
];

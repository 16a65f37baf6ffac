import { AdapterRegistry } from '@vane/adapters';
import { Database } from '@vane/db';
import { Bus, Clock, EgressClient } from '@vane/runtime';
import type { TriggerSettings } from '../config.js';
import { Connections } from '../connections.js';
import { ProviderViews } from '../drift/provider-views.js';
import { FeedPulls } from '../pulls/feed-pulls.js';
import { TriggerPlans } from '../trigger-plans.js';
import { Diagnosis } from './diagnosis.js';
import { ExpressionNotices } from './expression-notices.js';
import { HealthFacts } from './health-facts.js';
import { NoticeWork } from './notice-work.js';
import { SubscriptionNotices } from './notices.js';
import { Preflight } from './preflight.js';
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
    provide: ExpressionNotices,
    inject: [Database, Bus, Clock],
    useFactory: (database: Database, bus: Bus, clock: Clock) => new ExpressionNotices(database, bus, clock, settings.VANE_API_URL),
  },
  {
    provide: NoticeWork,
    inject: [SubscriptionNotices, ExpressionNotices],
    useFactory: (subscriptions: SubscriptionNotices, expressions: ExpressionNotices) => new NoticeWork(subscriptions, expressions),
  },
  {
    provide: SilenceWatch,
    inject: [Database, AdapterRegistry, FeedPulls, Bus, Clock],
    useFactory: (database: Database, adapters: AdapterRegistry, pulls: FeedPulls, bus: Bus, clock: Clock) =>
      new SilenceWatch(database, adapters, pulls, bus, clock, settings.VANE_API_URL),
  },
  {
    provide: Diagnosis,
    inject: [Database, HealthFacts, TriggerPlans, Connections, ProviderViews, Clock],
    useFactory: (database: Database, facts: HealthFacts, plans: TriggerPlans, uses: Connections, views: ProviderViews, clock: Clock) =>
      new Diagnosis(database, facts, plans, uses, views, clock),
  },
  {
    provide: Preflight,
    inject: [TriggerPlans, Connections, EgressClient, Clock],
    useFactory: (plans: TriggerPlans, uses: Connections, egress: EgressClient, clock: Clock) => new Preflight(plans, uses, egress, clock, settings.VANE_PUBLIC_URL),
  },
];

import { AdapterRegistry } from '@vane/adapters';
import { Database } from '@vane/db';
import { Clock, HookKeys, Logger } from '@vane/runtime';
import type { TriggerSettings } from '../config.js';
import { Connections } from '../connections.js';
import { Feeds } from '../sagas/feeds.js';
import { Settler } from '../sagas/settler.js';
import { SubscriptionRows } from '../sagas/subscription-rows.js';
import { SubscriptionCalls } from '../subscription-calls.js';
import { TriggerPlans } from '../trigger-plans.js';
import { TriggerViews } from '../trigger-views.js';
import { CheckWork } from './check-work.js';
import { Checks } from './checks.js';
import { DriftDecisions } from './drift-decisions.js';
import { OrphanFinder } from './orphans.js';
import { ProviderViews } from './provider-views.js';
import { Syncs } from './syncs.js';

/** What compares rows with services. */
export const driftProviders = ({ VANE_PUBLIC_URL: publicUrl, VANE_CHECK_EVERY_SECONDS: everySeconds }: TriggerSettings) => [
  {
    provide: OrphanFinder,
    inject: [Database, Connections, AdapterRegistry, HookKeys, Clock],
    useFactory: (database: Database, uses: Connections, adapters: AdapterRegistry, keys: HookKeys, clock: Clock) =>
      new OrphanFinder(database, uses, adapters, keys, clock, publicUrl),
  },
  {
    provide: Syncs,
    inject: [Database, OrphanFinder, AdapterRegistry, Clock],
    useFactory: (database: Database, orphans: OrphanFinder, adapters: AdapterRegistry, clock: Clock) => new Syncs(database, orphans, adapters, clock),
  },
  {
    provide: CheckWork,
    inject: [Database, SubscriptionRows, Settler, SubscriptionCalls, AdapterRegistry, Clock, Logger, Syncs],
    useFactory: (
      database: Database, rows: SubscriptionRows, settler: Settler, calls: SubscriptionCalls, adapters: AdapterRegistry, clock: Clock, logger: Logger, syncs: Syncs,
    ) => new CheckWork(new Checks(database, rows, settler, calls, adapters, clock, logger, { publicUrl, everySeconds }), syncs),
  },
  {
    provide: DriftDecisions,
    inject: [Database, Feeds, Settler, Connections, TriggerViews, Clock],
    useFactory: (database: Database, feeds: Feeds, settler: Settler, uses: Connections, views: TriggerViews, clock: Clock) =>
      new DriftDecisions(database, feeds, settler, uses, views, clock),
  },
  {
    provide: ProviderViews,
    inject: [TriggerPlans, Connections, Clock],
    useFactory: (plans: TriggerPlans, uses: Connections, clock: Clock) => new ProviderViews(plans, uses, clock, publicUrl),
  },
];

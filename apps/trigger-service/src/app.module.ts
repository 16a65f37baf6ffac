import { type DynamicModule, Module, type OnApplicationBootstrap, Inject } from '@nestjs/common';
import { AdapterRegistry, loadAdapters } from '@vane/adapters';
import { connectionChanged } from '@vane/contracts';
import { Database, ensurePartitions, openDatabase, openSealingKey, openVault, Vault } from '@vane/db';
import {
  Bus, Clock, egressProvider, EgressClient, Health, HookKeys, JobQueues, Lifecycle, Logger, Metrics, OriginGuard, originGuardProvider, queuesProvider, RuntimeModule,
} from '@vane/runtime';
import type { TriggerSettings } from './config.js';
import { ConnectionRelease } from './connection-release.js';
import { ConnectionMoves } from './connection-moves.js';
import { ConnectionUsesReader } from './connection-uses.js';
import { Connections } from './connections.js';
import { replayProviders } from './bulk-replays/providers.js';
import { ReplayBatches } from './bulk-replays/replay-batches.js';
import { ReplaysController } from './bulk-replays/replays.controller.js';
import { Canaries } from './canaries/canaries.js';
import { ActivityController } from './controllers/activity.controller.js';
import { DriftController } from './controllers/drift.controller.js';
import { CanariesController } from './controllers/canaries.controller.js';
import { RunnablesController } from './controllers/runnables.controller.js';
import { ServicesController } from './controllers/services.controller.js';
import { TriggersController } from './controllers/triggers.controller.js';
import { WorkController } from './controllers/work.controller.js';
import { DataKey } from './data-key.js';
import { DeliveryLogs } from './delivery-log/delivery-logs.js';
import { CheckWork } from './drift/check-work.js';
import { driftProviders } from './drift/drift-providers.js';
import { InboxRelay } from './intake/inbox.js';
import { Previews } from './expressions/preview.js';
import { Intake } from './intake/intake.js';
import { PartitionReaders } from './intake/readers.js';
import { Puller } from './pulls/puller.js';
import { pullProviders } from './pulls/providers.js';
import { FeedPulls } from './pulls/feed-pulls.js';
import { Replays } from './replays.js';
import { Runnables } from './runnables.js';
import { RetentionController } from './retention/retention.controller.js';
import { Retention } from './retention/retention.js';
import { ConnectionFollower } from './sagas/connection-follower.js';
import { HealthController } from './health/health.controller.js';
import { healthProviders } from './health/health-providers.js';
import { NoticeWork } from './health/notice-work.js';
import { SilenceWatch } from './health/silence.js';
import { TriggerHealth } from './health/trigger-health.js';
import { Feeds } from './sagas/feeds.js';
import { Moves } from './sagas/moves.js';
import { Renewal } from './sagas/renewal.js';
import { Replacements } from './sagas/replacements.js';
import { Reregistration } from './sagas/reregistration.js';
import { SecretRotation } from './sagas/secret-rotation.js';
import { settleWork } from './sagas/settle-work.js';
import { Settler } from './sagas/settler.js';
import { SubscriptionRows } from './sagas/subscription-rows.js';
import { Sweeper } from './sagas/sweeper.js';
import { SubscriptionCalls } from './subscription-calls.js';
import { TriggerPlans } from './trigger-plans.js';
import { TriggerRows } from './trigger-rows.js';
import { TriggerViews } from './trigger-views.js';
import { Triggers } from './triggers.js';
import { WorkDesk } from './work-desk.js';

/** Opens what the service talks to, and closes it again when the app stops. */
const connections = (settings: TriggerSettings) => [
  { provide: AdapterRegistry, useFactory: () => loadAdapters({ extraPaths: settings.VANE_EXTRA_ADAPTERS }) },
  {
    provide: Database,
    inject: [Health, Lifecycle, Logger],
    useFactory: (health: Health, lifecycle: Lifecycle, logger: Logger) => openDatabase('trigger-service', settings, { health, lifecycle, logger }),
  },
  // Without Redis runs start later and nothing is lost, so this app is ready all the same.
  queuesProvider(settings, { needed: false }),
  egressProvider(settings),
  originGuardProvider(),
  {
    provide: Vault,
    inject: [Database, Clock, Logger],
    useFactory: (database: Database, clock: Clock, logger: Logger) => openVault('hooks', settings, { database, clock, logger }),
  },
  { provide: DataKey, inject: [Logger], useFactory: async (logger: Logger) => new DataKey(await openSealingKey(settings, logger)) },
  { provide: HookKeys, useFactory: () => new HookKeys(settings.VANE_INGRESS_KEY_SECRET) },
];

const domain = (settings: TriggerSettings) => [
  {
    provide: Connections,
    inject: [Bus, EgressClient, Clock, OriginGuard],
    useFactory: (bus: Bus, egress: EgressClient, clock: Clock, origins: OriginGuard) => new Connections(bus, egress, clock, origins),
  },
  {
    provide: TriggerViews,
    inject: [AdapterRegistry, TriggerHealth],
    useFactory: (adapters: AdapterRegistry, health: TriggerHealth) => new TriggerViews(adapters, settings.VANE_PUBLIC_URL, health),
  },
  {
    provide: TriggerPlans,
    inject: [AdapterRegistry, Connections],
    useFactory: (adapters: AdapterRegistry, uses: Connections) => new TriggerPlans(adapters, uses),
  },
  {
    provide: ConnectionUsesReader,
    inject: [Database, TriggerPlans],
    useFactory: (database: Database, plans: TriggerPlans) => new ConnectionUsesReader(database, plans),
  },
  { provide: Retention, inject: [Database, Clock], useFactory: (database: Database, clock: Clock) => new Retention(database, clock) },
  { provide: SubscriptionRows, inject: [Database, Clock], useFactory: (database: Database, clock: Clock) => new SubscriptionRows(database, clock) },
  { provide: ConnectionFollower, inject: [Database, Clock], useFactory: (database: Database, clock: Clock) => new ConnectionFollower(database, clock) },
  {
    provide: Feeds,
    inject: [Vault, HookKeys, Clock, FeedPulls],
    useFactory: (vault: Vault, keys: HookKeys, clock: Clock, pulls: FeedPulls) => new Feeds(vault, keys, clock, pulls),
  },
  {
    provide: Replacements,
    inject: [Database, SubscriptionRows, Feeds, FeedPulls, Clock],
    useFactory: (database: Database, rows: SubscriptionRows, feeds: Feeds, pulls: FeedPulls, clock: Clock) => new Replacements(database, rows, feeds, pulls, clock),
  },
  {
    provide: Settler,
    inject: [SubscriptionRows, Feeds, FeedPulls, Replacements, SubscriptionCalls, AdapterRegistry, Bus, Clock, Logger, Metrics],
    useFactory: (
      rows: SubscriptionRows, feeds: Feeds, pulls: FeedPulls, replacements: Replacements, calls: SubscriptionCalls, adapters: AdapterRegistry, bus: Bus,
      clock: Clock, logger: Logger, metrics: Metrics,
    ) => {
      const { VANE_PUBLIC_URL: publicUrl, VANE_CHECK_EVERY_SECONDS: checkEverySeconds } = settings;
      return new Settler(rows, feeds, pulls, replacements, calls, adapters, bus, clock, logger, { publicUrl, checkEverySeconds }, metrics);
    },
  },
  {
    provide: Renewal,
    inject: [Database, SubscriptionRows, SubscriptionCalls, Replacements, Settler, AdapterRegistry, Bus, Clock],
    useFactory: (
      database: Database, rows: SubscriptionRows, calls: SubscriptionCalls, replacements: Replacements, settler: Settler, adapters: AdapterRegistry, bus: Bus, clock: Clock,
    ) => new Renewal(database, rows, calls, replacements, settler, adapters, bus, clock),
  },
  {
    provide: Reregistration,
    inject: [Database, Clock],
    useFactory: (database: Database, clock: Clock) => new Reregistration(database, clock, settings.VANE_PUBLIC_URL),
  },
  {
    provide: SecretRotation,
    inject: [Database, Feeds, Replacements, Vault, AdapterRegistry, Bus, Clock, Logger],
    useFactory: (
      database: Database, feeds: Feeds, replacements: Replacements, vault: Vault, adapters: AdapterRegistry, bus: Bus, clock: Clock, logger: Logger,
    ) => new SecretRotation(database, feeds, replacements, vault, adapters, bus, clock, logger),
  },
  {
    provide: Moves,
    inject: [Database, Feeds, AdapterRegistry, Clock, Logger],
    useFactory: (database: Database, feeds: Feeds, adapters: AdapterRegistry, clock: Clock, logger: Logger) =>
      new Moves(database, feeds, new TriggerRows(clock), adapters, clock, logger),
  },
  {
    provide: Sweeper,
    inject: [ConnectionFollower, SecretRotation, Moves],
    useFactory: (follower: ConnectionFollower, secrets: SecretRotation, moves: Moves) => new Sweeper(follower, secrets, moves),
  },
  {
    provide: SubscriptionCalls,
    inject: [Database, SubscriptionRows, Connections],
    useFactory: (database: Database, rows: SubscriptionRows, uses: Connections) => new SubscriptionCalls(database, rows, uses),
  },
  {
    provide: DeliveryLogs,
    inject: [Database, SubscriptionRows, SubscriptionCalls, AdapterRegistry, Clock, Logger],
    useFactory: (database: Database, rows: SubscriptionRows, calls: SubscriptionCalls, adapters: AdapterRegistry, clock: Clock, logger: Logger) =>
      new DeliveryLogs(database, rows, calls, adapters, clock, logger, settings.VANE_LOG_EVERY_SECONDS),
  },
  {
    provide: Canaries,
    inject: [Database, SubscriptionRows, SubscriptionCalls, AdapterRegistry, Clock, Logger],
    useFactory: (database: Database, rows: SubscriptionRows, calls: SubscriptionCalls, adapters: AdapterRegistry, clock: Clock, logger: Logger) =>
      new Canaries(database, rows, calls, adapters, clock, logger, settings.VANE_CANARY_EVERY_SECONDS),
  },
  {
    provide: WorkDesk,
    inject: [Database, SubscriptionRows, Feeds, Settler, AdapterRegistry, Renewal, Puller, CheckWork, NoticeWork, SilenceWatch, DeliveryLogs, Canaries, ReplayBatches],
    useFactory: (
      database: Database, rows: SubscriptionRows, feeds: Feeds, settler: Settler, adapters: AdapterRegistry, renewal: Renewal, puller: Puller, checks: CheckWork,
      notices: NoticeWork, silence: SilenceWatch, logs: DeliveryLogs, canaries: Canaries, replays: ReplayBatches,
    ) => new WorkDesk([settleWork(database, rows, feeds, settler, adapters), renewal, puller, checks, notices, silence, logs, canaries, replays]),
  },
  ...healthProviders(settings),
  ...pullProviders(settings),
  ...replayProviders(),
  {
    provide: ConnectionRelease,
    inject: [Database, TriggerPlans, Feeds, Settler, Clock, Logger],
    useFactory: (database: Database, plans: TriggerPlans, feeds: Feeds, settler: Settler, clock: Clock, logger: Logger) =>
      new ConnectionRelease(database, plans, feeds, settler, clock, logger),
  },
  {
    provide: Triggers,
    inject: [Database, TriggerPlans, Feeds, Settler, SecretRotation, Moves, Connections, TriggerViews, Clock, Logger],
    useFactory: (
      database: Database, plans: TriggerPlans, feeds: Feeds, settler: Settler, secrets: SecretRotation, moves: Moves, uses: Connections, views: TriggerViews,
      clock: Clock, logger: Logger,
    ) => new Triggers(database, plans, feeds, new TriggerRows(clock), settler, secrets, moves, uses, views, clock, logger),
  },
  {
    provide: ConnectionMoves,
    inject: [Database, Bus, Triggers, Clock, Logger],
    useFactory: (database: Database, bus: Bus, triggers: Triggers, clock: Clock, logger: Logger) => new ConnectionMoves(database, bus, triggers, clock, logger),
  },
  {
    provide: Runnables,
    inject: [Database, EgressClient, Clock, DataKey],
    useFactory: (database: Database, egress: EgressClient, clock: Clock, key: DataKey) => new Runnables(database, egress, clock, key),
  },
  {
    provide: Intake,
    inject: [Database, AdapterRegistry, JobQueues, Clock, Logger, Metrics],
    useFactory: (database: Database, adapters: AdapterRegistry, queues: JobQueues, clock: Clock, logger: Logger, metrics: Metrics) =>
      new Intake(database, adapters, queues, clock, logger, metrics),
  },
  { provide: Previews, inject: [Database, Clock], useFactory: (database: Database, clock: Clock) => new Previews(database, clock) },
  { provide: Replays, inject: [Database, Intake, Clock], useFactory: (database: Database, intake: Intake, clock: Clock) => new Replays(database, intake, clock) },
  {
    provide: InboxRelay,
    inject: [Database, Intake, Logger],
    useFactory: (database: Database, intake: Intake, logger: Logger) => new InboxRelay(database, intake, logger),
  },
  {
    provide: PartitionReaders,
    inject: [Bus, Database, Intake, Logger, Lifecycle],
    useFactory: (bus: Bus, database: Database, intake: Intake, logger: Logger, lifecycle: Lifecycle) => {
      const readers = new PartitionReaders(bus, database, intake, logger);
      lifecycle.onStop(() => readers.stop());
      return readers;
    },
  },
];

@Module({})
export class AppModule implements OnApplicationBootstrap {
  constructor(
    @Inject(PartitionReaders) private readonly readers: PartitionReaders,
    @Inject(Database) private readonly database: Database,
    @Inject(ConnectionFollower) private readonly follower: ConnectionFollower,
    @Inject(Connections) private readonly uses: Connections,
    @Inject(Bus) private readonly bus: Bus,
    @Inject(Clock) private readonly clock: Clock,
    @Inject(Logger) private readonly logger: Logger,
  ) {}

  static with(settings: TriggerSettings, clock?: Clock): DynamicModule {
    return {
      module: AppModule,
      imports: [RuntimeModule.forApp('trigger-service', settings, clock)],
      controllers: [CanariesController, TriggersController, HealthController, DriftController, WorkController, RetentionController, RunnablesController, ServicesController, ActivityController, ReplaysController],
      providers: [...connections(settings), ...domain(settings), ...driftProviders(settings)],
    };
  }

  /** This month's partitions must be there before the first delivery is taken in. */
  async onApplicationBootstrap(): Promise<void> {
    await ensurePartitions(this.database.pool, this.clock.now());
    this.readers.start();
    this.bus.onSignal(connectionChanged, ({ workspaceId, connectionId, status }) => {
      if (status === 'auth_required') this.uses.stop(connectionId);
      // Lost signals and failed looks only mean that the next sweep finds it.
      this.follower.follow({ workspaceId, connectionId }).catch((error: unknown) => this.logger.warn({ err: error }, 'change of a connection is followed later'));
    });
  }
}

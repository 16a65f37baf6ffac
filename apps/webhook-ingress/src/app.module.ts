import { type DynamicModule, Module } from '@nestjs/common';
import { AdapterRegistry, loadAdapters } from '@vane/adapters';
import { Database, openDatabase, openSealingKey, openVault, Vault } from '@vane/db';
import { Bus, Clock, Health, HookKeys, Lifecycle, Logger, Metrics, RuntimeModule, keepDeliveryStream } from '@vane/runtime';
import type { IngressSettings } from './config.js';
import { Receiver } from './receiver.js';
import { DeliveryStore } from './store.js';
import { SubscriptionCache } from './subscription-cache.js';

@Module({})
export class AppModule {
  static with(settings: IngressSettings, clock?: Clock): DynamicModule {
    return {
      module: AppModule,
      imports: [RuntimeModule.forApp('webhook-ingress', settings, clock)],
      providers: [
        { provide: AdapterRegistry, useFactory: () => loadAdapters({ extraPaths: settings.VANE_EXTRA_ADAPTERS }) },
        {
          provide: Database,
          inject: [Health, Lifecycle, Logger],
          useFactory: (health: Health, lifecycle: Lifecycle, logger: Logger) => {
            // The stream or the inbox: either makes a delivery durable.
            health.eitherOf('postgres', 'nats');
            return openDatabase('webhook-ingress', settings, { health, lifecycle, logger });
          },
        },
        {
          provide: Vault,
          inject: [Database, Clock, Logger],
          useFactory: (database: Database, time: Clock, logger: Logger) => openVault('hooks', settings, { database, clock: time, logger }),
        },
        {
          provide: SubscriptionCache,
          inject: [Database, Vault, AdapterRegistry, Clock, Bus],
          useFactory: (database: Database, vault: Vault, adapters: AdapterRegistry, time: Clock, bus: Bus) =>
            new SubscriptionCache(database, vault, adapters, time, bus),
        },
        {
          provide: DeliveryStore,
          inject: [Bus, Database, Clock, Logger, Lifecycle],
          useFactory: (bus: Bus, database: Database, time: Clock, logger: Logger, lifecycle: Lifecycle) => {
            keepDeliveryStream(bus, logger);
            const store = new DeliveryStore(bus, database, time, logger);
            lifecycle.onStop(() => store.writeStored());
            return store;
          },
        },
        {
          provide: Receiver,
          inject: [SubscriptionCache, DeliveryStore, Clock, Logger, Metrics],
          useFactory: async (cache: SubscriptionCache, store: DeliveryStore, time: Clock, logger: Logger, metrics: Metrics) => {
            const keys = new HookKeys(settings.VANE_INGRESS_KEY_SECRET);
            const dataKey = await openSealingKey(settings, logger);
            return new Receiver(keys, cache, store, dataKey, time, logger, metrics);
          },
        },
      ],
    };
  }
}

import { Module, type DynamicModule } from '@nestjs/common';
import { loadAdapters, type AdapterRegistry } from '@vane/adapters';
import { Database, parseKeyRing, Vault } from '@vane/db';
import { Clock, EgressClient, Health, Lifecycle, Logger, parseEgressAllow, RuntimeModule } from '@vane/runtime';
import { AuthorisationsService } from './authorisations.service.js';
import type { Settings } from './config.js';
import { ConnectionStore } from './connection-store.js';
import { ConnectionsService } from './connections.service.js';
import { GrantTaker } from './grant-taker.js';
import { IntegrationsService } from './integrations.service.js';
import { OAuthClient } from './oauth-client.js';
import { AuthorisationsController, ConnectionsController, IntegrationsController } from './operations.controller.js';
import { PublicUrls } from './public-urls.js';
import { ServiceCatalog } from './service-catalog.js';
import { RefreshReport, TokenRefresher } from './token-refresher.js';
import { TokensService } from './tokens.service.js';

/** `adapters` replaces the installed ones, `clock` the system's. */
export type Replacements = { adapters?: AdapterRegistry; clock?: Clock };

/** Integrations, connections and their tokens. */
@Module({
  controllers: [IntegrationsController, AuthorisationsController, ConnectionsController],
  providers: [
    IntegrationsService,
    AuthorisationsService,
    ConnectionsService,
    TokensService,
    ConnectionStore,
    GrantTaker,
    OAuthClient,
    RefreshReport,
    TokenRefresher,
  ],
})
export class AppModule {
  static with(settings: Settings, { adapters, clock }: Replacements = {}): DynamicModule {
    return {
      module: AppModule,
      imports: [RuntimeModule.forApp('oauth-service', settings, clock)],
      providers: [
        { provide: PublicUrls, useValue: new PublicUrls(settings.VANE_API_URL) },
        {
          provide: Database,
          inject: [Health, Lifecycle, Logger],
          useFactory: (health: Health, lifecycle: Lifecycle, logger: Logger) => openDatabase(settings, { health, lifecycle, logger }),
        },
        {
          provide: Vault,
          inject: [Database, Clock],
          useFactory: (database: Database, time: Clock) =>
            new Vault({ database, ring: 'oauth', keys: parseKeyRing(settings.VANE_KEYS_OAUTH), clock: time }),
        },
        {
          provide: EgressClient,
          inject: [Lifecycle],
          useFactory: (lifecycle: Lifecycle) => {
            const egress = new EgressClient({ policy: { allow: parseEgressAllow(settings.VANE_EGRESS_ALLOW), requireHttps: true } });
            lifecycle.onStop(() => egress.close());
            return egress;
          },
        },
        {
          provide: ServiceCatalog,
          inject: [EgressClient],
          useFactory: async (egress: EgressClient) =>
            new ServiceCatalog(adapters ?? (await loadAdapters({ extraPaths: settings.VANE_EXTRA_ADAPTERS })), egress),
        },
      ],
    };
  }
}

function openDatabase(settings: Settings, { health, lifecycle, logger }: { health: Health; lifecycle: Lifecycle; logger: Logger }): Database {
  const database = Database.connect({
    url: settings.VANE_DATABASE_URL,
    applicationName: 'vane-oauth-service',
    maxConnections: settings.VANE_DATABASE_CONNECTIONS,
    onConnectionLost: (error) => logger.warn({ err: error }, 'connection to postgres lost'),
  });
  health.add('postgres', () => database.ping());
  lifecycle.onStop(() => database.close());
  return database;
}

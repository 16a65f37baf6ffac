import { Module, type DynamicModule } from '@nestjs/common';
import { loadAdapters, type AdapterRegistry } from '@vane/adapters';
import { Database, openDatabase, openVault, Vault } from '@vane/db';
import { Clock, EgressClient, egressProvider, Health, Lifecycle, Logger, originGuardProvider, RuntimeModule } from '@vane/runtime';
import { AccountChanges } from './account-changes.js';
import { AuthorisationAnswers } from './authorisation-answers.js';
import { AuthorisationsService } from './authorisations.service.js';
import type { Settings } from './config.js';
import { ClientSecrets } from './client-secrets.js';
import { ConnectionStore } from './connection-store.js';
import { ConnectionNotices } from './connection-notices.js';
import { ConnectionsService } from './connections.service.js';
import { DisconnectionStore } from './disconnection-store.js';
import { DisconnectionsService } from './disconnections.service.js';
import { GrantComparison } from './grant-comparison.js';
import { GrantRevoker } from './grant-revoker.js';
import { GrantStore } from './grant-store.js';
import { GrantTaker } from './grant-taker.js';
import { HeldGrants } from './held-grants.js';
import { InstanceIntegrationsService } from './instance-integrations.service.js';
import { IntegrationEditor } from './integration-editor.js';
import { IntegrationUsers } from './integration-users.js';
import { IntegrationViews } from './integration-view.js';
import { InstanceIntegrationsController, IntegrationsController } from './integrations.controller.js';
import { IntegrationsService } from './integrations.service.js';
import { OAuthClient } from './oauth-client.js';
import { AuthorisationsController, ConnectionsController } from './operations.controller.js';
import { PublicUrls } from './public-urls.js';
import { RefreshTimes } from './refresh-times.js';
import { ServiceCatalog } from './service-catalog.js';
import { RefreshReport, TokenRefresher } from './token-refresher.js';
import { TokenRevocation } from './token-revocation.js';
import { TokensService } from './tokens.service.js';

/** `adapters` replaces the installed ones, `clock` the system's. */
export type Replacements = { adapters?: AdapterRegistry; clock?: Clock };

/** Integrations, connections and their tokens. */
@Module({
  controllers: [IntegrationsController, InstanceIntegrationsController, AuthorisationsController, ConnectionsController],
  providers: [
    ClientSecrets,
    IntegrationUsers,
    IntegrationViews,
    IntegrationEditor,
    IntegrationsService,
    InstanceIntegrationsService,
    AuthorisationsService,
    AuthorisationAnswers,
    AccountChanges,
    HeldGrants,
    GrantComparison,
    GrantStore,
    ConnectionsService,
    DisconnectionStore,
    DisconnectionsService,
    GrantRevoker,
    TokenRevocation,
    TokensService,
    ConnectionNotices,
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
        { provide: RefreshTimes, useValue: new RefreshTimes(settings.VANE_OAUTH_SERVICE_TOKEN_REQUEST_MS) },
        { provide: PublicUrls, useValue: new PublicUrls(settings.VANE_API_URL) },
        {
          provide: Database,
          inject: [Health, Lifecycle, Logger],
          useFactory: (health: Health, lifecycle: Lifecycle, logger: Logger) => openDatabase('oauth-service', settings, { health, lifecycle, logger }),
        },
        {
          provide: Vault,
          inject: [Database, Clock, Logger],
          useFactory: (database: Database, time: Clock, logger: Logger) => openVault('oauth', settings, { database, clock: time, logger }),
        },
        egressProvider(settings, { requireHttps: true }),
        originGuardProvider(),
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

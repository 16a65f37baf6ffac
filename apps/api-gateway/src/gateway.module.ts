import { Module, type DynamicModule, type OnApplicationBootstrap } from '@nestjs/common';
import { Database, openDatabase } from '@vane/db';
import { Clock, Health, Lifecycle, Logger, RuntimeModule } from '@vane/runtime';
import { Authenticator } from './access/authenticator.js';
import { Authoriser } from './access/authoriser.js';
import { Tokens } from './access/tokens.js';
import { Workspaces } from './access/workspaces.js';
import type { GatewaySettings } from './config.js';
import { IdempotencyStore } from './idempotency/store.js';
import { NotificationStore } from './notifications/notification-store.js';
import { Notifications } from './notifications/notifications.controller.js';

const SWEEP_EVERY_MS = 3_600_000;

/** The gateway: who may ask what, the operations it owns itself, and the memory of idempotency keys. */
@Module({})
export class GatewayModule implements OnApplicationBootstrap {
  constructor(
    private readonly idempotency: IdempotencyStore,
    private readonly lifecycle: Lifecycle,
    private readonly logger: Logger,
  ) {}

  static forSettings(settings: GatewaySettings, clock?: Clock): DynamicModule {
    return {
      module: GatewayModule,
      imports: [RuntimeModule.forApp('api-gateway', settings, clock)],
      controllers: [Workspaces, Tokens, Notifications],
      providers: [
        Authenticator,
        Authoriser,
        IdempotencyStore,
        NotificationStore,
        // As part of the module, because filters added to the app are not seen by handlers that are already connected.
        {
          provide: Database,
          inject: [Health, Lifecycle, Logger],
          useFactory: (health: Health, lifecycle: Lifecycle, logger: Logger) => openDatabase('api-gateway', settings, { health, lifecycle, logger }),
        },
      ],
    };
  }

  onApplicationBootstrap(): void {
    const sweep = () => this.idempotency.sweep().catch((error: unknown) => this.logger.warn({ err: error }, 'idempotency keys not swept'));
    const timer = setInterval(sweep, SWEEP_EVERY_MS).unref();
    this.lifecycle.onStop(() => clearInterval(timer));
  }
}

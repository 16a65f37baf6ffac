import { Inject, Module, type DynamicModule, type OnApplicationBootstrap } from '@nestjs/common';
import { Database, openDatabase, openVault, Vault } from '@vane/db';
import { Clock, egressProvider, Health, Lifecycle, Logger, RuntimeModule } from '@vane/runtime';
import { ACCESS_CONTROLLERS, accessProviders } from './access/parts.js';
import { Sessions } from './access/sessions.js';
import { AuditLog } from './audit/audit-log.js';
import { AuditTrail } from './audit/audit-trail.js';
import { Recorder } from './audit/recorder.js';
import type { GatewaySettings } from './config.js';
import { IdempotencyStore } from './idempotency/store.js';
import { oidcProviders } from './oidc/parts.js';
import { SignInMethods } from './oidc/sign-in-methods.js';
import { notificationControllers, notificationProviders } from './notifications/providers.js';
import { Retention } from './retention.js';

const SWEEP_EVERY_MS = 3_600_000;
const AUDIT_DAYS = Symbol('how long the audit trail is kept');

/** The gateway: who may ask what, the operations it owns itself, and the memory of idempotency keys. */
@Module({})
export class GatewayModule implements OnApplicationBootstrap {
  constructor(
    private readonly idempotency: IdempotencyStore,
    private readonly sessions: Sessions,
    private readonly audit: AuditTrail,
    private readonly retention: Retention,
    @Inject(AUDIT_DAYS) private readonly auditDays: number,
    private readonly lifecycle: Lifecycle,
    private readonly logger: Logger,
  ) {}

  static forSettings(settings: GatewaySettings, clock?: Clock): DynamicModule {
    return {
      module: GatewayModule,
      imports: [RuntimeModule.forApp('api-gateway', settings, clock)],
      controllers: [...ACCESS_CONTROLLERS, AuditLog, SignInMethods, ...notificationControllers],
      providers: [
        ...accessProviders(settings.VANE_API_URL),
        IdempotencyStore,
        AuditTrail,
        Recorder,
        Retention,
        { provide: AUDIT_DAYS, useValue: settings.VANE_API_GATEWAY_AUDIT_DAYS },
        ...oidcProviders(settings),
        ...notificationProviders(settings),
        // As part of the module, because filters added to the app are not seen by handlers that are already connected.
        {
          provide: Database,
          inject: [Health, Lifecycle, Logger],
          useFactory: (health: Health, lifecycle: Lifecycle, logger: Logger) => openDatabase('api-gateway', settings, { health, lifecycle, logger }),
        },
        {
          provide: Vault,
          inject: [Database, Clock, Logger],
          useFactory: (database: Database, time: Clock, logger: Logger) => openVault('access', settings, { database, clock: time, logger }),
        },
        egressProvider(settings),
      ],
    };
  }

  onApplicationBootstrap(): void {
    const sweep = (what: string, work: () => Promise<number>) =>
      void work().catch((error: unknown) => this.logger.warn({ err: error }, `${what} not swept`));
    const timer = setInterval(() => {
      sweep('idempotency keys', () => this.idempotency.sweep());
      sweep('sessions', () => this.sessions.sweep());
      sweep('notifications, invitations and tokens', () => this.retention.sweep());
      sweep('audit trail', () => this.audit.sweep(this.auditDays));
    }, SWEEP_EVERY_MS).unref();
    this.lifecycle.onStop(() => clearInterval(timer));
  }
}

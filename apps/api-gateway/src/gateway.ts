import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Database } from '@vane/db';
import { Bus, Clock, Logger, Metrics, startApp } from '@vane/runtime';
import type { FastifyInstance } from 'fastify';
import { Authenticator } from './access/authenticator.js';
import { Authoriser } from './access/authoriser.js';
import { AuditTrail } from './audit/audit-trail.js';
import { Recorder } from './audit/recorder.js';
import { bootstrapSuperadmin } from './access/bootstrap.js';
import { GuessLimits } from './access/guess-limits.js';
import { mayConnect } from './access/rights.js';
import { SessionCookie } from './access/session-cookie.js';
import { Sessions } from './access/sessions.js';
import type { GatewaySettings } from './config.js';
import { addConsoleRoutes } from './console/routes.js';
import { GatewayModule } from './gateway.module.js';
import { addGate, createGate } from './http/gate.js';
import { addRestRoutes, API_PATH, type RestDependencies } from './http/rest-routes.js';
import { addUnknownRoutes } from './http/unknown-routes.js';
import { IdempotencyStore } from './idempotency/store.js';
import { addBrowserRoutes } from './oauth/browser-routes.js';
import { addConnectionRoutes } from './oauth/connection-routes.js';
import { IdentityLinks } from './oidc/identity-links.js';
import { IdentityProvider } from './oidc/identity-provider.js';
import { addOidcRoutes } from './oidc/routes.js';
import { openApiDocument } from './openapi/document.js';
import { whileReachable } from './reachable.js';

/** Starts the gateway and resolves once it listens. `clock` is for tests and simulations. */
export function startGateway(settings: GatewaySettings, clock?: Clock): Promise<NestFastifyApplication> {
  return startApp({
    name: 'api-gateway',
    settings,
    trustedProxies: settings.VANE_API_GATEWAY_TRUSTED_PROXIES,
    module: GatewayModule.forSettings(settings, clock),
    routes: async (fastify, app) => {
      const token = settings.VANE_BOOTSTRAP_TOKEN;
      const parts = { database: app.get(Database), clock: app.get(Clock), trail: app.get(AuditTrail), logger: app.get(Logger) };
      if (token) await bootstrapSuperadmin(parts, token);
      await addRoutes(fastify, app, settings);
    },
  });
}

async function addRoutes(fastify: FastifyInstance, app: NestFastifyApplication, settings: GatewaySettings): Promise<void> {
  const https = settings.VANE_API_URL.startsWith('https:');
  const bus = app.get(Bus);
  const logger = app.get(Logger);
  const gate = createGate(fastify, { logger, metrics: app.get(Metrics), https });
  addUnknownRoutes(fastify, gate);
  await fastify.register(async (scope) => {
    addGate(scope, gate);
    await addBrowserRoutes(scope, {
      bus,
      logger,
      recorder: app.get(Recorder),
      https,
      origin: new URL(settings.VANE_API_URL).origin,
      identify: (request) => app.get(Authenticator).identify(request),
      mayConnect: (actor, workspaceId) => whileReachable(mayConnect(app.get(Database), actor, workspaceId, app.get(Clock).now())),
    });
    addOpenApiRoute(scope);
    await addConsoleRoutes(scope);
    const provider = app.get<IdentityProvider | null>(IdentityProvider);
    if (provider) {
      const [links, sessions, recorder, cookie] = [app.get(IdentityLinks), app.get(Sessions), app.get(Recorder), app.get(SessionCookie)];
      addOidcRoutes(scope, { provider, links, sessions, authenticator: app.get(Authenticator), recorder, cookie, logger });
    }
    const rest: RestDependencies = {
      bus,
      logger,
      authenticator: app.get(Authenticator),
      authoriser: app.get(Authoriser),
      cookie: app.get(SessionCookie),
      guesses: app.get(GuessLimits),
      idempotency: app.get(IdempotencyStore),
      recorder: app.get(Recorder),
      maxWaitMs: settings.VANE_API_GATEWAY_MAX_WAIT_MS,
    };
    addRestRoutes(scope, rest);
    await addConnectionRoutes(scope, { rest, apiUrl: settings.VANE_API_URL, oidc: provider });
  });
}

function addOpenApiRoute(scope: FastifyInstance): void {
  const body = JSON.stringify(openApiDocument());
  scope.get(`${API_PATH}/openapi.json`, {
    config: { operation: 'openapi' },
    handler: (_request, reply) => reply.type('application/json; charset=utf-8').send(body),
  });
}

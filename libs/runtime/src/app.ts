import 'reflect-metadata';
import { createServer, type IncomingMessage, type RequestListener, type ServerOptions, type ServerResponse } from 'node:http';
import { type DynamicModule, Module, type Type } from '@nestjs/common';
import { APP_FILTER, NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { AppName } from '@vane/contracts';
import type { FastifyInstance, FastifyServerOptions } from 'fastify';
import { Bus } from './bus/bus.js';
import { PassErrors, RpcServer } from './bus/rpc-server.js';
import { Clock, SystemClock } from './clock.js';
import type { CommonSettings } from './config.js';
import { Health } from './health.js';
import { Lifecycle } from './lifecycle.js';
import { createLogger, Logger, nestLogger } from './logger.js';
import { Metrics } from './metrics.js';

/** What every app gets injected: Clock, Logger, Bus, Health, Metrics, Lifecycle. */
@Module({})
export class RuntimeModule {
  static forApp(app: AppName, settings: CommonSettings, clock: Clock = new SystemClock()): DynamicModule {
    return {
      module: RuntimeModule,
      global: true,
      providers: [
        Health,
        Lifecycle,
        Metrics,
        { provide: APP_FILTER, useClass: PassErrors },
        { provide: Clock, useValue: clock },
        { provide: Logger, useValue: createLogger({ app, level: settings.LOG_LEVEL }) },
        {
          provide: Bus,
          inject: [Logger, Health, Lifecycle],
          useFactory: (logger: Logger, health: Health, lifecycle: Lifecycle) => {
            const bus = Bus.open({ url: settings.VANE_NATS_URL, tls: settings.VANE_NATS_TLS, prefix: settings.VANE_PREFIX, app, logger });
            health.add('nats', () => bus.check());
            lifecycle.onStop(() => bus.close());
            return bus;
          },
        },
      ],
      exports: [Health, Lifecycle, Metrics, Clock, Logger, Bus],
    };
  }
}

/** Answers a request, or leaves it to Fastify with false. */
export type Front = (request: IncomingMessage, response: ServerResponse) => boolean;

/**
 * A sender that is slower than this in handing over its headers, or a whole request, is cut off. A connection without a
 * request is kept longer than load balancers keep theirs, so that none is closed while they send over it. Milliseconds.
 */
const SERVER_TIMES: ServerOptions = { headersTimeout: 15_000, requestTimeout: 120_000, keepAliveTimeout: 72_000, connectionsCheckingInterval: 5_000 };

export type AppOptions = {
  name: AppName;
  settings: CommonSettings;
  module: Type | DynamicModule;
  /** Largest request body in bytes for routes that parse one; 1 MiB unless told. */
  bodyLimit?: number;
  /** Addresses and networks, parted by commas, whose X-Forwarded-For is believed; nobody's unless told. */
  trustedProxies?: string | undefined;
  /** Answers what Fastify refuses before any route is found, such as a path that cannot be decoded. */
  frameworkErrors?: FastifyServerOptions['frameworkErrors'];
  /** Makes what sees every request before Fastify does; `closing` says that the app is about to stop. */
  front?: (app: NestFastifyApplication, closing: () => boolean) => Front;
  /** Adds plain Fastify routes before the app listens. */
  routes?: (fastify: FastifyInstance, app: NestFastifyApplication) => void | Promise<void>;
};

/**
 * Starts an app: Nest on Fastify with `/healthz`, `/readyz` and `/metrics`, operations over the bus, and an orderly stop
 * on SIGTERM and SIGINT.
 */
export async function startApp(options: AppOptions): Promise<NestFastifyApplication> {
  const { name, settings } = options;
  const front: { answers?: Front | undefined } = {};
  const adapter = new FastifyAdapter({
    bodyLimit: options.bodyLimit ?? 1_048_576, forceCloseConnections: 'idle', trustProxy: options.trustedProxies ?? false, frameworkErrors: options.frameworkErrors,
    serverFactory: (handle: RequestListener) => createServer(SERVER_TIMES, (request, response) => {
      if (!front.answers?.(request, response)) handle(request, response);
    }),
  });
  const app = await NestFactory.create<NestFastifyApplication>(options.module, adapter, {
    logger: nestLogger(createLogger({ app: name, level: settings.LOG_LEVEL })),
    abortOnError: false,
    bodyParser: false,
  });
  const fastify = adapter.getInstance() as unknown as FastifyInstance;
  front.answers = options.front?.(app, () => !fastify.server.listening);
  addOperationalRoutes(fastify, app.get(Health), app.get(Metrics));
  await options.routes?.(fastify, app);
  const server = new RpcServer(name, app.get(Bus), app.get(Logger));
  // Before the handlers are bound, which is when Nest looks for filters.
  app.useGlobalFilters(new PassErrors());
  app.connectMicroservice({ strategy: server }, { inheritAppConfig: true });
  app.enableShutdownHooks(['SIGTERM', 'SIGINT']);
  await app.startAllMicroservices();
  await app.listen(settings.PORT, settings.HOST);
  app.get(Logger).info({ port: settings.PORT }, 'app started');
  return app;
}

function addOperationalRoutes(fastify: FastifyInstance, health: Health, metrics: Metrics): void {
  fastify.get('/healthz', async () => ({ ok: true }));
  fastify.get('/readyz', async (_request, reply) => {
    const ready = await health.ready();
    return reply.status(ready.ok ? 200 : 503).send(ready);
  });
  fastify.get('/metrics', async (_request, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  );
}

/** Runs `main` and ends the process with a sentence when the app cannot start. */
export function runMain(name: AppName, main: () => Promise<unknown>): void {
  const started = async () => main();
  started().catch((error: unknown) => {
    process.stderr.write(`${name} cannot start: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  });
}

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Database } from '@vane/db';
import { Bus, createLogger } from '@vane/runtime';
import {
  appEnvironments, choosePorts, ensureDatabase, freePort, migrate, readSettings, startOwnServers, stopOwnServers, type AppName, type Environment, type Urls,
} from '../../launch/index.mjs';
import type { Ground } from '../chaos/own-ground.js';
import { builtFile, startServer, type Server } from './child-process.js';

export type Servers = { postgres: string; redis: string; nats: string };

/** Postgres, Redis and NATS of the trial's own. */
export async function openServers({ dir, closers }: Ground): Promise<Servers> {
  mkdirSync(join(dir, 'logs'), { recursive: true });
  closers.push(() => stopOwnServers({ dir, removeData: true }));
  return startOwnServers({ dir, postgres: true, redis: true, nats: true });
}

export type StartOptions = {
  /** Another program than the app's own. */
  program?: string;
  /** Told what the program sends its parent. */
  onMessage?: (message: unknown) => void;
};

/** One Vane: a database and a prefix on the bus and in Redis, and as many processes as are started. */
export class Site {
  private started = 0;

  private constructor(
    private readonly ground: Ground,
    readonly prefix: string,
    readonly urls: Urls,
    readonly database: Database,
    readonly bus: Bus,
    readonly environments: Record<AppName, Record<string, string>>,
  ) {}

  /** `env`: settings of its apps. */
  static async open(ground: Ground, servers: Servers, name: string, env: Environment = {}): Promise<Site> {
    const { dir, closers } = ground;
    const prefix = `bench_${name}`;
    const { url } = await ensureDatabase(servers.postgres, { name: prefix });
    await migrate(url);
    const urls = { database: url, redis: servers.redis, nats: servers.nats };
    const database = Database.connect({ url, applicationName: 'bench', maxConnections: 4 });
    closers.push(() => database.close());
    const bus = Bus.open({ url: urls.nats, tls: false, prefix, app: 'tools', logger: createLogger({ app: 'bench', level: 'silent' }) });
    closers.push(() => bus.close());
    const inherited = Object.fromEntries(Object.entries(process.env).filter(([variable]) => !variable.startsWith('VANE_')));
    const environment = { ...inherited, VANE_PREFIX: prefix, LOG_LEVEL: 'warn', ...env };
    const ports = await choosePorts({ VANE_PORTS: 'free' });
    return new Site(ground, prefix, urls, database, bus, appEnvironments(await readSettings({ dir }), urls, ports, environment));
  }

  /** What is to be ended with the trial. */
  get closers(): Ground['closers'] {
    return this.ground.closers;
  }

  /** One more process of an app, as it is built; resolves when it is ready. It ends with the trial. */
  async start(app: AppName, { program = `dist/${app}.js`, onMessage }: StartOptions = {}): Promise<Server> {
    const port = await freePort();
    this.started += 1;
    const server = await startServer({
      name: app,
      nodeArgs: ['--enable-source-maps', builtFile(program)],
      env: { ...this.environments[app], PORT: String(port) },
      logFile: join(this.ground.dir, 'logs', `${this.prefix}-${app}-${this.started}.log`),
      isReady: async () => (await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined))?.status === 200,
      ...(onMessage ? { onMessage } : {}),
    });
    this.closers.push(() => server.stop());
    return server;
  }
}

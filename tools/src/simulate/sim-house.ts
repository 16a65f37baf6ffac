import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Database } from '@vane/db';
import { Bus, createLogger } from '@vane/runtime';
import { Redis } from 'ioredis';
import type { GoogleFake, startGoogleFake as StartGoogleFake } from '../../../libs/adapters/src/google/fake/server.js';
import {
  appEnvironments, choosePorts, ensureDatabase, freePort, migrate, readSettings, startOwnServers, stopOwnServers,
} from '../../launch/index.mjs';
import { builtFile } from '../bench/child-process.js';
import type { SimulatedApp } from './app-messages.js';
import { bundleSimulatedApps } from './simulated-apps.js';
import { SimulatedProcess } from './simulated-process.js';

const PREFIX = 'simulate';
/** Two of those that others ask, so that one goes on when the other is killed. */
const PROCESSES: SimulatedApp[] = ['oauth-service', 'oauth-service', 'trigger-service', 'trigger-service', 'webhook-ingress'];

export type House = {
  google: GoogleFake;
  processes: SimulatedProcess[];
  bus: Bus;
  database: Database;
  redis: Redis;
  /** Starts whatever does not run. */
  startAll(now: Date): Promise<void>;
  setClock(now: Date): Promise<void>;
};

export type HouseOptions = {
  dir: string; now: Date; seed: number; accounts: string[];
  /** What has to be done at the end, last first, also when this fails half-way. */
  closers: (() => Promise<unknown>)[];
  say: (line: string) => void;
};

/** Postgres, Redis and NATS of its own, the stand-in of the service, and the processes of Vane in simulated time. */
export async function openHouse({ dir, now, seed, accounts, closers, say }: HouseOptions): Promise<House> {
  say('starting Postgres, Redis, NATS and the service');
  closers.push(() => stopOwnServers({ dir, removeData: true }));
  const servers = await startOwnServers({ dir, postgres: true, redis: true, nats: true });
  const urls = { database: (await ensureDatabase(servers.postgres)).url, redis: servers.redis, nats: servers.nats };
  await migrate(urls.database);
  const { startGoogleFake } = (await import(pathToFileURL(builtFile('libs/adapters/dist/google/fake/server.js')).href)) as { startGoogleFake: typeof StartGoogleFake };
  const google = await startGoogleFake({
    now: now.toISOString(), seed, accounts: accounts.map((email) => ({ email })),
    settings: { allowHttp: true, autoApprove: true, retryUnreachable: false, accessTokenLifeSeconds: 6 * 3600 },
  });
  closers.push(() => google.close());
  const database = Database.connect({ url: urls.database, applicationName: 'simulate', maxConnections: 4 });
  closers.push(() => database.close());
  const redis = new Redis(urls.redis);
  closers.push(async () => redis.disconnect());
  const bus = Bus.open({ url: urls.nats, tls: false, prefix: PREFIX, app: 'tools', logger: createLogger({ app: 'simulate', level: 'silent' }) });
  closers.push(() => bus.close());
  const processes = await makeProcesses(dir, urls, google.url);
  closers.push(() => Promise.all(processes.map((process) => process.kill())));
  const house: House = {
    google, processes, bus, database, redis,
    startAll: async (at) => void (await Promise.all(processes.map((process) => process.start(at)))),
    setClock: async (at) => {
      google.setClock(at.toISOString());
      await Promise.all(processes.map((process) => process.setClock(at)));
    },
  };
  say(`starting ${PROCESSES.length} processes of Vane`);
  await house.startAll(now);
  return house;
}

async function makeProcesses(dir: string, urls: { database: string; redis: string; nats: string }, google: string): Promise<SimulatedProcess[]> {
  const program = await bundleSimulatedApps();
  const settings = await readSettings({ dir });
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('VANE_')));
  const ports = await choosePorts({ VANE_PORTS: 'free' });
  const environments = appEnvironments(settings, urls, ports, {
    ...inherited, VANE_PREFIX: PREFIX, VANE_EGRESS_ALLOW: new URL(google).host, VANE_DATABASE_CONNECTIONS: '12', LOG_LEVEL: 'warn',
  });
  const logs = join(dir, 'logs');
  mkdirSync(logs, { recursive: true });
  const processes: SimulatedProcess[] = [];
  for (const [index, app] of PROCESSES.entries()) {
    const port = app === 'webhook-ingress' ? ports[app] : await freePort();
    const environment = {
      ...environments[app], PORT: String(port),
      // A channel is renewed long before; what a lost message hid is found by this.
      VANE_PULL_EVERY_SECONDS: String(2 * 86_400), VANE_CANARY_EVERY_SECONDS: '0',
    };
    processes.push(new SimulatedProcess({ program, app, environment, logFile: join(logs, `${app}-${index}.log`) }));
  }
  return processes;
}

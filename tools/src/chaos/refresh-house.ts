import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createIntegration } from '@vane/contracts';
import { Database, newId } from '@vane/db';
import {
  appEnvironments, choosePorts, ensureDatabase, freePort, migrate, readSettings, startOwnServers, stopOwnServers, type Urls,
} from '../../launch/index.mjs';
import { authorise, type Ask } from '../authorise.js';
import { RefreshGates } from './refresh-gates.js';
import { Member } from './refresh-member.js';
import { PROVIDER_CLIENT, PROVIDER_SERVICE, startRefreshProvider, type RefreshProvider } from './refresh-provider.js';

/** The row of the connection, read past the apps. */
export type ConnectionRow = { status: string; reason_code: string | null; generation: number };

/** Postgres, NATS, a provider and ten processes of oauth-service that share one connection. */
export type RefreshHouse = {
  members: Member[];
  provider: RefreshProvider;
  gates: RefreshGates;
  connection: string;
  /** The access token has expired: whoever is asked for one has to refresh. */
  expire(): Promise<void>;
  /** The time of a lease that somebody holds is over: whoever waits for it can go on. */
  endLease(): Promise<void>;
  row(): Promise<ConnectionRow>;
  /** Authorises the account as a person with a browser does; its connection keeps its id. */
  connect(): Promise<void>;
};

const MEMBERS = 10;
const STARTED_AT_ONCE = 2;

/** `closers` get what has to be done at the end, last first, also when this fails half-way. */
export async function openRefreshHouse(
  { dir, closers, say }: { dir: string; closers: (() => Promise<unknown>)[]; say: (line: string) => void },
): Promise<RefreshHouse> {
  say('starting Postgres, NATS and the provider');
  closers.push(() => stopOwnServers({ dir, removeData: true }));
  const servers = await startOwnServers({ dir, postgres: true, nats: true });
  const urls: Urls = { database: (await ensureDatabase(servers.postgres)).url, redis: '', nats: servers.nats };
  await migrate(urls.database);
  const database = Database.connect({ url: urls.database, applicationName: 'chaos', maxConnections: 4 });
  closers.push(() => database.close());
  const gates = await RefreshGates.install(database);
  closers.push(async () => gates.close());
  const workspace = newId('workspace', new Date());
  await database.pool.query('INSERT INTO workspace (id, name, created_at) VALUES ($1, $2, $3)', [workspace, 'Chaos', new Date()]);

  const providerPort = await freePort();
  const members = await startMembers({ dir, urls, workspace, closers, say, provider: `127.0.0.1:${providerPort}` });
  const [first] = members as [Member];
  const integration = await first.ask(createIntegration, {
    workspace, service: PROVIDER_SERVICE, name: 'Chaos', ...PROVIDER_CLIENT, hosts: { base: `http://127.0.0.1:${providerPort}` },
  });
  const provider = await startRefreshProvider(providerPort, integration.redirectUri);
  closers.push(provider.close);
  await authorise(askOf(first), workspace, integration);
  const connection = (await database.pool.query<{ id: string }>('SELECT id FROM connection')).rows[0]!.id;
  return {
    members, provider, gates, connection,
    connect: async () => authorise(askOf(members.find(({ ready }) => ready) ?? first), workspace, integration),
    expire: async () => {
      const ago = new Date(Date.now() - 1000);
      await database.pool.query('UPDATE connection SET expires_at = $2, refresh_at = $2 WHERE id = $1', [connection, ago]);
    },
    endLease: async () => {
      await database.pool.query('UPDATE connection SET lease_until = $2 WHERE id = $1 AND lease_until > $2', [connection, new Date()]);
    },
    row: async () => (await database.pool.query<ConnectionRow>('SELECT status, reason_code, generation FROM connection WHERE id = $1', [connection])).rows[0]!,
  };
}

async function startMembers(options: {
  dir: string; urls: Urls; workspace: string; provider: string; closers: (() => Promise<unknown>)[]; say: (line: string) => void;
}): Promise<Member[]> {
  const { dir, urls, workspace } = options;
  options.say(`starting ${MEMBERS} processes of oauth-service`);
  const settings = await readSettings({ dir });
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('VANE_')));
  const ports = await choosePorts({ VANE_PORTS: 'free' });
  const logs = join(dir, 'logs');
  mkdirSync(logs, { recursive: true });
  const members: Member[] = [];
  for (let index = 0; index < MEMBERS; index += 1) {
    const prefix = `chaos_${index}`;
    const env = {
      ...inherited, VANE_PREFIX: prefix, VANE_EGRESS_ALLOW: options.provider, VANE_DATABASE_CONNECTIONS: '4', LOG_LEVEL: 'warn',
    };
    const environment = { ...appEnvironments(settings, urls, ports, env)['oauth-service'], PORT: String(await freePort()) };
    const name = `oauth-service ${index}`;
    members.push(new Member({ name, prefix, nats: urls.nats, environment, workspace, logFile: join(logs, `oauth-service-${index}.log`) }));
  }
  options.closers.push(() => Promise.all(members.map((member) => member.stop())));
  for (let next = 0; next < MEMBERS; next += STARTED_AT_ONCE) {
    await Promise.all(members.slice(next, next + STARTED_AT_ONCE).map((member) => member.start()));
  }
  return members;
}

const askOf = (member: Member): Ask => (operation, input) => member.ask(operation, input);

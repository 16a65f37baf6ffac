import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { deliveryStream, ensureDeliveryStream } from '@vane/runtime';
import {
  appEnvironments, choosePorts, ensureDatabase, freePort, migrate, readSettings, startOwnServers, stopOwnServers,
} from '../../launch/index.mjs';
import { builtFile, startServer, type Server } from './child-process.js';
import { insertSubscription, SIGNATURE_HEADER } from './subscription-fixture.js';

/** One side of the comparison: where to post and the stream in which every accepted request must be found. */
export type Side = { name: 'vane' | 'ceiling'; url: string; stream: string };

/**
 * Postgres, NATS, one webhook-ingress and one ceiling, each a process of its own, in a state directory that is removed
 * afterwards.
 */
export type House = {
  vane: Side;
  ceiling: Side;
  secret: string;
  /** How many messages the stream of a side holds now; emptied by `purge`. */
  stored(side: Side): Promise<number>;
  purge(side: Side): Promise<void>;
  close(): Promise<void>;
};

const PREFIX = { vane: 'bench_vane', ceiling: 'bench_ceiling' };

/** `profileDirectory`: where ingress writes a CPU profile when it ends. */
export async function openHouse(options: { profileDirectory?: string; say: (line: string) => void }): Promise<House> {
  const dir = mkdtempSync(join(tmpdir(), 'vane-bench-'));
  chmodSync(dir, 0o755); // Postgres runs as another account when we are root.
  const opened: (() => Promise<unknown>)[] = [async () => rmSync(dir, { recursive: true, force: true })];
  const close = async () => {
    for (const step of opened.splice(0).reverse()) await step();
  };
  try {
    opened.push(() => stopOwnServers({ dir, removeData: true }));
    options.say('starting Postgres and NATS');
    const urls = await startOwnServers({ dir, postgres: true, nats: true });
    const { url: database } = await ensureDatabase(urls.postgres);
    await migrate(database);
    const nats = await connect({ servers: urls.nats });
    opened.push(() => nats.close());
    const manager = await jetstreamManager(nats);

    options.say('starting webhook-ingress and the ceiling');
    const vane = await startIngress(dir, { database, redis: '', nats: urls.nats }, options.profileDirectory);
    opened.push(() => vane.server.stop());
    const ceiling = await startCeiling(dir, nats, urls.nats, vane.secret);
    opened.push(() => ceiling.server.stop());
    return { vane: vane.side, ceiling: ceiling.side, secret: vane.secret, ...counting(manager), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startIngress(dir: string, urls: { database: string; redis: string; nats: string }, profileDirectory: string | undefined) {
  const settings = await readSettings({ dir });
  const ports = await choosePorts({ VANE_PORTS: 'free' });
  const env = { ...process.env, VANE_PREFIX: PREFIX.vane };
  const environment = appEnvironments(settings, urls, ports, env)['webhook-ingress'];
  const base = `http://127.0.0.1:${ports['webhook-ingress']}`;
  const profile = profileDirectory ? ['--cpu-prof', `--cpu-prof-dir=${profileDirectory}`] : [];
  const server = await startServer({
    name: 'webhook-ingress',
    nodeArgs: [...profile, '--enable-source-maps', builtFile('dist/webhook-ingress.js')],
    env: environment,
    logFile: join(dir, 'ingress.log'),
    isReady: async () => (await fetch(`${base}/readyz`).catch(() => undefined))?.status === 200,
  });
  const { url, secret } = await insertSubscription({ databaseUrl: urls.database, environment, ingressUrl: base });
  const side: Side = { name: 'vane', url, stream: deliveryStream(PREFIX.vane) };
  return { server, side, secret };
}

/** The ceiling's stream is made by the same function as Vane's, so storage, retention and consumers are the same. */
async function startCeiling(dir: string, nats: NatsConnection, natsUrl: string, secret: string): Promise<{ server: Server; side: Side }> {
  await ensureDeliveryStream(nats, PREFIX.ceiling);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/hooks/ceiling`;
  const server = await startServer({
    name: 'The ceiling',
    nodeArgs: ['--enable-source-maps', builtFile('tools/dist/bench/ceiling.js')],
    env: { NATS_URL: natsUrl, SUBJECT: `${PREFIX.ceiling}.deliveries.0`, SECRET: secret, SIGNATURE_HEADER, PORT: String(port) },
    logFile: join(dir, 'ceiling.log'),
    isReady: async () => (await fetch(url, { method: 'POST' }).catch(() => undefined))?.status === 401,
  });
  return { server, side: { name: 'ceiling', url, stream: deliveryStream(PREFIX.ceiling) } };
}

function counting(manager: JetStreamManager): Pick<House, 'stored' | 'purge'> {
  return {
    stored: async ({ stream }) => (await manager.streams.info(stream)).state.messages,
    purge: async ({ stream }) => void (await manager.streams.purge(stream)),
  };
}


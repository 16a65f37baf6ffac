import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { APPS, connectionChanged, getAccessToken, getRun, OPERATIONS, SCHEDULES, startAuthorisation, subscriptionChanged, systemCall, type AppName } from '@vane/contracts';
import { Bus, createLogger, deliveryStream, DeliveryPublisher, DeliveryReader, ensureDeliveryStream, operationSubject, signalSubject } from '@vane/runtime';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { passwordVariable } from './bus-permissions.js';

const PREFIX = 'vane';
const configuration = fileURLToPath(new URL('../../../deploy/nats.conf', import.meta.url));
const passwordOf = (app: AppName) => `p${Buffer.from(app).toString('hex')}`;

type Server = { port: number; child: ChildProcess; folder: string };
let server: Server;
const open: { close(): Promise<void> }[] = [];

/** The shipped configuration on ports that the server chooses and a folder of its own, and otherwise word for word. */
async function startServer(): Promise<Server> {
  const folder = await mkdtemp(join(tmpdir(), 'vane-nats-'));
  const text = (await readFile(configuration, 'utf8'))
    .replace('port: 4222', 'listen: "127.0.0.1:-1"')
    .replace('http_port: 8222', 'http: "127.0.0.1:-1"')
    .replace('"/data"', `"${folder}"`);
  const file = join(folder, 'nats.conf');
  await writeFile(file, text);
  const passwords = Object.fromEntries(APPS.map((app) => [passwordVariable(app), passwordOf(app)]));
  const child = spawn('nats-server', ['-c', file], { env: { PATH: `${process.env['PATH']}:/usr/sbin:/usr/local/sbin`, ...passwords }, stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  await new Promise<void>((resolve, reject) => {
    child.stderr!.on('data', (chunk: Buffer) => {
      log += chunk.toString();
      if (log.includes('Server is ready')) resolve();
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`nats-server ended with ${code}:\n${log}`)));
  });
  const port = Number(/Listening for client connections on 127\.0\.0\.1:(\d+)/.exec(log)?.[1]);
  return { port, child, folder };
}

function busOf(app: AppName): Bus {
  const bus = Bus.open({ url: `nats://${app}:${passwordOf(app)}@127.0.0.1:${server.port}`, tls: false, prefix: PREFIX, app, logger: createLogger({ app, level: 'silent' }) });
  open.push(bus);
  return bus;
}

/** A plain connection as an app's user that keeps what the server refused. */
async function rawOf(app: AppName, inboxPrefix = `_INBOX_${app}`): Promise<{ nats: NatsConnection; refused: string[] }> {
  const nats = await connect({ servers: `127.0.0.1:${server.port}`, user: app, pass: passwordOf(app), inboxPrefix, reconnect: false });
  open.push(nats);
  const refused: string[] = [];
  void (async () => {
    for await (const status of nats.status()) if (status.type === 'error') refused.push(status.error.message);
  })();
  return { nats, refused };
}

const connected = (bus: Bus) => new Promise<NatsConnection>((resolve) => bus.whenConnected(resolve));

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('The condition did not come true within ten seconds.');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** The server answers a flush after it has judged what was sent before; one more turn hands its refusals to who listens. */
async function judged(nats: NatsConnection): Promise<void> {
  await nats.flush();
  await new Promise((resolve) => setImmediate(resolve));
}

/** Whether the server lets a user publish there. */
async function mayPublish(app: AppName, subject: string): Promise<boolean> {
  const { nats, refused } = await rawOf(app);
  nats.publish(subject, '{}');
  await judged(nats);
  return !refused.some((message) => message.toLowerCase().includes(subject.toLowerCase()));
}

async function maySubscribe(app: AppName, subject: string): Promise<boolean> {
  const { nats } = await rawOf(app);
  let problem: unknown;
  nats.subscribe(subject, { callback: (error) => { problem ??= error; } });
  await judged(nats);
  return !problem;
}

beforeAll(async () => { server = await startServer(); });

afterAll(async () => {
  await Promise.all(open.map((one) => one.close()));
  const ended = once(server.child, 'exit');
  server.child.removeAllListeners('exit');
  server.child.kill('SIGTERM');
  await Promise.race([ended, once(server.child, 'close')]);
  await rm(server.folder, { recursive: true, force: true });
});

const others = (...apps: AppName[]) => APPS.filter((app) => !apps.includes(app));

describe('who may ask what', () => {
  it('only trigger-service asks for a token', async () => {
    const subject = operationSubject(PREFIX, getAccessToken);
    expect(await mayPublish('trigger-service', subject)).toBe(true);
    for (const app of others('trigger-service')) expect([app, await mayPublish(app, subject)]).toEqual([app, false]);
  });

  it('the gateway asks what has a route, and what browsers need to authorise, and nothing internal', async () => {
    const { nats, refused } = await rawOf('api-gateway');
    for (const operation of OPERATIONS) nats.publish(operationSubject(PREFIX, operation), '{}');
    await judged(nats);
    // What is answered as CSV, the gateway makes itself out of the operation that lists it.
    const routed = OPERATIONS.filter(({ http }) => http && http.csvOf === undefined);
    const internal = OPERATIONS.filter((operation) => !routed.includes(operation) && !operation.name.startsWith('authorisations.'));
    const subjects = refused.map((message) => /"([^"]+)"/.exec(message)?.[1]).sort();
    expect(subjects).toEqual(internal.map((operation) => operationSubject(PREFIX, operation)).sort());
    expect(internal.length).toBeGreaterThan(3);
  });

  it('sync-worker asks for scheduled work, for what is due, and nothing else', async () => {
    const { nats, refused } = await rawOf('sync-worker');
    for (const operation of OPERATIONS) nats.publish(operationSubject(PREFIX, operation), '{}');
    await judged(nats);
    const scheduled = [...SCHEDULES.map(({ name }) => name as string), 'work.do'];
    expect(refused).toHaveLength(OPERATIONS.filter(({ name }) => !scheduled.includes(name)).length);
  });

  it.each(['webhook-ingress', 'run-worker'] as const)('%s asks nobody', async (app) => {
    const { nats, refused } = await rawOf(app);
    for (const operation of OPERATIONS) nats.publish(operationSubject(PREFIX, operation), '{}');
    await judged(nats);
    expect(refused).toHaveLength(OPERATIONS.length);
  });

  it('nobody without a password is let in', async () => {
    await expect(connect({ servers: `127.0.0.1:${server.port}`, reconnect: false })).rejects.toThrow();
    await expect(connect({ servers: `127.0.0.1:${server.port}`, user: 'api-gateway', pass: passwordOf('run-worker'), reconnect: false })).rejects.toThrow();
  });
});

describe('who may listen', () => {
  it.each(APPS)('%s answers for its own operations only', async (app) => {
    expect(await maySubscribe(app, `${PREFIX}.rpc.${app}.anything.at-all`)).toBe(true);
    for (const other of others(app)) expect([other, await maySubscribe(app, `${PREFIX}.rpc.${other}.>`)]).toEqual([other, false]);
  });

  it.each(APPS)('%s reads neither the replies to others, nor deliveries, nor everything', async (app) => {
    for (const other of others(app)) expect(await maySubscribe(app, `_INBOX_${other}.>`)).toBe(false);
    for (const subject of ['_INBOX.>', `${PREFIX}.deliveries.>`, `${PREFIX}.deliveries.0`, `${PREFIX}.>`, '>', '$JS.>', '*.rpc.>']) {
      expect([subject, await maySubscribe(app, subject)]).toEqual([subject, false]);
    }
  });

  it('signals are told by the one whose they are and heard by who needs them', async () => {
    const [changed, connection] = [signalSubject(PREFIX, subscriptionChanged), signalSubject(PREFIX, connectionChanged)];
    for (const app of APPS) {
      expect([app, await mayPublish(app, changed)]).toEqual([app, app === 'trigger-service']);
      expect([app, await maySubscribe(app, changed)]).toEqual([app, app === 'webhook-ingress']);
      expect([app, await mayPublish(app, connection)]).toEqual([app, app === 'oauth-service']);
      expect([app, await maySubscribe(app, connection)]).toEqual([app, app === 'trigger-service' || app === 'run-worker']);
    }
  });
});

describe('every app can do its work', () => {
  it('asks and is answered through the bus', async () => {
    const [gateway, worker] = [busOf('api-gateway'), busOf('run-worker')];
    const owner = await connected(worker);
    owner.subscribe(operationSubject(PREFIX, getRun), {
      queue: 'run-worker', callback: (_error, message) => { message.respond(JSON.stringify({ ok: true, output: { answered: true } })); },
    });
    await owner.flush();
    await connected(gateway);
    await expect(gateway.ask(getRun, { workspace: 'w', id: 'r' } as never, systemCall('api-gateway', 'c'))).resolves.toEqual({ answered: true });
  });

  it('a question that is not allowed fails as unavailable or late, and is never delivered', async () => {
    const owner = await connected(busOf('oauth-service'));
    let heard = 0;
    owner.subscribe(operationSubject(PREFIX, getAccessToken), { callback: () => { heard += 1; } });
    await owner.flush();
    const gateway = busOf('api-gateway');
    await connected(gateway);
    const impatient = { ...getAccessToken, deadlineMs: 1_000 };
    await expect(gateway.ask(impatient as typeof getAccessToken, { workspace: 'w', connection: 'c' } as never, systemCall('api-gateway', 'c'))).rejects.toMatchObject({ name: 'VaneError' });
    await owner.flush();
    expect(heard).toBe(0);
    await expect(gateway.ask(startAuthorisation, { ticket: 't' } as never, systemCall('api-gateway', 'c'))).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('signals arrive', async () => {
    const [trigger, ingress] = [busOf('trigger-service'), busOf('webhook-ingress')];
    const heard: string[] = [];
    ingress.onSignal(subscriptionChanged, ({ key }) => heard.push(key));
    await (await connected(ingress)).flush();
    await connected(trigger);
    trigger.publishSignal(subscriptionChanged, { subscriptionId: `sub_${'0'.repeat(26)}`, key: 'k', version: 1 });
    await until(() => heard.length === 1);
  });

  it('a delivery goes from ingress through the stream to trigger-service, which acknowledges it', async () => {
    const [ingress, trigger] = [busOf('webhook-ingress'), busOf('trigger-service')];
    await ensureDeliveryStream(await connected(ingress), PREFIX);
    await ensureDeliveryStream(await connected(trigger), PREFIX);
    await new DeliveryPublisher(ingress).publish(`${PREFIX}.deliveries.3`, Buffer.from('{}\n'), 5_000);
    const reader = await DeliveryReader.open(await connected(trigger), PREFIX, 3);
    const [message] = await reader.next(1);
    expect(message!.subject).toBe(`${PREFIX}.deliveries.3`);
    await expect(message!.ackAck()).resolves.toBe(true);
    await reader.stop();
  });

  it('either of the two can create the stream, as whoever starts first does', async () => {
    for (const app of ['webhook-ingress', 'trigger-service'] as const) expect(await mayPublish(app, `$JS.API.STREAM.CREATE.${deliveryStream(PREFIX)}`)).toBe(true);
  });

  it('nobody else touches the stream, and ingress takes nothing out of it', async () => {
    const stream = deliveryStream(PREFIX);
    const taking = [`$JS.API.CONSUMER.MSG.NEXT.${stream}.reader_0`, `$JS.API.STREAM.MSG.GET.${stream}`, `$JS.API.DIRECT.GET.${stream}`, `$JS.API.STREAM.PURGE.${stream}`, `$JS.API.STREAM.DELETE.${stream}`, `$JS.ACK.${stream}.reader_0.1.1.1.1.0`];
    for (const app of others('trigger-service')) for (const subject of taking) expect([app, subject, await mayPublish(app, subject)]).toEqual([app, subject, false]);
    for (const app of others('webhook-ingress')) expect([app, await mayPublish(app, `${PREFIX}.deliveries.0`)]).toEqual([app, false]);
  });
});

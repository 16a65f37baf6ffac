import { randomBytes } from 'node:crypto';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { jetstreamManager } from '@nats-io/jetstream';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createLogger } from '../logger.js';
import { Bus, type NatsConnection } from './bus.js';
import { deliveryStream, keepDeliveryStream } from './deliveries.js';

const logger = createLogger({ app: 'spec', level: 'silent' });
const natsUrl = new URL(process.env.VANE_NATS_URL ?? 'nats://127.0.0.1:4222');

/** A way to NATS that counts who takes it and can be cut. */
let door: Server;
let opened: number;
let inside: Set<Socket>;
let bus: Bus;
let prefix: string;

beforeEach(async () => {
  opened = 0;
  inside = new Set();
  prefix = `spec_${randomBytes(5).toString('hex')}`;
  door = createServer((socket) => {
    opened += 1;
    inside.add(socket);
    const server = connect(Number(natsUrl.port || 4222), natsUrl.hostname);
    socket.pipe(server).pipe(socket);
    for (const [one, other] of [[socket, server], [server, socket]] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve));
  bus = Bus.open({ url: `nats://127.0.0.1:${(door.address() as AddressInfo).port}`, tls: false, prefix, app: 'tools', logger });
});
afterEach(async () => {
  await bus.close();
  for (const socket of inside) socket.destroy();
  await new Promise((resolve) => door.close(resolve));
});

const connected = () => new Promise<NatsConnection>((resolve) => bus.whenConnected(resolve));
const cut = () => inside.forEach((socket) => socket.destroy());

describe('who waits for the connection', () => {
  it('may fail without a second connection, and without keeping others from being told', async () => {
    bus.whenConnected(() => Promise.reject(new Error('not ready')));
    bus.whenConnected(() => {
      throw new Error('not ready either');
    });
    const nats = await connected();
    await nats.flush();
    expect(await connected()).toBe(nats);
    expect(opened).toBe(1);
  });

  it('may fail when the connection already stands', async () => {
    const unhandled: unknown[] = [];
    const note = (error: unknown) => unhandled.push(error);
    await connected();
    process.on('unhandledRejection', note);
    bus.whenConnected(() => Promise.reject(new Error('not ready')));
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
  });

  it('may fail after a reconnect, and others are told of this one and of the next', async () => {
    await connected();
    bus.onReconnect(() => {
      throw new Error('not ready');
    });
    bus.onReconnect(() => Promise.reject(new Error('not ready')));
    for (const time of [2, 3]) {
      const told = new Promise<void>((resolve) => bus.onReconnect(() => resolve()));
      cut();
      await told;
      expect(opened).toBe(time);
    }
  });
});

describe('keeping the delivery stream', () => {
  it('tries again until JetStream takes it, and makes it anew when it is gone after a reconnect', async () => {
    const manager = await jetstreamManager(await connected());
    const blocker = `${prefix}_blocker`;
    await manager.streams.add({ name: blocker, subjects: [`${prefix}.deliveries.>`] });
    const { refused, log } = watchedLogger();
    keepDeliveryStream(bus, log);
    await refused;
    await manager.streams.delete(blocker);
    await streamIsThere(manager);
    await manager.streams.delete(deliveryStream(prefix));
    cut();
    await streamIsThere(manager);
    await manager.streams.delete(deliveryStream(prefix));
  });
});

type Manager = Awaited<ReturnType<typeof jetstreamManager>>;

async function streamIsThere(manager: Manager): Promise<void> {
  const last = 'reader_refused';
  while (!(await manager.consumers.info(deliveryStream(prefix), last).catch(() => null))) await new Promise((resolve) => setImmediate(resolve));
}

/** A logger, and when it warned first. */
function watchedLogger() {
  const log = createLogger({ app: 'spec', level: 'silent' });
  const refused = new Promise<void>((resolve) => {
    log.warn = () => resolve();
  });
  return { log, refused };
}

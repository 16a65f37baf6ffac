import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Bus, createLogger, DeliveryReader, deliveryStream, ensureDeliveryStream, giveOutLeftovers, type NatsConnection } from '@vane/runtime';
import { killServer, readState, startOwnServers, stopOwnServers } from '../../tools/launch/index.mjs';

const prefix = 'leftovers';
const PARTITION = 3;

let dir: string;
let bus: Bus | undefined;
beforeAll(() => { dir = mkdtempSync(join(tmpdir(), 'vane-leftovers-')); });
afterAll(async () => {
  await bus?.close();
  await stopOwnServers({ dir, removeData: true });
  rmSync(dir, { recursive: true, force: true });
});

/** A connection to NATS, which is started with what it has on its disk. */
async function start(): Promise<NatsConnection> {
  const { nats } = await startOwnServers({ dir, nats: true });
  bus = Bus.open({ url: nats, tls: false, prefix, app: 'tools', logger: createLogger({ app: 'spec', level: 'silent' }) });
  return new Promise((resolve) => bus!.whenConnected((connection) => resolve(connection)));
}

async function stop(): Promise<void> {
  await bus?.close();
  await killServer(dir, 'nats', 'SIGTERM');
}

/** Where the server keeps the messages of the stream. */
function messagesFolder(): string {
  const data = readState(dir).servers!.nats!.data;
  const found = readdirSync(data, { recursive: true, encoding: 'utf8' }).find((path) => path.endsWith(join(deliveryStream(prefix), 'msgs')));
  return join(data, found!);
}

async function takeAll(nats: NatsConnection, count: number): Promise<string[]> {
  const reader = await DeliveryReader.open(nats, prefix, PARTITION);
  const got: string[] = [];
  while (got.length < count) {
    for (const message of await reader.next(10)) {
      got.push(message.string());
      expect(await message.ackAck()).toBe(true);
    }
  }
  await reader.stop();
  return got;
}

it('messages that a crash brought back after they were acknowledged are given out again, and then they are gone', async () => {
  let nats = await start();
  await ensureDeliveryStream(nats, prefix);
  for (const body of ['one', 'two', 'three']) await jetstream(nats).publish(`${prefix}.deliveries.${PARTITION}`, body);
  await stop();
  const saved = join(dir, 'messages-before');
  cpSync(messagesFolder(), saved, { recursive: true });

  nats = await start();
  expect(await takeAll(nats, 3)).toEqual(['one', 'two', 'three']);
  expect(await giveOutLeftovers(nats, prefix, PARTITION)).toBe(false);
  await stop();
  // As after a crash that lost what the stream had forgotten and kept what the consumer had been told.
  const folder = messagesFolder();
  rmSync(folder, { recursive: true });
  cpSync(saved, folder, { recursive: true });

  nats = await start();
  const manager = await jetstreamManager(nats);
  const there = async () => (await manager.streams.info(deliveryStream(prefix))).state.messages;
  const { num_pending, num_ack_pending } = await manager.consumers.info(deliveryStream(prefix), `reader_${PARTITION}`);
  expect({ there: await there(), num_pending, num_ack_pending }).toEqual({ there: 3, num_pending: 0, num_ack_pending: 0 });
  expect(await giveOutLeftovers(nats, prefix, PARTITION)).toBe(true);
  expect(await takeAll(nats, 3)).toEqual(['one', 'two', 'three']);
  expect(await there()).toBe(0);
  expect(await giveOutLeftovers(nats, prefix, PARTITION)).toBe(false);
}, 60_000);

import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { getService, listServices, type CallContext } from '@vane/contracts';
import { newSealingKeyPair } from '@vane/db';
import { Bus, createLogger, deliveryStream, type NatsConnection } from '@vane/runtime';
import { createTestDatabase, eventually, type TestDatabase } from '@vane/testing';
import { freePort } from '../../launch/index.mjs';
import { newService } from './generate.js';

const root = resolve(fileURLToPath(new URL('.', import.meta.url)), '../../..');
const prefix = `spec_${randomBytes(5).toString('hex')}`;
const natsUrl = process.env.VANE_NATS_URL ?? 'nats://127.0.0.1:4222';
const key = () => randomBytes(32).toString('base64');
const call: CallContext = { correlationId: 'spec', actor: { kind: 'token', id: 'tok_spec', role: 'operator', userId: null, label: 'test' } };

let folder: string;
let database: TestDatabase;
let service: ChildProcess;
let bus: Bus;
let nats: NatsConnection;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vane-generated-service-'));
  await newService('acme', folder);
  const door = await compiledDoor();
  database = await createTestDatabase();
  const port = await freePort();
  service = spawn(process.execPath, [join(root, 'apps/trigger-service/dist/main.js')], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      VANE_ENV: 'test', VANE_PREFIX: prefix, VANE_NATS_URL: natsUrl, LOG_LEVEL: 'error', PORT: String(port), VANE_DATABASE_URL: database.url,
      VANE_REDIS_URL: process.env.VANE_REDIS_URL ?? 'redis://127.0.0.1:6379', VANE_PUBLIC_URL: 'https://hooks.example',
      VANE_KEYS_HOOKS: `k1:${key()}`, VANE_KEYS_DATA_PUBLIC: (await newSealingKeyPair('k1')).public, VANE_INGRESS_KEY_SECRET: key(),
      VANE_EXTRA_ADAPTERS: door,
    },
  });
  await eventually('trigger-service to be ready', async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok, { timeoutMs: 30_000 });
  bus = Bus.open({ url: natsUrl, tls: false, prefix, app: 'tools', logger: createLogger({ app: 'spec', level: 'silent' }) });
  nats = await new Promise<NatsConnection>((done) => bus.whenConnected((connection) => done(connection)));
}, 60_000);
afterAll(async () => {
  if (service.exitCode === null) {
    const ended = once(service, 'exit');
    service.kill('SIGTERM');
    await ended;
  }
  await (await jetstreamManager(nats)).streams.delete(deliveryStream(prefix)).catch(() => undefined);
  await bus.close();
  await database.drop();
  await rm(folder, { recursive: true });
});

/** Builds the generated folder as the library it belongs into is built, beside its sources. */
async function compiledDoor(): Promise<string> {
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  const compilerOptions = { noEmit: false, composite: false, incremental: false, rootDir: '.', typeRoots: [join(root, 'node_modules/@types')] };
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ extends: join(root, 'tsconfig.base.json'), compilerOptions, files: ['acme/index.ts'] }));
  await promisify(execFile)(process.execPath, [join(root, 'node_modules/typescript-native/bin/tsc'), '-p', 'tsconfig.json'], { cwd: folder });
  return join(folder, 'acme/index.js');
}

it('is a service of the running API as soon as its folder is built: described with its form, and listed', async () => {
  const view = await bus.ask(getService, { service: 'acme' }, call);
  expect(view).toMatchObject({
    id: 'acme', label: 'Acme', usesOAuth: false, icon: expect.stringContaining('<svg'),
    triggerTypes: [{
      id: 'event', needsConnection: false,
      configSchema: { properties: { resource: { title: 'Resource' } }, required: ['resource'], additionalProperties: false },
    }],
  });
  const { items } = await bus.ask(listServices, {}, call);
  expect(items.map(({ id }) => id)).toEqual(expect.arrayContaining(['acme', 'generic-webhook', 'github']));
});

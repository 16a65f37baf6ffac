import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Database, newSealingKeyPair, parseKeyRing, parseSealingKey, seal, secretValueCell, Vault } from '@vane/db';
import { SystemClock } from '@vane/runtime';
import { Redis } from 'ioredis';
import pg from 'pg';
import { createTestDatabase, type TestDatabase } from '../test-database.js';
import { newSecret } from './registry.js';
import { expectNoSecretsInSystem, type ScannedSystem } from './scan-system.js';

const clock = new SystemClock();
const ring = () => `k1:${randomBytes(32).toString('base64')}`;
/** Made without the registry: only what the system itself keeps encrypted tells of it. */
const stored = randomBytes(24).toString('base64url');
const named = randomBytes(24).toString('base64url');

let testDatabase: TestDatabase;
let client: pg.Client;
let system: ScannedSystem;

beforeEach(async () => {
  testDatabase = await createTestDatabase();
  client = new pg.Client({ connectionString: testDatabase.url });
  await client.connect();
  const data = await newSealingKeyPair('k1');
  system = {
    dir: mkdtempSync(join(tmpdir(), 'vane-system-')),
    prefix: `sys_${randomBytes(6).toString('hex')}`,
    urls: {
      database: testDatabase.url, redis: process.env['VANE_REDIS_URL'] ?? 'redis://127.0.0.1:6379', nats: process.env['VANE_NATS_URL'] ?? 'nats://127.0.0.1:4222',
    },
    rings: { VANE_KEYS_OAUTH: ring(), VANE_KEYS_HOOKS: ring(), VANE_KEYS_ACCESS: ring(), VANE_KEYS_DATA_PRIVATE: data.private },
  };
  mkdirSync(join(system.dir, 'logs'));
  await fill(data.public);
});
afterEach(async () => {
  // What these tests plant must not fail the scan at the drop of their own database.
  await client.query('TRUNCATE workspace CASCADE');
  await client.end();
  await testDatabase.drop();
  rmSync(system.dir, { recursive: true });
});

/** A notification channel and a named secret, encrypted as the apps do it. */
async function fill(publicKey: string): Promise<void> {
  const database = Database.connect({ url: testDatabase.url, applicationName: 'spec', maxConnections: 2 });
  const vault = new Vault({ database, ring: 'access', keys: parseKeyRing(system.rings['VANE_KEYS_ACCESS']!), clock });
  const cell = { table: 'notification_channel', row: 'chn_1', column: 'secret_enc', workspaceId: 'wsp_1' };
  const secretEnc = await vault.encrypt(`whsec_${stored}`, cell);
  const now = clock.now();
  await database.prisma.notificationChannel.create({
    data: { id: 'chn_1', workspaceId: 'wsp_1', kind: 'webhook', target: 'https://a.example/', secretEnc, enabled: true, version: 1, createdAt: now, updatedAt: now },
  });
  const sealed = await seal(await parseSealingKey(publicKey), named, secretValueCell('wsp_1', 'KEY'));
  await database.prisma.secret.create({ data: { workspaceId: 'wsp_1', name: 'KEY', sealed, updatedAt: now } });
  await database.close();
}

const log = (text: string) => writeFileSync(join(system.dir, 'logs', 'an-app.log'), `${JSON.stringify({ level: 30, msg: text })}\n`);
const workspaceCalled = (name: string) => client.query('INSERT INTO workspace (id, name, created_at) VALUES ($1, $2, now())', ['wsp_1', name]);

test('a system that keeps its secrets passes, and something was looked for', async () => {
  log('nothing to see');
  await workspaceCalled('mine');
  expect(await expectNoSecretsInSystem(system)).toBeGreaterThanOrEqual(2);
});

test('a secret of a test that stands in the database, in Redis or in a log fails it, wherever that is', async () => {
  const canary = newSecret('a canary of this spec');
  const redis = new Redis(system.urls.redis);
  await redis.set(`${system.prefix}:job`, Buffer.from(canary).toString('base64'), 'EX', 60);
  await workspaceCalled(Buffer.from(canary).toString('hex'));
  log(`Bearer ${canary}`);
  const failure = await expectNoSecretsInSystem(system).catch((error: Error) => error.message);
  await redis.del(`${system.prefix}:job`);
  redis.disconnect();
  expect(failure).toContain('workspace.name holds a canary of this spec (hex)');
  expect(failure).toContain(`Redis ${system.prefix}:job holds a canary of this spec (base64 (0))`);
  expect(failure).toContain('file logs/an-app.log holds a canary of this spec (plain)');
  expect(failure).not.toContain(canary);
});

test.each([
  ['encrypted by a vault', stored, 'notification_channel.secret_enc'],
  ['sealed for scripts', named, 'secret.sealed'],
])('what the database holds %s may stand nowhere else', async (_how, value, name) => {
  log(value);
  await expect(expectNoSecretsInSystem(system)).rejects.toThrow(`file logs/an-app.log holds ${name} (plain)`);
});

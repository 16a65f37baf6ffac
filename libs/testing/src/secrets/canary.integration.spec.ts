import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, headers } from '@nats-io/transport-node';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import pg from 'pg';
import { createTestDatabase, type TestDatabase } from '../test-database.js';
import { Findings } from './findings.js';
import { SecretMatcher } from './matcher.js';
import { newSecret } from './registry.js';
import { scanDatabase } from './scan-database.js';
import { scanFiles } from './scan-files.js';
import { scanRedis } from './scan-redis.js';
import { scanStreams } from './scan-streams.js';

const redisUrl = process.env['VANE_REDIS_URL'] ?? 'redis://127.0.0.1:6379';
const natsUrl = process.env['VANE_NATS_URL'] ?? 'nats://127.0.0.1:4222';
const prefix = `canary_${randomBytes(6).toString('hex')}`;

/** Not one of the registry: what these tests plant on purpose must not fail the drop of their database. */
const canary = { name: 'the canary', value: randomBytes(24).toString('base64url') };
const around = (text: string) => `before ${text} after`;
const encodings: Record<string, string> = {
  plain: around(canary.value),
  base64: Buffer.from(`x${around(canary.value)}`).toString('base64'),
  'base64 at the second place': Buffer.from(`xx${around(canary.value)}`).toString('base64'),
  'base64 at the third place': Buffer.from(`xxx${around(canary.value)}`).toString('base64'),
  base64url: Buffer.from(around(canary.value)).toString('base64url'),
  hex: Buffer.from(around(canary.value)).toString('hex'),
  URL: `?q=${[...Buffer.from(canary.value)].map((byte) => `%${byte.toString(16)}`).join('')}`,
};

let findings: Findings;
beforeEach(() => {
  findings = new Findings(new SecretMatcher([canary]));
});
const places = () => [...new Set(findings.list().map(({ place }) => place))];

describe('in a database', () => {
  let database: TestDatabase;
  let client: pg.Client;

  beforeAll(async () => {
    database = await createTestDatabase();
    client = new pg.Client({ connectionString: database.url });
    await client.connect();
    await client.query(`CREATE SCHEMA elsewhere; CREATE TABLE elsewhere."Odd name" (id int, "Text" text, bytes bytea, old json, new jsonb, list text[], lists bytea[], short varchar(500));
      CREATE TABLE parted (id int, body bytea) PARTITION BY RANGE (id); CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (9)`);
  });
  afterAll(async () => {
    await client.end();
    await database.drop();
  });
  beforeEach(() => client.query('TRUNCATE elsewhere."Odd name", parted'));

  const columns: [column: string, value: (text: string) => unknown][] = [
    ['"Text"', (text) => text], ['bytes', (text) => Buffer.from(text)], ['old', (text) => JSON.stringify({ a: text })],
    ['new', (text) => JSON.stringify({ [text]: 1 })], ['list', (text) => ['x', text]], ['lists', (text) => [Buffer.from(text)]], ['short', (text) => text],
  ];
  test.each(Object.keys(encodings).flatMap((encoding) => columns.map(([column, value]) => ({ encoding, column, value }))))(
    'a secret in $encoding in column $column is found', async ({ encoding, column, value }) => {
      await client.query(`INSERT INTO elsewhere."Odd name" (id, ${column}) SELECT 1, NULL FROM generate_series(1, 700)`);
      await client.query(`INSERT INTO elsewhere."Odd name" (id, ${column}) VALUES (2, $1)`, [value(encodings[encoding]!)]);
      await scanDatabase(database.url, findings);
      expect(places()).toEqual([`elsewhere."Odd name".${column.replaceAll('"', '')}`]);
    },
  );

  test('and in a partition, under the name of its table', async () => {
    await client.query('INSERT INTO parted VALUES (1, $1)', [Buffer.from(canary.value)]);
    await scanDatabase(database.url, findings);
    expect(places()).toEqual(['parted.body']);
  });

  test('and nothing is found where there is none', async () => {
    await client.query(`INSERT INTO elsewhere."Odd name" (id, "Text") VALUES (1, $1)`, [newSecret('another').slice(0, 20)]);
    await scanDatabase(database.url, findings);
    expect(places()).toEqual([]);
  });
});

describe.each(Object.entries(encodings))('in %s', (_encoding, text) => {
  test('in Redis: every type, and keys', async () => {
    const redis = new Redis(redisUrl);
    const key = (name: string) => `${prefix}:${name}`;
    await redis.set(key('string'), Buffer.from(text));
    await redis.hset(key('hash'), { a: 'b', c: text });
    await redis.hset(key('hash field'), { [text]: 'b' });
    await redis.rpush(key('list'), 'x', text);
    await redis.sadd(key('set'), text);
    await redis.zadd(key('zset'), 1, text);
    await redis.xadd(key('stream'), '*', 'field', text);
    await redis.set(key(text), '');
    await redis.set('not ours', text, 'EX', 60);
    await scanRedis(redisUrl, prefix, findings);
    await redis.del(...(await redis.keys(`${prefix}*`)), 'not ours');
    redis.disconnect();
    expect(places().sort()).toEqual([
      ...['hash', 'hash field', 'list', 'set', 'stream', 'string', 'zset'].map((name) => `Redis ${key(name)}`), 'a key of Redis',
    ]);
  });

  test('in a stream: data and headers, behind messages that are gone', async () => {
    const nats = await connect({ servers: natsUrl });
    const manager = await jetstreamManager(nats);
    const js = jetstream(nats);
    const stream = `${prefix}_${randomBytes(3).toString('hex')}`;
    await manager.streams.add({ name: stream, subjects: [`${stream}.>`] });
    const header = headers();
    header.set('a-header', text);
    for (const data of ['gone', 'stays', 'gone too']) await js.publish(`${stream}.a`, data);
    await manager.streams.deleteMessage(stream, 1);
    await manager.streams.deleteMessage(stream, 3);
    await js.publish(`${stream}.a`, Buffer.from(text));
    await scanStreams(natsUrl, stream, findings);
    const inData = places();
    await manager.streams.purge(stream);
    await js.publish(`${stream}.a`, 'plain data', { headers: header });
    findings = new Findings(new SecretMatcher([canary]));
    await scanStreams(natsUrl, stream, findings);
    await manager.streams.delete(stream);
    await nats.close();
    expect([inData, places()]).toEqual([[`stream ${stream}`], [`stream ${stream}`]]);
  });

  test('in a log, in whatever folder', () => {
    const folder = mkdtempSync(join(tmpdir(), 'vane-canary-'));
    mkdirSync(join(folder, 'logs'));
    writeFileSync(join(folder, 'logs', 'app.log'), `{"level":30}\n{"msg":${JSON.stringify(text)}}\n`);
    writeFileSync(join(folder, 'logs', 'other.log'), '{"level":30}\n');
    scanFiles(folder, findings);
    rmSync(folder, { recursive: true });
    expect(places()).toEqual(['file logs/app.log']);
  });
});

test('what is found is told by place and name, never by its value', () => {
  findings.look('delivery.body', canary.value);
  findings.look('delivery.body', canary.value);
  expect(() => findings.expectNone('a test')).toThrow(/in a test:\n {2}delivery\.body holds the canary \(plain\), 2 times$/);
  expect(() => findings.expectNone('a test')).not.toThrow(canary.value);
});

test('a place may be exempt for one secret, with a reason, and is not for others', () => {
  const other = { name: 'other', value: randomBytes(24).toString('hex') };
  const matcher = new SecretMatcher([canary, other]);
  const exempting = new Findings(matcher, [{ place: /^a\.b$/, secret: /canary/, reason: 'this test' }]);
  exempting.look('a.b', canary.value + other.value);
  exempting.look('a.bc', canary.value);
  expect(exempting.list().map(({ place, secret }) => [place, secret])).toEqual([['a.b', 'other'], ['a.bc', 'the canary']]);
});

import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { createRunnable, pauseTrigger, putSecret, updateRunnable, VaneError } from '@vane/contracts';
import { parseKeyRing, Vault } from '@vane/db';
import { newSecret } from '@vane/testing';
import { startTestGateway, type Reply, type TestGateway } from '../fixtures/test-gateway.js';
import type { RestOperation } from '../http/input.js';
import { fingerprintOf } from './once.js';
import { IdempotencyStore, KEPT_MS } from './store.js';

const ONCE = `whsec_${newSecret('signing secret')}`;
let gateway: TestGateway;
let editor: { id: string; token: string };
let store: IdempotencyStore;
let made = 0;
let keys = 0;

beforeAll(async () => {
  gateway = await startTestGateway();
  editor = await gateway.addToken(gateway.workspace, 'editor');
  const vault = new Vault({ database: gateway.database, ring: 'access', keys: parseKeyRing(`k1:${randomBytes(32).toString('base64')}`), clock: gateway.clock });
  store = new IdempotencyStore(gateway.database, gateway.clock, vault);
});
afterAll(() => gateway?.stop());
beforeEach(() => {
  gateway.responders.reset();
  gateway.responders.answer(createRunnable, () => ({ id: `rbl_${(made += 1)}`, secret: ONCE, version: 1 }));
});

const body = { name: 'mine', spec: { kind: 'http', url: 'https://example.com/' } };
const newKey = () => `key-${(keys += 1)}`;
const create = (key: string, options: { token?: string; body?: unknown } = {}): Promise<Reply> =>
  gateway.send('POST', `/api/v1/workspaces/${gateway.workspace}/runnables`, {
    token: editor.token,
    body,
    ...options,
    headers: { 'idempotency-key': key },
  });
const acted = () => gateway.responders.askedOf(createRunnable).length;
const replayed = ({ headers }: Reply) => headers.get('idempotency-replayed');

describe('a repeated key', () => {
  test('gets the first answer with its status and version, without what was shown once', async () => {
    const key = newKey();
    const first = await create(key);
    const second = await create(key);
    expect(first).toMatchObject({ status: 201, json: { secret: ONCE } });
    expect([replayed(first), replayed(second)]).toEqual([null, 'true']);
    expect(second).toMatchObject({ status: 201, json: { ...first.json, secret: null } });
    expect(second.headers.get('etag')).toBe('"1"');
    expect(second.headers.get('content-type')).toBe(first.headers.get('content-type'));
    expect(acted()).toBe(1);
    expect(gateway.responders.askedOf(createRunnable)[0]?.call.idempotencyKey).toBe(key);
  });

  test('leaves no secret in the database', async () => {
    await create(newKey());
    const rows = await gateway.database.prisma.idempotencyKey.findMany();
    expect(JSON.stringify(rows)).not.toContain(ONCE);
  });

  test('leaves nothing that a secret in the request could be tried against', async () => {
    gateway.responders.answer(putSecret, () => ({ name: 'PIN', updatedAt: gateway.clock.now().toISOString() }));
    const key = newKey();
    const put = (value: string) =>
      gateway.send('PUT', `/api/v1/workspaces/${gateway.workspace}/secrets/PIN`, { token: editor.token, body: { value }, headers: { 'idempotency-key': key } });
    expect((await put('0815')).status).toBe(200);
    const { fingerprint } = await gateway.database.prisma.idempotencyKey.findFirstOrThrow({ where: { key } });
    const input = { workspace: gateway.workspace, name: 'PIN', value: '0815' };
    expect(fingerprint).not.toBe(fingerprintOf(putSecret as unknown as RestOperation, input));
    expect(replayed(await put('0815'))).toBe('true');
    expect(await put('4711')).toMatchObject({ status: 409, json: { code: 'idempotency_mismatch' } });
  });

  test('is the same request whatever the order of its members', async () => {
    const key = newKey();
    await create(key);
    expect(replayed(await create(key, { body: { spec: { url: 'https://example.com/', kind: 'http' }, name: 'mine' } }))).toBe('true');
  });

  test('is refused for another request', async () => {
    const key = newKey();
    await create(key);
    expect(await create(key, { body: { ...body, name: 'other' } })).toMatchObject({ status: 409, json: { code: 'idempotency_mismatch' } });
    const elsewhere = await gateway.send('POST', `/api/v1/workspaces/${gateway.workspace}/triggers/trg_1/pause`, {
      token: editor.token,
      headers: { 'idempotency-key': key },
    });
    expect(elsewhere).toMatchObject({ status: 409, json: { code: 'idempotency_mismatch' } });
    expect(gateway.responders.askedOf(pauseTrigger)).toEqual([]);
  });

  test('is the key of one token alone', async () => {
    const key = newKey();
    const first = await create(key);
    const other = await create(key, { token: (await gateway.addToken(gateway.workspace, 'editor')).token });
    expect([replayed(other), other.json['id'] === first.json['id']]).toEqual([null, false]);
  });

  test('is free again after 24 hours, also for another request', async () => {
    const key = newKey();
    await create(key);
    gateway.clock.move(KEPT_MS + 60_000);
    expect(replayed(await create(key, { body: { ...body, name: 'other' } }))).toBeNull();
    expect(acted()).toBe(2);
  });

  test('gets the first refusal again', async () => {
    const key = newKey();
    gateway.responders.answer(createRunnable, () => {
      throw new VaneError('invalid_config', 'This does not fit.');
    });
    const [first, second] = [await create(key), await create(key)];
    expect(first.status).toBe(422);
    expect({ ...second, headers: null }).toEqual({ ...first, headers: null });
    expect(replayed(second)).toBe('true');
    expect(acted()).toBe(1);
  });

  test.each(['internal', 'unavailable', 'rate_limited'] as const)('makes the call anew after %s, which is no answer', async (code) => {
    const key = newKey();
    let calls = 0;
    gateway.responders.answer(createRunnable, () => {
      if ((calls += 1) === 1) throw new VaneError(code, 'Not now.');
      return { id: 'rbl_x', version: 1 };
    });
    expect((await create(key)).status).toBeGreaterThanOrEqual(429);
    expect(await create(key)).toMatchObject({ status: 201, json: { id: 'rbl_x' } });
    expect(calls).toBe(2);
  });

  test('is not used up by a request that is not valid', async () => {
    const key = newKey();
    expect((await create(key, { body: {} })).status).toBe(400);
    expect(await create(key)).toMatchObject({ status: 201 });
  });

  test.each(['with space', 'x'.repeat(256), ''])('is refused when it is %j', async (key) => {
    expect(await create(key)).toMatchObject({ status: 400, json: { code: 'bad_request', fields: [{ path: 'Idempotency-Key' }] } });
  });
});

describe('many calls at once with one key', () => {
  test('act once: one is made, the others are told that it is running', async () => {
    const key = newKey();
    let finish: (() => void) | undefined;
    const started = new Promise<void>((resolve) => {
      gateway.responders.answer(createRunnable, async () => {
        resolve();
        await new Promise<void>((done) => (finish = done));
        return { id: 'rbl_one', version: 1 };
      });
    });
    const first = create(key);
    await started;
    const others = await Promise.all(Array.from({ length: 10 }, () => create(key)));
    for (const other of others) {
      expect(other).toMatchObject({ status: 409, json: { code: 'idempotency_in_flight' } });
      expect(Number(other.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    }
    finish?.();
    expect(await first).toMatchObject({ status: 201, json: { id: 'rbl_one' } });
    expect(await create(key)).toMatchObject({ status: 201, json: { id: 'rbl_one' } });
    expect(acted()).toBe(1);
  });

  test('act once also when they race for the key', async () => {
    const key = newKey();
    const replies = await Promise.all(Array.from({ length: 20 }, () => create(key)));
    expect(acted()).toBe(1);
    const fresh = replies.filter((reply) => reply.status === 201 && replayed(reply) === null);
    expect(fresh).toHaveLength(1);
    for (const reply of replies) expect(reply.status === 201 || reply.json['code'] === 'idempotency_in_flight').toBe(true);
  });
});

describe('a gateway that dies within a call', () => {
  const operation = createRunnable as unknown as RestOperation;
  const callOf = (key: string) => ({ actorId: editor.id, key, fingerprint: fingerprintOf(operation, { workspace: gateway.workspace, ...body }) });

  test('holds the key until its lease ends, and then exactly one call takes over', async () => {
    const key = newKey();
    await store.claim(callOf(key), 20_000);
    expect(await create(key)).toMatchObject({ status: 409, json: { code: 'idempotency_in_flight' } });
    gateway.clock.move(30_000);
    expect(await create(key, { body: { ...body, name: 'other' } })).toMatchObject({ json: { code: 'idempotency_mismatch' } });
    const replies = await Promise.all([create(key), create(key), create(key)]);
    expect(replies.filter((reply) => reply.status === 201 && replayed(reply) === null)).toHaveLength(1);
    expect(acted()).toBe(1);
  });

  test('changes nothing for its successor, running or done, when it was only slow', async () => {
    const key = newKey();
    const late = { status: 201, headers: { 'content-type': 'application/json' }, body: '{"id":"late"}' };
    const [slow, successor] = [await claim(key), await claim(key)];
    await store.keep(callOf(key), slow, late);
    await store.release(callOf(key), slow);
    expect(await create(key)).toMatchObject({ status: 409, json: { code: 'idempotency_in_flight' } });
    await store.keep(callOf(key), successor, { ...late, body: '{"id":"right"}' });
    await store.keep(callOf(key), slow, late);
    await store.release(callOf(key), slow);
    expect(await create(key)).toMatchObject({ status: 201, json: { id: 'right' } });
  });

  /** Claims a key that is free or whose lease then ends. */
  async function claim(key: string): Promise<Date> {
    gateway.clock.move(30_000);
    const claimed = await store.claim(callOf(key), 20_000);
    if (claimed.kind !== 'run') throw new Error('the key must be free, or its lease over');
    return claimed.lockedUntil;
  }
});

test('keys are forgotten after 24 hours, and not before', async () => {
  await gateway.database.prisma.idempotencyKey.deleteMany();
  await create('old');
  gateway.clock.move(KEPT_MS + 60_000);
  await create('new');
  expect(await store.sweep()).toBe(1);
  expect((await gateway.database.prisma.idempotencyKey.findMany()).map(({ key }) => key)).toEqual(['new']);
});

test('an update sent twice with one key and one version is one update', async () => {
  const key = newKey();
  gateway.responders.answer(updateRunnable, () => ({ id: 'rbl_1', version: 2 }));
  const update = (version: string) =>
    gateway.send('PATCH', `/api/v1/workspaces/${gateway.workspace}/runnables/rbl_1`, {
      token: editor.token,
      body: { name: 'new' },
      headers: { 'idempotency-key': key, 'if-match': version },
    });
  expect([(await update('"1"')).status, replayed(await update('1')), (await update('"2"')).json['code']]).toEqual([200, 'true', 'idempotency_mismatch']);
});

test('reading takes no part in it', async () => {
  const before = await gateway.database.prisma.idempotencyKey.count();
  await gateway.send('GET', `/api/v1/workspaces/${gateway.workspace}`, { token: editor.token, headers: { 'idempotency-key': newKey() } });
  expect(await gateway.database.prisma.idempotencyKey.count()).toBe(before);
});

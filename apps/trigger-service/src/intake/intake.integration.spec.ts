import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { loadAdapters, type AdapterRegistry } from '@vane/adapters';
import type { DeliveryHeader } from '@vane/contracts';
import { Database, ensurePartitions, newId } from '@vane/db';
import { createLogger, encodeDelivery, JobQueues, Metrics, SystemClock } from '@vane/runtime';
import { createTestDatabase, deleteRedisKeys, type TestDatabase } from '@vane/testing';
import { InboxRelay } from './inbox.js';
import { insertGenericHook } from './fixtures/generic-hook.js';
import { Intake } from './intake.js';

const clock = new SystemClock();
const logger = createLogger({ app: 'spec', level: 'silent' });
const redis = process.env.VANE_REDIS_URL ?? 'redis://127.0.0.1:6379';
const prefix = `spec_${randomBytes(5).toString('hex')}`;

let testDatabase: TestDatabase;
let database: Database;
let adapters: AdapterRegistry;
let queues: JobQueues;
let queuedIds: string[];
let ids: { workspace: string; feed: string; subscription: string; trigger: string };

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = Database.connect({ url: testDatabase.url, applicationName: 'intake-spec', maxConnections: 8 });
  await ensurePartitions(database.pool, clock.now());
  adapters = await loadAdapters();
  queues = new JobQueues({ url: redis, prefix, logger });
});
afterAll(async () => {
  await queues.close();
  await deleteRedisKeys(redis, prefix);
  await database.close();
  await testDatabase.drop();
});

beforeEach(async () => {
  const now = clock.now();
  ids = { ...(await insertGenericHook(database, adapters, now)), trigger: newId('trigger', now) };
  queuedIds = [];
  await addTrigger(ids.trigger, 'enabled');
});

async function addTrigger(id: string, status: string): Promise<void> {
  await database.pool.query(
    `INSERT INTO trigger (id, workspace_id, feed_id, name, service, type, config, want, status, version, created_at, updated_at, resync, on_drift)
     VALUES ($1, $2, $3, 'n', 'generic-webhook', 'webhook', '{}', '{}', $4, 1, $5, $5, 'from_now', 'restore')`,
    [id, ids.workspace, ids.feed, status, clock.now()],
  );
}

/** Of its integration nothing is read here, so there is none. */
async function addConnection(status: string): Promise<string> {
  const now = clock.now();
  const id = newId('connection', now);
  await database.transaction(async (tx) => {
    await tx.query('SET LOCAL session_replication_role = replica');
    await tx.query(
      `INSERT INTO connection (id, workspace_id, integration_id, service, owner_id, account_id, account_label, scopes, status, status_since, notice_due,
         rejected_before, access_token_enc, token_type, generation, refresh_failures, version, created_at, updated_at)
       VALUES ($1, $2, 'int', 'generic-webhook', '', 'ada', 'Ada', '{}', $3, $4, false, false, 'sealed', 'bearer', 1, 0, 1, $4, $4)`,
      [id, ids.workspace, status, now],
    );
  });
  return id;
}

type RunRow = { id: string; trigger_id: string; status: string; reason: string | null; ended_at: Date | null };
const runs = async () => (await database.pool.query<RunRow>('SELECT * FROM run WHERE workspace_id = $1', [ids.workspace])).rows;

/** Remembers what is handed to the queue, on its way there. */
function intake(): Intake {
  const made = new Intake(database, adapters, queues, clock, logger, new Metrics());
  const enqueue = made.enqueue.bind(made);
  made.enqueue = async (runIds) => {
    queuedIds.push(...runIds);
    await enqueue(runIds);
  };
  return made;
}

function delivery(eventId: string | null, body: string | Buffer = '{"type":"a","n":1}', change: Partial<DeliveryHeader> = {}) {
  const now = clock.now();
  const header: DeliveryHeader = {
    v: 1, id: newId('delivery', now), receivedAt: now.toISOString(), status: 'accepted', reason: null, workspaceId: ids.workspace,
    subscriptionId: ids.subscription, feedId: ids.feed, service: 'generic-webhook', triggerType: 'webhook', method: 'POST',
    headers: { 'content-type': 'application/json', ...(eventId === null ? {} : { 'x-id': eventId }) }, size: body.length, sha256: 'x',
    bodyOmitted: false, sealedAuth: null, authUntil: null, ...change,
  };
  return { header, body: Buffer.from(body) };
}

const count = async (table: string) => {
  const { rows } = await database.pool.query<{ n: string }>(`SELECT count(*) AS n FROM ${table} WHERE workspace_id = $1`, [ids.workspace]);
  return Number(rows[0]!.n);
};
const counts = async () => ({ deliveries: await count('delivery'), events: await count('event'), runs: await count('run') });

describe('taking deliveries in', () => {
  it('makes one event and one queued run per delivery, under one correlation id', async () => {
    const batch = [delivery('a'), delivery('b'), delivery('c')];
    await intake().take(batch);
    expect(await counts()).toEqual({ deliveries: 3, events: 3, runs: 3 });
    const { rows } = await database.pool.query<{ id: string; status: string; correlation_id: string }>(
      'SELECT id, status, correlation_id FROM run WHERE workspace_id = $1', [ids.workspace],
    );
    expect(new Set(rows.map((row) => row.status))).toEqual(new Set(['queued']));
    expect(new Set(rows.map((row) => row.correlation_id))).toEqual(new Set(batch.map(({ header }) => header.id)));
    expect(new Set(queuedIds)).toEqual(new Set(rows.map((row) => row.id)));
  });

  it('adds nothing when the same batch comes again, and hands over what is still queued', async () => {
    const batch = [delivery('a'), delivery('b')];
    await intake().take(batch);
    const first = [...queuedIds].sort();
    queuedIds = [];
    await intake().take(batch);
    expect(await counts()).toEqual({ deliveries: 2, events: 2, runs: 2 });
    expect(queuedIds.sort()).toEqual(first);
  });

  it('records a repeat as a delivery without an event, within a batch and between batches', async () => {
    await intake().take([delivery('a'), delivery('a')]);
    await intake().take([delivery('a')]);
    expect(await counts()).toEqual({ deliveries: 3, events: 1, runs: 1 });
  });

  it('lets ten intakes take the same events at once and ends with one run each', async () => {
    const batches = Array.from({ length: 10 }, () => Array.from({ length: 20 }, (_, n) => delivery(`same-${(n * 7) % 20}`)));
    await Promise.all(batches.map((batch, n) => intake().take(n % 2 === 0 ? batch : batch.reverse())));
    expect(await counts()).toEqual({ deliveries: 200, events: 20, runs: 20 });
  });

  it('never merges deliveries that carry no identity', async () => {
    await intake().take([delivery(null), delivery(null)]);
    expect(await counts()).toEqual({ deliveries: 2, events: 2, runs: 2 });
  });

  it('holds what is for a trigger whose connection needs a person, and hands none of it to the queue', async () => {
    const connection = await addConnection('auth_required');
    const [paused, without] = [newId('trigger', clock.now()), newId('trigger', clock.now())];
    await addTrigger(paused, 'paused');
    await addTrigger(without, 'enabled');
    await database.pool.query('UPDATE trigger SET connection_id = $1 WHERE id = ANY($2)', [connection, [ids.trigger, paused]]);
    await intake().take([delivery('a'), delivery('b')]);
    const first = await runs();
    const both = (trigger: string, status: string, reason: string | null) => Array.from({ length: 2 }, () => ({ trigger, status, reason }));
    expect(first).toHaveLength(6);
    expect(first.map(({ trigger_id: trigger, status, reason }) => ({ trigger, status, reason }))).toEqual(
      expect.arrayContaining([...both(ids.trigger, 'held', 'connection_auth_required'), ...both(paused, 'skipped', 'trigger_paused'), ...both(without, 'queued', null)]),
    );
    expect(queuedIds.sort()).toEqual(first.filter(({ status }) => status === 'queued').map(({ id }) => id).sort());
    expect(first.filter(({ status }) => status === 'held').every(({ ended_at: end }) => end === null)).toBe(true);

    queuedIds = [];
    await intake().take([delivery('a'), delivery('b')]);
    expect(queuedIds).toHaveLength(2);
    await database.pool.query(`UPDATE connection SET status = 'active' WHERE id = $1`, [connection]);
    await intake().take([delivery('c')]);
    expect((await runs()).filter(({ status }) => status === 'queued')).toHaveLength(4);
  });

  it('keeps what it cannot read as unprocessable, with the reason, and takes the rest of the batch', async () => {
    await intake().take([delivery('a'), delivery('b', '{"broken'), delivery('c')]);
    expect(await counts()).toEqual({ deliveries: 3, events: 2, runs: 2 });
    const { rows } = await database.pool.query<{ reason: string }>(
      `SELECT reason FROM delivery WHERE workspace_id = $1 AND status = 'unprocessable'`, [ids.workspace],
    );
    expect(rows[0]!.reason).toMatch(/JSON/);
    expect(rows[0]!.reason).not.toContain('broken');
  });

  it('stores payloads, types and ids with characters that Postgres text cannot hold', async () => {
    await intake().take([delivery('a\u0000b', '{"type":"x\\u0000y","text":"\\u0000 \\ud83d\\ude00 \\ud800"}')]);
    expect(await counts()).toEqual({ deliveries: 1, events: 1, runs: 1 });
  });

  it('records events of a paused trigger as skipped, beside an enabled one that runs', async () => {
    await addTrigger(newId('trigger', clock.now()), 'paused');
    await intake().take([delivery('a')]);
    const { rows } = await database.pool.query<{ status: string; reason: string | null; ended: boolean }>(
      'SELECT status, reason, ended_at IS NOT NULL AS ended FROM run WHERE workspace_id = $1 ORDER BY status', [ids.workspace],
    );
    expect(rows).toEqual([
      { status: 'queued', reason: null, ended: false },
      { status: 'skipped', reason: 'trigger_paused', ended: true },
    ]);
    expect(queuedIds).toHaveLength(1);
  });

  it('records pings, handshakes and refused requests without an event', async () => {
    const records = (['ping', 'handshake', 'refused', 'unprocessable'] as const).map((status) =>
      delivery('a', '{}', { status, reason: status === 'refused' ? 'bad_signature' : null }),
    );
    await intake().take(records);
    expect(await counts()).toEqual({ deliveries: 4, events: 0, runs: 0 });
  });

  it('sets a delivery aside that can never be stored as an event', async () => {
    const one = delivery('a');
    await intake().setAside(one.header, one.body, 'duplicate key value \u0000');
    const { rows } = await database.pool.query('SELECT status, reason FROM delivery WHERE id = $1', [one.header.id]);
    expect(rows).toEqual([{ status: 'unprocessable', reason: 'duplicate key value \uFFFD' }]);
  });

  it('stores headers that look like escapes or hold what jsonb cannot, and takes the rest of the batch', async () => {
    const headers = { 'user-agent': '\\u0000', 'x-id': 'odd', 'x-half': '\ud800', 'x-nul': '\u0000', 'x-path': 'C:\\u0000\\ud800' };
    const one = delivery('odd', '{"type":"a"}', { headers });
    await intake().take([delivery('a'), one]);
    expect(await counts()).toEqual({ deliveries: 2, events: 2, runs: 2 });
    const { rows } = await database.pool.query('SELECT headers FROM delivery WHERE id = $1', [one.header.id]);
    expect(rows).toEqual([{ headers: { ...headers, 'x-half': '\uFFFD', 'x-nul': '\uFFFD' } }]);
    const aside = delivery('odd', '{}', { headers });
    await intake().setAside(aside.header, aside.body, 'odd');
    expect(await count('delivery')).toBe(3);
  });

  it('sets aside what Postgres refuses even then, without headers and body', async () => {
    const one = delivery('a', '{}', { size: 2 ** 40 });
    await intake().takeOrSetAside(one);
    const { rows } = await database.pool.query('SELECT status, headers, body, size FROM delivery WHERE id = $1', [one.header.id]);
    expect(rows).toEqual([{ status: 'unprocessable', headers: {}, body: null, size: 2 ** 31 - 1 }]);
  });

  it('keeps only hash and size of what it cannot read where secrets are cut out of bodies', async () => {
    const body = '[{"authentication":{"owner":{"token":"of-a-whole-account"}}}]';
    const nextcloud = { service: 'nextcloud', triggerType: Object.keys(adapters.get('nextcloud')!.triggerTypes)[0]! };
    const [read, aside] = [delivery(null, body, nextcloud), delivery(null, body, nextcloud)];
    await intake().take([read]);
    await intake().setAside(aside.header, aside.body, 'odd');
    const { rows } = await database.pool.query(
      'SELECT status, body, size, sealed_auth FROM delivery WHERE id = ANY($1)', [[read.header.id, aside.header.id]],
    );
    expect(rows).toEqual(Array(2).fill({ status: 'unprocessable', body: null, size: body.length, sealed_auth: null }));
  });

  it('leaves alone what fails for another reason than its content', async () => {
    const away = Database.connect({ url: 'postgres://postgres@127.0.0.1:1/none', applicationName: 'intake-spec' });
    const one = delivery('a');
    await expect(new Intake(away, adapters, queues, clock, logger, new Metrics()).takeOrSetAside(one)).rejects.toThrow();
    await away.close();
    expect(await count('delivery')).toBe(0);
  });

  describe('from the inbox', () => {
    const put = (id: string, message: Uint8Array, at = clock.now()) =>
      database.pool.query('INSERT INTO inbox (id, subject, message, created_at) VALUES ($1, $1, $2, $3)', [id, message, at]);
    const relay = () => new InboxRelay(database, intake(), logger);
    const left = async () => (await database.pool.query<{ id: string }>('SELECT id FROM inbox ORDER BY id')).rows.map(({ id }) => id);
    const putDelivery = async (one: ReturnType<typeof delivery>) => put(one.header.id, encodeDelivery(one.header, one.body));
    afterEach(() => database.pool.query('DELETE FROM inbox'));

    it('passes over rows that are no deliveries, however many stand in front, and ends', async () => {
      for (const id of ['a', 'b', 'c']) await put(id, Buffer.from(id), new Date(0));
      for (const id of ['x', 'y', 'z']) await putDelivery(delivery(id));
      expect(await relay().relay(2)).toEqual({ relayed: 3, more: true });
      expect(await counts()).toEqual({ deliveries: 3, events: 3, runs: 3 });
      expect(await left()).toEqual(['a', 'b', 'c']);
      expect(await relay().relay(2)).toEqual({ relayed: 0, more: false });
    });

    it('sets aside what Postgres refuses, takes the rest and empties the table', async () => {
      for (const one of [delivery('a'), delivery('b', '{}', { size: 2 ** 40 }), delivery('c')]) await putDelivery(one);
      expect(await relay().relay(10)).toEqual({ relayed: 3, more: false });
      expect(await counts()).toEqual({ deliveries: 3, events: 2, runs: 2 });
      expect(await left()).toEqual([]);
    });

    it('leaves rows that fail for another reason for the next round', async () => {
      const ones = [delivery('a'), delivery('b')];
      for (const one of ones) await putDelivery(one);
      await database.pool.query('ALTER TABLE delivery ADD CONSTRAINT spec_passing CHECK (id <> ' + `'${ones[0]!.header.id}')`);
      expect(await relay().relay(10)).toEqual({ relayed: 1, more: false });
      expect(await left()).toEqual([ones[0]!.header.id]);
      await database.pool.query('ALTER TABLE delivery DROP CONSTRAINT spec_passing');
      expect(await relay().relay(10)).toEqual({ relayed: 1, more: false });
      expect(await counts()).toEqual({ deliveries: 2, events: 2, runs: 2 });
    });

    it('may be relayed by several processes at once', async () => {
      for (let n = 0; n < 50; n += 1) await putDelivery(delivery(`n${n}`));
      await Promise.all([relay(), relay(), relay()].map((one) => one.relay(20).then(() => one.relay(100))));
      expect(await counts()).toEqual({ deliveries: 50, events: 50, runs: 50 });
      expect(await left()).toEqual([]);
    });
  });

  it('leaves runs queued in Postgres when Redis cannot be reached', async () => {
    const away = new JobQueues({ url: 'redis://127.0.0.1:1', prefix: 'x', logger });
    await new Intake(database, adapters, away, clock, logger, new Metrics()).take([delivery('a')]);
    expect(await counts()).toEqual({ deliveries: 1, events: 1, runs: 1 });
    await away.close();
  });
});

describe('a trigger that moves to another feed', () => {
  let other: string;
  const moveAway = (until: Date | null) =>
    database.pool.query('UPDATE trigger SET feed_id = $3, old_feed_id = $2, old_feed_until = $4 WHERE id = $1', [ids.trigger, ids.feed, other, until]);

  beforeEach(async () => {
    other = newId('feed', clock.now());
    await database.pool.query(
      `INSERT INTO feed (id, workspace_id, connection_id, service, trigger_type, resource, created_at) VALUES ($1, $2, '', 'generic-webhook', 'webhook', $1, $3)`,
      [other, ids.workspace, clock.now()],
    );
  });

  it('is started by both until the old one is left', async () => {
    await moveAway(null);
    await intake().take([delivery('old'), delivery('new', '{"type":"a"}', { feedId: other })]);
    expect(await counts()).toMatchObject({ events: 2, runs: 2 });
  });

  it('is started by what the old one had received by then, however late that is taken in, and by nothing later', async () => {
    const now = clock.now();
    await moveAway(now);
    const at = (ms: number) => ({ receivedAt: new Date(now.getTime() + ms).toISOString() });
    await intake().take([delivery('before', '{"type":"a"}', at(-60_000)), delivery('at once', '{"type":"a"}', at(0)), delivery('after', '{"type":"a"}', at(1))]);
    expect(await counts()).toMatchObject({ events: 3, runs: 2 });
  });
});

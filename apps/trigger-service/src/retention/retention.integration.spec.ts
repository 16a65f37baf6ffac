import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { IDENTITIES_DAYS, REMOVED_SUBSCRIPTIONS_DAYS } from '@vane/contracts';
import { Database, ensurePartitions, newId } from '@vane/db';
import { SystemClock } from '@vane/runtime';
import { createTestDatabase, type TestDatabase } from '@vane/testing';
import { Retention } from './retention.js';

const DAY_MS = 86_400_000;
const clock = new SystemClock();
let testDatabase: TestDatabase;
let database: Database;
let retention: Retention;
let workspace: string;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = Database.connect({ url: testDatabase.url, applicationName: 'retention-spec', maxConnections: 4 });
  await ensurePartitions(database.pool, clock.now());
  retention = new Retention(database, clock);
});
afterAll(async () => {
  await database.close();
  await testDatabase.drop();
});
beforeEach(async () => {
  workspace = await newWorkspace();
});

async function newWorkspace(): Promise<string> {
  const id = newId('workspace', clock.now());
  await database.pool.query('INSERT INTO workspace (id, name, created_at) VALUES ($1, $1, $2)', [id, clock.now()]);
  return id;
}

/** A delivery with its event, as old as that. */
async function received(daysAgo: number, of = workspace): Promise<{ delivery: string; event: string }> {
  const at = clock.in(-daysAgo * DAY_MS);
  const ids = { delivery: newId('delivery', at), event: newId('event', at) };
  await database.pool.query(
    `INSERT INTO delivery (id, received_at, workspace_id, subscription_id, feed_id, service, status, method, headers, size, sha256)
     VALUES ($1, $2, $3, 'sub', 'fed', 'acme', 'accepted', 'POST', '{}', 0, '')`,
    [ids.delivery, at, of],
  );
  await database.pool.query(
    `INSERT INTO event (id, received_at, workspace_id, feed_id, service, type, dedupe_key, payload) VALUES ($1, $2, $3, 'fed', 'acme', 't', $1, '{}')`,
    [ids.event, at, of],
  );
  return ids;
}

const left = async (table: 'delivery' | 'event', ids: string[]) =>
  (await database.pool.query<{ id: string }>(`SELECT id FROM ${table} WHERE id = ANY($1) ORDER BY id`, [ids])).rows.map(({ id }) => id);

it('deletes what is older than the workspace keeps it, by the default or by its own words, and nothing of another workspace', async () => {
  const other = await newWorkspace();
  const mine = [await received(31), await received(29), await received(91)];
  const theirs = [await received(3, other), await received(1, other)];
  await retention.update({ workspace: other, ifMatch: 0, deliveriesDays: 2, eventsDays: 0 });
  while ((await retention.sweep(2)).more);
  expect(await left('delivery', mine.map(({ delivery }) => delivery))).toEqual([mine[1]!.delivery]);
  expect(await left('event', mine.map(({ event }) => event))).toEqual([mine[0]!.event, mine[1]!.event].sort());
  expect(await left('delivery', theirs.map(({ delivery }) => delivery))).toEqual([theirs[1]!.delivery]);
  expect(await left('event', theirs.map(({ event }) => event))).toHaveLength(2);
});

it('keeps identities longer than events, and ends subscriptions that were removed long ago', async () => {
  const now = clock.now();
  const feed = newId('feed', now);
  await database.pool.query(`INSERT INTO feed (id, workspace_id, connection_id, service, trigger_type, resource, created_at) VALUES ($1, $2, '', 'acme', 't', $1, $3)`, [feed, workspace, now]);
  const subscription = async (status: string, daysAgo: number) => {
    const id = newId('subscription', now);
    await database.pool.query(
      `INSERT INTO subscription (id, workspace_id, feed_id, service, trigger_type, resource, key, secrets_enc, want, status, status_since, attempts, version, created_at, secret_version)
       VALUES ($1, $2, $3, 'acme', 't', 'r', $1, '', '{}', $4, $5, 0, 1, $5, 1)`,
      [id, workspace, feed, status, clock.in(-daysAgo * DAY_MS)],
    );
    return id;
  };
  const ids = [await subscription('removed', REMOVED_SUBSCRIPTIONS_DAYS + 1), await subscription('removed', 1), await subscription('removing', 500)];
  for (const days of [IDENTITIES_DAYS + 1, IDENTITIES_DAYS - 1]) {
    await database.pool.query('INSERT INTO event_key (feed_id, dedupe_key, event_id, seen_at) VALUES ($1, $2, $2, $3)', [feed, `k${days}`, clock.in(-days * DAY_MS)]);
  }
  await retention.sweep(100);
  const { rows } = await database.pool.query<{ id: string }>('SELECT id FROM subscription WHERE id = ANY($1)', [ids]);
  expect(rows.map(({ id }) => id).sort()).toEqual(ids.slice(1).sort());
  const keys = await database.pool.query<{ dedupe_key: string }>('SELECT dedupe_key FROM event_key WHERE feed_id = $1', [feed]);
  expect(keys.rows).toEqual([{ dedupe_key: `k${IDENTITIES_DAYS - 1}` }]);
});

it('refuses to keep runs longer than their events, and a change of what was changed since', async () => {
  await expect(retention.update({ workspace, ifMatch: 0, eventsDays: 10 })).rejects.toThrow('at least as long as runs');
  expect(await retention.update({ workspace, ifMatch: 0, runsDays: 10, eventsDays: 10 })).toMatchObject({ runsDays: 10, version: 1, isDefault: false });
  await expect(retention.update({ workspace, ifMatch: 0, runsDays: 5 })).rejects.toThrow('changed since you read it');
  expect(await retention.update({ workspace, ifMatch: 1, runsDays: 5 })).toMatchObject({ runsDays: 5, eventsDays: 10, deliveriesDays: 30 });
});

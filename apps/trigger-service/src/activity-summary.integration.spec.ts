import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Database, ensurePartitions, newId } from '@vane/db';
import { SystemClock } from '@vane/runtime';
import { createTestDatabase, type TestDatabase } from '@vane/testing';
import { summaryOf } from './activity-summary.js';

const HOUR_MS = 3_600_000;
const clock = new SystemClock();
let testDatabase: TestDatabase;
let database: Database;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = Database.connect({ url: testDatabase.url, applicationName: 'summary-spec', maxConnections: 4 });
  await ensurePartitions(database.pool, clock.now());
});
afterAll(async () => {
  await database.close();
  await testDatabase.drop();
});

async function receive(workspace: string, hoursAgo: number, status: string): Promise<void> {
  const at = clock.in(-hoursAgo * HOUR_MS);
  await database.pool.query(
    `INSERT INTO delivery (id, received_at, workspace_id, subscription_id, feed_id, service, status, method, headers, size, sha256)
     VALUES ($1, $2, $3, 'sub_x', 'fed_x', 'x', $4, 'POST', '{}', 0, '')`,
    [newId('delivery', at), at, workspace, status],
  );
}

it('counts the last 24 hours of one workspace', async () => {
  const [mine, other] = [newId('workspace', clock.now()), newId('workspace', clock.now())];
  for (const [workspace, hoursAgo, status] of [[mine, 1, 'accepted'], [mine, 2, 'refused'], [mine, 23, 'accepted'], [mine, 25, 'refused'], [other, 1, 'refused']] as const) {
    await receive(workspace, hoursAgo, status);
  }
  expect(await summaryOf(database, mine, clock.now())).toEqual({
    deliveries: 3, refused: 1, runs: 0, failed: 0, waiting: 0, oldestWaitingAt: null, hours: [],
  });
});

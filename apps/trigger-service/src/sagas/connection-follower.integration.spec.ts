import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Database, newId } from '@vane/db';
import { Clock } from '@vane/runtime';
import { createTestDatabase, type TestDatabase } from '@vane/testing';
import { ConnectionFollower } from './connection-follower.js';

class MovableClock extends Clock {
  private ahead = 0;
  now(): Date {
    return new Date(Date.now() + this.ahead);
  }
  advance(ms: number): void {
    this.ahead += ms;
  }
}

const MINUTE = 60_000;
let testDatabase: TestDatabase;
let database: Database;
let clock: MovableClock;
let follower: ConnectionFollower;
let workspaceId: string;
let connectionId: string;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = Database.connect({ url: testDatabase.url, applicationName: 'follower-spec', maxConnections: 4 });
});
beforeEach(async () => {
  clock = new MovableClock();
  follower = new ConnectionFollower(database, clock);
  workspaceId = newId('workspace', clock.now());
  await database.pool.query('INSERT INTO workspace (id, name, created_at) VALUES ($1, $1, $2)', [workspaceId, clock.now()]);
  connectionId = await addConnection();
});
afterAll(async () => {
  await database?.close();
  await testDatabase?.drop();
});

/** An active connection; of its integration nothing is read here, so there is none. */
async function addConnection(): Promise<string> {
  const id = newId('connection', clock.now());
  await database.transaction(async (tx) => {
    await tx.query('SET LOCAL session_replication_role = replica');
    await tx.query(
      `INSERT INTO connection (id, workspace_id, integration_id, service, owner_id, account_id, account_label, scopes, status, status_since, notice_due,
         rejected_before, access_token_enc, token_type, generation, refresh_failures, version, created_at, updated_at)
       VALUES ($1, $2, 'int', 'acme', '', $1, 'Ada', '{}', 'active', $3, false, false, 'sealed', 'bearer', 1, 0, 1, $3, $3)`,
      [id, workspaceId, clock.now()],
    );
  });
  return id;
}

async function addSubscription(change: Record<string, unknown> = {}): Promise<string> {
  const now = clock.now();
  const id = newId('subscription', now);
  await database.pool.query(
    `INSERT INTO feed (id, workspace_id, connection_id, service, trigger_type, resource, created_at) VALUES ($1, $2, $3, 'acme', 'thing', $1, $4)`,
    [`fed_${id}`, workspaceId, connectionId, now],
  );
  const row = {
    id, workspace_id: workspaceId, feed_id: `fed_${id}`, service: 'acme', trigger_type: 'thing', connection_id: connectionId, resource: 'r', key: id,
    secrets_enc: 'x', want: '{}', applied: '{}', external_id: '7', status: 'active', status_since: now, attempts: 0, version: 1, created_at: now, secret_version: 1,
    ...change,
  };
  const columns = Object.keys(row);
  await database.pool.query(
    `INSERT INTO subscription (${columns.join(', ')}) VALUES (${columns.map((_, n) => `$${n + 1}`).join(', ')})`, Object.values(row),
  );
  return id;
}

const become = (status: string, reason: string | null = null, id = connectionId) =>
  database.pool.query('UPDATE connection SET status = $2, status_since = $3, reason = $4 WHERE id = $1', [id, status, clock.now(), reason]);
const read = async (id: string) => (await database.prisma.subscription.findUnique({ where: { id }, include: { history: { orderBy: { id: 'asc' } } } }))!;
const told = () => follower.follow({ workspaceId, connectionId });

describe.each([['a signal', told], ['the next sweep', () => follower.follow()]])('a connection that changed, as %s finds it', (_how, follow) => {
  it('that needs a person stops its subscriptions, says why, and has no try made', async () => {
    const [active, pending] = [await addSubscription(), await addSubscription({ status: 'pending', external_id: null, applied: null, next_attempt_at: clock.now() })];
    await become('auth_required', 'Acme says that the grant is over.');
    await follow();
    for (const id of [active, pending]) {
      const row = await read(id);
      expect(row).toMatchObject({ status: 'auth_required', reasonCode: 'unauthorised', reasonMessage: 'Acme says that the grant is over.' });
      expect(row.nextAttemptAt!.getTime()).toBeGreaterThan(clock.now().getTime() + 30 * MINUTE);
      expect(row.history).toHaveLength(1);
    }
    const { version } = await read(active);
    await follow();
    expect((await read(active)).version).toBe(version);
  });

  it('leaves what waits for a decision of a person, before and after', async () => {
    const drift = { kind: 'missing', ours: {}, theirs: null, seenAt: clock.now().toISOString() };
    const id = await addSubscription({ status: 'missing', reason_code: 'missing_at_service', drift });
    await become('auth_required', 'over');
    await follow();
    clock.advance(MINUTE);
    await become('active');
    await follow();
    expect(await read(id)).toMatchObject({ status: 'missing', reasonCode: 'missing_at_service', drift, nextAttemptAt: null });
  });

  it('that works again makes them due at once, and not again when the service refuses them all the same', async () => {
    const ids = [await addSubscription(), await addSubscription({ status: 'pending', external_id: null, applied: null })];
    await become('auth_required', 'over');
    await follow();
    clock.advance(MINUTE);
    await become('active');
    await follow();
    const rows = await Promise.all(ids.map(read));
    expect(rows.map(({ status }) => status)).toEqual(['degraded', 'pending']);
    for (const { nextAttemptAt, history } of rows) {
      expect(nextAttemptAt!.getTime()).toBeLessThanOrEqual(clock.now().getTime());
      expect(history.map((line) => line.reasonCode)).toEqual(['unauthorised', 'authorised']);
    }
    clock.advance(1_000);
    const later = clock.in(5 * MINUTE);
    await database.pool.query(`UPDATE subscription SET status = 'auth_required', status_since = $2, next_attempt_at = $3 WHERE id = $1`, [ids[0], clock.now(), later]);
    await follower.follow();
    expect((await read(ids[0]!)).nextAttemptAt).toEqual(later);
  });

  it('leaves what is not its own, what is under way, and what is being removed', async () => {
    const busy = await addSubscription({ lease_owner: 'somebody', lease_until: clock.in(MINUTE) });
    const removing = await addSubscription({ status: 'removing' });
    const other = await addConnection();
    const others = await addSubscription({ connection_id: other });
    await become('auth_required', 'over');
    await follow();
    expect((await read(busy)).status).toBe('active');
    expect((await read(removing)).status).toBe('removing');
    expect((await read(others)).status).toBe('active');
    clock.advance(2 * MINUTE);
    await follow();
    expect((await read(busy)).status).toBe('auth_required');
  });
});

it('a connection that came back is noticed, once, whatever the clocks of two machines say, and while a try was under way', async () => {
  const id = await addSubscription();
  await become('auth_required', 'over');
  await follower.follow();
  await become('active');
  await database.pool.query('UPDATE connection SET status_since = $2 WHERE id = $1', [connectionId, clock.in(-MINUTE)]);
  await follower.follow();
  expect((await read(id)).status).toBe('degraded');
  const refuse = () => database.pool.query(`UPDATE subscription SET status = 'auth_required', status_since = $2 WHERE id = $1`, [id, clock.in(-2 * MINUTE)]);
  await refuse();
  await follower.follow();
  expect((await read(id)).status).toBe('auth_required');
});

it('a signal that a connection works again makes due whatever of it waits', async () => {
  const removing = await addSubscription({ status: 'removing', next_attempt_at: clock.in(10 * MINUTE) });
  const refused = await addSubscription({ status: 'degraded', reason_code: 'forbidden', next_attempt_at: clock.in(10 * MINUTE) });
  await told();
  for (const id of [removing, refused]) expect((await read(id)).nextAttemptAt!.getTime()).toBeLessThanOrEqual(clock.now().getTime());
});

it('a signal that a connection is removed with a new grant makes due what is to be removed, and with a dead one nothing', async () => {
  const later = clock.in(10 * MINUTE);
  const removing = await addSubscription({ status: 'removing', next_attempt_at: later });
  const refused = await addSubscription({ status: 'degraded', reason_code: 'forbidden', next_attempt_at: later });
  await become('disconnecting');
  await database.pool.query(`UPDATE connection SET reason_code = 'dead_grant' WHERE id = $1`, [connectionId]);
  await told();
  expect((await read(removing)).nextAttemptAt).toEqual(later);
  await database.pool.query('UPDATE connection SET reason_code = NULL WHERE id = $1', [connectionId]);
  await told();
  expect((await read(removing)).nextAttemptAt!.getTime()).toBeLessThanOrEqual(clock.now().getTime());
  expect((await read(refused)).nextAttemptAt).toEqual(later);
});

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ArrivalStage, call } from '../delivery-log/fixtures/arrival-stage.js';
import type { SubscriptionRow } from '../sagas/subscription-rows.js';
import type { CanaryRow } from './canary-rows.js';

const CREATED = 'OCP\\Files\\Events\\Node\\NodeCreatedEvent';
const DELETED = 'OCP\\Files\\Events\\Node\\NodeDeletedEvent';
const NIGHT = 30 * 3600;

let stage: ArrivalStage;
let row: SubscriptionRow;
let repository: string;
let serial = 0;

beforeAll(async () => {
  stage = await ArrivalStage.open();
});
beforeEach(async () => {
  serial += 1;
  repository = `octocat/canary-${serial}`;
  stage.ingress = 'up';
  stage.github.addRepo(repository);
  row = await stage.subscription('github', { repository, events: ['push'] });
});
afterEach(async () => {
  stage.github.faults.clear();
  stage.nextcloud.faults.clear();
  await stage.database.pool.query(`UPDATE subscription SET status = 'removed', canary_at = NULL, log_at = NULL`);
});
afterAll(() => stage?.close());

const canaries = async ({ feed_id: feed }: SubscriptionRow): Promise<CanaryRow[]> =>
  (await stage.database.pool.query<CanaryRow>('SELECT c.* FROM canary c JOIN subscription s ON s.id = c.subscription_id WHERE s.feed_id = $1 ORDER BY c.id', [feed])).rows;
const now = async (of = row) => (await stage.rows.read(of.id))!;
/** So much time passes, then what is due is done, as sync-workers do. */
async function after(seconds: number, of = row): Promise<void> {
  stage.advance(seconds);
  for (const id of await stage.canaries.due(100)) await stage.canaries.do(id, call);
  await stage.idle();
  expect((await now(of)).canary_at!.getTime()).toBeGreaterThan(stage.clock.now().getTime());
}
/** A night's canary is sent, and its time is over. */
async function night(of = row): Promise<void> {
  await after(NIGHT, of);
  await after(11, of);
  await after(600, of);
}
/** Another one serves its feed from now on, whose own canary is a long time off. */
async function replaced({ id }: SubscriptionRow): Promise<string> {
  await stage.database.pool.query(
    `INSERT INTO subscription (id, workspace_id, feed_id, service, trigger_type, connection_id, resource, key, secrets_enc, want, applied, external_id, status,
       status_since, attempts, version, created_at, secret_version, registered_at, canary_at)
     SELECT $2, workspace_id, feed_id, service, trigger_type, connection_id, resource, $2, 'x', want, applied, external_id, 'active', $3, 0, 1, $3, 1, $3, $4
     FROM subscription WHERE id = $1`,
    [id, `${id}2`, stage.clock.now(), stage.clock.in(200_000_000)],
  );
  await stage.database.pool.query(`UPDATE subscription SET status = 'removed', canary_at = NULL WHERE id = $1`, [id]);
  return `${id}2`;
}
const codes = async (of = row) => (await stage.history(of)).map(({ status, code }) => `${status} ${code}`);

describe('a canary of a service that sends a message when asked', () => {
  it('is heard, with its round trip, and starts nothing', async () => {
    const started = await stage.canaries.request(row, call);
    await stage.idle();
    const [heard] = await canaries(row);
    expect(heard).toMatchObject({ id: started.id, failed_at: null, heard_at: expect.any(Date) });
    expect(heard!.heard_at!.getTime()).toBeGreaterThanOrEqual(heard!.started_at.getTime());
    expect(heard!.heard_at!.getTime() - heard!.started_at.getTime()).toBeLessThan(30_000);
    expect([await stage.events(row), await stage.runs(row)]).toEqual([[], 0]);
  });

  it('is sent every night, and not twice in one', async () => {
    for (let nights = 1; nights <= 3; nights += 1) {
      await night();
      expect((await canaries(row)).map(({ heard_at: at }) => at !== null)).toEqual(Array.from({ length: nights }, () => true));
    }
    const next = (await now()).canary_at!;
    expect(next.getUTCHours()).toBeLessThan(5);
    await stage.canaries.request(row, call);
    await stage.idle();
    await after(11);
    expect(await canaries(row)).toHaveLength(4);
    expect((await now()).status).toBe('active');
  });

  it('is kept for ninety days', async () => {
    await night();
    const [first] = await canaries(row);
    stage.advance(85 * 86_400);
    await night();
    expect(await canaries(row)).toHaveLength(2);
    stage.advance(4 * 86_400);
    await night();
    const kept = await canaries(row);
    expect([kept.length, kept.some(({ id }) => id === first!.id)]).toEqual([2, false]);
  });

  it('that is lost fails alone, lost twice in a row it makes the subscription degraded, and heard again it recovers', async () => {
    stage.ingress = 'down';
    await night();
    const [first] = await canaries(row);
    expect(first).toMatchObject({ heard_at: null, failed_at: expect.any(Date), message: expect.stringContaining('did not arrive within 2 minutes. Look whether GitHub can reach') });
    expect((await now()).status).toBe('active');
    await night();
    expect(await now()).toMatchObject({ status: 'degraded', reason_code: 'canary_lost', reason_message: expect.stringContaining('Twice in a row') });
    stage.ingress = 'up';
    await stage.canaries.request(row, call);
    await stage.idle();
    await after(11);
    expect(await now()).toMatchObject({ status: 'active', reason_code: 'recovered' });
    expect(await codes()).toEqual(['degraded canary_lost', 'active recovered']);
  });

  it('that is lost once between others says nothing', async () => {
    for (const ingress of ['down', 'up', 'down'] as const) {
      stage.ingress = ingress;
      await night();
    }
    expect((await now()).status).toBe('active');
    expect((await canaries(row)).map(({ failed_at: at }) => at !== null)).toEqual([true, false, true]);
  });

  it('is one, however many ask, and a message from before it is not it', async () => {
    stage.ingress = 'down';
    const first = await stage.canaries.request(row, call);
    expect((await stage.canaries.request(row, call)).id).toBe(first.id);
    await stage.idle();
    expect(await canaries(row)).toMatchObject([{ heard_at: null, failed_at: null }]);
  });

  it('is not begun when the service refuses it, and may have been sent when it does not answer', async () => {
    stage.github.faults.set({ kind: 'status', status: 403, path: '/repos/**/pings' });
    await expect(stage.canaries.request(row, call)).rejects.toMatchObject({ code: 'service_forbidden' });
    expect(await canaries(row)).toEqual([]);
    stage.github.faults.set({ kind: 'drop', afterWork: true, path: '/repos/**/pings' });
    await stage.canaries.request(row, call);
    await stage.idle();
    expect(await canaries(row)).toMatchObject([{ heard_at: expect.any(Date) }]);
    stage.github.faults.set({ kind: 'status', status: 403, path: '/repos/**/pings' });
    await night();
    expect([(await canaries(row)).length, (await now()).status]).toEqual([1, 'active']);
  });

  it('whose sending a crash cut off is judged all the same', async () => {
    stage.github.faults.set({ kind: 'drop', path: '/repos/**/pings' });
    await stage.canaries.request(row, call);
    await stage.rows.claim(row.id, 'a process that died');
    await after(200);
    expect(await canaries(row)).toMatchObject([{ heard_at: null, failed_at: expect.any(Date) }]);
  });

  it('of a subscription that was replaced is judged by what serves the feed now', async () => {
    stage.ingress = 'down';
    await stage.canaries.request(row, call);
    const fresh = await replaced(row);
    stage.advance(130);
    expect(await stage.canaries.due(10)).toEqual([]);
    stage.advance(480);
    expect(await stage.canaries.due(10)).toEqual([fresh]);
    expect(await stage.canaries.do(fresh, call)).toBe(true);
    expect(await canaries(row)).toMatchObject([{ failed_at: expect.any(Date) }]);
    expect(await stage.canaries.due(10)).toEqual([]);
  });
});

describe('a canary of a service that sends events alone', () => {
  let files: SubscriptionRow;
  beforeEach(async () => {
    files = await stage.subscription('nextcloud', { event: CREATED });
  });
  afterEach(() => {
    stage.nextcloud.state.listeners = [];
  });

  it('is a file whose event is heard and starts nothing, also where its deletion is listened to', async () => {
    const deletions = await stage.subscription('nextcloud', { event: DELETED });
    await stage.canaries.request(files, call);
    await stage.idle();
    expect(await canaries(files)).toMatchObject([{ heard_at: expect.any(Date) }]);
    for (const one of [files, deletions]) {
      expect([await stage.events(one), await stage.runs(one)]).toEqual([[], 0]);
      const { rows } = await stage.database.pool.query('SELECT status FROM delivery WHERE subscription_id = $1', [one.id]);
      expect(rows).toEqual([{ status: 'ping' }]);
    }
    await stage.nextcloud.writeFile('/admin/files/a.txt');
    expect(await stage.runs(files)).toBe(1);
    await expect(stage.canaries.request(deletions, call)).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('cause an event there') });
  });

  it('is heard by its marker, not by the canary of another', async () => {
    stage.nextcloud.faults.set({ kind: 'delivery-drop', times: 0 });
    await stage.canaries.request(files, call);
    await stage.idle();
    stage.nextcloud.faults.clear();
    await stage.nextcloud.writeFile('/admin/files/.vane-canary-cny-00000000000000000000000000');
    expect(await canaries(files)).toMatchObject([{ heard_at: null, failed_at: null }]);
    expect(await stage.runs(files)).toBe(0);
  });

  it('has ten minutes, for cron brings it', async () => {
    stage.nextcloud.faults.set({ kind: 'delivery-drop', times: 0 });
    await stage.canaries.request(files, call);
    await stage.idle();
    await after(300, files);
    expect(await canaries(files)).toMatchObject([{ failed_at: null }]);
    await after(301, files);
    expect(await canaries(files)).toMatchObject([{ failed_at: expect.any(Date), message: expect.stringContaining('within 10 minutes. Look whether the background jobs of Nextcloud run') }]);
  });

  it('is not looked at over and over while it has time, when its subscription was replaced', async () => {
    stage.nextcloud.faults.set({ kind: 'delivery-drop', times: 0 });
    await stage.canaries.request(files, call);
    await stage.idle();
    const fresh = await replaced(files);
    stage.advance(300);
    for (const id of await stage.canaries.due(10)) await stage.canaries.do(id, call);
    expect(await stage.canaries.due(10)).toEqual([]);
    stage.advance(301);
    expect(await stage.canaries.due(10)).toContain(fresh);
  });
});

describe('a canary of a service whose objects begin with a message', () => {
  it('is a renewal that is due now, heard when the first message of the new object comes', async () => {
    const at = stage.clock.now();
    const copy = (from: string, id: string, status: string) =>
      stage.database.pool.query(
        `INSERT INTO subscription (id, workspace_id, feed_id, service, trigger_type, connection_id, resource, key, secrets_enc, want, applied, external_id, status,
           status_since, attempts, version, created_at, secret_version, registered_at, canary_at, expires_at, renew_at)
         SELECT $2, workspace_id, feed_id, 'google', 'drive-changes', connection_id, resource, $2, 'x', want, applied, 'channel', $3, $4, 0, 1, $4, 1, $4, $4, $5, $6
         FROM subscription WHERE id = $1`,
        [from, id, status, at, stage.clock.in(80_000_000), stage.clock.in(60_000_000)],
      );
    await stage.database.pool.query(`UPDATE subscription SET status = 'removed', canary_at = NULL WHERE id = $1`, [row.id]);
    const [old, renewed] = [`${row.id}o`, `${row.id}r`];
    await copy(row.id, old, 'active');
    await stage.canaries.request((await stage.rows.read(old))!, call);
    expect((await stage.rows.read(old))!.renew_at!.getTime()).toBeLessThanOrEqual(stage.clock.now().getTime());
    await copy(old, renewed, 'pending');
    expect(await canaries(row)).toMatchObject([{ subscription_id: old, heard_at: null }]);
    expect(await stage.post(renewed, { 'x-goog-resource-state': 'sync' })).toBe(200);
    expect(await canaries(row)).toMatchObject([{ subscription_id: old, heard_at: expect.any(Date) }]);
  });
});

describe('switched off', () => {
  it('sends none by itself, and one when a person asks', async () => {
    const other = await ArrivalStage.open(0);
    try {
      other.github.addRepo(repository);
      const quiet = await other.subscription('github', { repository, events: ['push'] });
      other.advance(NIGHT);
      expect(await other.canaries.do(quiet.id, call)).toBe(false);
      expect(other.github.state.deliveries).toHaveLength(1);
      await other.canaries.request(quiet, call);
      await other.idle();
      expect(other.github.state.deliveries).toHaveLength(2);
    } finally {
      await other.close();
    }
  });
});

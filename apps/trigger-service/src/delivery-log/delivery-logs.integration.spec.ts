import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ServiceError } from '@vane/kit';
import type { SubscriptionRow } from '../sagas/subscription-rows.js';
import { ArrivalStage, call } from './fixtures/arrival-stage.js';

let stage: ArrivalStage;
let row: SubscriptionRow;
let repository: string;
let serial = 0;

beforeAll(async () => {
  stage = await ArrivalStage.open();
});
beforeEach(async () => {
  serial += 1;
  repository = `octocat/log-${serial}`;
  stage.ingress = 'up';
  stage.github.addRepo(repository);
  row = await stage.subscription('github', { repository, events: ['push'] });
});
afterEach(() => stage.github.faults.clear());
afterAll(() => stage?.close());

const push = async (times: number): Promise<string[]> => {
  const guids: string[] = [];
  for (let n = 0; n < times; n += 1) guids.push((await stage.github.push(repository, 'push', { n }))[0]!.guid);
  return guids;
};
/** The time of the next look comes, what was sent lies behind, and what is sent again because of it arrives. */
async function look(): Promise<boolean> {
  stage.advance(1_200);
  expect(await stage.logs.due(100)).toContain(row.id);
  const done = await stage.logs.do(row.id, call);
  await stage.idle();
  return done;
}
const sentAgain = () => stage.github.state.requests.filter(({ method, path }) => method === 'POST' && path.includes(`${repository}/`) && path.endsWith('/attempts')).length;
const now = async () => (await stage.rows.read(row.id))!;

describe('what a service says it sent and we do not have', () => {
  it('is asked for after ingress was down, and arrives exactly once', async () => {
    const before = await push(2);
    stage.ingress = 'down';
    const missed = await push(5);
    expect(await stage.events(row)).toEqual(before);
    stage.ingress = 'up';
    expect(await look()).toBe(true);
    expect(sentAgain()).toBe(5);
    // What is sent again side by side arrives in any order.
    const got = await stage.events(row);
    expect([got.slice(0, 2), got.slice(2).sort()]).toEqual([before, missed.sort()]);
    expect(await stage.runs(row)).toBe(7);
    const [line] = (await stage.history(row)).filter(({ code }) => code === 'deliveries_recovered');
    expect(line).toEqual({ status: 'active', code: 'deliveries_recovered', message: expect.stringMatching(/^GitHub's log had 5 events that we did not get since .+Z; asked it to send them again\.$/) });
    expect(await look()).toBe(true);
    expect([sentAgain(), (await stage.events(row)).length, (await stage.history(row)).length]).toEqual([5, 7, 1]);
    expect((await now()).status).toBe('active');
  });

  it('is asked for once when it was taken and lost here', async () => {
    stage.ingress = 'losing';
    const [lost] = await push(1);
    stage.ingress = 'up';
    for (let round = 0; round < 3; round += 1) await look();
    expect(sentAgain()).toBe(1);
    expect(await stage.events(row)).toEqual([lost]);
    await stage.database.pool.query('DELETE FROM event_key WHERE dedupe_key = $1', [lost]);
    await stage.database.pool.query('UPDATE subscription SET log_read_until = NULL WHERE id = $1', [row.id]);
    await look();
    expect(sentAgain()).toBe(2);
  });

  it('is given up after three times when it can never be taken in', async () => {
    stage.ingress = 'unreadable';
    await push(1);
    for (let round = 0; round < 6; round += 1) await look();
    expect(sentAgain()).toBe(2);
    stage.ingress = 'up';
    await look();
    expect([sentAgain(), await stage.events(row)]).toEqual([2, []]);
  });

  it('is left alone while it may be on its way, and nothing that is older is forgotten meanwhile', async () => {
    stage.ingress = 'down';
    const [missed] = await push(1);
    stage.ingress = 'up';
    expect(await stage.logs.do(row.id, call)).toBe(true);
    expect(sentAgain()).toBe(0);
    expect((await now()).log_read_until!.getTime()).toBeLessThanOrEqual(Date.parse(stage.github.state.deliveries.at(-1)!.deliveredAt));
    await look();
    expect(await stage.events(row)).toEqual([missed]);
  });

  it('is asked for a hundred at a time, the oldest first, until there is no rest', async () => {
    stage.ingress = 'down';
    const missed = await push(130);
    // Times in a log may be too coarse to tell what was first: its order does.
    const { deliveries } = stage.github.state;
    for (const delivery of deliveries) delivery.deliveredAt = deliveries.at(-1)!.deliveredAt;
    stage.ingress = 'up';
    await look();
    expect([...(await stage.events(row))].sort()).toEqual(missed.slice(0, 100).sort());
    const { log_at: at } = await now();
    expect(at!.getTime()).toBeLessThanOrEqual(stage.clock.now().getTime() + 60_000);
    await look();
    expect([...(await stage.events(row))].sort()).toEqual([...missed].sort());
    expect(sentAgain()).toBe(130);
  });

  it('is no ping, and not what the service has forgotten', async () => {
    stage.ingress = 'down';
    await stage.canaries.request(row, call);
    await stage.idle();
    expect(stage.github.state.deliveries.at(-1)).toMatchObject({ event: 'ping', statusCode: 503 });
    expect(await look()).toBe(true);
    await push(1);
    stage.advance(3 * 86_400 + 60);
    stage.ingress = 'up';
    expect(await look()).toBe(true);
    expect(sentAgain()).toBe(0);
  });
});

describe('a log', () => {
  it('that cannot be read changes nothing, and is read later', async () => {
    stage.ingress = 'down';
    const missed = await push(1);
    stage.ingress = 'up';
    for (const status of [403, 503]) {
      stage.github.faults.set({ kind: 'status', status, path: '/repos/**/deliveries' });
      expect(await look()).toBe(false);
      expect(await now()).toMatchObject({ status: 'active', reason_code: null, check_at: null, lease_owner: null });
      expect((await now()).log_at!.getTime()).toBeGreaterThan(stage.clock.now().getTime());
    }
    await look();
    expect(await stage.events(row)).toEqual(missed);
  });

  it('of a hook that is not there leaves that to the check, now', async () => {
    stage.github.state.repos.get(repository)!.hooks.splice(0);
    expect(await look()).toBe(false);
    expect(await now()).toMatchObject({ status: 'active', check_at: expect.any(Date) });
    expect((await now()).check_at!.getTime()).toBeLessThanOrEqual(stage.clock.now().getTime());
  });

  it('is not read for a connection that waits for a person, nor by two at once', async () => {
    const requests = stage.github.state.requests.length;
    await stage.database.transaction(async (tx) => {
      await tx.query('SET LOCAL session_replication_role = replica');
      await tx.query(
        `INSERT INTO connection (id, workspace_id, integration_id, service, owner_id, account_id, account_label, scopes, status, status_since, notice_due,
           rejected_before, access_token_enc, token_type, generation, refresh_failures, version, created_at, updated_at)
         VALUES ($1, $2, 'int', 'github', '', $1, 'Ada', '{}', 'auth_required', $3, false, false, 'sealed', 'bearer', 1, 0, 1, $3, $3)`,
        [row.connection_id, row.workspace_id, stage.clock.now()],
      );
    });
    expect(await look()).toBe(false);
    expect(stage.github.state.requests).toHaveLength(requests);
    await stage.database.pool.query(`UPDATE connection SET status = 'active' WHERE id = $1`, [row.connection_id]);
    stage.advance(1_200);
    expect((await Promise.all([stage.logs.do(row.id, call), stage.logs.do(row.id, call)])).filter(Boolean)).toHaveLength(1);
    await stage.rows.claim(row.id, 'another');
    stage.advance(1_200);
    expect(await stage.logs.do(row.id, call)).toBe(true);
  });

  it('is gone on with after a crash in the middle', async () => {
    stage.ingress = 'down';
    const missed = await push(3);
    stage.ingress = 'up';
    const extend = stage.rows.extend.bind(stage.rows);
    let calls = 0;
    stage.rows.extend = async (id, owner) => {
      calls += 1;
      // The second of three is on its way when the process dies.
      if (calls === 4) throw new ServiceError('unavailable', 'The process is gone.');
      return extend(id, owner);
    };
    try {
      await look();
    } finally {
      stage.rows.extend = extend;
    }
    expect((await stage.events(row)).length).toBeLessThan(3);
    await look();
    expect([...(await stage.events(row))].sort()).toEqual([...missed].sort());
  });
});

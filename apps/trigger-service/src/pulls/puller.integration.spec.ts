import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ServiceError } from '@vane/kit';
import { ConnectionFollower } from '../sagas/connection-follower.js';
import { call, EVERY_SECONDS, PullStage } from './fixtures/pull-stage.js';

const SECOND = 1_000;
let stage: PullStage;
let trigger: string;

beforeAll(async () => {
  stage = await PullStage.open();
});
afterAll(() => stage.close());
beforeEach(async () => {
  await stage.reset();
  trigger = await stage.trigger('from_now');
});

const happen = (...objects: string[]) => objects.forEach((object) => stage.service.change(object, stage.clock.now()));
const ping = () => stage.intake.take([stage.message()]);
const later = (seconds: number) => {
  stage.clock.aheadMs += seconds * SECOND;
};
const dueInSeconds = async () => ((await stage.row()).due_at!.getTime() - stage.clock.now().getTime()) / SECOND;

describe('a message that there is something', () => {
  it('two pings at once advance once', async () => {
    happen('a');
    await Promise.all([ping(), stage.intake.take([stage.message(), stage.message()])]);
    expect(await stage.row()).toMatchObject({ wanted: 2, done: 0 });
    expect([await stage.tick(), await stage.tick()]).toEqual([1, 0]);
    expect(stage.service.calls).toEqual(['page 0']);
    expect(await stage.started(trigger)).toEqual(['a@1']);
    expect(await stage.row()).toMatchObject({ wanted: 2, done: 2, cursor: '1', lease_owner: null });
  });

  it('is a delivery without an event, and harmless when it comes late, twice or for nothing', async () => {
    happen('a', 'b', 'c');
    const message = stage.message();
    for (let n = 0; n < 3; n += 1) {
      await stage.intake.take([message]);
      await stage.tick();
    }
    expect(await stage.events()).toEqual(['a@1', 'b@1', 'c@1']);
    expect(await stage.query('SELECT status FROM delivery WHERE feed_id = $1', [stage.ids.feed])).toEqual([{ status: 'accepted' }]);
    expect(await stage.query('SELECT DISTINCT delivery_id, correlation_id FROM event e JOIN run r ON r.event_id = e.id WHERE e.feed_id = $1', [stage.ids.feed])).toEqual([
      { delivery_id: null, correlation_id: call.correlationId },
    ]);
  });

  it('that only says hello is recorded, also while the subscription is pending, and wants nothing', async () => {
    await stage.query(`UPDATE subscription SET status = 'pending' WHERE id = $1`, [stage.ids.subscription]);
    await stage.intake.take([stage.message('ping')]);
    expect(await stage.query('SELECT status FROM delivery WHERE feed_id = $1', [stage.ids.feed])).toEqual([{ status: 'ping' }]);
    expect(await stage.row()).toMatchObject({ wanted: 0 });
    await ping();
    expect(await stage.row()).toMatchObject({ wanted: 1 });
  });

  it('makes the feed due again at once when it comes during a pull', async () => {
    happen('a');
    await ping();
    stage.service.before = async () => {
      stage.service.before = () => undefined;
      await ping();
    };
    await stage.tick();
    expect(await stage.row()).toMatchObject({ wanted: 2, done: 1 });
    expect([await stage.tick(), await stage.tick()]).toEqual([1, 0]);
    expect(await stage.row()).toMatchObject({ wanted: 2, done: 2 });
  });

  it('lost ping recovered by timer', async () => {
    later(11);
    await stage.tick();
    happen('a');
    const wait = await dueInSeconds();
    expect(wait).toBeGreaterThan(EVERY_SECONDS * 0.89);
    expect(wait).toBeLessThan(EVERY_SECONDS * 1.11);
    expect(await stage.tick()).toBe(0);
    later(wait + 1);
    expect(await stage.tick()).toBe(1);
    expect(await stage.started(trigger)).toEqual(['a@1']);
  });
});

describe('a cursor', () => {
  it('is there before anything is registered, and asked for once', async () => {
    happen('a');
    await stage.begin();
    expect(stage.service.calls).toEqual([]);
    // The first pull does not wait for a message: what happened before the registration sends none.
    expect(await dueInSeconds()).toBeLessThan(11);
    later(11);
    await stage.tick();
    expect(await stage.started(trigger)).toEqual(['a@1']);
  });

  it('goes when nothing is registered any more, and not while something is', async () => {
    await stage.database.transaction((tx) => stage.pulls.stop(tx, stage.ids.feed));
    expect(await stage.row()).toMatchObject({ cursor: '0' });
    await stage.query(`UPDATE subscription SET status = 'removed' WHERE id = $1`, [stage.ids.subscription]);
    await stage.database.transaction((tx) => stage.pulls.stop(tx, stage.ids.feed));
    expect(await stage.row()).toMatchObject({ cursor: null, due_at: null });
    happen('a');
    await ping();
    expect(await stage.row()).toMatchObject({ due_at: null });
    await stage.query(`UPDATE subscription SET status = 'pending' WHERE id = $1`, [stage.ids.subscription]);
    await stage.begin();
    expect(await stage.row()).toMatchObject({ cursor: '1' });
  });

  it('stops by itself where a crash has left it behind', async () => {
    await stage.query(`UPDATE subscription SET status = 'removed' WHERE id = $1`, [stage.ids.subscription]);
    later(11);
    expect([await stage.tick(), await stage.tick()]).toEqual([1, 0]);
    expect(await stage.row()).toMatchObject({ cursor: null, due_at: null, lease_owner: null });
    expect(stage.service.calls).toEqual([]);
  });

  it('cursor saved in the same transaction as its events', async () => {
    happen('whole');
    await ping();
    await stage.query(`ALTER TABLE feed_pull ADD CONSTRAINT spec_passing CHECK (cursor <> '1')`);
    await stage.tick();
    await stage.query('ALTER TABLE feed_pull DROP CONSTRAINT spec_passing');
    expect([await stage.events(), (await stage.row()).cursor]).toEqual([[], '0']);
    await stage.query(`ALTER TABLE event ADD CONSTRAINT spec_passing CHECK (dedupe_key <> 'whole@1')`);
    later(60);
    await stage.tick();
    await stage.query('ALTER TABLE event DROP CONSTRAINT spec_passing');
    expect([await stage.events(), (await stage.row()).cursor, (await stage.row()).failures]).toEqual([[], '0', 2]);
    later(60);
    await stage.tick();
    expect([await stage.started(trigger), (await stage.row()).cursor, (await stage.row()).failures]).toEqual([['whole@1'], '1', 0]);
  });

  it('is moved by one of two pullers at once, whatever the leases say', async () => {
    happen('a', 'b', 'c');
    await ping();
    // The first is so slow that the second may take the feed over.
    stage.service.before = async (name) => {
      if (name !== 'page 2') return;
      stage.service.before = () => undefined;
      later(3_600);
      expect(await stage.puller().do(stage.ids.feed, call)).toBe(true);
    };
    expect(await stage.puller().do(stage.ids.feed, call)).toBe(false);
    expect(await stage.started(trigger)).toEqual(['a@1', 'b@1', 'c@1']);
    expect(await stage.events()).toHaveLength(3);
    expect(await stage.row()).toMatchObject({ cursor: '3', lease_owner: null });
  });

  it('is pulled by one of many who are asked at once', async () => {
    happen('a', 'b', 'c');
    await ping();
    const done = await Promise.all(Array.from({ length: 8 }, () => stage.puller().do(stage.ids.feed, call)));
    expect(done.filter(Boolean)).toHaveLength(1);
    expect(stage.service.calls).toEqual(['page 0', 'page 2']);
  });
});

describe('a pull that is cut off', () => {
  it('at any await is finished by another, with exactly one event and one run per version', async () => {
    class Killed extends Error {}
    let finished = false;
    for (let at = 1; !finished; at += 1) {
      await stage.reset();
      trigger = await stage.trigger('replay_all');
      happen('a', 'b', 'a', 'c', 'a');
      await ping();
      // Half of the time with a cursor that is lost, so that a replay is cut off, too.
      if (at % 2 === 0) stage.service.forget('410 Gone');
      let step = 0;
      const steps = {
        step: () => {
          if ((step += 1) >= at) throw new Killed();
        },
      };
      stage.service.before = () => steps.step();
      const died = await stage.tick(stage.puller(steps)).then(() => false, () => true);
      stage.service.before = () => undefined;
      finished = !died && at % 2 === 0;
      later(120);
      await stage.tick();
      const latest = at % 2 === 0 ? ['a@3', 'b@1', 'c@1'] : ['a@1', 'a@2', 'a@3', 'b@1', 'c@1'];
      expect({ at, events: (await stage.events()).sort(), started: await stage.started(trigger) }).toEqual({ at, events: latest, started: latest });
      expect(await stage.row()).toMatchObject({ cursor: '5', wanted: 1, done: 1, replaying: false, lease_owner: null });
    }
  });
});

describe('what pulling costs', () => {
  it('is two statements where nothing is new, and one transaction a page where something is', async () => {
    let steps: string[] = [];
    const puller = stage.puller({ step: (name) => steps.push(name.trim().split(/\s+/, 3).join(' ')) });
    await ping();
    await puller.do(stage.ids.feed, call);
    expect(steps).toEqual(['UPDATE feed_pull p', 'UPDATE feed_pull SET']);
    steps = [];
    happen('a', 'b');
    await ping();
    await puller.do(stage.ids.feed, call);
    expect(steps).toEqual(['UPDATE feed_pull p', 'BEGIN', 'INSERT INTO event_key', 'INSERT INTO event', 'SELECT t.id, t.feed_id,', 'INSERT INTO run', 'UPDATE feed_pull SET', 'COMMIT', 'committed']);
  });

  it('is shared out: a feed with very many pages has its next turn after the others', async () => {
    for (let n = 0; n < 120; n += 1) happen(`o${n}`);
    await ping();
    expect([await stage.tick(), (await stage.row()).cursor]).toEqual([1, '100']);
    expect([await stage.tick(), (await stage.row()).cursor]).toEqual([1, '120']);
    expect(await stage.tick()).toBe(0);
    expect(await stage.started(trigger)).toHaveLength(120);
  });

  it('is shared out: so is a feed whose pages take very long', async () => {
    happen('a', 'b', 'c');
    await ping();
    stage.service.before = () => later(31);
    expect([await stage.tick(), (await stage.row()).cursor]).toEqual([1, '2']);
    expect([await stage.tick(), (await stage.row()).cursor]).toEqual([1, '3']);
    expect(await stage.started(trigger)).toEqual(['a@1', 'b@1', 'c@1']);
  });
});

describe('a failure', () => {
  const fail = (error: Error) => {
    stage.service.before = () => {
      throw error;
    };
  };

  it('is tried again later and later, not sooner for a message, and told after the third', async () => {
    fail(new ServiceError('unavailable', 'Acme answered 503: "over capacity".'));
    const waits: number[] = [];
    for (let n = 1; n <= 4; n += 1) {
      happen('a');
      await ping();
      await stage.tick();
      expect(await stage.row()).toMatchObject({ failures: n, reason_code: 'unavailable', cursor: '0' });
      waits.push(await dueInSeconds());
      await ping();
      expect(await stage.tick()).toBe(0);
      expect((await stage.subscription()).status).toBe(n < 3 ? 'active' : 'degraded');
      later(waits.at(-1)! + 1);
    }
    for (const [n, wait] of waits.entries()) expect(wait).toBeLessThanOrEqual(2 * 2 ** (n + 1));
    expect(waits[3]!).toBeGreaterThan(waits[0]!);
    expect(await stage.history()).toEqual([
      { status: 'degraded', reason_code: 'pull_failing', reason_message: 'Its events cannot be fetched: Acme answered 503: "over capacity".' },
    ]);

    stage.service.before = () => undefined;
    await stage.tick();
    expect(await stage.row()).toMatchObject({ failures: 0, reason_code: null });
    expect((await stage.history()).at(-1)).toEqual({ status: 'active', reason_code: null, reason_message: null });
    expect(await stage.subscription()).toMatchObject({ status: 'active', reason_code: null });
    expect(await stage.started(trigger)).toEqual(['a@1', 'a@2', 'a@3', 'a@4']);
  });

  it('is repeated no sooner than the service says', async () => {
    fail(new ServiceError('rate_limited', 'Acme has had enough.', { retryAfterMs: 3_600_000 }));
    await ping();
    await stage.tick();
    expect(await dueInSeconds()).toBeGreaterThan(3_590);
  });

  it('of a service that gives the same page for ever is one', async () => {
    stage.service.page = async () => ({ events: [], cursor: '0', more: true });
    await ping();
    await stage.tick();
    expect(await stage.row()).toMatchObject({ failures: 1, reason_code: 'garbage' });
  });

  it('is not sought: a connection that cannot work is not used', async () => {
    await ping();
    for (const status of ['auth_required', 'disconnecting']) {
      await stage.query('UPDATE connection SET status = $2 WHERE id = $1', [stage.ids.connection, status]);
      await stage.tick();
      expect(await dueInSeconds()).toBeGreaterThan(200);
      later(400);
    }
    expect([stage.service.calls, stage.authorised]).toEqual([[], 0]);
    expect(await stage.row()).toMatchObject({ failures: 0, done: 0, wanted: 1, lease_owner: null });
    const follower = new ConnectionFollower(stage.database, stage.clock);
    const one = { workspaceId: stage.ids.workspace, connectionId: stage.ids.connection };
    await stage.tick();
    await follower.follow(one);
    expect(await stage.tick()).toBe(0);
    await stage.query(`UPDATE connection SET status = 'active' WHERE id = $1`, [stage.ids.connection]);
    await follower.follow(one);
    expect(await stage.tick()).toBe(1);
    expect(await stage.row()).toMatchObject({ done: 1 });
  });

  it('to store one event is told, and keeps no other from coming', async () => {
    happen('a', 'b', 'c');
    const page = stage.service.page.bind(stage.service);
    stage.service.page = async (http, cursor) => {
      const read = await page(http, cursor);
      return { ...read, events: read.events.map((event) => (event.dedupeKey === 'b@1' ? { ...event, occurredAt: 'the day before' } : event)) };
    };
    await ping();
    await stage.tick();
    expect(await stage.started(trigger)).toEqual(['a@1', 'c@1']);
    expect(await stage.row()).toMatchObject({ cursor: '3', failures: 0 });
    expect(await stage.history()).toEqual([{ status: 'active', reason_code: 'event_unreadable', reason_message: expect.stringContaining('starts nothing') }]);
  });
});

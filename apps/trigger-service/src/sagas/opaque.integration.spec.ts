import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ServiceError } from '@vane/kit';
import { call, SagaStage } from './fixtures/saga-stage.js';
import type { SubscriptionRow } from './subscription-rows.js';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
let stage: SagaStage;

beforeAll(async () => {
  stage = await SagaStage.open();
});
beforeEach(() => stage.reset());
afterAll(() => stage.close());

const read = async (id: string): Promise<SubscriptionRow> => (await stage.parts.rows.read(id))!;
const pending = () => stage.pending('con_x', 'r', 'channel');
const settle = (id: string) => stage.parts.settler.settle(id, call);
const active = async (): Promise<SubscriptionRow> => {
  const { id } = await pending();
  await settle(id);
  return read(id);
};
const newest = async ({ feed_id: feedId }: SubscriptionRow): Promise<SubscriptionRow> => (await stage.ofFeed(feedId)).at(-1)!;
/** What follows when time goes on and nothing is in the way. */
const goOn = async (minutes = 20) => {
  for (let turn = 0; turn < 3; turn += 1) {
    stage.clock.aheadMs += minutes * MINUTE;
    await stage.tick();
  }
};
const breaks = (name: 'register' | 'remove', error: () => Error = () => new ServiceError('unavailable', 'The connection broke.')) => {
  stage.channels.after = (done) => {
    if (done === name) throw error();
  };
};
const refuses = (name: 'register' | 'remove', error: ServiceError) => {
  stage.channels.before = (asked) => {
    if (asked === name) throw error;
  };
};
const nothingInTheWay = () => {
  stage.channels.before = () => undefined;
  stage.channels.after = () => undefined;
};

describe('registering at a service that shows nothing', () => {
  it('pending row exists before the provider call', async () => {
    let during: SubscriptionRow | undefined;
    const row = await pending();
    stage.channels.before = async () => {
      during = await read(row.id);
    };
    await settle(row.id);
    expect(during).toMatchObject({ status: 'pending', key: row.key, registered_at: null, applied: null });
    expect(stage.channels.live[0]).toMatchObject({ id: row.id, callbackUrl: expect.stringContaining(row.key) });
    expect(await read(row.id)).toMatchObject({ status: 'active', external_id: row.id, aux: { of: 'r' }, public_url: 'https://hooks.example' });
  });

  it('begins to fetch before the provider call', async () => {
    const row = await pending();
    let cursor: string | null | undefined;
    stage.channels.before = async () => {
      cursor = (await stage.database.pool.query<{ cursor: string }>('SELECT cursor FROM feed_pull WHERE feed_id = $1', [row.feed_id])).rows[0]?.cursor;
    };
    await settle(row.id);
    expect(cursor).toBe('c0');
  });

  it('create answered twice (timeout then retry) leaves one hook', async () => {
    const row = await pending();
    breaks('register');
    expect((await settle(row.id)).outcome).toBe('later');
    expect(stage.channels.live).toHaveLength(1);
    nothingInTheWay();
    await goOn();
    const fresh = await newest(row);
    expect(fresh).toMatchObject({ status: 'active', attempts: 0 });
    expect([fresh.id, fresh.key]).not.toContain(row.id);
    expect(stage.channels.live.map(({ id }) => id)).toEqual([fresh.id]);
    expect(await read(row.id)).toMatchObject({ status: 'removed' });
    expect(await stage.ofFeed(row.feed_id)).toHaveLength(2);
  });

  it('keeps the row after an outage and after a refusal, because nothing can be there', async () => {
    const row = await pending();
    for (const error of [
      new ServiceError('unavailable', 'No connection.', { unsent: true }), new ServiceError('rate_limited', 'Slow down.', { status: 429 }),
      new ServiceError('forbidden', 'You may not.', { status: 403 }), new ServiceError('invalid', 'Not like this.', { status: 400 }),
    ]) {
      refuses('register', error);
      await settle(row.id);
      expect(await read(row.id)).toMatchObject({ external_id: null, registered_at: null });
    }
    nothingInTheWay();
    await goOn(60);
    expect(await stage.ofFeed(row.feed_id)).toMatchObject([{ id: row.id, status: 'active' }]);
  });

  it('counts the tries on, so that a service that does not answer is asked more and more rarely', async () => {
    const row = await pending();
    breaks('register');
    for (let turn = 1; turn <= 4; turn += 1) {
      await settle((await newest(row)).id);
      expect((await newest(row)).attempts).toBe(turn);
      stage.clock.aheadMs += 20 * MINUTE;
    }
    nothingInTheWay();
    await goOn();
    expect(stage.channels.live.map(({ id }) => id)).toEqual([(await newest(row)).id]);
  });

  it('waits for what only another registration can tell, and lets go when it has ended by itself', async () => {
    const row = await pending();
    breaks('register');
    await settle(row.id);
    refuses('register', new ServiceError('forbidden', 'You may not.', { status: 403 }));
    await goOn();
    expect(await read(row.id)).toMatchObject({ status: 'removing', reason_code: 'aux_unknown' });
    expect((await read(row.id)).next_attempt_at).toEqual((await read(row.id)).expires_at);
    await stage.dropTriggers(row.feed_id, 'channel');
    await goOn();
    expect((await stage.ofFeed(row.feed_id)).map(({ status }) => status)).toEqual(['removing', 'removed']);
    stage.clock.aheadMs += 31 * DAY;
    await stage.tick();
    expect(await read(row.id)).toMatchObject({ status: 'removed', reason_code: 'expired' });
    expect(stage.channels.calls).toEqual([`+${row.id}`]);
  });

  it('lease taken over at every await', async () => {
    let died = 0;
    for (let endsAfter = 0; endsAfter < 100; endsAfter += 1) {
      await stage.reset();
      const row = await pending();
      stage.life.begin(endsAfter);
      const ended = await settle(row.id).then(() => false, () => true);
      stage.life.begin();
      await goOn();
      const rows = await stage.ofFeed(row.feed_id);
      expect(rows.filter(({ status }) => status !== 'removed')).toMatchObject([{ status: 'active', id: stage.channels.live[0]!.id }]);
      expect(stage.channels.live).toHaveLength(1);
      if (!ended) break;
      died += 1;
    }
    expect(died).toBeGreaterThan(5);
    expect(died).toBeLessThan(100);
  });
});

describe('changing what is registered at a service that changes nothing', () => {
  it('by another want makes a new object in its place', async () => {
    const row = await active();
    await stage.database.pool.query(`UPDATE trigger SET want = '{"events":["b"]}' WHERE feed_id = $1`, [row.feed_id]);
    const changed = await stage.database.transaction(async (tx) => {
      await stage.parts.feeds.lockById(tx, row.feed_id);
      return (await stage.parts.feeds.recompute(tx, row.feed_id, stage.installed!.triggerTypes['channel'])).subscription!;
    });
    expect(await settle(changed.id)).toMatchObject({ outcome: 'settled', row: { status: 'active', applied: { events: ['b'] } } });
    const fresh = await newest(row);
    expect(await read(row.id)).toMatchObject({ status: 'removing', want: { events: ['a'] } });
    await stage.tick();
    expect(stage.channels.calls).toEqual([`+${row.id}`, `+${fresh.id}`, `-${row.id}`]);
  });

  it('by another secret makes a new object, and no two at once', async () => {
    const row = await active();
    const begin = () => stage.parts.secrets.begin({ workspace: stage.workspaceId, subscription: row.id, overlap: '1h' });
    const both = await Promise.allSettled([begin(), begin()]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const fresh = await newest(row);
    expect(fresh).toMatchObject({ status: 'pending', replaces_id: row.id });
    expect((await stage.parts.feeds.secrets(fresh))[0]).not.toBe((await stage.parts.feeds.secrets(row))[0]);
    await stage.tick();
    await stage.tick();
    expect(stage.channels.live.map(({ id }) => id)).toEqual([fresh.id]);
  });

  it('by another account makes a new object', async () => {
    const row = await active();
    expect(await stage.parts.rows.reapply(stage.workspaceId, 'con_x')).toEqual({ due: 1, busy: 0 });
    await stage.tick();
    await stage.tick();
    expect(stage.channels.live.map(({ id }) => id)).toEqual([(await newest(row)).id]);
    expect(await stage.ofFeed(row.feed_id)).toHaveLength(2);
  });

  it('is not waited for by who wants nothing else than what is there', async () => {
    const row = await active();
    refuses('register', new ServiceError('forbidden', 'You may not.', { status: 403 }));
    stage.clock.aheadMs += row.renew_at!.getTime() - stage.clock.now().getTime() + MINUTE;
    await stage.tick();
    const another = await pending();
    expect(another).toMatchObject({ id: row.id, status: 'renewing' });
    expect((await settle(another.id)).outcome).toBe('settled');
  });
});

describe('removing from a service that shows nothing', () => {
  it('remote gone = success', async () => {
    const row = await active();
    await stage.channels.remove('r', row.id, row.aux);
    await stage.dropTriggers(row.feed_id, 'channel');
    expect((await settle(row.id)).outcome).toBe('settled');
    expect(await read(row.id)).toMatchObject({ status: 'removed' });
    expect(stage.channels.calls.at(-1)).toBe(`?${row.id}`);
  });

  it('remote forbidden = kept as orphan with retry, local stops delivering at once', async () => {
    const row = await active();
    refuses('remove', new ServiceError('forbidden', 'You may not.', { status: 403 }));
    await stage.dropTriggers(row.feed_id, 'channel');
    expect(await read(row.id)).toMatchObject({ status: 'removing' });
    await settle(row.id);
    const kept = await read(row.id);
    expect(kept).toMatchObject({ status: 'removing', reason_code: 'forbidden', external_id: row.id, reason_message: 'You may not.' });
    expect(kept.next_attempt_at!.getTime()).toBeGreaterThan(stage.clock.now().getTime());
    nothingInTheWay();
    await goOn(60);
    expect(await read(row.id)).toMatchObject({ status: 'removed' });
    expect(stage.channels.live).toEqual([]);
  });

  it('grant already dead = tombstone', async () => {
    const row = await active();
    await stage.connection('auth_required');
    await stage.dropTriggers(row.feed_id, 'channel');
    await settle(row.id);
    expect(await read(row.id)).toMatchObject({ status: 'removing', reason_code: 'unauthorised' });
    const forced = await stage.database.transaction(async (tx) => stage.parts.feeds.giveUpAll(tx, (await stage.parts.feeds.lockSubscription(tx, stage.workspaceId, row.id))!));
    expect(forced).toMatchObject({ status: 'removed', reason_code: 'forced' });
    await stage.connection('active');
  });

  it('that is never allowed is over when the service has ended it', async () => {
    const row = await active();
    refuses('remove', new ServiceError('forbidden', 'Another client made it.', { status: 403 }));
    await stage.dropTriggers(row.feed_id, 'channel');
    for (let day = 0; day < 9; day += 1) {
      expect((await read(row.id)).status).toBe(stage.clock.now() < row.expires_at! ? 'removing' : 'removed');
      stage.clock.aheadMs += DAY;
      await stage.tick();
    }
    expect(await read(row.id)).toMatchObject({ status: 'removed', reason_code: 'expired' });
  });

  it('that nothing can be asked about, because its registration was never answered, ends by itself', async () => {
    const row = await pending();
    breaks('register');
    await settle(row.id);
    await stage.dropTriggers(row.feed_id, 'channel');
    await settle(row.id);
    const owed = await read(row.id);
    expect(owed).toMatchObject({ status: 'removing', reason_code: 'aux_unknown', external_id: row.id });
    expect(owed.next_attempt_at).toEqual(owed.expires_at);
    stage.clock.aheadMs += 31 * DAY;
    await stage.tick();
    expect(await read(row.id)).toMatchObject({ status: 'removed', reason_code: 'expired' });
  });

  it('asks nothing where nothing can be', async () => {
    const row = await pending();
    await stage.dropTriggers(row.feed_id, 'channel');
    await stage.connection('auth_required');
    await settle(row.id);
    expect(await read(row.id)).toMatchObject({ status: 'removed' });
    await stage.connection('active');
  });
});

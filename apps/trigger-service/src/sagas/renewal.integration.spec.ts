import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ServiceError } from '@vane/kit';
import { call, SagaStage } from './fixtures/saga-stage.js';
import type { SubscriptionRow } from './subscription-rows.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
let stage: SagaStage;
let old: SubscriptionRow;

beforeAll(async () => {
  stage = await SagaStage.open();
});
beforeEach(async () => {
  await stage.reset();
  const { id } = await stage.pending('con_x', 'r', 'channel');
  await stage.parts.settler.settle(id, call);
  old = await read(id);
});
afterAll(() => stage.close());

const read = async (id: string): Promise<SubscriptionRow> => (await stage.parts.rows.read(id))!;
const ofFeed = () => stage.ofFeed(old.feed_id);
const newest = async (): Promise<SubscriptionRow> => (await ofFeed()).at(-1)!;
/** Moves the clock to this long after a moment. */
const moveTo = (moment: Date | null, ms = 1_000) => (stage.clock.aheadMs += moment!.getTime() - stage.clock.now().getTime() + ms);
const away = () => {
  stage.channels.before = (name) => {
    if (name === 'register') throw new ServiceError('unavailable', 'Acme is away.', { unsent: true });
  };
};
const back = () => (stage.channels.before = () => undefined);
const history = async (id: string) =>
  (await stage.database.pool.query<{ status: string; reason_code: string | null }>('SELECT status, reason_code FROM subscription_history WHERE subscription_id = $1 ORDER BY id', [id])).rows;
const pull = async () => (await stage.database.pool.query<{ wanted: number; gap_from: Date | null }>('SELECT wanted, gap_from FROM feed_pull WHERE feed_id = $1', [old.feed_id])).rows[0]!;

describe('renewing a subscription', () => {
  it('is due at three quarters at most of the lifetime that was really given, and the alarm well before its end', () => {
    const [begun, renew, alarm, end] = [old.registered_at, old.renew_at, old.alarm_at, old.expires_at].map((date) => date!.getTime()) as [number, number, number, number];
    expect(Math.abs(end - begun - 7 * DAY)).toBeLessThan(1_000);
    expect((renew - begun) / (end - begun)).toBeGreaterThanOrEqual(0.649);
    expect((renew - begun) / (end - begun)).toBeLessThanOrEqual(0.751);
    expect(Math.abs(alarm - (renew + end) / 2)).toBeLessThanOrEqual(1);
  });

  it('new before old', async () => {
    let held: string[] = [];
    stage.channels.before = async (name) => {
      if (name === 'remove') held = (await ofFeed()).map(({ id, status }) => `${id} ${status}`);
    };
    let most = 0;
    stage.channels.after = () => {
      most = Math.max(most, stage.channels.live.length);
    };
    moveTo(old.renew_at);
    await stage.tick();
    const fresh = await newest();
    expect(fresh).toMatchObject({ status: 'active', replaces_id: null, external_id: fresh.id });
    expect(fresh.key).not.toBe(old.key);
    expect((await read(old.id)).status).toBe('removing');
    await stage.tick();
    expect(held).toEqual([`${old.id} removing`, `${fresh.id} active`]);
    expect(most).toBe(2);
    expect(stage.channels.calls).toEqual([`+${old.id}`, `+${fresh.id}`, `-${old.id}`]);
    expect((await history(old.id)).map(({ status }) => status)).toEqual(['pending', 'active', 'renewing', 'removing', 'removed']);
  });

  it('keeps what was noted of the feed where people look for it', async () => {
    await stage.database.pool.query(
      `INSERT INTO subscription_history (workspace_id, subscription_id, at, status, reason_code, reason_message) VALUES ($1, $2, $3, 'active', 'gap_closed', 'noted')`,
      [old.workspace_id, old.id, stage.clock.now()],
    );
    moveTo(old.renew_at);
    await stage.tick();
    const fresh = await newest();
    expect(fresh.id).not.toBe(old.id);
    expect((await history(fresh.id)).filter(({ reason_code: code }) => code === 'gap_closed')).toHaveLength(1);
    moveTo(fresh.renew_at);
    await stage.tick();
    expect((await history((await newest()).id)).filter(({ reason_code: code }) => code === 'gap_closed')).toHaveLength(1);
  });

  it('is not due before its time', async () => {
    moveTo(old.renew_at, -60_000);
    await stage.tick();
    expect(await ofFeed()).toHaveLength(1);
  });

  it('pulls over the gap when the new one is active', async () => {
    const before = await pull();
    moveTo(old.renew_at);
    await stage.tick();
    expect((await pull()).wanted).toBeGreaterThan(before.wanted);
  });

  it('by two workers at once makes one replacement', async () => {
    moveTo(old.renew_at);
    await Promise.all(Array.from({ length: 6 }, () => stage.parts.renewal.do(old.id, call)));
    await Promise.all(Array.from({ length: 3 }, () => stage.tick()));
    await stage.tick();
    expect(await ofFeed()).toHaveLength(2);
    expect(stage.channels.live.map(({ id }) => id)).toEqual([(await newest()).id]);
  });

  it('renew while provider is down: retry with jitter, alarm before expiry', async () => {
    moveTo(old.renew_at);
    away();
    const waits: number[] = [];
    for (let turn = 0; turn < 6; turn += 1) {
      await stage.tick();
      const pending = await newest();
      expect(pending).toMatchObject({ status: 'pending', replaces_id: old.id, attempts: turn + 1, reason_message: 'Acme is away.' });
      expect(await read(old.id)).toMatchObject({ status: 'renewing' });
      waits.push(pending.next_attempt_at!.getTime() - stage.clock.now().getTime());
      moveTo(pending.next_attempt_at);
    }
    waits.forEach((wait, turn) => expect(wait).toBeLessThanOrEqual(2_000 * 2 ** turn));
    expect(new Set(waits.map((wait, turn) => Math.round((wait / 2 ** turn) * 10))).size).toBeGreaterThan(1);
    moveTo(old.alarm_at);
    await stage.tick();
    const alarmed = await read(old.id);
    expect(alarmed).toMatchObject({ status: 'degraded', reason_code: 'renewal_failing', reason_message: expect.stringContaining('Acme is away.') });
    expect(alarmed.expires_at!.getTime()).toBeGreaterThan(stage.clock.now().getTime());
    expect(stage.channels.live).toHaveLength(1);
    back();
    moveTo((await newest()).next_attempt_at);
    await stage.tick();
    expect((await newest()).status).toBe('active');
    expect((await history(old.id)).map(({ reason_code: code }) => code)).toContain('renewal_failing');
    expect(await ofFeed()).toHaveLength(2);
  });

  it('that has not come about by its end says that nobody listens, and remembers since when', async () => {
    moveTo(old.renew_at);
    away();
    await stage.tick();
    moveTo(old.alarm_at);
    await stage.tick();
    moveTo(old.expires_at);
    await stage.tick();
    expect(await read(old.id)).toMatchObject({ status: 'missing', reason_code: 'expired', reason_message: expect.stringContaining('Acme is away.') });
    expect(await pull()).toMatchObject({ gap_from: old.expires_at });
    back();
    moveTo((await newest()).next_attempt_at);
    await stage.tick();
    await stage.tick();
    expect(await read(old.id)).toMatchObject({ status: 'removed', reason_code: 'expired' });
    expect(stage.channels.calls.some((name) => name.endsWith(old.id) && !name.startsWith('+'))).toBe(false);
    expect(await newest()).toMatchObject({ status: 'active' });
  });

  it('clock jump', async () => {
    moveTo(old.expires_at, DAY);
    await stage.tick();
    expect(await newest()).toMatchObject({ status: 'active', replaces_id: null });
    expect(await pull()).toMatchObject({ gap_from: old.expires_at });
    expect(await history(old.id)).toContainEqual({ status: 'missing', reason_code: 'expired' });
    await stage.tick();
    expect(await read(old.id)).toMatchObject({ status: 'removed' });
    expect(stage.channels.live).toHaveLength(1);
  });

  it('goes on being due when its process ends, wherever that is', async () => {
    moveTo(old.renew_at);
    let died = 0;
    for (let endsAfter = 0; endsAfter < 200; endsAfter += 1) {
      const before = await newest();
      moveTo(before.renew_at);
      stage.life.begin(endsAfter);
      const ended = await stage.tick().then(() => false, () => true);
      stage.life.begin();
      stage.clock.aheadMs += 5 * 60_000;
      for (let turn = 0; turn < 3; turn += 1) {
        await stage.tick();
        stage.clock.aheadMs += 5 * 60_000;
      }
      const rows = await ofFeed();
      expect(rows.filter(({ status }) => status === 'active')).toHaveLength(1);
      expect(rows.filter(({ status }) => status !== 'active' && status !== 'removed')).toEqual([]);
      expect(stage.channels.live.map(({ id }) => id)).toEqual([(await newest()).id]);
      if (!ended) break;
      died += 1;
    }
    expect(died).toBeGreaterThan(10);
    expect(died).toBeLessThan(200);
  });

  it('ends with the last trigger, for both', async () => {
    moveTo(old.renew_at);
    away();
    await stage.tick();
    back();
    await stage.dropTriggers(old.feed_id, 'channel');
    await stage.tick();
    expect((await ofFeed()).map(({ status }) => status)).toEqual(['removed', 'removed']);
    expect(stage.channels.live).toEqual([]);
    expect((await stage.database.pool.query('SELECT due_at FROM feed_pull WHERE feed_id = $1', [old.feed_id])).rows).toEqual([{ due_at: null }]);
  });

  it('waits while a person has to authorise the connection again, and goes on at once after that', async () => {
    await stage.connection('auth_required');
    await stage.tick();
    moveTo(old.expires_at);
    await stage.tick();
    expect(await ofFeed()).toHaveLength(1);
    expect(await read(old.id)).toMatchObject({ status: 'auth_required' });
    expect(stage.channels.calls).toEqual([`+${old.id}`]);
    await stage.connection('active');
    await stage.tick();
    expect(await newest()).toMatchObject({ status: 'active', replaces_id: null });
    expect(await pull()).toMatchObject({ gap_from: old.expires_at });
    await stage.tick();
    expect(await read(old.id)).toMatchObject({ status: 'removed', reason_code: 'expired' });
  });
});

import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { StaleCursor } from '@vane/kit';
import { EVERY_SECONDS, PullStage } from './fixtures/pull-stage.js';

const SECOND = 1_000;
let stage: PullStage;

beforeAll(async () => {
  stage = await PullStage.open();
});
afterAll(() => stage.close());
beforeEach(() => stage.reset());

const happen = (...objects: string[]) => objects.forEach((object) => stage.service.change(object, stage.clock.now()));
const ping = () => stage.intake.take([stage.message()]);
const later = (seconds: number) => {
  stage.clock.aheadMs += seconds * SECOND;
};
const pulled = async () => {
  await ping();
  await stage.tick();
};

describe('a cursor that the service does not know any more', () => {
  const WORDS = ['Acme answered 410: "Sync token is no longer valid".', 'Acme answered 404: "Requested entity was not found".', 'Acme answered "reset"'];

  it('stale (410, 404, reset) -> resync policy chosen by the user, no silent loss', async () => {
    for (const words of WORDS) {
      for (const resync of ['from_now', 'replay_all'] as const) {
        await stage.reset();
        const trigger = await stage.trigger(resync);
        happen('seen');
        await pulled();
        const before = (await stage.row()).pulled_at!.toISOString();
        happen('missed', 'seen', 'other');
        stage.service.forget(words);
        later(60);
        await pulled();
        happen('after');
        later(60);
        await pulled();
        const started = resync === 'from_now' ? ['after@1', 'seen@1'] : ['after@1', 'missed@1', 'other@1', 'seen@1', 'seen@2'];
        expect({ words, resync, started: await stage.started(trigger) }).toEqual({ words, resync, started });
        const lines = await stage.history();
        expect(lines).toEqual([{ status: 'active', reason_code: 'cursor_stale', reason_message: expect.stringContaining(words) }]);
        expect(lines[0]!.reason_message).toContain(`resync: ${resync}`);
        expect(lines[0]!.reason_message).toContain(before);
        expect(await stage.row()).toMatchObject({ replaying: false, replay_cursor: null, failures: 0, cursor: String(stage.service.log.length) });
      }
    }
  });

  it('replays for those triggers that want it, and starts all others with what happens meanwhile', async () => {
    const [all, now] = [await stage.trigger('replay_all'), await stage.trigger('from_now')];
    happen('seen');
    await pulled();
    happen('missed');
    stage.service.forget('410 Gone.');
    later(60);
    stage.service.before = (name) => {
      // While the replay is under way; its later pages have this already.
      if (name === 'replay all') happen('meanwhile');
    };
    await pulled();
    expect(stage.service.calls.filter((name) => name.startsWith('replay'))).toEqual(['replay all', expect.stringContaining('/2')]);
    expect(await stage.started(all)).toEqual(['meanwhile@1', 'missed@1', 'seen@1']);
    expect(await stage.started(now)).toEqual(['meanwhile@1', 'seen@1']);
    expect((await stage.history())[0]!.reason_message).toMatch(/resync: from_now\) may have missed/);
  });

  it('of the replay itself is begun anew, and runs nothing twice', async () => {
    const trigger = await stage.trigger('replay_all');
    happen('a', 'b', 'c');
    stage.service.forget('404 Not found.');
    stage.service.before = (name) => {
      if (name !== 'replay 3/2') return;
      stage.service.before = () => undefined;
      throw new StaleCursor('The page token has ended.');
    };
    await pulled();
    expect(await stage.row()).toMatchObject({ replaying: true, failures: 1, reason_code: 'garbage' });
    later(60);
    await stage.tick();
    expect(await stage.started(trigger)).toEqual(['a@1', 'b@1', 'c@1']);
    expect(await stage.events()).toHaveLength(3);
    expect(await stage.row()).toMatchObject({ replaying: false, cursor: '3', failures: 0 });
  });

  it('that is lost again as soon as it is given is a failure, told once a try', async () => {
    await stage.trigger('from_now');
    stage.service.page = async () => {
      throw new StaleCursor('410 Gone.');
    };
    await pulled();
    expect(await stage.row()).toMatchObject({ failures: 1, reason_code: 'garbage' });
    expect(await stage.tick()).toBe(0);
    expect(await stage.history()).toHaveLength(1);
  });
});

describe('a time in which nobody listened', () => {
  it('is seen by how long the last pull is ago, and told when it is over', async () => {
    const trigger = await stage.trigger('from_now');
    await pulled();
    const from = (await stage.row()).pulled_at!.toISOString();
    happen('a', 'b', 'c');
    later(24 * 3_600);
    await stage.tick();
    const lines = await stage.history();
    expect(lines).toEqual([{ status: 'active', reason_code: 'gap_closed', reason_message: expect.stringMatching(/^Not listening from .* to .*; 3 events recovered\.$/) }]);
    expect(lines[0]!.reason_message).toContain(`from ${from}`);
    expect(await stage.started(trigger)).toEqual(['a@1', 'b@1', 'c@1']);
    expect(await stage.row()).toMatchObject({ gap_from: null, recovered: 0 });
    later(EVERY_SECONDS * 1.2);
    await stage.tick();
    expect(await stage.history()).toHaveLength(1);
  });

  it('that somebody knows of stays open until a subscription listens again, and counts what comes meanwhile', async () => {
    const from = stage.clock.now();
    await stage.query('UPDATE subscription SET expires_at = $2 WHERE id = $1', [stage.ids.subscription, from]);
    await stage.database.transaction((tx) => stage.pulls.gap(tx, stage.ids.feed, from));
    happen('a');
    await stage.tick();
    expect(await stage.row()).toMatchObject({ gap_from: from, recovered: 1 });
    happen('b');
    await stage.query('UPDATE subscription SET expires_at = $2 WHERE id = $1', [stage.ids.subscription, stage.clock.in(3_600_000)]);
    await pulled();
    expect(await stage.history()).toEqual([{ status: 'active', reason_code: 'gap_closed', reason_message: expect.stringContaining('2 events recovered') }]);
  });

  it('is not said to be over by a lost cursor: what was missed is', async () => {
    await stage.trigger('from_now');
    await pulled();
    const from = (await stage.row()).pulled_at!.toISOString();
    happen('a');
    stage.service.forget('410 Gone.');
    later(24 * 3_600);
    await stage.tick();
    const lines = await stage.history();
    expect(lines.map(({ reason_code: code }) => code)).toEqual(['cursor_stale']);
    expect(lines[0]!.reason_message).toContain(`what happened from ${from} to`);
  });
});

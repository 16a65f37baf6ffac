import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { PullStage } from './fixtures/pull-stage.js';

let stage: PullStage;
let trigger: string;

beforeAll(async () => {
  stage = await PullStage.open();
});
beforeEach(async () => {
  await stage.reset();
  trigger = await stage.trigger('from_now');
  stage.service.change('a', stage.clock.now());
  await stage.intake.take([stage.message()]);
});
afterAll(() => stage?.close());

const later = (seconds: number) => {
  stage.clock.aheadMs += seconds * 1_000;
};

it('is held as long as a page takes that is fetched in many calls', async () => {
  const other = stage.puller();
  let free = 0;
  stage.service.calling = async (request) => {
    for (let n = 0; n < 5; n += 1) {
      await request();
      later(30);
      free += (await other.due(10)).length;
    }
  };
  await stage.tick();
  expect([free, await stage.started(trigger), (await stage.row()).lease_owner]).toEqual([0, ['a@1'], null]);
});

it('that another has taken over ends the calls', async () => {
  let calls = 0;
  stage.service.calling = async (request) => {
    for (let n = 0; n < 2; n += 1) {
      await request();
      calls += 1;
      later(63);
      await stage.query(`UPDATE feed_pull SET lease_owner = 'another' WHERE feed_id = $1`, [stage.ids.feed]);
    }
  };
  await stage.tick();
  expect([calls, await stage.events(), (await stage.row()).failures]).toEqual([1, [], 0]);
});

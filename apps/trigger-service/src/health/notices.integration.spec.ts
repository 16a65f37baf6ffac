import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { TriggerView } from '@vane/contracts';
import { applyChange, type Change, type SubscriptionRow } from '../sagas/subscription-rows.js';
import { HealthStage } from './fixtures/health-stage.js';

const MINUTE = 60_000;

let stage: HealthStage;
let trigger: TriggerView;

beforeAll(async () => {
  stage = await HealthStage.open();
});
afterAll(() => stage?.close());
beforeEach(async () => {
  stage.told.length = 0;
  stage.posts = 0;
  trigger = await stage.create();
});
afterEach(() => stage.remove(trigger));

/** What a saga would write. */
async function become(change: Change): Promise<void> {
  await stage.database.transaction(async (tx) => {
    const { rows } = await tx.query<SubscriptionRow>('SELECT * FROM subscription WHERE id = $1 FOR UPDATE', [trigger.subscription!.id]);
    await applyChange(tx, rows[0]!, change, stage.clock);
  });
}
const degraded = (message = 'Must have admin rights.') => become({ status: 'degraded', reason: { code: 'forbidden', message } });
const active = () => become({ status: 'active', reason: null });
async function after(minutes: number): Promise<string[]> {
  stage.clock.aheadMs += minutes * MINUTE;
  await stage.work('notice');
  return stage.told.map(({ kind }) => kind);
}

describe('a notice of a subscription', () => {
  it('is given when it has been degraded for ten minutes, once, with whom it serves and what to do', async () => {
    await degraded();
    expect(await after(9)).toEqual([]);
    expect(await after(2)).toEqual(['subscription.degraded']);
    await degraded('Other words.');
    expect(await after(60)).toEqual(['subscription.degraded']);
    expect(stage.told[0]).toMatchObject({
      severity: 'warning', link: `https://vane.example/api/v1/workspaces/${stage.workspace}/triggers/${trigger.id}`, facts: { triggers: [{ id: trigger.id, name: 'Deploy' }], triggerCount: 1 },
    });
    expect(stage.told[0]!.text).toMatch(/Must have admin rights\..*"Deploy".*\.\/vane why trg_/s);
  });

  it.each([['missing', 'critical'], ['disabled', 'critical']] as const)('is given at once when it is %s, and when it works again', async (status, severity) => {
    await become({ status, reason: { code: `${status}_at_service`, message: 'It is not there.' } });
    expect(await after(0)).toEqual([`subscription.${status}`]);
    expect(stage.told[0]).toMatchObject({ severity });
    await active();
    expect(await after(3)).toEqual([`subscription.${status}`, 'subscription.recovered']);
    expect(stage.told[1]!.text).toContain('"Deploy"');
  });

  it('is given at once when a renewal fails', async () => {
    await become({ status: 'degraded', reason: { code: 'renewal_failing', message: 'It ends soon.' } });
    expect(await after(0)).toEqual(['subscription.renewal-failing']);
  });

  it('is not given for what comes and goes', async () => {
    for (let turn = 0; turn < 5; turn += 1) {
      await degraded();
      expect(await after(5)).toEqual([]);
      await active();
      expect(await after(1)).toEqual([]);
    }
    await become({ status: 'missing', reason: { code: 'missing_at_service', message: 'Gone.' } });
    await after(0);
    for (let turn = 0; turn < 5; turn += 1) {
      await active();
      expect(await after(1)).toEqual(['subscription.missing']);
      await become({ status: 'missing', reason: { code: 'missing_at_service', message: 'Gone.' } });
      expect(await after(1)).toEqual(['subscription.missing']);
    }
  });

  it('is left to the connection when that needs a person, and not given for what is being removed', async () => {
    await become({ status: 'auth_required', reason: { code: 'unauthorised', message: 'Bad credentials' } });
    expect(await after(60)).toEqual([]);
    await degraded();
    await become({ status: 'removing', reason: null });
    expect(await after(60)).toEqual([]);
  });

  it('is given again after a gateway that could not take it, and once when its answer got lost', async () => {
    await become({ status: 'disabled', reason: { code: 'disabled_at_service', message: 'Off.' } });
    stage.loseAnswers = true;
    await expect(after(0)).rejects.toMatchObject({ code: 'unavailable' });
    await after(0);
    expect(stage.posts).toBe(1);
    stage.loseAnswers = false;
    expect(await after(1)).toEqual(['subscription.disabled']);
    expect(stage.posts).toBe(2);
    expect(await after(60)).toEqual(['subscription.disabled']);
    expect(stage.posts).toBe(2);
  });

  it('is one, however many are at it at once', async () => {
    await become({ status: 'disabled', reason: { code: 'disabled_at_service', message: 'Off.' } });
    await Promise.all([after(0), after(0), after(0)]);
    expect([stage.told.length, stage.posts]).toEqual([1, 1]);
  });

  it('of what turned while people were being told is followed by what it is now', async () => {
    await become({ status: 'missing', reason: { code: 'missing_at_service', message: 'Gone.' } });
    // As if it had turned between the telling and the noting of it: nobody is known to have been told yet.
    await active();
    const { rows } = await stage.sql('SELECT notice_at, told_status FROM subscription WHERE id = $1', [trigger.subscription!.id]);
    expect(rows).toEqual([{ notice_at: null, told_status: null }]);
    expect(await after(60)).toEqual([]);
  });
});

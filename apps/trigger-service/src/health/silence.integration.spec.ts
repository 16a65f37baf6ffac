import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import * as contracts from '@vane/contracts';
import type { TriggerView } from '@vane/contracts';
import { HealthStage } from './fixtures/health-stage.js';

const MINUTE = 60_000;

let stage: HealthStage;
let trigger: TriggerView;

beforeAll(async () => {
  stage = await HealthStage.open();
});
afterAll(() => stage?.close());
beforeEach(() => {
  stage.told.length = 0;
});
afterEach(() => stage.remove(trigger));

const row = async () => (await stage.sql('SELECT silence_at, silence_asked_at, silent_since FROM trigger WHERE id = $1', [trigger.id])).rows[0]!;
const subscription = (set: string, values: unknown[] = []) => stage.sql(`UPDATE subscription SET ${set} WHERE id = $1`, [trigger.subscription!.id, ...values]);
async function after(minutes: number): Promise<string[]> {
  stage.clock.aheadMs += minutes * MINUTE;
  await stage.work('silence');
  return stage.told.map(({ kind }) => kind);
}
/** Ten events, a quarter of an hour apart. */
async function rhythm(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) {
    stage.clock.aheadMs += 15 * MINUTE;
    await stage.event(trigger);
  }
}
/** What the looks at the service that are due would write. */
const answered = (...columns: string[]) => subscription(columns.map((column) => `${column} = $2`).join(', '), [stage.clock.now()]);

describe('a silence', () => {
  it('longer than its owner expects is reported, and its end', async () => {
    trigger = await stage.createGeneric({ expectEverySeconds: 3_600 });
    await after(0);
    expect(await after(59)).toEqual([]);
    await after(2);
    expect(await after(1)).toEqual(['trigger.silent']);
    expect(stage.told[0]!.text).toMatch(/"Inbox" since .*its owner expects at least one every 60 minutes.*cannot be asked/s);
    expect((await stage.read(trigger)).health).toMatchObject({ state: 'degraded', layer: 'ingress', reason: { code: 'silent' } });
    expect(await after(30)).toEqual(['trigger.silent']);
    await stage.event(trigger);
    expect(await after(6)).toEqual(['trigger.silent', 'trigger.recovered']);
    expect((await stage.read(trigger)).health).toMatchObject({ state: 'healthy' });
  });

  it('is normal for what has no rhythm yet', async () => {
    trigger = await stage.createGeneric();
    for (let turn = 0; turn < 7; turn += 1) await stage.event(trigger);
    await after(0);
    await after(24 * 60);
    expect(await after(1)).toEqual([]);
  });

  it('is reported by a rhythm only when the service cannot say that there was nothing', async () => {
    trigger = await stage.create();
    await subscription('log_at = NULL, check_at = $2', [stage.clock.in(6 * 3_600_000)]);
    await rhythm();
    await after(0);
    expect(await after(61)).toEqual([]);
    expect(await row()).toMatchObject({ silence_asked_at: expect.any(Date), silent_since: null });
    const { rows } = await stage.sql('SELECT check_at <= $2 AS due FROM subscription WHERE id = $1', [trigger.subscription!.id, stage.clock.now()]);
    expect(rows).toEqual([{ due: true }]);
    expect(await after(1)).toEqual([]);
    await answered('checked_at');
    expect(await after(1)).toEqual(['trigger.silent']);
    expect(stage.told[0]!.text).toMatch(/normal by the events so far.*was asked for our object, which is there.*does not show whether/s);
  });

  it('that the log of the service confirms wakes nobody by a rhythm', async () => {
    trigger = await stage.create();
    await subscription('check_at = NULL, log_at = $2', [stage.clock.in(6 * 3_600_000)]);
    await rhythm();
    await after(0);
    await after(61);
    await answered('log_read_until');
    expect(await after(1)).toEqual([]);
    expect(await row()).toMatchObject({ silence_asked_at: null, silent_since: null });
  });

  it('that the log of the service confirms is told to an owner who expects more, with that', async () => {
    trigger = await stage.create({ expectEverySeconds: 3_600 });
    await subscription('check_at = NULL, log_at = $2', [stage.clock.in(6 * 3_600_000)]);
    await after(0);
    await after(61);
    await answered('log_read_until');
    expect(await after(1)).toEqual(['trigger.silent']);
    expect(stage.told[0]).toMatchObject({ text: expect.stringContaining('confirms that there was nothing'), facts: { confirmed: true, expectedBy: 'owner' } });
  });

  it('that was none, because the service had sent what did not arrive, is not reported', async () => {
    trigger = await stage.create({ expectEverySeconds: 3_600 });
    await subscription('check_at = NULL, log_at = $2', [stage.clock.in(6 * 3_600_000)]);
    await after(0);
    await after(61);
    await stage.event(trigger);
    await answered('log_read_until');
    expect(await after(1)).toEqual([]);
    expect(await row()).toMatchObject({ silence_asked_at: null, silent_since: null });
  });

  it('is reported when the service does not answer, with that', async () => {
    trigger = await stage.create({ expectEverySeconds: 3_600 });
    await subscription('check_at = NULL, log_at = $2', [stage.clock.in(6 * 3_600_000)]);
    await after(0);
    await after(61);
    expect(await after(5)).toEqual([]);
    expect(await after(6)).toEqual(['trigger.silent']);
    expect(stage.told[0]!.text).toContain('did not answer');
  });

  it('of a trigger that is paused, or whose subscription does not work, is not reported', async () => {
    trigger = await stage.create({ expectEverySeconds: 3_600 });
    await subscription(`status = 'degraded'`);
    await after(0);
    await after(61);
    expect(await after(15)).toEqual([]);
    await stage.bus.ask(contracts.pauseTrigger, { workspace: stage.workspace, trigger: trigger.id }, stage.call);
    expect(await row()).toMatchObject({ silence_at: null });
    await subscription(`status = 'active'`);
    expect(await after(600)).toEqual([]);
    await stage.bus.ask(contracts.resumeTrigger, { workspace: stage.workspace, trigger: trigger.id }, stage.call);
    expect(await row()).toMatchObject({ silence_at: expect.any(Date) });
    expect(await after(1)).toEqual([]);
  });

  it('is told once when the answer of who tells people got lost', async () => {
    trigger = await stage.createGeneric({ expectEverySeconds: 3_600 });
    await after(0);
    await after(61);
    stage.loseAnswers = true;
    await expect(after(1)).rejects.toMatchObject({ code: 'unavailable' });
    stage.loseAnswers = false;
    expect(await after(2)).toEqual(['trigger.silent']);
    expect(await row()).toMatchObject({ silent_since: expect.any(Date) });
  });
});

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import * as contracts from '@vane/contracts';
import type { TriggerView } from '@vane/contracts';
import type { Database } from '@vane/db';
import { HealthStage } from './fixtures/health-stage.js';
import { HealthFacts } from './health-facts.js';

let stage: HealthStage;
let trigger: TriggerView;

beforeAll(async () => {
  stage = await HealthStage.open();
});
afterAll(() => stage?.close());
beforeEach(async () => {
  trigger = await stage.create();
});
afterEach(() => stage.remove(trigger));

const health = async () => (await stage.read(trigger)).health;
const subscribe = (set: string, values: unknown[] = []) => stage.sql(`UPDATE subscription SET ${set} WHERE id = $1`, [trigger.subscription!.id, ...values]);

describe('the health of a trigger', () => {
  it('is good where nothing is wrong, and stays so for one refused delivery among good ones', async () => {
    expect(trigger.health).toEqual({ state: 'healthy', layer: null, reason: null, hint: null, since: null });
    for (let turn = 0; turn < 5; turn += 1) await stage.delivered(trigger, 'accepted');
    await stage.delivered(trigger, 'refused', 'bad_signature');
    await stage.event(trigger, { status: 'succeeded' });
    expect(await health()).toMatchObject({ state: 'healthy' });
  });

  it('names the connection that needs a person, before all that follows from it', async () => {
    await stage.sql(`UPDATE connection SET status = 'auth_required', reason_code = 'dead_grant', reason = 'GitHub says: bad_refresh_token.' WHERE id = $1`, [stage.connection]);
    await subscribe(`status = 'auth_required', reason_code = 'unauthorised', reason_message = 'Bad credentials'`);
    expect(await health()).toMatchObject({ state: 'failing', layer: 'connection', reason: { code: 'dead_grant', message: 'GitHub says: bad_refresh_token.' }, since: expect.any(String) });
    await stage.sql(`UPDATE connection SET status = 'active', reason_code = NULL, reason = NULL WHERE id = $1`, [stage.connection]);
  });

  it('names the subscription in the words of the service, with what to do', async () => {
    await subscribe(`status = 'degraded', reason_code = 'forbidden', reason_message = 'Must have admin rights to Repository.'`);
    expect(await health()).toMatchObject({
      state: 'degraded', layer: 'subscription', reason: { code: 'forbidden', message: 'Must have admin rights to Repository.' }, hint: expect.stringContaining('right that the service names'),
    });
    await subscribe(`status = 'missing', reason_code = NULL, reason_message = NULL`);
    expect(await health()).toMatchObject({ state: 'failing', layer: 'subscription', reason: { code: 'missing_at_service' } });
    await subscribe(`status = 'pending'`);
    expect(await health()).toMatchObject({ state: 'unknown', layer: 'subscription', reason: { code: 'pending' } });
  });

  it('is failing when every delivery is refused, and degraded when only the newest are', async () => {
    for (let turn = 0; turn < 3; turn += 1) await stage.delivered(trigger, 'refused', 'bad_signature');
    expect(await health()).toMatchObject({ state: 'failing', layer: 'ingress', reason: { code: 'bad_signature' }, hint: expect.stringContaining('another secret') });
    await stage.delivered(trigger, 'accepted');
    for (let turn = 0; turn < 3; turn += 1) await stage.delivered(trigger, 'refused', 'bad_signature');
    expect(await health()).toMatchObject({ state: 'degraded', layer: 'ingress' });
  });

  it('is failing when run after run fails, with the error of the last', async () => {
    await stage.event(trigger, { status: 'succeeded' });
    await stage.event(trigger, { status: 'dead', error: 'ReferenceError: x is not defined' });
    expect(await health()).toMatchObject({ state: 'healthy' });
    for (let turn = 0; turn < 2; turn += 1) await stage.event(trigger, { status: 'dead', error: 'ReferenceError: y is not defined' });
    expect(await health()).toMatchObject({ state: 'failing', layer: 'delivery', reason: { code: 'runs_failing', message: expect.stringContaining('y is not defined') } });
  });

  it('tells runs that are held, and runs that nobody begins', async () => {
    await stage.event(trigger, { status: 'held' });
    expect(await health()).toMatchObject({ state: 'degraded', layer: 'delivery', reason: { code: 'held' } });
    await stage.event(trigger, { status: 'queued' });
    expect(await health()).toMatchObject({ reason: { code: 'held' } });
    stage.clock.aheadMs += 6 * 60_000;
    expect(await health()).toMatchObject({ state: 'failing', layer: 'delivery', reason: { code: 'queue_stuck' } });
  });

  it('is looked up for a page with as many queries as for one', async () => {
    const more = [await stage.create({ name: 'two' }), await stage.create({ name: 'three' }), await stage.createGeneric()];
    const { items } = await stage.bus.ask(contracts.listTriggers, { workspace: stage.workspace, limit: 50 }, stage.call);
    expect(items.map(({ id, health: { state } }) => [id, state])).toEqual(expect.arrayContaining([trigger, ...more].map(({ id }) => [id, 'healthy'])));
    let queries = 0;
    const counting = { pool: { query: (...words: [string, unknown[]]) => ((queries += 1), stage.database.pool.query(...words)) } } as unknown as Database;
    const facts = new HealthFacts(counting, stage.clock);
    const watched = items.map(({ id, subscription, connectionId }) => ({ id, feedId: subscription!.feedId, connectionId }));
    await facts.of(stage.workspace, watched.slice(0, 1));
    const forOne = queries;
    await facts.of(stage.workspace, watched);
    expect([forOne, queries]).toEqual([7, 14]);
    for (const one of more) await stage.remove(one);
  });
});

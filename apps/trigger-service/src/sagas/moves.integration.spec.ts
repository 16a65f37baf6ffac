import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ServiceError } from '@vane/kit';
import type { Planned } from '../trigger-plans.js';
import type { TriggerRow } from '../trigger-views.js';
import { call, SagaStage } from './fixtures/saga-stage.js';
import type { SubscriptionRow } from './subscription-rows.js';

let stage: SagaStage;

beforeAll(async () => {
  stage = await SagaStage.open();
});
beforeEach(() => stage.reset());
afterAll(() => stage.close());

const read = async ({ id }: SubscriptionRow): Promise<SubscriptionRow> => (await stage.parts.rows.read(id))!;
const triggerOn = async ({ feed_id: feedId }: SubscriptionRow): Promise<TriggerRow> =>
  (await stage.database.forWorkspace(stage.workspaceId).trigger.findFirstOrThrow({ where: { feedId } })) as unknown as TriggerRow;
const reread = async ({ id }: TriggerRow): Promise<TriggerRow> =>
  (await stage.database.forWorkspace(stage.workspaceId).trigger.findFirstOrThrow({ where: { id } })) as unknown as TriggerRow;
const away = () => {
  throw new ServiceError('unavailable', 'Acme is away.');
};

/** One trigger with an active subscription. */
async function active(connection = 'con_x'): Promise<{ trigger: TriggerRow; subscription: SubscriptionRow }> {
  const subscription = await stage.pending(connection);
  await stage.parts.settler.settle(subscription.id, call);
  return { trigger: await triggerOn(subscription), subscription: await read(subscription) };
}

/** The first commit of a move, after which a process may die. */
function start(trigger: TriggerRow, connection: string, resource = 'r'): Promise<SubscriptionRow> {
  const adapter = stage.installed!;
  const type = adapter.triggerTypes['thing']!;
  const planned: Planned = { adapter, typeName: 'thing', type, config: { at: resource }, plan: { resource, want: { events: ['a'] } } };
  const input = { workspace: stage.workspaceId, trigger: trigger.id, ifMatch: trigger.version };
  return stage.database.transaction((tx) => stage.parts.moves.start(tx, trigger, input, planned, connection));
}

describe('a move to another feed', () => {
  it('that nobody goes on with is finished by the sweeper: new there, then old gone', async () => {
    const { trigger, subscription: old } = await active();
    const fresh = await start(trigger, 'con_y');
    await stage.tick();
    expect(await read(fresh)).toMatchObject({ status: 'active', connection_id: 'con_y' });
    await stage.tick();
    expect(await read(old)).toMatchObject({ status: 'removed' });
    expect(stage.objects.list.map(({ externalId }) => externalId)).toEqual([(await read(fresh)).external_id]);
    expect(await reread(trigger)).toMatchObject({ connectionId: 'con_y', feedId: fresh.feed_id, oldFeedId: old.feed_id, oldFeedUntil: expect.any(Date) });
  });

  it('whose process died after the new one was active is finished as well', async () => {
    const { trigger, subscription: old } = await active();
    const fresh = await start(trigger, 'con_y');
    await stage.parts.settler.settle(fresh.id, call);
    expect(await read(old)).toMatchObject({ status: 'active' });
    await stage.tick();
    expect(await read(old)).toMatchObject({ status: 'removed' });
  });

  it('keeps the old one for as long as the service does not take the new one, whatever sweeps', async () => {
    const { trigger, subscription: old } = await active();
    stage.objects.before = away;
    const fresh = await start(trigger, 'con_y');
    for (let turn = 0; turn < 3; turn += 1) {
      await stage.tick();
      stage.clock.aheadMs += 3_600_000;
    }
    expect([(await read(old)).status, (await read(fresh)).status]).toEqual(['active', 'pending']);
    expect(await reread(trigger)).toMatchObject({ oldFeedId: old.feed_id, oldFeedUntil: null });
    stage.objects.before = () => undefined;
    await stage.tick();
    await stage.tick();
    expect([(await read(old)).status, (await read(fresh)).status]).toEqual(['removed', 'active']);
  });

  it('that is given up for another goes on from where it began', async () => {
    const { trigger, subscription: first } = await active();
    stage.objects.before = away;
    const second = await start(trigger, 'con_y');
    await stage.parts.settler.settle(second.id, call);
    const third = await start(await reread(trigger), 'con_z');
    expect(await reread(trigger)).toMatchObject({ feedId: third.feed_id, oldFeedId: first.feed_id, oldFeedUntil: null });
    expect(await read(second)).toMatchObject({ status: 'removing' });
    stage.objects.before = () => undefined;
    stage.clock.aheadMs += 3_600_000;
    await stage.tick();
    await stage.tick();
    expect([(await read(first)).status, (await read(second)).status, (await read(third)).status]).toEqual(['removed', 'removed', 'active']);
    expect(stage.objects.list).toHaveLength(1);
  });

  it('that is turned back leaves everything as it was', async () => {
    const { trigger, subscription: old } = await active();
    stage.objects.before = away;
    const fresh = await start(trigger, 'con_y');
    const back = await start(await reread(trigger), 'con_x');
    expect(back).toMatchObject({ id: old.id, status: 'active' });
    expect(await reread(trigger)).toMatchObject({ feedId: old.feed_id, oldFeedId: null, connectionId: 'con_x' });
    expect(await read(fresh)).toMatchObject({ status: 'removing' });
  });

  it('of two triggers into each other\'s place at the same moment does not end in a deadlock', async () => {
    const [one, two] = [await active('con_x'), await active('con_y')];
    for (let turn = 0; turn < 10; turn += 1) {
      const [left, right] = turn % 2 === 0 ? ['con_y', 'con_x'] : ['con_x', 'con_y'];
      await Promise.all([start(await reread(one.trigger), left!), start(await reread(two.trigger), right!)]);
    }
    expect(await reread(one.trigger)).toMatchObject({ connectionId: 'con_x' });
  });

  it('refuses a trigger that was changed meanwhile, and changes nothing', async () => {
    const { trigger, subscription: old } = await active();
    await start(trigger, 'con_y');
    await expect(start(trigger, 'con_z')).rejects.toMatchObject({ code: 'precondition_failed' });
    expect(await reread(trigger)).toMatchObject({ connectionId: 'con_y', oldFeedId: old.feed_id });
  });

  it('is forgotten when nothing of the old feed can be on its way any more', async () => {
    const { trigger } = await active();
    const fresh = await start(trigger, 'con_y');
    await stage.parts.settler.settle(fresh.id, call);
    await stage.tick();
    expect(await reread(trigger)).toMatchObject({ oldFeedUntil: expect.any(Date) });
    stage.clock.aheadMs += 25 * 3_600_000;
    await stage.tick();
    expect(await reread(trigger)).toMatchObject({ oldFeedId: null, oldFeedUntil: null });
  });
});

import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ServiceError } from '@vane/kit';
import { createLogger } from '@vane/runtime';
import { ConnectionRelease } from './connection-release.js';
import { call, SagaStage } from './sagas/fixtures/saga-stage.js';
import type { SubscriptionRow } from './sagas/subscription-rows.js';
import type { TriggerPlans } from './trigger-plans.js';

let stage: SagaStage;
let release: (more?: { triggers?: boolean; force?: boolean; connection?: string }) => Promise<{ triggers: number; owed: number }>;

beforeAll(async () => {
  stage = await SagaStage.open();
});
beforeEach(async () => {
  await stage.reset();
  const plans = { installed: (_service: string, type: string) => stage.installed?.triggerTypes[type] } as unknown as TriggerPlans;
  const { feeds, settler } = stage.parts;
  const releases = new ConnectionRelease(stage.database, plans, feeds, settler, stage.clock, createLogger({ app: 'spec', level: 'silent' }));
  release = ({ triggers = true, force = false, connection = 'con_x' } = {}) => releases.release({ workspace: stage.workspaceId, connection, triggers, force }, call);
});
afterAll(() => stage?.close());

const read = async (row: SubscriptionRow) => (await stage.parts.rows.read(row.id))!;
const triggers = () => stage.database.forWorkspace(stage.workspaceId).trigger.count();

/** A subscription that the service holds. */
async function registered(connection = 'con_x', resource = 'r'): Promise<SubscriptionRow> {
  const row = await stage.pending(connection, resource);
  await stage.parts.settler.settle(row.id, call);
  return read(row);
}

describe('letting go of a connection', () => {
  it('deletes its triggers and removes what they had at the service, of every feed and of no other connection', async () => {
    const [one, two, other] = [await registered(), await registered('con_x', 'another'), await registered('con_y')];
    await expect(release()).resolves.toEqual({ triggers: 0, owed: 0 });
    expect([(await read(one)).status, (await read(two)).status, (await read(other)).status]).toEqual(['removed', 'removed', 'active']);
    expect([stage.objects.list.length, await triggers()]).toEqual([1, 1]);
  });

  it('does nothing while there are triggers that are not to go', async () => {
    const row = await registered();
    await expect(release({ triggers: false })).resolves.toEqual({ triggers: 1, owed: 0 });
    expect([(await read(row)).status, stage.objects.list.length, await triggers()]).toEqual(['active', 1, 1]);
  });

  it('removes, without being told to delete triggers, what none wants any more', async () => {
    const row = await registered();
    await stage.database.pool.query('DELETE FROM trigger WHERE feed_id = $1', [row.feed_id]);
    await expect(release({ triggers: false })).resolves.toEqual({ triggers: 0, owed: 0 });
    expect(stage.objects.list).toEqual([]);
  });

  it('says what the service still owes, leaves that to the sweeper, and does no harm when repeated', async () => {
    const row = await registered();
    stage.objects.remove = () => {
      throw new ServiceError('unavailable', 'Down.');
    };
    await expect(release()).resolves.toEqual({ triggers: 0, owed: 1 });
    const waiting = await read(row);
    expect(waiting).toMatchObject({ status: 'removing', attempts: 1 });
    await expect(release()).resolves.toEqual({ triggers: 0, owed: 1 });
    // Not due yet, so the service was not asked again.
    expect(await read(row)).toMatchObject({ attempts: 1, next_attempt_at: waiting.next_attempt_at });
  });

  it('by force owes nothing any more, and says that a hook may be left', async () => {
    const row = await registered();
    stage.objects.remove = () => {
      throw new ServiceError('forbidden', 'No.');
    };
    await release();
    await expect(release({ force: true })).resolves.toEqual({ triggers: 0, owed: 0 });
    expect(await read(row)).toMatchObject({ status: 'removed', reason_code: 'forced' });
    expect(stage.objects.list).toHaveLength(1);
  });

  it('asks the service nothing when there is nothing', async () => {
    await expect(release({ connection: 'con_nobody' })).resolves.toEqual({ triggers: 0, owed: 0 });
    expect(stage.objects.calls).toEqual([]);
  });

  it('of another workspace leaves this one alone', async () => {
    const row = await registered();
    const { workspaceId } = stage;
    stage.workspaceId = 'wsp_another';
    await expect(release()).resolves.toEqual({ triggers: 0, owed: 0 });
    stage.workspaceId = workspaceId;
    expect((await read(row)).status).toBe('active');
  });
});

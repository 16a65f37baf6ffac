import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { hookUrl } from '@vane/runtime';
import { call, PUBLIC, SagaStage } from './fixtures/saga-stage.js';
import { Reregistration } from './reregistration.js';
import type { SubscriptionRow } from './subscription-rows.js';

const OLD = 'https://old.example';
let stage: SagaStage;
let moves: Reregistration;

beforeAll(async () => {
  stage = await SagaStage.open();
});
beforeEach(async () => {
  await stage.reset();
  moves = new Reregistration(stage.database, stage.clock, PUBLIC);
});
afterAll(() => stage.close());

/** Registered under the public URL that was configured before. */
async function registered(resource: string, type: 'thing' | 'channel' = 'thing'): Promise<SubscriptionRow> {
  const row = await stage.pending('con_x', resource, type);
  await stage.parts.settler.settle(row.id, call);
  const { rows } = await stage.database.pool.query<SubscriptionRow>('UPDATE subscription SET public_url = $2 WHERE id = $1 RETURNING *', [row.id, OLD]);
  const there = stage.objects.list.find((object) => object.callbackUrl === hookUrl(PUBLIC, row.key));
  if (there) there.callbackUrl = hookUrl(OLD, row.key);
  return rows[0]!;
}

/** What becomes of a wave once all of its moments have come. */
async function settleWave(): Promise<void> {
  stage.clock.aheadMs += 31_000;
  await stage.tick();
  await stage.tick();
}

describe('moving to another public URL', () => {
  it('goes in waves until none is left', async () => {
    for (const resource of ['a', 'b', 'c']) await registered(resource);
    expect(await moves.wave({ wave: 2, dryRun: true })).toMatchObject({ begun: 0, left: 3 });
    expect(await moves.wave({ wave: 2, dryRun: false })).toMatchObject({ begun: 2, left: 3 });
    expect(await moves.wave({ wave: 2, dryRun: false })).toMatchObject({ begun: 1, left: 3 });
    expect(await moves.wave({ wave: 2, dryRun: false })).toMatchObject({ begun: 0, left: 3 });
    await settleWave();
    expect(await moves.wave({ wave: 2, dryRun: false })).toEqual({ publicUrl: PUBLIC, begun: 0, left: 0, waiting: 0, failing: 0, byHand: 0 });
    expect(stage.objects.calls.filter((name) => name.startsWith('update'))).toHaveLength(3);
    expect(stage.objects.list).toHaveLength(3);
  });

  it('puts a new object in the place of one that cannot be changed', async () => {
    const row = await registered('a', 'channel');
    expect(await moves.wave({ wave: 10, dryRun: false })).toMatchObject({ begun: 1 });
    await settleWave();
    const [old, fresh] = await stage.ofFeed(row.feed_id);
    expect([old!.status, fresh!.status]).toEqual(['removed', 'active']);
    expect(stage.channels.live).toMatchObject([{ id: fresh!.id, callbackUrl: hookUrl(PUBLIC, fresh!.key) }]);
    expect(await moves.wave({ wave: 10, dryRun: true })).toMatchObject({ left: 0 });
  });

  it('leaves for later what waits for a person, and takes it along then', async () => {
    await registered('a');
    await stage.connection('auth_required');
    await stage.tick();
    expect(await moves.wave({ wave: 10, dryRun: false })).toMatchObject({ begun: 1, left: 1, waiting: 1 });
    await settleWave();
    expect(await moves.wave({ wave: 10, dryRun: false })).toMatchObject({ begun: 0, left: 1, waiting: 1 });
    await stage.connection('active');
    await settleWave();
    expect(await moves.wave({ wave: 10, dryRun: false })).toMatchObject({ left: 0, waiting: 0 });
  });

  it('knows what it has registered under the other one', async () => {
    const row = await registered('a');
    await stage.database.pool.query(`UPDATE subscription SET status = 'pending', external_id = NULL, applied = NULL, attempts = 1, next_attempt_at = $2 WHERE id = $1`, [
      row.id, stage.clock.now(),
    ]);
    await stage.tick();
    expect(stage.objects.list).toHaveLength(1);
    expect(await stage.parts.rows.read(row.id)).toMatchObject({ status: 'active', public_url: PUBLIC, external_id: row.external_id });
  });
});

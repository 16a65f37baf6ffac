import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ServiceError } from '@vane/kit';
import { hookUrl } from '@vane/runtime';
import { call, PUBLIC, SagaStage } from './fixtures/saga-stage.js';

let stage: SagaStage;

beforeAll(async () => {
  stage = await SagaStage.open();
});
beforeEach(() => stage.reset());
afterAll(() => stage.close());

describe('settling a subscription', () => {
  it('registers it once, however many ask at the same time', async () => {
    const { id } = await stage.pending();
    const results = await Promise.all(Array.from({ length: 6 }, () => stage.parts.settler.settle(id, call)));
    expect(stage.objects.list).toHaveLength(1);
    expect(results.filter(({ outcome }) => outcome === 'settled')).not.toHaveLength(0);
    expect(await stage.parts.rows.read(id)).toMatchObject({ status: 'active', external_id: '1', attempts: 0, next_attempt_at: null });
  });

  it('is not tried again by what was found due before the service has said when', async () => {
    const { id } = await stage.pending();
    const [found] = (await stage.parts.work.due(10)).items;
    stage.objects.before = () => {
      throw new ServiceError('unavailable', 'Acme is away.', { retryAfterMs: 60_000 });
    };
    await stage.parts.settler.settle(id, call);
    expect(await stage.parts.work.do(found!, call)).toEqual({ done: false });
    expect(await stage.parts.rows.read(id)).toMatchObject({ attempts: 1 });
    stage.clock.aheadMs += 66_001; // Not all together: up to a tenth later than the service has said.
    await stage.parts.work.do(found!, call);
    expect(await stage.parts.rows.read(id)).toMatchObject({ attempts: 2 });
  });

  it('adopts what an unheard try made and removes its doubles, leaving foreign stage.objects alone', async () => {
    const row = await stage.pending();
    stage.objects.after = () => {
      throw new ServiceError('unavailable', 'The connection broke.');
    };
    expect((await stage.parts.settler.settle(row.id, call)).outcome).toBe('later');
    stage.objects.after = () => undefined;
    await stage.objects.register(hookUrl(PUBLIC, row.key));
    await stage.objects.register('https://elsewhere.example/hook');
    expect((await stage.parts.settler.settle(row.id, call)).outcome).toBe('settled');
    expect(stage.objects.list.map((object) => object.externalId)).toEqual(['1', '3']);
    expect(await stage.parts.rows.read(row.id)).toMatchObject({ status: 'active', external_id: '1' });
  });

  it('looks for what an unheard try made before it says that it is removed', async () => {
    const row = await stage.pending();
    stage.objects.after = () => {
      throw new ServiceError('unavailable', 'The connection broke.');
    };
    await stage.parts.settler.settle(row.id, call);
    await stage.dropTriggers(row.feed_id);
    expect((await stage.parts.settler.settle(row.id, call)).outcome).toBe('settled');
    expect(stage.objects.list).toEqual([]);
    expect(await stage.parts.rows.read(row.id)).toMatchObject({ status: 'removed' });
  });

  it('makes no call for a row that another has taken over meanwhile', async () => {
    const row = await stage.pending();
    const stolen = stage.parts.rows.extend.bind(stage.parts.rows);
    stage.parts.rows.extend = async (id, owner) => {
      await stage.database.pool.query(`UPDATE subscription SET lease_owner = 'thief' WHERE id = $1`, [id]);
      return stolen(id, owner);
    };
    expect((await stage.parts.settler.settle(row.id, call)).outcome).toBe('busy');
    expect(stage.objects.list).toEqual([]);
  });

  it('waits for an adapter that is not installed, and goes on when it is back', async () => {
    const row = await stage.pending();
    const adapter = stage.installed;
    stage.installed = undefined;
    expect(await stage.parts.settler.settle(row.id, call)).toMatchObject({ outcome: 'later', error: { message: expect.stringContaining('acme/thing') } });
    expect((await stage.parts.rows.read(row.id))?.next_attempt_at).not.toBeNull();
    stage.installed = adapter;
    expect((await stage.parts.settler.settle(row.id, call)).outcome).toBe('settled');
  });

  it('stores the words of a service that Postgres text cannot hold', async () => {
    const row = await stage.pending();
    stage.objects.before = () => {
      throw new ServiceError('invalid', 'Not \u0000 like this.');
    };
    expect((await stage.parts.settler.settle(row.id, call)).outcome).toBe('refused');
    expect(await stage.parts.rows.read(row.id)).toMatchObject({ status: 'degraded', reason_message: 'Not \uFFFD like this.' });
  });
});

describe('keeping triggers and subscriptions in step', () => {
  it('gives a feed with triggers a new subscription when its last one is on the way out', async () => {
    const row = await stage.pending();
    await stage.parts.settler.settle(row.id, call);
    await stage.dropTriggers(row.feed_id);
    const again = await stage.pending();
    expect(again).toMatchObject({ status: 'pending', feed_id: row.feed_id });
    expect(again.id).not.toBe(row.id);
  });

  it('sweeps what is due although one of them fails', async () => {
    const made = [await stage.pending()];
    await stage.database.pool.query(`UPDATE subscription SET secrets_enc = 'broken' WHERE id = $1`, [made[0]!.id]);
    const other = await stage.pending('con_y');
    await stage.tick();
    expect(await stage.parts.rows.read(other.id)).toMatchObject({ status: 'active' });
    expect(await stage.parts.rows.read(made[0]!.id)).toMatchObject({ status: 'pending', reason_message: expect.stringContaining('decrypt') });
  });
});

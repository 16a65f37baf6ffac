import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ServiceError } from '@vane/kit';
import { call, SagaStage } from './fixtures/saga-stage.js';
import type { SubscriptionRow } from './subscription-rows.js';

const HOUR = 3_600_000;
let stage: SagaStage;
let row: SubscriptionRow;

beforeAll(async () => {
  stage = await SagaStage.open();
});
beforeEach(async () => {
  await stage.reset();
  const { id } = await stage.pending();
  await stage.parts.settler.settle(id, call);
  row = await read(id);
});
afterAll(() => stage.close());

const read = async (id = row.id): Promise<SubscriptionRow> => (await stage.parts.rows.read(id))!;
const secrets = async (): Promise<string[]> => stage.parts.feeds.secrets(await read());
const begin = (overlap: 'now' | '1h' | '24h' | '7d') => stage.parts.secrets.begin({ workspace: stage.workspaceId, subscription: row.id, overlap });
const there = (): string => stage.objects.secrets.get(row.external_id!)!;

describe('rotating a secret', () => {
  it('has both committed before the service hears of the new one', async () => {
    const [old] = await secrets();
    let during: string[] = [];
    stage.objects.before = async () => {
      during = await secrets();
    };
    await begin('1h');
    await stage.parts.settler.settle(row.id, call);
    expect(during).toEqual([there(), old]);
    expect(there()).not.toBe(old);
  });

  it('begins the overlap when the service has confirmed, not before', async () => {
    stage.objects.before = () => {
      throw new ServiceError('unavailable', 'Acme is away.');
    };
    await begin('1h');
    expect((await stage.parts.settler.settle(row.id, call)).outcome).toBe('later');
    stage.clock.aheadMs += 2 * HOUR;
    expect(await read()).toMatchObject({ status: 'degraded', applied_secret: 1, secret_version: 2, old_secrets_until: null });
    await stage.tick();
    expect(await secrets()).toHaveLength(2);
    stage.objects.before = () => undefined;
    stage.clock.aheadMs += HOUR;
    await stage.tick();
    const done = await read();
    expect(done).toMatchObject({ status: 'active', applied_secret: 2, attempts: 0, next_attempt_at: null });
    expect(Math.abs(done.old_secrets_until!.getTime() - stage.clock.now().getTime() - HOUR)).toBeLessThan(10_000);
  });

  it('forgets the old one when its time is over, and not before', async () => {
    await begin('1h');
    await stage.parts.settler.settle(row.id, call);
    const { version } = await read();
    stage.clock.aheadMs += HOUR - 60_000;
    await stage.tick();
    expect(await secrets()).toHaveLength(2);
    stage.clock.aheadMs += 120_000;
    await stage.tick();
    expect(await secrets()).toEqual([there()]);
    expect(await read()).toMatchObject({ version: version + 1, old_secrets_until: null, secret_overlap_ms: null, secret_version: 2, applied_secret: 2 });
  });

  it('of which one cannot be read holds up neither the others nor the sweep', async () => {
    await begin('1h');
    await stage.parts.settler.settle(row.id, call);
    const broken = await stage.pending('con_y');
    const past = stage.clock.now();
    await stage.database.pool.query(`UPDATE subscription SET secrets_enc = 'broken', old_secrets_until = $2 WHERE id = $1`, [broken.id, past]);
    const due = await stage.pending('con_z');
    stage.clock.aheadMs += 2 * HOUR;
    await stage.tick();
    expect(await secrets()).toHaveLength(1);
    expect(await read(due.id)).toMatchObject({ status: 'active' });
  });

  it('of which one cannot be read is not always the first of a small batch', async () => {
    await begin('now');
    await stage.parts.settler.settle(row.id, call);
    const broken = await stage.pending('con_y');
    await stage.database.pool.query(`UPDATE subscription SET secrets_enc = 'broken', old_secrets_until = $2 WHERE id = $1`, [broken.id, stage.clock.in(-HOUR)]);
    for (let turn = 0; turn < 100 && (await read()).old_secrets_until; turn += 1) await stage.parts.secrets.wipeEnded(1);
    expect(await secrets()).toHaveLength(1);
  });

  it('is repeated by the next process when one died after the service took the secret', async () => {
    await begin('24h');
    stage.objects.after = () => {
      throw new ServiceError('unavailable', 'The connection broke.');
    };
    await stage.parts.settler.settle(row.id, call);
    const fresh = there();
    expect(await secrets()).toContain(fresh);
    stage.objects.after = () => undefined;
    await stage.parts.settler.settle(row.id, call);
    expect(there()).toBe(fresh);
    expect(await read()).toMatchObject({ status: 'active', applied_secret: 2 });
    expect(stage.objects.list).toHaveLength(1);
  });

  it('that comes while another change is on its way to the service is made after it', async () => {
    let rotated: Promise<unknown> | undefined;
    stage.objects.before = async () => {
      if (!rotated) await (rotated = begin('1h'));
    };
    await stage.database.pool.query(`UPDATE subscription SET want = '{"events":["b"]}', next_attempt_at = $2 WHERE id = $1`, [row.id, stage.clock.now()]);
    await stage.parts.settler.settle(row.id, call);
    expect(stage.objects.calls.filter((name) => name.startsWith('update'))).toHaveLength(2);
    expect(await secrets()).toHaveLength(2);
    expect((await secrets())[0]).toBe(there());
    expect(await read()).toMatchObject({ status: 'active', applied_secret: 2, applied: { events: ['b'] } });
  });
});

describe('a rotation that cannot be', () => {
  it('is refused while the service has not confirmed the last one, and in an overlap unless that ends at once', async () => {
    await begin('1h');
    await expect(begin('now')).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('not confirmed') });
    await stage.parts.settler.settle(row.id, call);
    const { old_secrets_until: until } = await read();
    await expect(begin('24h')).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining(until!.toISOString()) });
    await begin('now');
    await stage.parts.settler.settle(row.id, call);
    await stage.parts.secrets.wipe(stage.workspaceId, row.id);
    expect(await secrets()).toEqual([there()]);
    expect(await read()).toMatchObject({ secret_version: 3, applied_secret: 3, old_secrets_until: null });
  });

  it('of two at the same moment, one is made', async () => {
    const both = await Promise.allSettled([begin('1h'), begin('1h')]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await secrets()).toHaveLength(2);
  });

  it('is refused where the service cannot change a secret, and where there is no subscription any more', async () => {
    delete stage.installed!.triggerTypes['thing']!.remote!.canReplaceSecret;
    await expect(begin('1h')).rejects.toMatchObject({ code: 'invalid_config', message: expect.stringContaining('cannot change the secret') });
    await stage.dropTriggers(row.feed_id);
    await expect(begin('1h')).rejects.toMatchObject({ code: 'conflict' });
    await expect(stage.parts.secrets.begin({ workspace: 'ws_other', subscription: row.id, overlap: '1h' })).rejects.toMatchObject({ code: 'not_found' });
    expect(await read()).toMatchObject({ secret_version: 1 });
  });

  it('is refused before the service has the first secret', async () => {
    const { id } = await stage.pending('con_y');
    await expect(stage.parts.secrets.begin({ workspace: stage.workspaceId, subscription: id, overlap: 'now' })).rejects.toMatchObject({ code: 'conflict' });
  });
});

import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { listCanaries, sendCanary } from '@vane/contracts';
import { HealthStage } from '../health/fixtures/health-stage.js';

let stage: HealthStage;

beforeAll(async () => {
  stage = await HealthStage.open();
});
afterAll(() => stage?.close());

it('nobody has a canary sent as the account of a connection that is private to another', async () => {
  const { subscription } = await stage.create();
  const asked = { workspace: stage.workspace, subscription: subscription!.id };
  stage.held.ownerId = 'usr_01J0000000000000000000000A';
  await expect(stage.bus.ask(sendCanary, asked, stage.call)).rejects.toMatchObject({ code: 'forbidden', message: expect.stringContaining('private') });
  expect((await stage.bus.ask(listCanaries, asked, stage.call)).items).toEqual([]);
  stage.held.ownerId = null;
  expect(await stage.bus.ask(sendCanary, asked, stage.call)).toMatchObject({ subscriptionId: subscription!.id });
});

it('those of the subscription that was replaced are listed with the one that took its place, and nobody else\'s', async () => {
  const { subscription } = await stage.create();
  const { id: other } = await stage.bus.ask(sendCanary, { workspace: stage.workspace, subscription: subscription!.id }, stage.call);
  const replacement = `${subscription!.id}r`;
  await stage.database.pool.query(
    `INSERT INTO subscription (id, workspace_id, feed_id, service, trigger_type, connection_id, resource, key, secrets_enc, want, applied, status, status_since,
       attempts, version, created_at, secret_version)
     SELECT $2, workspace_id, feed_id, service, trigger_type, connection_id, resource, $2, secrets_enc, want, applied, 'removed', status_since, 0, 1, created_at, 1
     FROM subscription WHERE id = $1`,
    [subscription!.id, replacement],
  );
  const { items } = await stage.bus.ask(listCanaries, { workspace: stage.workspace, subscription: replacement }, stage.call);
  expect(items.map(({ id, subscriptionId }) => ({ id, subscriptionId }))).toEqual([{ id: other, subscriptionId: subscription!.id }]);
});

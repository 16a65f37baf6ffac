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

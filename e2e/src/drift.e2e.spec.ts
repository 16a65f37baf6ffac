import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { getSubscription, getSync, startSync, type SyncView } from '@vane/contracts';
import { eventually } from '@vane/testing';
import { GithubStage } from './github-stage.js';

const repository = 'octocat/drifting';
let stage: GithubStage;

beforeAll(async () => {
  stage = await GithubStage.open('drift');
  stage.fake.addRepo(repository);
});
afterAll(() => stage?.close());

it('makes a hook again that was deleted at GitHub when a sync is asked for, and what it sends starts a run', async () => {
  const { workspace } = stage;
  const trigger = await stage.trigger({ repository });
  const { hooks } = stage.fake.state.repos.get(repository)!;
  const [old] = hooks.splice(0);
  const answer = await workspace.api.send(startSync, { workspace: workspace.id, trigger: trigger.id });
  expect(answer.status).toBe(202);
  const { id } = answer.body as SyncView;
  const sync = await eventually('the sync to be done', async () => {
    const now = await workspace.api.call(getSync, { workspace: workspace.id, sync: id });
    return now.state === 'done' && now;
  }, { timeoutMs: 60_000 });
  expect(sync).toMatchObject({ progress: { total: 1, done: 1 }, orphans: 0 });
  const subscription = await eventually('the hook to be back', async () => {
    const now = await workspace.api.call(getSubscription, { workspace: workspace.id, subscription: trigger.subscription!.id });
    return now.status === 'active' && now.externalId !== String(old!.id) && now;
  }, { timeoutMs: 30_000 });
  expect(hooks).toEqual([expect.objectContaining({ id: Number(subscription.externalId), config: expect.objectContaining({ url: trigger.callbackUrl }) })]);
  expect(subscription.history).toEqual(expect.arrayContaining([expect.objectContaining({ status: 'missing', reason: expect.objectContaining({ code: 'missing_at_service' }) })]));
  await stage.fake.idle();
  const [delivery] = await stage.fake.push(repository, 'push', { ref: 'refs/heads/again' });
  expect(delivery!.statusCode).toBe(200);
  const [run] = await workspace.endedRuns(trigger.id, 1);
  expect(run).toMatchObject({ status: 'succeeded' });
}, 120_000);

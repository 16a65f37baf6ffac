import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { deleteTrigger, getTrigger, listTriggers, updateTrigger, type TriggerView } from '@vane/contracts';
import { eventually } from '@vane/testing';
import type { Fault } from '../../libs/adapters/src/github/fake/faults.js';
import { killApp } from '../../tools/launch/index.mjs';
import { GithubStage } from './github-stage.js';
import { startOwnInstance, type OwnInstance } from './own-instance.js';

/** Longer than the time after which a step that was cut off is taken over. */
const TAKEN_OVER_MS = 120_000;
/** GitHub does the work at once, and answers long after the process that asked is dead. */
const ANSWERS_LATE_MS = 30_000;

const names = ['created', 'created-unheard', 'updated', 'moved', 'deleted', 'target'] as const;
const repository = (name: (typeof names)[number]): string => `octocat/${name}`;

let own: OwnInstance;
let stage: GithubStage;
const before: Partial<Record<(typeof names)[number], TriggerView>> = {};

const hooksOf = (name: (typeof names)[number]) => stage.fake.state.repos.get(repository(name))!.hooks;
const late = (method: string, path: string, fault: Partial<Fault> = {}) => stage.fake.faults.set({ kind: 'delay', delayMs: ANSWERS_LATE_MS, method, path, ...fault });
const triggers = async (): Promise<TriggerView[]> => (await stage.workspace.api.call(listTriggers, { workspace: stage.workspace.id, limit: 200 })).items;
const inRepository = async (name: (typeof names)[number]): Promise<TriggerView[]> =>
  (await triggers()).filter(({ config }) => config['repository'] === repository(name));
const settled = (name: (typeof names)[number]): Promise<TriggerView> =>
  eventually(`the trigger in ${name} to be active`, async () => {
    const [trigger] = await inRepository(name);
    if (trigger?.subscription?.status === 'active' && trigger.subscription.nextAttemptAt === null) return trigger;
    throw new Error(JSON.stringify(trigger?.subscription));
  }, { timeoutMs: TAKEN_OVER_MS, everyMs: 500 });

/**
 * Everything that can be under way is, when trigger-service is killed: a hook was made, changed or removed at GitHub, or is
 * about to be, and nobody here has heard of it.
 */
beforeAll(async () => {
  own = await startOwnInstance();
  stage = await GithubStage.open('crash', { repos: names.map(repository) }, own);
  for (const name of ['updated', 'moved', 'deleted'] as const) before[name] = await stage.trigger({ repository: repository(name), events: ['push'] });
  const { workspace } = stage;

  // Work done, answer never seen.
  stage.fake.faults.set({ kind: 'timeout', afterWork: true, method: 'POST', path: `/repos/${repository('created-unheard')}/hooks` });
  stage.fake.faults.set({ kind: 'timeout', afterWork: true, method: 'PATCH', path: `/repos/${repository('updated')}/hooks/*` });
  stage.fake.faults.set({ kind: 'timeout', afterWork: true, method: 'DELETE', path: `/repos/${repository('deleted')}/hooks/*` });
  stage.fake.faults.set({ kind: 'timeout', afterWork: true, method: 'POST', path: `/repos/${repository('target')}/hooks` });
  // Work not done yet.
  late('POST', `/repos/${repository('created')}/hooks`);
  void stage.send({ repository: repository('created') }).catch(() => undefined);
  void stage.send({ repository: repository('created-unheard') }).catch(() => undefined);
  const change = (name: 'updated' | 'moved', config: { repository: string; events: string[] }) =>
    workspace.api.send(updateTrigger, { workspace: workspace.id, trigger: before[name]!.id, ifMatch: before[name]!.version, config }).catch(() => undefined);
  void change('updated', { repository: repository('updated'), events: ['issues'] });
  void change('moved', { repository: repository('target'), events: ['push'] });
  void workspace.api.send(deleteTrigger, { workspace: workspace.id, trigger: before.deleted!.id }).catch(() => undefined);
  await eventually('GitHub to have done all of it', async () => {
    const asked = stage.requests();
    return (
      asked.includes(`POST /repos/${repository('created')}/hooks`) && hooksOf('created-unheard').length === 1 && hooksOf('target').length === 1 &&
      String(hooksOf('updated')[0]?.events) === 'issues' && hooksOf('deleted').length === 0
    );
  });
  killApp(own.dir, 'trigger-service');
  await stage.fake.push(repository('moved'), 'push', { while: 'it is moved' });
}, 120_000);

afterAll(async () => {
  await stage?.close();
  await own?.stop();
}, 60_000);

describe('a saga whose process was killed is finished by the next one', () => {
  it('a created hook that nobody heard of is adopted, and there is no second one', async () => {
    const trigger = await settled('created-unheard');
    expect(hooksOf('created-unheard').map(({ id }) => String(id))).toEqual([trigger.subscription!.externalId]);
    expect(stage.requests().filter((request) => request === `POST /repos/${repository('created-unheard')}/hooks`)).toHaveLength(1);
    await stage.fake.push(repository('created-unheard'), 'push', { after: 'the crash' });
    const [run] = await stage.workspace.endedRuns(trigger.id, 1);
    expect(run!.status).toBe('succeeded');
  }, TAKEN_OVER_MS + 30_000);

  it('a hook whose creation was under way is there once', async () => {
    const trigger = await settled('created');
    expect(hooksOf('created').map(({ id }) => String(id))).toEqual([trigger.subscription!.externalId]);
    await stage.fake.push(repository('created'), 'push', {});
    await stage.workspace.endedRuns(trigger.id, 1);
  }, TAKEN_OVER_MS);

  it('a changed hook is known to be changed', async () => {
    const trigger = await settled('updated');
    expect(trigger.config).toEqual({ repository: repository('updated'), events: ['issues'] });
    expect(hooksOf('updated')).toMatchObject([{ id: Number(before.updated!.subscription!.externalId), events: ['issues'] }]);
    await stage.fake.push(repository('updated'), 'issues', { action: 'opened' });
    await stage.workspace.endedRuns(trigger.id, 1);
  }, TAKEN_OVER_MS);

  it('a deleted hook is known to be deleted', async () => {
    await stage.subscription(before.deleted!.subscription!.id, 'removed', TAKEN_OVER_MS);
    expect(hooksOf('deleted')).toEqual([]);
    expect((await stage.workspace.api.send(getTrigger, { workspace: stage.workspace.id, trigger: before.deleted!.id })).status).toBe(404);
  }, TAKEN_OVER_MS);

  it('a move that was cut off is finished: the hook it made is adopted, and the old one served the trigger until then', async () => {
    const trigger = await settled('target');
    expect(trigger).toMatchObject({ id: before.moved!.id, config: { repository: repository('target') } });
    expect(hooksOf('target').map(({ id }) => String(id))).toEqual([trigger.subscription!.externalId]);
    await eventually('the hook at the old place to be removed', async () => hooksOf('moved').length === 0, { timeoutMs: TAKEN_OVER_MS, everyMs: 500 });
    await stage.workspace.endedRuns(trigger.id, 1);
    await stage.fake.push(repository('target'), 'push', { after: 'the move' });
    expect(await stage.workspace.endedRuns(trigger.id, 2)).toHaveLength(2);
  }, TAKEN_OVER_MS);

  it('nothing there is without its subscription here, and nothing here without its hook', async () => {
    await stage.expectNoOrphan();
  });
});

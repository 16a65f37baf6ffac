import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createTrigger, getProviderView, listTriggers, pauseTrigger, replayRun, resumeTrigger } from '@vane/contracts';
import { eventually } from '@vane/testing';
import { asProblem, GithubStage, REPOSITORY } from './github-stage.js';

const HOOKS = `/repos/${REPOSITORY}/hooks`;
let stage: GithubStage;

beforeAll(async () => {
  stage = await GithubStage.open('create');
});
afterEach(async () => {
  stage.fake.faults.clear();
  await stage.expectNoOrphan();
});
afterAll(() => stage?.close());

async function names(): Promise<string[]> {
  return (await stage.workspace.api.call(listTriggers, { workspace: stage.workspace.id, limit: 200 })).items.map(({ name }) => name);
}

describe('creating a trigger that GitHub refuses', () => {
  it.each([
    ['forbids', { status: 403 }, 'service_forbidden'],
    ['hides', { status: 404 }, 'service_not_found'],
    ['rejects', { status: 422, body: JSON.stringify({ message: 'Validation Failed', errors: [{ message: 'The "push" event cannot have more than 20 hooks' }] }) }, 'service_rejected'],
  ])('answers 422 with what GitHub %s, and leaves nothing behind', async (what, fault, code) => {
    stage.fake.faults.set({ kind: 'status', method: 'POST', path: HOOKS, times: 0, ...fault });
    const answer = await stage.send({ name: what });
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(asProblem(answer)).toMatchObject({ status: 422, code });
    expect(asProblem(answer).detail).toMatch(/GitHub .*\.$/);
    expect(await names()).not.toContain(what);
    expect(stage.ourHooks()).toEqual([]);
    expect((await stage.subscriptions()).filter(({ status }) => status !== 'removed')).toEqual([]);
  });

  it('says what the account may not do where GitHub answers 404 for it', async () => {
    const answer = await stage.send({ repository: 'octocat/no-such-repository' });
    expect([answer.status, asProblem(answer).code]).toEqual([422, 'service_not_found']);
    expect(asProblem(answer).detail).toContain('octocat/no-such-repository');
  });

  it('says which event GitHub does not know', async () => {
    const answer = await stage.send({ events: ['no_such_event'] });
    expect([answer.status, asProblem(answer).code]).toEqual([422, 'service_rejected']);
    expect(asProblem(answer).detail).toContain('no_such_event');
  });

  it('asks for a person when GitHub does not accept the token any more', async () => {
    const other = await GithubStage.open('dead token');
    try {
      other.fake.revokeTokens();
      const answer = await other.send();
      expect([answer.status, asProblem(answer).code]).toEqual([422, 'service_unauthorised']);
      expect(asProblem(answer).detail).toContain('Connect the account again');
      expect(other.ourHooks()).toEqual([]);
      await other.expectNoOrphan();
    } finally {
      await other.close();
    }
  });
});

describe('what arrives before create has returned', () => {
  it('is recorded when it is the ping, and runs when it is an event', async () => {
    stage.fake.addRepo('octocat/early');
    stage.fake.faults.set({ kind: 'early', method: 'POST', path: '/repos/octocat/early/hooks', push: { event: 'push', payload: { early: true } } });
    const trigger = await stage.trigger({ repository: 'octocat/early' });
    const [run] = await stage.workspace.endedRuns(trigger.id, 1);
    expect(run).toMatchObject({ status: 'succeeded' });
    const deliveries = await stage.workspace.deliveries(trigger.id, 2);
    expect(deliveries.map(({ status }) => status).sort()).toEqual(['accepted', 'ping']);
    const [event] = await stage.workspace.events(trigger.id);
    expect(event!.payload).toMatchObject({ early: true });
    expect(stage.fake.state.deliveries.filter(({ repo }) => repo === 'octocat/early').map(({ statusCode }) => statusCode)).toEqual([200, 200]);
  });
});

describe('the config of a trigger', () => {
  it.each([
    ['a field that GitHub triggers do not have', { config: { repository: REPOSITORY, events: ['push'], branch: 'main' } }, /branch/],
    ['a repository that is none', { config: { repository: 'hello world', events: ['push'] } }, /repository/],
    ['no events', { config: { repository: REPOSITORY, events: [] } }, /events/],
    ['the ping as an event', { config: { repository: REPOSITORY, events: ['ping'] } }, /events/],
  ])('is refused with %s, naming it, before GitHub hears of it', async (_name, { config }, field) => {
    const asked = stage.fake.state.requests.length;
    const answer = await stage.workspace.api.send(createTrigger, {
      workspace: stage.workspace.id, name: 'wrong', service: 'github', type: 'repository', connectionId: stage.connection, config, runnableId: stage.script,
    });
    expect([answer.status, asProblem(answer).code]).toEqual([422, 'invalid_config']);
    expect(asProblem(answer).detail).toMatch(field);
    expect(JSON.stringify(asProblem(answer).fields)).toMatch(field);
    expect(stage.fake.state.requests).toHaveLength(asked);
  });
});

describe('a trigger that is paused from its start', () => {
  it('has its hook, records events as skipped, and runs them when they are replayed', async () => {
    stage.fake.addRepo('octocat/paused');
    const trigger = await stage.trigger({ repository: 'octocat/paused', paused: true });
    expect(trigger.status).toBe('paused');
    const [delivery] = await stage.fake.push('octocat/paused', 'push', { n: 1 });
    expect(delivery!.statusCode).toBe(200);
    const [skipped] = await stage.workspace.endedRuns(trigger.id, 1);
    expect(skipped).toMatchObject({ status: 'skipped', reason: 'trigger_paused', attempts: 0 });

    const { workspace } = stage;
    const resumed = await workspace.api.call(resumeTrigger, { workspace: workspace.id, trigger: trigger.id });
    expect(resumed.status).toBe('enabled');
    await stage.fake.push('octocat/paused', 'push', { n: 2 });
    const replay = await workspace.api.call(replayRun, { workspace: workspace.id, run: skipped!.id });
    expect(replay).toMatchObject({ replay: 1, eventId: skipped!.eventId });
    const runs = await workspace.endedRuns(trigger.id, 3);
    expect(runs.map(({ status, replay: number }) => [status, number]).sort()).toEqual([['skipped', 0], ['succeeded', 0], ['succeeded', 1]]);

    await workspace.api.call(pauseTrigger, { workspace: workspace.id, trigger: trigger.id });
    await stage.fake.push('octocat/paused', 'push', { n: 3 });
    await eventually('the event to be skipped', async () => {
      const all = await workspace.endedRuns(trigger.id, 4);
      return all.filter(({ status }) => status === 'skipped').length === 2;
    });
  });

  it('is seen at GitHub as it is there', async () => {
    const trigger = await stage.trigger({ repository: 'octocat/secret-plans', events: ['push', 'issues'] });
    const read = () => stage.workspace.api.call(getProviderView, { workspace: stage.workspace.id, trigger: trigger.id });
    expect(await read()).toMatchObject({ state: 'present', callbackUrl: trigger.callbackUrl, active: true, fields: { events: ['issues', 'push'] } });
  });
});

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { deleteTrigger, getTrigger, updateTrigger, type InputOf, type TriggerView } from '@vane/contracts';
import { eventually, type ApiAnswer } from '@vane/testing';
import type { Fault } from '../../libs/adapters/src/github/fake/faults.js';
import { asProblem, asTrigger, GithubStage } from './github-stage.js';

let stage: GithubStage;
let serial = 0;
let repository: string;

beforeAll(async () => {
  stage = await GithubStage.open('update');
});
beforeEach(() => {
  serial += 1;
  repository = `octocat/repository-${serial}`;
  stage.fake.addRepo(repository);
});
afterEach(async () => {
  stage.fake.faults.clear();
  await stage.expectNoOrphan();
});
afterAll(() => stage?.close());

type Change = Partial<Pick<InputOf<typeof updateTrigger>, 'name' | 'config' | 'runnableId'>>;

const update = (trigger: Pick<TriggerView, 'id' | 'version'>, change: Change): Promise<ApiAnswer<unknown>> =>
  stage.workspace.api.send(updateTrigger, { workspace: stage.workspace.id, trigger: trigger.id, ifMatch: trigger.version, ...change });
const read = (trigger: Pick<TriggerView, 'id'>): Promise<TriggerView> => stage.workspace.api.call(getTrigger, { workspace: stage.workspace.id, trigger: trigger.id });
const hooksOf = (name: string) => stage.fake.state.repos.get(name)!.hooks;
const remove = (trigger: Pick<TriggerView, 'id'>) => stage.workspace.api.call(deleteTrigger, { workspace: stage.workspace.id, trigger: trigger.id });
const hookFault = (fault: Omit<Fault, 'path' | 'method'>): Fault => ({ method: 'PATCH', path: `/repos/${repository}/hooks/*`, ...fault }) as Fault;

describe('changing the events of a trigger', () => {
  it('changes the one hook there, which goes on being signed with the same secret', async () => {
    const trigger = await stage.trigger({ repository, events: ['push'] });
    const [before] = structuredClone(hooksOf(repository));
    const answer = await update(trigger, { config: { repository, events: ['issues'] } });
    expect(answer.status).toBe(200);
    expect(asTrigger(answer)).toMatchObject({ version: trigger.version + 1, config: { events: ['issues'] }, callbackUrl: trigger.callbackUrl });
    expect(hooksOf(repository)).toMatchObject([{ id: before!.id, events: ['issues'], config: before!.config }]);
    const [delivery] = await stage.fake.push(repository, 'issues', { action: 'opened', n: 1 });
    expect(delivery!.statusCode).toBe(200);
    const [run] = await stage.workspace.endedRuns(trigger.id, 1);
    expect(run!.status).toBe('succeeded');
  });

  it.each([
    ['403', 'service_forbidden', { status: 403 }],
    ['422', 'service_rejected', { status: 422, body: JSON.stringify({ message: 'Validation Failed' }) }],
  ])('is undone when GitHub answers %s, and the trigger goes on as it was', async (_status, code, fault) => {
    const trigger = await stage.trigger({ repository, events: ['push'] });
    const [before] = structuredClone(hooksOf(repository));
    stage.fake.faults.set(hookFault({ kind: 'status', times: 0, ...fault }));
    const answer = await update(trigger, { name: 'renamed', config: { repository, events: ['issues'] } });
    expect([answer.status, asProblem(answer).code]).toEqual([422, code]);
    expect(asProblem(answer).detail).toMatch(/^GitHub .+/);
    stage.fake.faults.clear();
    expect(await read(trigger)).toMatchObject({ name: 'trigger', config: { events: ['push'] }, subscription: { status: 'active', reason: null, nextAttemptAt: null } });
    expect(hooksOf(repository)).toEqual([before]);
    await stage.fake.push(repository, 'push', {});
    await stage.workspace.endedRuns(trigger.id, 1);
  });

  it('asks for a person when GitHub does not accept the token any more, and is undone', async () => {
    const other = await GithubStage.open('update without a token');
    try {
      const trigger = await other.trigger();
      other.fake.revokeTokens();
      const answer = await other.workspace.api.send(updateTrigger, {
        workspace: other.workspace.id, trigger: trigger.id, ifMatch: trigger.version, config: { repository: 'octocat/hello-world', events: ['issues'] },
      });
      expect([answer.status, asProblem(answer).code]).toEqual([422, 'service_unauthorised']);
      expect(await other.workspace.api.call(getTrigger, { workspace: other.workspace.id, trigger: trigger.id })).toMatchObject({ config: { events: ['push'] } });
      await other.expectNoOrphan();
    } finally {
      await other.close();
    }
  });

  it.each([
    ['asks to slow down', { kind: 'status' as const, status: 429, retryAfterSeconds: 1 }],
    ['has an outage', { kind: 'status' as const, status: 502 }],
    ['hangs up after it did the work', { kind: 'drop' as const, afterWork: true }],
    ['answers garbage', { kind: 'garbage' as const }],
    ['does not answer', { kind: 'timeout' as const }],
  ])('is answered 202 when GitHub %s, and completes by itself', async (_name, fault) => {
    const trigger = await stage.trigger({ repository, events: ['push'] });
    stage.fake.faults.set(hookFault(fault));
    const answer = await update(trigger, { config: { repository, events: ['issues'] } });
    expect(answer.status).toBe(202);
    expect(asTrigger(answer)).toMatchObject({ config: { events: ['issues'] } });
    await stage.subscription(trigger.subscription!.id, 'active', 45_000);
    await eventually('the hook to be changed', async () => String(hooksOf(repository).map(({ events }) => events)) === 'issues');
  });

  it('registers anew what was deleted there meanwhile', async () => {
    const trigger = await stage.trigger({ repository, events: ['push'] });
    const [gone] = hooksOf(repository).splice(0);
    expect((await update(trigger, { config: { repository, events: ['issues'] } })).status).toBe(200);
    const [hook, ...more] = hooksOf(repository);
    expect(more).toEqual([]);
    expect(hook).toMatchObject({ events: ['issues'], config: gone!.config });
    expect(hook!.id).not.toBe(gone!.id);
  });

  it('adopts an identical hook that GitHub says exists already, if it is our own', async () => {
    const trigger = await stage.trigger({ repository, events: ['push'] });
    // Restored from a backup, say: the same hook under another id.
    const [hook] = hooksOf(repository);
    hook!.id = 900_000 + serial;
    const answer = await update(trigger, { config: { repository, events: ['push', 'issues'] } });
    expect(answer.status).toBe(200);
    expect(asTrigger(answer).subscription!.externalId).toBe(String(hook!.id));
    expect(hooksOf(repository)).toMatchObject([{ id: hook!.id, events: ['issues', 'push'] }]);
  });

  it('takes no foreign hook for its own when GitHub says that one exists already', async () => {
    const foreign = { ...structuredClone((await firstHook())!), id: 800_000 + serial, config: { url: 'https://elsewhere.example/hook', content_type: 'json' as const, insecure_ssl: '0' as const, secret: 'theirs' } };
    const other = `octocat/foreign-${serial}`;
    stage.fake.addRepo(other).hooks.push(foreign);
    const before = structuredClone(foreign);
    const body = JSON.stringify({ message: 'Validation Failed', errors: [{ resource: 'Hook', code: 'custom', message: 'Hook already exists on this repository' }] });
    stage.fake.faults.set({ kind: 'status', status: 422, body, method: 'POST', path: `/repos/${other}/hooks`, times: 0 });
    const answer = await stage.send({ repository: other });
    expect([answer.status, asProblem(answer).code]).toEqual([422, 'service_rejected']);
    expect(hooksOf(other)).toEqual([before]);
  });

  async function firstHook() {
    await stage.trigger({ repository });
    return hooksOf(repository)[0];
  }
});

describe('moving a trigger to another repository', () => {
  it('registers there before it removes here, and events of the new one run', async () => {
    const trigger = await stage.trigger({ repository, events: ['push'] });
    const target = `octocat/target-${serial}`;
    stage.fake.addRepo(target);
    const since = stage.requests().length;
    const answer = await update(trigger, { config: { repository: target, events: ['push'] } });
    expect(answer.status).toBe(200);
    const writes = stage.requests().slice(since).filter((request) => /^(POST|DELETE) /.test(request));
    expect(writes).toEqual([`POST /repos/${target}/hooks`, `DELETE /repos/${repository}/hooks/${trigger.subscription!.externalId}`]);
    expect([hooksOf(repository).length, hooksOf(target).length]).toEqual([0, 1]);
    expect(asTrigger(answer).callbackUrl).not.toBe(trigger.callbackUrl);
    await stage.fake.push(target, 'push', {});
    await stage.workspace.endedRuns(trigger.id, 1);
  });

  it('is undone when the new one refuses, with the old hook as it was', async () => {
    const trigger = await stage.trigger({ repository, events: ['push'] });
    const [before] = structuredClone(hooksOf(repository));
    const answer = await update(trigger, { config: { repository: 'octocat/not-there', events: ['push'] } });
    expect([answer.status, asProblem(answer).code]).toEqual([422, 'service_not_found']);
    expect(hooksOf(repository)).toEqual([before]);
    expect(await read(trigger)).toMatchObject({ config: { repository }, subscription: { status: 'active' } });
    await stage.fake.push(repository, 'push', {});
    await stage.workspace.endedRuns(trigger.id, 1);
  });
});

describe('two triggers on one repository', () => {
  it('share one hook with the events of both, which narrows with the first that goes and ends with the last', async () => {
    const [pushes, issues] = [await stage.trigger({ repository, events: ['push'] }), await stage.trigger({ repository: repository.toUpperCase().replace('OCTOCAT', 'octocat'), events: ['issues', 'release'] })];
    expect(issues.callbackUrl).toBe(pushes.callbackUrl);
    expect(hooksOf(repository).map(({ events }) => events)).toEqual([['issues', 'push', 'release']]);
    await Promise.all(['push', 'issues', 'release'].map((event) => stage.fake.push(repository, event, { event })));
    const runs = await Promise.all([stage.workspace.endedRuns(pushes.id, 1), stage.workspace.endedRuns(issues.id, 2)]);
    expect(runs.map((all) => all.length)).toEqual([1, 2]);

    const moved = await update(issues, { config: { repository, events: ['issues'] } });
    expect(moved.status).toBe(200);
    expect(hooksOf(repository).map(({ events }) => events)).toEqual([['issues', 'push']]);
    await remove(pushes);
    expect(hooksOf(repository).map(({ events }) => events)).toEqual([['issues']]);
    await remove(issues);
    expect(hooksOf(repository)).toEqual([]);
  });

  it('created at the same moment make one hook', async () => {
    const events = ['push', 'issues', 'release', 'star', 'fork'];
    const answers = await Promise.all(events.map((event) => stage.send({ repository, events: [event] })));
    // 202 where the one hook was being changed for another of them just then.
    for (const { status } of answers) expect([201, 202]).toContain(status);
    const triggers = answers.map(asTrigger);
    expect(new Set(triggers.map(({ callbackUrl }) => callbackUrl)).size).toBe(1);
    await eventually('the hook to carry all events', async () => String(hooksOf(repository).map((hook) => hook.events)) === String([...events].sort()));
    await Promise.all(triggers.map(remove));
    await eventually('the hook to be gone', async () => hooksOf(repository).length === 0);
  });
});

describe('a change that somebody else was faster with', () => {
  it('is refused without a version, and with an old one, and is made by one of two at the same moment', async () => {
    const trigger = await stage.trigger({ repository });
    const blind = await stage.workspace.api.send(updateTrigger, { workspace: stage.workspace.id, trigger: trigger.id, name: 'blind' } as never);
    expect([blind.status, asProblem(blind).code]).toEqual([428, 'precondition_required']);
    const both = await Promise.all([update(trigger, { name: 'one' }), update(trigger, { name: 'two' })]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
    const late = both.find(({ status }) => status === 409)!;
    expect(asProblem(late)).toMatchObject({ code: 'precondition_failed', detail: expect.stringContaining('Read it again') });
    const now = await read(trigger);
    expect([now.version, now.name]).toEqual([trigger.version + 1, asTrigger(both.find(({ status }) => status === 200)!).name]);
    const stale = await update(trigger, { name: 'three' });
    expect([stale.status, asProblem(stale).code]).toEqual([409, 'precondition_failed']);
  });

  it('names the field of a config that is wrong, and changes nothing', async () => {
    const trigger = await stage.trigger({ repository });
    const answer = await update(trigger, { config: { repository, events: ['push'], color: 'red' } });
    expect([answer.status, asProblem(answer).code]).toEqual([422, 'invalid_config']);
    expect(asProblem(answer).detail).toContain('color');
    expect((await read(trigger)).version).toBe(trigger.version);
  });
});

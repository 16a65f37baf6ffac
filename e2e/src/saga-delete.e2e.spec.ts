import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { deleteConnection, deleteRunnable, deleteTrigger, forgetSubscription, getProviderView, getRunnable, getTrigger, listTriggers, resumeTrigger, updateRunnable, updateTrigger, type OutputOf, type TriggerView } from '@vane/contracts';
import { eventually, type ApiAnswer } from '@vane/testing';
import type { Fault } from '../../libs/adapters/src/github/fake/faults.js';
import { dueNow } from './due-now.js';
import { asProblem, GithubStage } from './github-stage.js';

let stage: GithubStage;
let serial = 0;
let repository: string;

beforeAll(async () => {
  stage = await GithubStage.open('delete');
});
beforeEach(() => {
  serial += 1;
  repository = `octocat/repository-${serial}`;
  stage.fake.addRepo(repository);
});
afterEach(() => stage.fake.faults.clear());
afterAll(() => stage?.close());

type Deleted = OutputOf<typeof deleteTrigger>;

const remove = (trigger: TriggerView, force?: 'true', of = stage): Promise<ApiAnswer<unknown>> =>
  of.workspace.api.send(deleteTrigger, { workspace: of.workspace.id, trigger: trigger.id, force });
const removed = ({ body }: ApiAnswer<unknown>) => (body as Deleted).subscription!;
const hooksOf = (name: string) => stage.fake.state.repos.get(name)!.hooks;
const refuse = (fault: Omit<Fault, 'path' | 'method'>) => stage.fake.faults.set({ method: 'DELETE', path: `/repos/${repository}/hooks/*`, ...fault } as Fault);
const triggers = async (): Promise<TriggerView[]> => (await stage.workspace.api.call(listTriggers, { workspace: stage.workspace.id, limit: 200 })).items;

describe('deleting a trigger', () => {
  it('removes its hook, and what is sent to its old address is refused', async () => {
    const trigger = await stage.trigger({ repository });
    const foreign = { ...structuredClone(hooksOf(repository)[0]!), id: 700_000, config: { url: 'https://elsewhere.example/hook', content_type: 'json' as const, insecure_ssl: '0' as const } };
    hooksOf(repository).push(foreign);
    const answer = await remove(trigger);
    expect([answer.status, removed(answer).status, removed(answer).tombstone]).toEqual([200, 'removed', false]);
    expect(hooksOf(repository)).toEqual([foreign]);
    expect((await stage.workspace.api.send(getTrigger, { workspace: stage.workspace.id, trigger: trigger.id })).status).toBe(404);
    await eventually('the address to be gone', async () => (await fetch(trigger.callbackUrl, { method: 'POST', body: '{}' })).status === 410);
    await stage.expectNoOrphan();
  });

  it('counts as done when the hook was deleted there before', async () => {
    const trigger = await stage.trigger({ repository });
    hooksOf(repository).splice(0);
    const answer = await remove(trigger);
    expect([answer.status, removed(answer).status]).toEqual([200, 'removed']);
  });

  it.each([
    ['403', { kind: 'status' as const, status: 403 }, 'forbidden'],
    ['422', { kind: 'status' as const, status: 422 }, 'invalid'],
    ['404 for what is still there', { kind: 'status' as const, status: 404 }, 'forbidden'],
  ])('that GitHub refuses with %s leaves a tombstone that is shown, tried again and in the end removed', async (_status, fault, code) => {
    const trigger = await stage.trigger({ repository });
    refuse(fault);
    const answer = await remove(trigger);
    expect(answer.status).toBe(202);
    expect(removed(answer)).toMatchObject({ status: 'removing', tombstone: true, reason: { code, message: expect.stringMatching(/^GitHub .+/) } });
    expect((await triggers()).map(({ id }) => id)).not.toContain(trigger.id);
    expect(hooksOf(repository)).toHaveLength(1);
    const { id } = removed(answer);
    const tombstone = await stage.subscription(id, 'removing');
    expect(new Date(tombstone.nextAttemptAt!).getTime()).toBeGreaterThan(Date.now());
    await dueNow(id);
    await stage.subscription(id, 'removed');
    expect(hooksOf(repository)).toEqual([]);
    await stage.expectNoOrphan();
  });

  it.each([
    ['asks to slow down', { kind: 'status' as const, status: 429, retryAfterSeconds: 1 }],
    ['has an outage', { kind: 'status' as const, status: 500 }],
    ['hangs up after it did the work', { kind: 'drop' as const, afterWork: true }],
    ['does not answer', { kind: 'timeout' as const }],
    ['answers garbage', { kind: 'garbage' as const }],
    ['answers garbage and did nothing', { kind: 'garbage' as const, afterWork: false }],
  ])('is answered 202 when GitHub %s, and completes by itself', async (_name, fault) => {
    const trigger = await stage.trigger({ repository });
    refuse(fault);
    const answer = await remove(trigger);
    expect([answer.status, removed(answer).tombstone]).toEqual([202, true]);
    await stage.subscription(removed(answer).id, 'removed', 45_000);
    expect(hooksOf(repository)).toEqual([]);
  });

  it('by force does not ask GitHub, and says that its hook may still be there', async () => {
    const trigger = await stage.trigger({ repository });
    const asked = stage.fake.state.requests.length;
    const answer = await remove(trigger, 'true');
    expect(answer.status).toBe(200);
    expect(removed(answer)).toMatchObject({ status: 'removed', tombstone: false, reason: { code: 'forced', message: expect.stringContaining('may still be there') } });
    expect(stage.fake.state.requests).toHaveLength(asked);
    expect(hooksOf(repository)).toHaveLength(1);
    const [delivery] = await stage.fake.push(repository, 'push', {});
    expect(delivery!.statusCode).toBe(410);
  });

  it('of a dead grant leaves a tombstone that holds the connection', async () => {
    const other = await GithubStage.open('delete without a token');
    try {
      const trigger = await other.trigger();
      other.fake.revokeTokens();
      const answer = await remove(trigger, undefined, other);
      expect([answer.status, removed(answer).tombstone, removed(answer).reason!.code]).toEqual([202, true, 'unauthorised']);
      const disconnect = await other.workspace.api.send(deleteConnection, { workspace: other.workspace.id, connection: other.connection });
      expect(disconnect).toMatchObject({ status: 202, body: { state: 'disconnecting', tombstones: 1, message: expect.stringContaining('force=true') } });
    } finally {
      await other.close();
    }
  });

  it('whose tombstone is given up owes nothing any more, and says so', async () => {
    const trigger = await stage.trigger({ repository });
    refuse({ kind: 'status', status: 403 });
    const { id } = removed(await remove(trigger));
    const forget = () => stage.workspace.api.send(forgetSubscription, { workspace: stage.workspace.id, subscription: id });
    const answer = await forget();
    expect([answer.status, answer.body]).toEqual([200, expect.objectContaining({ status: 'removed', tombstone: false, nextAttemptAt: null })]);
    expect(hooksOf(repository)).toHaveLength(1);
    expect(asProblem(await forget())).toMatchObject({ status: 409, code: 'conflict' });
  });

  it('whose hook was made without our hearing of it finds the hook and removes it', async () => {
    stage.fake.faults.set({ kind: 'drop', afterWork: true, method: 'POST', path: `/repos/${repository}/hooks` });
    const created = await stage.send({ repository });
    expect(created.status).toBe(202);
    expect(hooksOf(repository)).toHaveLength(1);
    const answer = await remove(created.body as TriggerView);
    expect([answer.status, removed(answer).status]).toEqual([200, 'removed']);
    expect(hooksOf(repository)).toEqual([]);
  });

  it('twice at the same moment removes once', async () => {
    const trigger = await stage.trigger({ repository });
    const answers = await Promise.all([remove(trigger), remove(trigger)]);
    expect(answers.map(({ status }) => status)).toContain(200);
    expect(answers.every(({ status }) => status === 200 || status === 404)).toBe(true);
    expect(hooksOf(repository)).toEqual([]);
  });
});

describe('the runnable of a trigger', () => {
  it('can be renamed without touching the trigger', async () => {
    const runnable = await stage.workspace.script('export async function main() { return "same"; }');
    const trigger = await stage.trigger({ repository, runnable });
    const { workspace } = stage;
    const { version } = await workspace.api.call(getRunnable, { workspace: workspace.id, runnable });
    await workspace.api.call(updateRunnable, { workspace: workspace.id, runnable, ifMatch: version, name: 'another name' });
    expect(await workspace.api.call(getTrigger, { workspace: workspace.id, trigger: trigger.id })).toMatchObject({ runnableId: runnable, status: 'enabled', version: trigger.version });
    await stage.fake.push(repository, 'push', {});
    const [run] = await workspace.endedRuns(trigger.id, 1);
    expect(run!.status).toBe('succeeded');
  });

  it('that is deleted disables its triggers and names them; they can be given another', async () => {
    const runnable = await stage.workspace.script('export async function main() {}');
    const trigger = await stage.trigger({ repository, runnable, name: 'left alone' });
    const { workspace } = stage;
    const answer = await workspace.api.call(deleteRunnable, { workspace: workspace.id, runnable });
    expect(answer.disabledTriggers).toEqual([{ id: trigger.id, name: 'left alone' }]);
    const now = await workspace.api.call(getTrigger, { workspace: workspace.id, trigger: trigger.id });
    expect(now).toMatchObject({ status: 'disabled', runnableId: null, statusReason: { code: 'runnable_deleted' }, subscription: { status: 'active' } });
    expect(now.statusReason!.message).toMatch(/was deleted\. Give this trigger another one/);
    await stage.fake.push(repository, 'push', { n: 1 });
    const [skipped] = await workspace.endedRuns(trigger.id, 1);
    expect(skipped).toMatchObject({ status: 'skipped', reason: 'runnable_deleted' });
    expect((await workspace.api.send(resumeTrigger, { workspace: workspace.id, trigger: trigger.id })).status).toBe(409);

    const revived = await workspace.api.call(updateTrigger, { workspace: workspace.id, trigger: trigger.id, ifMatch: now.version, runnableId: stage.script });
    expect(revived).toMatchObject({ status: 'enabled', statusReason: null });
    await stage.fake.push(repository, 'push', { n: 2 });
    const runs = await workspace.endedRuns(trigger.id, 2);
    expect(runs.map(({ status }) => status).sort()).toEqual(['skipped', 'succeeded']);
  });
});

describe("GitHub's own view of a trigger", () => {
  it('is present, then missing when the hook was deleted behind our back, and unknown while GitHub does not answer', async () => {
    const trigger = await stage.trigger({ repository, events: ['push'] });
    const view = () => stage.workspace.api.call(getProviderView, { workspace: stage.workspace.id, trigger: trigger.id });
    expect(await view()).toMatchObject({ state: 'present', callbackUrl: trigger.callbackUrl, active: true, fields: { events: ['push'] } });
    expect(JSON.stringify(await view())).not.toContain(hooksOf(repository)[0]!.config.secret!);
    stage.fake.faults.set({ kind: 'status', status: 503, method: 'GET', path: `/repos/${repository}/hooks/*` });
    expect(await view()).toMatchObject({ state: 'unknown', message: expect.stringContaining('503') });
    hooksOf(repository).splice(0);
    expect(await view()).toMatchObject({ state: 'missing', message: expect.stringContaining('GitHub') });
  });
});

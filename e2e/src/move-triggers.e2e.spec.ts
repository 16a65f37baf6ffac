import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { getTrigger, moveTriggers, updateTrigger, type InputOf, type TriggerView } from '@vane/contracts';
import { eventually, type ApiAnswer } from '@vane/testing';
import { approving } from './browser.js';
import { connectAccount } from './connections.js';
import { asProblem, asTrigger, GithubStage } from './github-stage.js';
import { Workspace } from './system.js';

let stage: GithubStage;
/** The connection of another account that administers the same repositories. */
let other: string;
let serial = 0;
let repository: string;

beforeAll(async () => {
  stage = await GithubStage.open('move');
  other = await connectAs('hubot');
});
beforeEach(() => {
  serial += 1;
  repository = `octocat/moving-${serial}`;
  stage.fake.addRepo(repository);
});
afterAll(() => stage?.close());

async function connectAs(login: string): Promise<string> {
  const { settings } = stage.fake.state;
  const before = settings.currentLogin;
  settings.currentLogin = login;
  const { id } = await connectAccount(stage.workspace, stage.integration, approving(), { triggerTypes: ['repository'] });
  settings.currentLogin = before;
  return id;
}

const hooks = () => stage.fake.state.repos.get(repository)!.hooks;
const read = ({ id }: Pick<TriggerView, 'id'>): Promise<TriggerView> => stage.workspace.api.call(getTrigger, { workspace: stage.workspace.id, trigger: id });
const move = (trigger: TriggerView, connectionId: string): Promise<ApiAnswer<unknown>> =>
  stage.workspace.api.send(updateTrigger, { workspace: stage.workspace.id, trigger: trigger.id, ifMatch: trigger.version, connectionId });
const moveAll = (input: Partial<InputOf<typeof moveTriggers>>): Promise<ApiAnswer<unknown>> =>
  stage.workspace.api.send(moveTriggers, { workspace: stage.workspace.id, connection: stage.connection, to: other, ...input });

describe('moving a trigger to another connection', () => {
  it('registers as the new account before it removes as the old one, and keeps the trigger', async () => {
    const trigger = await stage.trigger({ repository });
    const [old] = hooks();
    const since = stage.requests().length;
    const answer = await move(trigger, other);
    expect(answer.status).toBe(200);
    expect(asTrigger(answer)).toMatchObject({ id: trigger.id, connectionId: other, version: trigger.version + 1, subscription: { status: 'active' } });
    const writes = stage.requests().slice(since).filter((request) => /^(POST|DELETE) \/repos/.test(request));
    expect(writes).toEqual([`POST /repos/${repository}/hooks`, `DELETE /repos/${repository}/hooks/${old!.id}`]);
    expect(hooks()).toHaveLength(1);
    await stage.fake.push(repository, 'push', {});
    await stage.workspace.endedRuns(trigger.id, 1);
  });

  it('goes on with the old hook while GitHub does not take the new one, and loses nothing', async () => {
    const trigger = await stage.trigger({ repository });
    const [old] = structuredClone(hooks());
    stage.fake.faults.set({ kind: 'status', status: 502, method: 'POST', path: `/repos/${repository}/hooks`, times: 2 });
    const answer = await move(trigger, other);
    expect(answer.status).toBe(202);
    expect(hooks().map(({ id }) => id)).toEqual([old!.id]);
    await stage.fake.push(repository, 'push', { while: 'the move is under way' });
    await stage.workspace.endedRuns(trigger.id, 1);
    await eventually('the old hook to be gone', async () => hooks().length === 1 && hooks()[0]!.id !== old!.id, { timeoutMs: 45_000 });
    expect((await read(trigger)).subscription).toMatchObject({ status: 'active' });
    await stage.fake.push(repository, 'push', { after: 'the move' });
    expect(await stage.workspace.endedRuns(trigger.id, 2)).toHaveLength(2);
  });

  it('is undone when GitHub refuses, with the old hook as it was', async () => {
    const trigger = await stage.trigger({ repository });
    const [old] = structuredClone(hooks());
    stage.fake.faults.set({ kind: 'status', status: 403, method: 'POST', path: `/repos/${repository}/hooks` });
    const answer = await move(trigger, other);
    expect([answer.status, asProblem(answer).code]).toEqual([422, 'service_forbidden']);
    expect(hooks()).toEqual([old]);
    expect(await read(trigger)).toMatchObject({ connectionId: stage.connection, subscription: { status: 'active' } });
    await stage.fake.push(repository, 'push', {});
    await stage.workspace.endedRuns(trigger.id, 1);
  });

  it('can be turned back while it is under way', async () => {
    const trigger = await stage.trigger({ repository });
    const [old] = structuredClone(hooks());
    stage.fake.faults.set({ kind: 'status', status: 502, method: 'POST', path: `/repos/${repository}/hooks`, times: 0 });
    const there = await move(trigger, other);
    expect(there.status).toBe(202);
    const back = await move(asTrigger(there), stage.connection);
    expect(back.status).toBe(200);
    stage.fake.faults.clear();
    expect(hooks().map(({ id }) => id)).toEqual([old!.id]);
    await stage.subscription(asTrigger(there).subscription!.id, 'removed');
    expect(hooks().map(({ id }) => id)).toEqual([old!.id]);
    await stage.fake.push(repository, 'push', {});
    await stage.workspace.endedRuns(trigger.id, 1);
  });

  it('leaves the old hook to a trigger that stays', async () => {
    const [moved, stays] = [await stage.trigger({ repository, events: ['push'] }), await stage.trigger({ repository, events: ['issues'] })];
    const [old] = structuredClone(hooks());
    expect((await move(await read(moved), other)).status).toBe(200);
    expect(hooks().map(({ id, events }) => [id === old!.id, events])).toEqual([[true, ['issues']], [false, ['push']]]);
    await stage.fake.push(repository, 'issues', { action: 'opened' });
    await stage.workspace.endedRuns(stays.id, 1);
  });

  it('refuses a connection that is not there', async () => {
    const trigger = await stage.trigger({ repository });
    const answer = await move(trigger, 'con_00000000000000000000000000');
    expect([answer.status, asProblem(answer).code]).toEqual([404, 'not_found']);
    expect(await read(trigger)).toMatchObject({ connectionId: stage.connection, version: trigger.version });
  });
});

describe('moving all triggers of a connection', () => {
  it('moves those it is given, names those it could not move, and says how many remain', async () => {
    const [one, two] = [await stage.trigger({ repository, events: ['push'] }), await stage.trigger({ repository, events: ['issues'] })];
    const missing = 'trg_00000000000000000000000000';
    const first = await moveAll({ triggers: [one.id, missing] });
    expect([first.status, first.body]).toEqual([200, { moved: [one.id], failed: [{ id: missing, message: expect.stringContaining('No trigger') }], remaining: 0 }]);
    expect([(await read(one)).connectionId, (await read(two)).connectionId]).toEqual([other, stage.connection]);
    const rest = await moveAll({});
    expect(rest.body).toMatchObject({ moved: expect.arrayContaining([two.id]), failed: [], remaining: 0 });
    expect((await read(two)).connectionId).toBe(other);
    expect((await moveAll({})).body).toEqual({ moved: [], failed: [], remaining: 0 });
  });

  it('refuses to move to where they are, and to a connection of another workspace', async () => {
    expect(asProblem(await moveAll({ to: stage.connection })).code).toBe('invalid_config');
    const trigger = await stage.trigger({ repository });
    const elsewhere = await GithubStage.open('elsewhere');
    try {
      const answer = await moveAll({ to: elsewhere.connection, triggers: [trigger.id] });
      expect(answer.body).toMatchObject({ moved: [], failed: [{ id: trigger.id, message: expect.stringContaining('There is no connection') }] });
    } finally {
      await elsewhere.close();
    }
    const stranger = await Workspace.create('stranger to the move');
    const theirs = await stranger.api.send(moveTriggers, { workspace: stage.workspace.id, connection: stage.connection, to: other });
    expect(theirs.status).toBe(404);
  });
});

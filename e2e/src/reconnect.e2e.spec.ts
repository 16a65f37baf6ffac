import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  authorizeConnection, createTrigger, deleteConnection, getConnection, getTrigger, listConnections, pauseTrigger, reconnectConnection, updateConnection, updateTrigger,
  type ConnectionView, type Operation, type OutputOf, type TriggerView,
} from '@vane/contracts';
import { eventually } from '@vane/testing';
import type { NextcloudFake } from '../../libs/adapters/src/nextcloud/fake/server.js';
import { approving, Browser } from './browser.js';
import { callbackUrl, connectAccount, enterIntegration, textOf } from './connections.js';
import { openNextcloud } from './fakes.js';
import { asProblem, GithubStage, REPOSITORY } from './github-stage.js';
import { nextcloudParty } from './parties.js';
import { Person } from './person.js';
import { system, Workspace } from './system.js';

const CREATED = 'OCP\\Files\\Events\\Node\\NodeCreatedEvent';

async function reconnectUrl(workspace: Workspace, connection: string, triggerTypes: string[] = []): Promise<string> {
  return (await workspace.api.call(reconnectConnection, { workspace: workspace.id, connection, triggerTypes })).url;
}
const connectionOf = (workspace: Workspace, connection: string): Promise<ConnectionView> => workspace.api.call(getConnection, { workspace: workspace.id, connection });

describe('a GitHub connection that is authorised anew', () => {
  let stage: GithubStage;
  let trigger: TriggerView;
  let before: ConnectionView;
  beforeAll(async () => {
    stage = await GithubStage.open('reconnect');
  });
  beforeEach(async () => {
    trigger = await stage.trigger({ name: 'Pushes' });
    before = await connectionOf(stage.workspace, stage.connection);
  });
  afterEach(async () => {
    stage.fake.state.settings.grantScopes = null;
    stage.fake.state.settings.currentLogin = 'octocat';
    stage.fake.faults.clear();
  });
  afterAll(() => stage?.close());

  const url = (triggerTypes?: string[]) => reconnectUrl(stage.workspace, stage.connection, triggerTypes);
  const runs = async () => {
    await stage.fake.push(REPOSITORY, 'push', {});
    return stage.workspace.endedRuns(trigger.id, 1);
  };

  it('as the same account keeps its id, its hook and its triggers', async () => {
    const hooks = stage.ourHooks().map(({ id }) => id);
    const page = await approving().open(await url());
    expect([page.status, textOf(page.html)]).toEqual([200, expect.stringContaining('The account octocat at github is connected.')]);
    expect(await connectionOf(stage.workspace, stage.connection)).toMatchObject({ id: before.id, accountId: before.accountId, scopes: ['admin:repo_hook'], status: 'active', version: before.version + 1 });
    expect(stage.ourHooks().map(({ id }) => id)).toEqual(hooks);
    expect(await runs()).toMatchObject([{ status: 'succeeded' }]);
  });

  it('as another account changes nothing when the person leaves it as it was', async () => {
    stage.fake.state.settings.currentLogin = 'hubot';
    const page = await approving('discard').open(await url());
    expect([page.status, textOf(page.html)]).toEqual([200, expect.stringContaining('The connection is as it was before.')]);
    expect(await connectionOf(stage.workspace, stage.connection)).toEqual(before);
    expect(await runs()).toMatchObject([{ status: 'succeeded' }]);
  });

  it('as another account is asked about, naming the triggers; a program gets a conflict with a field for it', async () => {
    stage.fake.state.settings.currentLogin = 'hubot';
    const stopped = await approving('nowhere').openUntil(await url(), callbackUrl());
    // The browser of the page above is not this one, so its cookie is not there.
    expect(await fetch(stopped, { headers: { accept: 'application/json' } })).toMatchObject({ status: 400 });
    const start = await fetch(await url(), { method: 'POST', redirect: 'manual' });
    const cookie = start.headers.getSetCookie()[0]!.split(';', 1)[0]!;
    const back = await approving().openUntil(start.headers.get('location')!, callbackUrl());
    const headers = { accept: 'application/json', 'content-type': 'application/json', cookie };
    const answer = await fetch(back, { headers });
    expect(answer.status).toBe(409);
    expect(await answer.json()).toMatchObject({ code: 'confirmation_required', fields: [{ path: 'account', message: expect.stringMatching(/works as octocat;.* as hubot: .*"Pushes"/) }] });
    const state = new URL(back).searchParams.get('state');
    const decide = () => fetch(`${stage.workspace.api.baseUrl}/oauth/discard`, { method: 'POST', headers, body: JSON.stringify({ state }) });
    expect([(await decide()).status, (await decide()).status]).toEqual([200, 400]);
    expect(await connectionOf(stage.workspace, stage.connection)).toEqual(before);
  });

  it('as another account works as that one when the person takes it, and its hook is changed in its name', async () => {
    const changes = () => stage.requests().filter((request) => /^PATCH \/repos\/.*\/hooks\/\d+$/.test(request)).length;
    const [hook] = stage.ourHooks();
    const sent = changes();
    stage.fake.state.settings.currentLogin = 'hubot';
    const page = await approving('confirm').open(await url());
    expect([page.status, textOf(page.html)]).toEqual([200, expect.stringContaining('The account hubot at github is connected.')]);
    expect(await connectionOf(stage.workspace, stage.connection)).toMatchObject({ id: before.id, accountLabel: 'hubot', status: 'active' });
    await eventually('the hook to be changed', async () => changes() > sent);
    expect(stage.ourHooks()).toMatchObject([{ id: hook!.id }]);
    await stage.subscription(trigger.subscription!.id, 'active');
    expect(await runs()).toMatchObject([{ status: 'succeeded' }]);
    stage.fake.state.settings.currentLogin = 'octocat';
    expect(textOf((await approving('confirm').open(await url())).html)).toContain('The account octocat');
  });

  it('with fewer scopes names the triggers that stop; taken all the same, new ones are told what is missing', async () => {
    stage.fake.state.settings.grantScopes = ['read:repo_hook'];
    const kept = await approving('discard').open(await url());
    expect(textOf(kept.html)).toContain('The connection is as it was before.');
    expect(await connectionOf(stage.workspace, stage.connection)).toEqual(before);
    await approving('confirm').open(await url());
    expect(await connectionOf(stage.workspace, stage.connection)).toMatchObject({ scopes: ['read:repo_hook'] });
    const asked = stage.requests().length;
    const refused = await stage.send({ events: ['issues'] });
    expect([refused.status, asProblem(refused).code]).toEqual([422, 'scopes_missing']);
    expect(asProblem(refused).detail).toContain('{"triggerTypes": ["repository"]}');
    expect(stage.requests()).toHaveLength(asked);
    stage.fake.state.settings.grantScopes = null;
    await approving().open(await url(['repository']));
    expect(await connectionOf(stage.workspace, stage.connection)).toMatchObject({ scopes: ['admin:repo_hook'] });
    expect((await stage.send({ events: ['issues'] })).status).toBe(201);
  });
});

describe('a Nextcloud connection that is authorised anew', () => {
  let workspace: Workspace;
  let nextcloud: NextcloudFake;
  beforeAll(async () => {
    workspace = await Workspace.create('reconnect nextcloud');
    nextcloud = await openNextcloud({ client: { redirectUri: callbackUrl() }, settings: { autoApprove: true } });
  });
  afterAll(() => nextcloud?.close());

  it('as an account that may not manage webhooks says so, keeps the hook, and goes on when it is mended', async () => {
    const { id } = await enterIntegration(workspace, nextcloudParty(nextcloud));
    const connection = await connectAccount(workspace, id, new Browser(), { triggerTypes: ['event'] });
    const runnableId = await workspace.script('export async function main(event) { return event.payload.event.node.path; }');
    const trigger = await workspace.api.call(createTrigger, {
      workspace: workspace.id, name: 'Files', service: 'nextcloud', type: 'event', connectionId: connection.id, config: { event: CREATED }, runnableId,
    });
    const other = nextcloud.state.users.find(({ uid }) => uid !== 'admin')!;
    const status = async () => (await workspace.api.call(getTrigger, { workspace: workspace.id, trigger: trigger.id })).subscription!;

    nextcloud.state.settings.currentUser = other.uid;
    await new Browser(undefined, 'confirm').open(await reconnectUrl(workspace, connection.id));
    expect(await connectionOf(workspace, connection.id)).toMatchObject({ id: connection.id, accountId: other.uid, status: 'active' });
    await eventually('the refusal to show', async () => (await status()).status === 'degraded');
    expect((await status()).reason).toMatchObject({ code: 'forbidden', message: expect.stringContaining('Only administrators may manage webhooks') });
    const ours = nextcloud.state.listeners.filter(({ uri }) => uri.startsWith(system().ingress));
    expect(ours.map((listener) => String(listener.id))).toEqual([trigger.subscription!.externalId]);

    nextcloud.state.settings.currentUser = 'admin';
    await new Browser(undefined, 'confirm').open(await reconnectUrl(workspace, connection.id));
    await eventually('the hook to be applied', async () => (await status()).status === 'active');
    await nextcloud.writeFile('/admin/files/again.txt');
    expect(await workspace.endedRuns(trigger.id, 1)).toMatchObject([{ status: 'succeeded' }]);
  });
});

describe('a connection that is private to a member', () => {
  let stage: GithubStage;
  let ann: Person & { id: string };
  let ben: Person;
  let anns: ConnectionView;
  let trigger: TriggerView;
  beforeAll(async () => {
    stage = await GithubStage.open('private');
    const { workspace } = stage;
    const join = () => Person.join({ workspace: workspace.id, role: 'editor', by: workspace.api });
    [ann, ben] = [await join(), await join()];
    stage.fake.state.settings.currentLogin = 'hubot';
    const asks = { workspace: workspace.id, integration: stage.integration, triggerTypes: ['repository'], private: true };
    const url = String((await ann.ask(authorizeConnection, asks)).json['url']);
    const question = await fetch(url);
    expect(textOf(await question.text())).toContain(`The connection is private: in the workspace, ${ann.email} alone may use it.`);
    expect((await approving().open(url)).status).toBe(200);
    anns = (await list(ann)).find(({ private: isPrivate }) => isPrivate)!;
    expect(anns).toMatchObject({ ownerId: ann.id, accountLabel: 'hubot', usable: true });
    trigger = await by(ann, createTrigger, input());
  });
  afterAll(() => stage?.close());

  const input = () => ({
    workspace: stage.workspace.id, name: 'hers', service: 'github', type: 'repository', connectionId: anns.id, config: { repository: REPOSITORY, events: ['push'] }, runnableId: stage.script,
  });
  const by = async <O extends Operation>(person: Person, operation: O, sent: Record<string, unknown>): Promise<OutputOf<O>> => {
    const { status, json } = await person.ask(operation, sent);
    if (status >= 400) throw new Error(`${operation.name} was answered ${status} ${json.code}: ${json.detail}`);
    return json as OutputOf<O>;
  };
  const list = async (person: Person) => (await by(person, listConnections, { workspace: stage.workspace.id })).items;
  const one = () => ({ workspace: stage.workspace.id, connection: anns.id });
  const refusal = async (operation: Operation, sent: object) => {
    const { status, json } = await ben.ask(operation, { ...sent });
    return [status, json.code];
  };

  it('is not seen or used by another editor', async () => {
    expect((await list(ben)).map(({ id }) => id)).toEqual([stage.connection]);
    expect(await refusal(getConnection, one())).toEqual([403, 'forbidden']);
    expect(await refusal(createTrigger, input())).toEqual([403, 'forbidden']);
    expect(await refusal(reconnectConnection, one())).toEqual([403, 'forbidden']);
    expect(await refusal(updateConnection, { ...one(), ifMatch: anns.version, private: false })).toEqual([403, 'forbidden']);
    expect(await refusal(deleteConnection, one())).toEqual([403, 'forbidden']);
  });

  it('is seen by an admin, who cannot use it', async () => {
    const { api } = stage.workspace;
    const { items } = await api.call(listConnections, { workspace: stage.workspace.id });
    expect(items.find(({ id }) => id === anns.id)).toMatchObject({ private: true, usable: false });
    const answer = await api.send(createTrigger, input());
    expect([answer.status, asProblem(answer).code]).toEqual([403, 'forbidden']);
  });

  it('has triggers that others pause and rename, and do not aim at other events or another runnable', async () => {
    const paused = await by(ben, pauseTrigger, { workspace: stage.workspace.id, trigger: trigger.id });
    expect(paused.status).toBe('paused');
    const change = { workspace: stage.workspace.id, trigger: trigger.id, ifMatch: paused.version };
    expect(await refusal(updateTrigger, { ...change, config: { repository: REPOSITORY, events: ['issues'] } })).toEqual([403, 'forbidden']);
    expect(await refusal(updateTrigger, { ...change, runnableId: stage.script })).toEqual([403, 'forbidden']);
    expect(await by(ben, updateTrigger, { ...change, name: 'renamed' })).toMatchObject({ name: 'renamed' });
  });

  it("is everybody's once its owner shares it", async () => {
    const shared = await by(ann, updateConnection, { ...one(), ifMatch: anns.version, private: false, name: 'The robot' });
    expect(shared).toMatchObject({ private: false, ownerId: null, name: 'The robot' });
    expect(await by(ben, getConnection, one())).toMatchObject({ usable: true });
    expect(await by(ben, createTrigger, { ...input(), name: 'his' })).toMatchObject({ name: 'his', subscription: { status: 'active' } });
  });
});

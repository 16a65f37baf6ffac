import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createTrigger, deleteTrigger, getDelivery, getProviderView, getRun, listDeliveries, listSubscriptions, listTriggers, updateTrigger, type TriggerView } from '@vane/contracts';
import { eventually } from '@vane/testing';
import type { NextcloudFake } from '../../libs/adapters/src/nextcloud/fake/server.js';
import type { Listener } from '../../libs/adapters/src/nextcloud/fake/state.js';
import { Browser } from './browser.js';
import { callbackUrl, connectAccount, enterIntegration } from './connections.js';
import { openNextcloud } from './fakes.js';
import { asProblem } from './github-stage.js';
import { allLogs } from './instance-files.js';
import { nextcloudParty } from './parties.js';
import { system, Workspace } from './system.js';

const CREATED = 'OCP\\Files\\Events\\Node\\NodeCreatedEvent';
const DELETED = 'OCP\\Files\\Events\\Node\\NodeDeletedEvent';
const WRITTEN = 'OCP\\Files\\Events\\Node\\NodeWrittenEvent';

/** Hooks of another administrator and of an app, to events that do not happen here. */
const others: Partial<Listener>[] = [
  { userId: 'other-admin', uri: 'https://elsewhere.example/hook', event: DELETED },
  { userId: null, appId: 'flow', uri: 'https://flow.example/hook', event: DELETED, authMethod: 'header', authData: { 'X-Foreign': 'foreign' } },
];

let nextcloud: NextcloudFake;
let workspace: Workspace;
let connection: string;
let script: string;
let foreign: Listener[];

beforeAll(async () => {
  workspace = await Workspace.create('nextcloud');
  nextcloud = await openNextcloud({ client: { redirectUri: callbackUrl() }, settings: { autoApprove: true }, listeners: others });
  foreign = structuredClone(nextcloud.state.listeners);
  const { id } = await enterIntegration(workspace, nextcloudParty(nextcloud));
  connection = (await connectAccount(workspace, id, new Browser())).id;
  script = await workspace.script('export async function main(event, ctx) { return { path: event.payload.event.node.path, auth: ctx.auth ?? null }; }');
});
afterEach(async () => {
  nextcloud.faults.clear();
  const { items } = await workspace.api.call(listTriggers, { workspace: workspace.id });
  await Promise.all(items.map(remove));
  expect(ours()).toEqual([]);
  expect(nextcloud.state.listeners.filter(({ uri }) => !uri.startsWith(system().ingress))).toEqual(foreign);
});
afterAll(() => nextcloud?.close());

const send = (config: Record<string, never> | object, runnableId = script) =>
  workspace.api.send(createTrigger, { workspace: workspace.id, name: 'files', service: 'nextcloud', type: 'event', connectionId: connection, config: config as never, runnableId });
async function make(config: object, runnableId?: string): Promise<TriggerView> {
  const answer = await send(config, runnableId);
  if (answer.status !== 201) throw new Error(`The trigger was answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer.body as TriggerView;
}
const remove = (trigger: Pick<TriggerView, 'id'>) => workspace.api.call(deleteTrigger, { workspace: workspace.id, trigger: trigger.id });
const ours = () => nextcloud.state.listeners.filter(({ uri }) => uri.startsWith(system().ingress));
const resultOf = async (run: string): Promise<unknown> => (await workspace.api.call(getRun, { workspace: workspace.id, run })).attemptList[0]!.result;

describe('an event of a Nextcloud', () => {
  let trigger: TriggerView;
  beforeEach(async () => {
    trigger = await make({ event: CREATED });
  });

  it('runs, with its payload as it was sent', async () => {
    expect(ours()).toMatchObject([{ id: Number(trigger.subscription!.externalId), event: CREATED, authMethod: 'header', httpMethod: 'POST' }]);
    const [delivery] = await nextcloud.writeFile('/admin/files/a.txt');
    expect(delivery!.status).toBe(200);
    const [run] = await workspace.endedRuns(trigger.id, 1);
    expect(run!.status).toBe('succeeded');
    expect(await resultOf(run!.id)).toMatchObject({ path: '/admin/files/a.txt' });
    const [event] = await workspace.events(trigger.id);
    expect(event).toMatchObject({ type: CREATED, payload: { event: { class: CREATED, node: { path: '/admin/files/a.txt' } }, user: { uid: 'admin' } } });
  });

  it('is two events when two that cannot be told apart happen in one second', async () => {
    await Promise.all([nextcloud.writeFile('/admin/files/a.txt'), nextcloud.writeFile('/admin/files/a.txt')]);
    expect(await workspace.endedRuns(trigger.id, 2)).toHaveLength(2);
  });

  it('is refused and recorded with another secret, none, or two', async () => {
    const known = (await workspace.events(trigger.id)).length;
    const [{ authData, uri } = {} as Listener] = ours();
    const [[header, secret] = ['', '']] = Object.entries(authData!);
    const body = JSON.stringify({ event: { class: CREATED, node: { id: 1, path: '/forged' } }, user: null, time: 1, authentication: [] });
    const wrong = `${secret.slice(0, -1)}${secret.endsWith('A') ? 'B' : 'A'}`;
    for (const headers of [{ [header]: wrong }, {}, { [header]: '' }, { [header]: secret.slice(0, -1) }] as Record<string, string>[]) {
      expect((await fetch(uri, { method: 'POST', headers, body })).status).toBe(401);
    }
    const refused = await eventually('four refused deliveries', async () => {
      const { items } = await workspace.api.call(listDeliveries, { workspace: workspace.id, subscription: trigger.subscription!.id });
      return items.length === 4 && items;
    });
    expect(new Set(refused.map(({ status, reason }) => `${status} ${reason}`))).toEqual(new Set(['refused bad_signature', 'refused missing_signature']));
    const first = await workspace.api.call(getDelivery, { workspace: workspace.id, delivery: refused.at(-1)!.id });
    expect(JSON.stringify(first)).not.toContain(wrong);
    expect(await workspace.events(trigger.id)).toHaveLength(known);
  });

  it('that is registered with leading backslash and a filter shares nothing with the plain one', async () => {
    const filtered = await make({ event: `\\${CREATED}`, filter: { 'event.node.path': '/^\\/admin\\/files\\/Inbox\\//' } });
    expect(ours()).toHaveLength(2);
    await nextcloud.writeFile('/admin/files/Inbox/b.txt');
    await nextcloud.writeFile('/admin/files/other.txt');
    expect(await workspace.endedRuns(trigger.id, 2)).toHaveLength(2);
    expect(await workspace.endedRuns(filtered.id, 1)).toHaveLength(1);
    await remove(filtered);
    expect(ours()).toHaveLength(1);
  });
});

describe('the account tokens in what a Nextcloud sends', () => {
  it('reach the script as ctx.auth, and nothing else that is stored, shown or logged', async () => {
    const using = await workspace.script(
      `export async function main(event, ctx) {
        console.log('token', ctx.auth.owner.token, 'of', ctx.auth.owner.userId);
        const answer = await fetch(ctx.auth.owner.baseUrl + '/ocs/v2.php/cloud/user?format=json', { headers: { authorization: 'Bearer ' + ctx.auth.owner.token, 'ocs-apirequest': 'true' } });
        const user = (await answer.json()).ocs.data.id;
        return { status: answer.status, user, payload: event.payload, careless: ctx.auth };
      }`,
    );
    const trigger = await make({ event: WRITTEN, tokensFor: ['owner', 'trigger'] }, using);
    const [sent] = await nextcloud.emit(WRITTEN, { node: { id: 5, path: '/admin/files/t.txt' } }, 'alice');
    const tokens = [...nextcloud.state.accountTokens.keys()];
    expect(tokens).toHaveLength(2);
    for (const token of tokens) expect(sent!.body).toContain(token);

    const [run] = await workspace.endedRuns(trigger.id, 1);
    const details = await workspace.api.call(getRun, { workspace: workspace.id, run: run!.id });
    expect(details.attemptList[0]).toMatchObject({ outcome: 'succeeded', result: { status: 200, user: 'admin' } });
    expect(details.attemptList[0]!.logs).toMatch(/token .+ of admin/);
    const [event] = await workspace.events(trigger.id);
    expect(event!.payload).not.toHaveProperty('authentication');
    const [delivery] = await workspace.deliveries(trigger.id, 1);
    const stored = await workspace.api.call(getDelivery, { workspace: workspace.id, delivery: delivery!.id });
    expect(stored.body).toContain('/admin');
    for (const token of tokens) {
      for (const shown of [details, event, stored]) expect(JSON.stringify(shown)).not.toContain(token);
      expect(allLogs(system().dir)).not.toContain(token);
    }
    await remove(trigger);
  });
});

describe('a hook that was deleted behind our back', () => {
  it('is seen as missing, and registered anew when its trigger is changed', async () => {
    const trigger = await make({ event: CREATED });
    nextcloud.state.listeners = nextcloud.state.listeners.filter(({ id }) => String(id) !== trigger.subscription!.externalId);
    const provider = await workspace.api.call(getProviderView, { workspace: workspace.id, trigger: trigger.id });
    expect(provider.state).toBe('missing');
    const changed = await workspace.api.call(updateTrigger, { workspace: workspace.id, trigger: trigger.id, ifMatch: trigger.version, config: { event: WRITTEN } });
    expect(changed.subscription).toMatchObject({ status: 'active' });
    expect(ours()).toMatchObject([{ id: Number(changed.subscription!.externalId), event: WRITTEN }]);
    await nextcloud.writeFile('/admin/files/again.txt', { overwrite: true });
    const [run] = await workspace.endedRuns(trigger.id, 1);
    expect(run!.status).toBe('succeeded');
    await remove(trigger);
    expect(ours()).toEqual([]);
  });
});

describe('a Nextcloud that refuses', () => {
  it('says that only administrators may manage webhooks, and leaves nothing', async () => {
    const user = nextcloud.state.users.find(({ uid }) => uid === 'admin')!;
    user.admin = false;
    try {
      const answer = await send({ event: CREATED });
      expect([answer.status, asProblem(answer).code]).toEqual([422, 'service_forbidden']);
      expect(asProblem(answer).detail).toContain('Only administrators may manage webhooks');
    } finally {
      user.admin = true;
    }
    expect(ours()).toEqual([]);
  });

  it('says that the app is not enabled', async () => {
    nextcloud.state.settings.webhooksEnabled = false;
    try {
      const answer = await send({ event: CREATED });
      expect([answer.status, asProblem(answer).code]).toEqual([422, 'service_not_found']);
      expect(asProblem(answer).detail).toContain('occ app:enable webhook_listeners');
    } finally {
      nextcloud.state.settings.webhooksEnabled = true;
    }
  });

  it('says which event it does not know', async () => {
    const answer = await send({ event: 'OCA\\Nothing\\Events\\NeverEvent' });
    expect([answer.status, asProblem(answer).code]).toEqual([422, 'service_rejected']);
    expect(asProblem(answer).detail).toContain('OCA\\Nothing\\Events\\NeverEvent');
  });

  it.each([
    ['has an outage', { kind: 'status' as const, status: 503 }],
    ['hangs up after it did the work', { kind: 'drop' as const, afterWork: true }],
    ['answers half a hook', { kind: 'garbage' as const, form: 'truncated' as const }],
  ])('for now, because it %s, is answered 202 and ends with one hook', async (_name, fault) => {
    nextcloud.faults.set({ method: 'POST', path: '/ocs/v2.php/apps/webhook_listeners/**', ...fault });
    const answer = await send({ event: CREATED });
    expect(answer.status).toBe(202);
    const { id } = (answer.body as TriggerView).subscription!;
    const settled = await eventually('the hook to be registered', async () => {
      const { items } = await workspace.api.call(listSubscriptions, { workspace: workspace.id, limit: 200 });
      return items.find((one) => one.id === id && one.status === 'active');
    });
    expect(ours().map((hook) => String(hook.id))).toEqual([settled.externalId]);
    await remove(answer.body as TriggerView);
    expect(ours()).toEqual([]);
  });

  it('does not keep an event that comes before create has returned from running', async () => {
    nextcloud.faults.set({ kind: 'early', method: 'POST', path: '/ocs/v2.php/apps/webhook_listeners/**' });
    const trigger = await make({ event: CREATED });
    const [run] = await workspace.endedRuns(trigger.id, 1);
    expect(run!.status).toBe('succeeded');
    await remove(trigger);
  });
});

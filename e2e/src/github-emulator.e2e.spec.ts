import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTrigger, deleteTrigger, getProviderView, type ConnectionView, type TriggerView } from '@vane/contracts';
import { createEmulator, type Emulator } from 'emulate';
import { newSecret } from '@vane/testing';
import { Browser } from './browser.js';
import { callbackUrl, connectAccount, enterIntegration } from './connections.js';
import { Workspace } from './system.js';

const PORT = 0;
const TOKEN = 'a-token-of-the-person';

const CLIENT_SECRET = newSecret('client secret');
let emulator: Emulator;
let base: string;
let workspace: Workspace;
let connection: ConnectionView;
let trigger: TriggerView;

/** As the person, not as Vane. */
const github = async (method: string, path: string, body?: unknown): Promise<Record<string, unknown>> => {
  const answer = await fetch(`${base}${path}`, { method, headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }, body: body && JSON.stringify(body) } as RequestInit);
  if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as Record<string, unknown>;
};
const hooks = async () => (await github('GET', '/repos/octocat/hello-world/hooks')) as unknown as { id: number; events: string[]; config: { url: string } }[];

beforeAll(async () => {
  workspace = await Workspace.create('emulator');
  emulator = await createEmulator({
    service: 'github',
    port: PORT,
    seed: {
      tokens: { [TOKEN]: { login: 'octocat', scopes: ['repo', 'admin:repo_hook'] } },
      github: {
        users: [{ login: 'octocat', name: 'The Octocat', email: 'octocat@example.test' }],
        repos: [{ owner: 'octocat', name: 'hello-world', auto_init: true }],
        oauth_apps: [{ client_id: 'vane-client', client_secret: CLIENT_SECRET, name: 'Vane', redirect_uris: [callbackUrl()] }],
      },
    },
  });
  base = `http://127.0.0.1:${new URL(emulator.url).port}`;
});
afterAll(() => emulator?.close());

describe('a GitHub that somebody else wrote', () => {
  it('connects an account', async () => {
    const party = { service: 'github', hosts: { web: base, api: base }, clientId: 'vane-client', clientSecret: CLIENT_SECRET };
    const integration = await enterIntegration(workspace, party);
    const asOctocat = new Browser(() => ({ login: 'octocat' }));
    connection = await connectAccount(workspace, integration.id, asOctocat, { triggerTypes: ['repository'] });
    expect(connection).toMatchObject({ service: 'github', accountLabel: 'octocat', status: 'active' });
  });

  it('registers one hook, and shows it', async () => {
    const runnableId = await workspace.script('export async function main(event) { return { title: event.payload.issue.title }; }');
    trigger = await workspace.api.call(createTrigger, {
      workspace: workspace.id, name: 'issues', service: 'github', type: 'repository', connectionId: connection.id,
      config: { repository: 'octocat/hello-world', events: ['issues'] }, runnableId,
    });
    expect(trigger.subscription).toMatchObject({ status: 'active', verified: true });
    expect(await hooks()).toMatchObject([{ id: Number(trigger.subscription!.externalId), events: ['issues'], config: { url: trigger.callbackUrl } }]);
    const provider = await workspace.api.call(getProviderView, { workspace: workspace.id, trigger: trigger.id });
    expect(provider).toMatchObject({ state: 'present', active: true, callbackUrl: trigger.callbackUrl, fields: { events: ['issues'] } });
  });

  it('sends what it signs itself, which becomes one event and one run', async () => {
    const issue = await github('POST', '/repos/octocat/hello-world/issues', { title: 'It works' });
    const [run] = await workspace.endedRuns(trigger.id, 1);
    expect(run).toMatchObject({ status: 'succeeded', attempts: 1 });
    const [event, ...more] = await workspace.events(trigger.id);
    expect(more).toEqual([]);
    expect(event).toMatchObject({ type: 'issues', payload: { action: 'opened', issue: { id: issue['id'], title: 'It works' } } });
    const [delivery] = await workspace.deliveries(trigger.id, 1);
    expect(delivery).toMatchObject({ status: 'accepted', reason: null });
  });

  it('has no hook left when the trigger is deleted', async () => {
    const { subscription } = await workspace.api.call(deleteTrigger, { workspace: workspace.id, trigger: trigger.id });
    expect(subscription).toMatchObject({ status: 'removed', tombstone: false });
    expect(await hooks()).toEqual([]);
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTrigger, deleteTrigger, getConnection, type ConnectionView, type TriggerView } from '@vane/contracts';
import { eventually, startOpenIdProvider, type OpenIdProvider } from '@vane/testing';
import { signedInAs } from './browser.js';
import { callbackUrl, connectAccount, enterIntegration } from './connections.js';
import { startHandshakeService, type HandshakeService } from './handshake-service.js';
import { partyAt } from './parties.js';
import { Workspace } from './system.js';

/** The provider's access tokens live so long that the first call uses one, and later calls must refresh. */
const ACCESS_TOKEN_SECONDS = 2;

let openId: OpenIdProvider;
let service: HandshakeService;
let workspace: Workspace;
let connection: ConnectionView;
let script: string;

beforeAll(async () => {
  openId = await startOpenIdProvider({ redirectUri: callbackUrl(), accessTokenSeconds: ACCESS_TOKEN_SECONDS });
  service = await startHandshakeService(async (authorization) => (await fetch(`${openId.url}/me`, { headers: { authorization } })).status === 200);
  workspace = await Workspace.create('handshake');
  const party = partyAt(openId, 'handshake-probe');
  const { id } = await enterIntegration(workspace, { ...party, hosts: { ...party.hosts, api: service.url } });
  connection = await connectAccount(workspace, id, signedInAs('ada'));
  script = await workspace.script('export async function main(event) { return event.payload; }');
});
afterAll(async () => {
  await Promise.all([service?.close(), openId?.close()]);
});

const make = (topic: string): Promise<TriggerView> =>
  workspace.api.call(createTrigger, {
    workspace: workspace.id, name: topic, service: 'handshake-probe', type: 'channel', connectionId: connection.id, config: { topic }, runnableId: script,
  });

describe('a service that challenges the URL before it registers it', () => {
  it('gets its answer while create is under way, and its messages run', async () => {
    const trigger = await make('news');
    expect(trigger.subscription).toMatchObject({ status: 'active' });
    expect(service.challenges).toEqual([{ status: 200, echoed: true }]);
    expect(service.channels.map(({ id }) => id)).toEqual([trigger.subscription!.externalId]);
    expect(await service.publish('news', { n: 1 })).toEqual([200]);
    const [run] = await workspace.endedRuns(trigger.id, 1);
    expect(run!.status).toBe('succeeded');
    const deliveries = await workspace.deliveries(trigger.id, 2);
    expect(deliveries.map(({ status }) => status).sort()).toEqual(['accepted', 'handshake']);
    expect(await workspace.events(trigger.id)).toHaveLength(1);
  });

  it('is called with a token that is refreshed when it has ended, while refresh tokens rotate', async () => {
    const tokens = new Set<string>();
    for (const topic of ['one', 'two', 'three']) {
      const { expiresAt } = await workspace.api.call(getConnection, { workspace: workspace.id, connection: connection.id });
      await passed(new Date(expiresAt!));
      const trigger = await make(topic);
      expect(trigger.subscription!.status).toBe('active');
      tokens.add(service.callers.at(-1)!);
    }
    expect(tokens.size).toBe(3);
    const refreshed = openId.tokenRequests.filter(({ type }) => type === 'refresh_token');
    expect(refreshed.length).toBeGreaterThanOrEqual(3);
    expect(refreshed.every(({ ok }) => ok)).toBe(true);
    expect(await workspace.api.call(getConnection, { workspace: workspace.id, connection: connection.id })).toMatchObject({ status: 'active' });
  });

  it('has nothing left when the trigger is deleted', async () => {
    const trigger = await make('short');
    const { subscription } = await workspace.api.call(deleteTrigger, { workspace: workspace.id, trigger: trigger.id });
    expect(subscription!.status).toBe('removed');
    expect(service.channels.map(({ topic }) => topic)).not.toContain('short');
  });
});

/** Waits for a time that a token names, as its user does. */
async function passed(instant: Date): Promise<void> {
  await eventually('the token to end', async () => new Date() > instant);
}

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  authorizeConnection, createTrigger, deleteConnection, deleteIntegration, getConnection, listSubscriptions, listTriggers, planDisconnection, type InputOf,
} from '@vane/contracts';
import { eventually } from '@vane/testing';
import { killApp } from '../../tools/launch/index.mjs';
import { Browser } from './browser.js';
import { callbackUrl, connectAccount, enterIntegration } from './connections.js';
import { openNextcloud } from './fakes.js';
import { GithubStage, REPOSITORY } from './github-stage.js';
import { startOwnInstance, type OwnInstance } from './own-instance.js';
import { nextcloudParty } from './parties.js';
import { Workspace, type System } from './system.js';

const HOOKS = `/repos/${REPOSITORY}/hooks`;
/** Longer than it takes until a step that was cut off is taken over, by the sweeper and then by the schedule. */
const FINISHED_MS = 200_000;

const opened: GithubStage[] = [];

async function stageOf(name: string, of?: Pick<System, 'api' | 'ingress' | 'adminToken'>): Promise<GithubStage> {
  const stage = await GithubStage.open(name, {}, of);
  opened.push(stage);
  return stage;
}

afterAll(() => Promise.all(opened.map((stage) => stage.close())));

const inputOf = ({ workspace, connection }: GithubStage) => ({ workspace: workspace.id, connection });
const disconnect = (stage: GithubStage, more: Partial<Pick<InputOf<typeof deleteConnection>, 'triggers'>> & { force?: 'true' } = {}) =>
  stage.workspace.api.send(deleteConnection, { ...inputOf(stage), ...more });
const status = async (stage: GithubStage) => (await stage.workspace.api.send(getConnection, inputOf(stage))).status;
const gone = (stage: GithubStage) => eventually('the connection to be gone', async () => (await status(stage)) === 404, { timeoutMs: FINISHED_MS, everyMs: 500 });
/** What was removed or revoked at GitHub, in order. */
const removals = (stage: GithubStage) => stage.requests().filter((request) => request.startsWith('DELETE')).map((request) => request.replace(/\/\d+$/, '/ID'));
const revocation = (stage: GithubStage) => `DELETE /applications/${stage.fake.state.apps[0]!.clientId}/token`;

describe('disconnecting an account', () => {
  it('names what would go, then removes the hooks with the live token, then revokes it, then forgets it', async () => {
    const stage = await stageOf('disconnect');
    const { id, name } = await stage.trigger();
    await stage.trigger({ repository: REPOSITORY, events: ['issues'], name: 'another' });
    const api = stage.workspace.api;
    await expect(api.call(planDisconnection, inputOf(stage))).resolves.toMatchObject({
      triggerCount: 2, triggers: expect.arrayContaining([{ id, name }]), subscriptions: 1, tombstones: 0, revokes: true,
    });
    const refused = await disconnect(stage);
    expect(refused).toMatchObject({ status: 409, body: { code: 'in_use', fields: expect.arrayContaining([expect.objectContaining({ path: `triggers.${id}` })]) } });
    expect([await status(stage), stage.ourHooks()]).toEqual([200, [expect.anything()]]);

    expect(await disconnect(stage, { triggers: 'delete' })).toMatchObject({ status: 200, body: { ok: true, state: 'disconnected', tombstones: 0, message: null } });
    expect(removals(stage)).toEqual([`DELETE ${HOOKS}/ID`, revocation(stage)]);
    expect([stage.ourHooks(), stage.fake.state.tokens.size]).toEqual([[], 0]);
    expect(await status(stage)).toBe(404);
    expect((await api.call(listTriggers, { workspace: stage.workspace.id })).items).toEqual([]);
    expect((await api.call(listSubscriptions, { workspace: stage.workspace.id })).items.map((one) => one.status)).toEqual(['removed']);
    expect((await api.send(deleteIntegration, { workspace: stage.workspace.id, integration: stage.integration })).status).toBe(200);
  });

  it('keeps the grant while the service owes a removal, takes no new work, and finishes by itself', async () => {
    const stage = await stageOf('disconnect during an outage');
    await stage.trigger();
    stage.fake.faults.set({ kind: 'status', status: 503, method: 'DELETE', path: `${HOOKS}/*` });
    expect(await disconnect(stage, { triggers: 'delete' })).toMatchObject({ status: 202, body: { state: 'disconnecting', tombstones: 1 } });
    expect(stage.requests()).not.toContain(revocation(stage));
    expect(await stage.send()).toMatchObject({ status: 409, body: { code: 'conflict' } });
    await gone(stage);
    expect(removals(stage)).toEqual([`DELETE ${HOOKS}/ID`, `DELETE ${HOOKS}/ID`, revocation(stage)]);
    expect([stage.ourHooks(), stage.fake.state.tokens.size]).toEqual([[], 0]);
    // The account can be connected again when it is done.
    const again = await stage.workspace.api.send(authorizeConnection, { workspace: stage.workspace.id, integration: stage.integration });
    expect(again.status).toBe(201);
  }, FINISHED_MS + 30_000);

  it('by force gives up what the service will not remove, and leaves the grant to a person', async () => {
    const stage = await stageOf('disconnect by force');
    await stage.trigger();
    stage.fake.faults.set({ kind: 'status', status: 403, method: 'DELETE', path: `${HOOKS}/*`, times: 0 });
    expect(await disconnect(stage, { triggers: 'delete' })).toMatchObject({ status: 202, body: { state: 'disconnecting', tombstones: 1 } });
    expect(await disconnect(stage, { force: 'true' })).toMatchObject({ status: 200, body: { state: 'disconnected' } });
    expect([await status(stage), stage.ourHooks().length, stage.requests().includes(revocation(stage))]).toEqual([404, 1, false]);
    const [subscription] = await stage.subscriptions();
    expect(subscription).toMatchObject({ status: 'removed', reason: { code: 'forced' } });
  });
});

describe('disconnecting where tokens are renewed', () => {
  it('renews them for the removals, and ends the pair that was issued last', async () => {
    const workspace = await Workspace.create('disconnect with renewal');
    const nextcloud = await openNextcloud({ client: { redirectUri: callbackUrl() }, settings: { autoApprove: true } });
    const foreign = structuredClone(nextcloud.state.listeners);
    try {
      const { id: integration } = await enterIntegration(workspace, nextcloudParty(nextcloud));
      const { id: connection } = await connectAccount(workspace, integration, new Browser());
      const runnableId = await workspace.script('export async function main() {}');
      const config = { event: 'OCP\\Files\\Events\\Node\\NodeWrittenEvent' };
      await workspace.api.call(createTrigger, { workspace: workspace.id, name: 'files', service: 'nextcloud', type: 'event', connectionId: connection, config, runnableId });
      nextcloud.advance(3601);
      const answer = await workspace.api.send(deleteConnection, { workspace: workspace.id, connection, triggers: 'delete' });
      expect(answer).toMatchObject({ status: 200, body: { state: 'disconnected', message: null } });
      const deleted = nextcloud.state.requests.filter(({ method, status: code }) => method === 'DELETE' && code === 200).map(({ path }) => path.replace(/^\/index\.php/, ''));
      expect(deleted).toEqual([expect.stringContaining('/webhooks/'), '/ocs/v2.php/core/apppassword']);
      expect([nextcloud.state.listeners, nextcloud.state.grants.size]).toEqual([foreign, 0]);
    } finally {
      await nextcloud.close();
    }
  });
});

describe('a disconnection whose process was killed', () => {
  let own: OwnInstance;

  beforeAll(async () => {
    own = await startOwnInstance();
  }, 120_000);
  afterAll(() => own?.stop(), 60_000);

  it.each(['oauth-service', 'trigger-service'] as const)('is finished after a kill of %s in the middle: hooks first, then the grant', async (app) => {
    const stage = await stageOf(`disconnect and kill ${app}`, own);
    await stage.trigger();
    // GitHub removes the hook at once, and says so long after the process that asked is dead.
    stage.fake.faults.set({ kind: 'delay', delayMs: 20_000, method: 'DELETE', path: `${HOOKS}/*` });
    void disconnect(stage, { triggers: 'delete' }).catch(() => undefined);
    await eventually('GitHub to be asked', async () => removals(stage).length === 1);
    killApp(own.dir, app);
    await gone(stage);
    expect(removals(stage).at(-1)).toBe(revocation(stage));
    expect(removals(stage).slice(0, -1).every((removal) => removal === `DELETE ${HOOKS}/ID`)).toBe(true);
    expect([stage.ourHooks(), stage.fake.state.tokens.size]).toEqual([[], 0]);
    await stage.expectNoOrphan();
  }, FINISHED_MS + 60_000);
});

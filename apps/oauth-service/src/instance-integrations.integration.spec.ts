import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  authorizeConnection, createInstanceIntegration, deleteInstanceIntegration, deleteIntegration, getConnectionUses, getInstanceIntegration, getIntegration,
  listInstanceIntegrations, listIntegrations, listIntegrationShares, shareIntegration, unshareIntegration, updateInstanceIntegration, updateIntegration,
  type IntegrationView,
} from '@vane/contracts';
import { newSecret } from '@vane/testing';
import { adapter as probe } from '../../../libs/testing/src/probe/oauth-probe.js';
import { answer } from './fixtures/answer.js';
import { newBrowser } from './fixtures/browser.js';
import { connect, enterIntegration, openStage, registryOf, type Stage } from './fixtures/oauth-stage.js';
import { openTokenServer, type TokenServer } from './fixtures/token-server.js';

const SECRET = newSecret('client secret of the instance');
let server: TokenServer;
let stage: Stage;

beforeAll(async () => {
  server = await openTokenServer();
  stage = await openStage({ allow: server.host, adapters: registryOf(probe) });
  answer(stage, getConnectionUses, () => ({ triggerCount: 2, triggers: [], scopes: [], subscriptions: 0, tombstones: 0, heldRuns: 0 }));
});

afterAll(async () => {
  await stage?.close();
  await server?.close();
});

const enter = (): Promise<IntegrationView> =>
  stage.ask(createInstanceIntegration, { service: probe.id, name: 'Everyone', clientId: 'vane', clientSecret: SECRET, hosts: { base: server.url } });
const shared = async (): Promise<{ integration: string; workspace: string }> => {
  const { id: integration } = await enter();
  const workspace = await stage.newWorkspace();
  await stage.ask(shareIntegration, { integration, sharedWith: workspace });
  return { integration, workspace };
};

describe('an integration of the instance', () => {
  it('is entered, read, listed and changed without its secret', async () => {
    const { id: integration, ...made } = await enter();
    expect(made).toMatchObject({ shared: true, version: 1, secretState: 'unproven' });
    const changed = await stage.ask(updateInstanceIntegration, { integration, ifMatch: 1, name: 'All of us' });
    await expect(stage.ask(getInstanceIntegration, { integration })).resolves.toEqual(changed);
    const { items } = await stage.ask(listInstanceIntegrations, {});
    expect(items.find(({ id }) => id === integration)).toEqual(changed);
    expect(JSON.stringify([made, changed, items])).not.toContain(SECRET);
  });

  it.each(['http://127.0.0.1:1', 'http://169.254.169.254', 'http://example.com'])('refuses the host %s and says how to allow one', async (base) => {
    const fields = { service: probe.id, name: 'x', clientId: 'x', clientSecret: newSecret('client secret') };
    await expect(stage.ask(createInstanceIntegration, { ...fields, hosts: { base } })).rejects.toMatchObject({
      code: 'url_not_allowed', message: expect.stringContaining('VANE_EGRESS_ALLOW'), fields: [expect.objectContaining({ path: 'hosts.base' })],
    });
  });

  it('is not among those of any workspace until it is shared', async () => {
    const { id: integration } = await enter();
    const workspace = await stage.newWorkspace();
    expect((await stage.ask(listIntegrations, { workspace })).items).toEqual([]);
    await expect(stage.ask(getIntegration, { workspace, integration })).rejects.toMatchObject({ code: 'not_found' });
    await expect(stage.ask(authorizeConnection, { workspace, integration })).rejects.toMatchObject({ code: 'not_found' });
  });

  it('leaves integrations of workspaces alone: they are none of the instance', async () => {
    const { id: integration } = await enterIntegration(stage, probe.id, server.url);
    await expect(stage.ask(getInstanceIntegration, { integration })).rejects.toMatchObject({ code: 'not_found' });
    await expect(stage.ask(deleteInstanceIntegration, { integration })).rejects.toMatchObject({ code: 'not_found' });
    await expect(stage.ask(shareIntegration, { integration, sharedWith: stage.workspace })).rejects.toMatchObject({ code: 'not_found' });
    expect((await stage.ask(listInstanceIntegrations, {})).items.map(({ id }) => id)).not.toContain(integration);
  });
});

describe('a workspace that it is shared with', () => {
  it('sees it among its own, marked, and connects accounts with it', async () => {
    const { integration, workspace } = await shared();
    const own = await enterIntegration({ ...stage, workspace }, probe.id, server.url);
    const { items } = await stage.ask(listIntegrations, { workspace });
    expect(items.map(({ id, shared: isShared }) => [id, isShared])).toEqual([[own.id, false], [integration, true]]);
    expect(JSON.stringify(items)).not.toContain(SECRET);
    const connection = await connect({ ...stage, workspace }, integration, newBrowser());
    expect(connection).toMatchObject({ status: 'active', integrationId: integration });
    await expect(stage.ask(getIntegration, { workspace, integration })).resolves.toMatchObject({ secretState: 'proven' });
  });

  it('can neither change nor delete it', async () => {
    const { integration, workspace } = await shared();
    const forbidden = { code: 'forbidden', message: expect.stringContaining('superadmin') };
    await expect(stage.ask(updateIntegration, { workspace, integration, ifMatch: 1, clientSecret: newSecret('client secret') })).rejects.toMatchObject(forbidden);
    await expect(stage.ask(deleteIntegration, { workspace, integration })).rejects.toMatchObject(forbidden);
    await expect(stage.ask(getInstanceIntegration, { integration })).resolves.toMatchObject({ version: 1 });
  });

  it('is listed with the number of its connections; sharing twice is sharing once', async () => {
    const { integration, workspace } = await shared();
    const other = await stage.newWorkspace();
    for (let time = 0; time < 2; time += 1) await expect(stage.ask(shareIntegration, { integration, sharedWith: other })).resolves.toEqual({ ok: true });
    await connect({ ...stage, workspace }, integration, newBrowser());
    const first = await stage.ask(listIntegrationShares, { integration, limit: 1 });
    const second = await stage.ask(listIntegrationShares, { integration, limit: 1, cursor: first.next! });
    expect([...first.items, ...second.items].map(({ workspaceId, connections }) => [workspaceId, connections])).toEqual([[other, 0], [workspace, 1]]);
    expect(second.next).toBeNull();
  });

  it('must be there', async () => {
    const { id: integration } = await enter();
    await expect(stage.ask(shareIntegration, { integration, sharedWith: 'wsp_nobody' })).rejects.toMatchObject({ code: 'not_found' });
    await expect(stage.ask(unshareIntegration, { integration, sharedWith: stage.workspace })).rejects.toMatchObject({ code: 'not_found' });
  });

  it('keeps it while it has connections, which are named, and its authorisations end with it', async () => {
    const { integration, workspace } = await shared();
    const { id } = await connect({ ...stage, workspace }, integration, newBrowser());
    const input = { integration, sharedWith: workspace };
    await expect(stage.ask(unshareIntegration, input)).rejects.toMatchObject({
      code: 'in_use', message: expect.stringContaining('1 connection'), fields: [{ path: `connections.${id}`, message: expect.stringContaining('"ada"') }],
    });
    await stage.database.prisma.connection.deleteMany({ where: { id } });
    await stage.ask(authorizeConnection, { workspace, integration });
    await expect(stage.ask(unshareIntegration, input)).resolves.toEqual({ ok: true });
    expect(await stage.database.prisma.authorisation.count({ where: { workspaceId: workspace } })).toBe(0);
    await expect(stage.ask(getIntegration, { workspace, integration })).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('changing and deleting one that several workspaces use', () => {
  it('names the connections of all of them, and has them authorised anew when that is confirmed', async () => {
    const { integration, workspace } = await shared();
    const other = await stage.newWorkspace();
    await stage.ask(shareIntegration, { integration, sharedWith: other });
    for (const each of [workspace, other]) await connect({ ...stage, workspace: each }, integration, newBrowser());
    const change = { integration, ifMatch: 1, clientId: 'another' };
    const named = (each: string) => expect.objectContaining({ message: expect.stringMatching(new RegExp(`"ada" in workspace ${each} .*2 triggers`)) });
    await expect(stage.ask(updateInstanceIntegration, change)).rejects.toMatchObject({ code: 'confirmation_required', fields: [named(workspace), named(other)] });
    await expect(stage.ask(deleteInstanceIntegration, { integration })).rejects.toMatchObject({ code: 'in_use', message: expect.stringContaining('2 connections') });
    await expect(stage.ask(updateInstanceIntegration, { ...change, confirm: true })).resolves.toMatchObject({ version: 2 });
    const rows = await stage.database.prisma.connection.findMany({ where: { integrationId: integration } });
    expect(rows.map(({ status, reasonCode }) => [status, reasonCode])).toEqual([['auth_required', 'client_changed'], ['auth_required', 'client_changed']]);
  });

  it('deletes one that nobody has connected with, for every workspace', async () => {
    const { integration, workspace } = await shared();
    await expect(stage.ask(deleteInstanceIntegration, { integration })).resolves.toEqual({ ok: true });
    expect((await stage.ask(listIntegrations, { workspace })).items).toEqual([]);
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  authorizeConnection,
  connectionChanged,
  createIntegration,
  deleteConnection,
  deleteIntegration,
  finishAuthorisation,
  getAccessToken,
  getConnection,
  getConnectionUses,
  getIntegration,
  getIntegrationSetup,
  listConnections,
  listIntegrations,
  updateIntegration,
  type VaneError,
} from '@vane/contracts';
import type { Adapter } from '@vane/kit';
import { newSecret } from '@vane/testing';
import { adapter as probe } from '../../../libs/testing/src/probe/oauth-probe.js';
import { answer } from './fixtures/answer.js';
import { newBrowser } from './fixtures/browser.js';
import { API_URL, connect, enterIntegration, openStage, registryOf, until, walkToCallback, type Stage } from './fixtures/oauth-stage.js';
import { openTokenServer, type TokenServer } from './fixtures/token-server.js';

const withoutOAuth: Adapter = { ...probe, id: 'no-oauth', oauth: undefined };
let server: TokenServer;
/** Where integrations move to: another host than the one that issued the tokens. */
let elsewhere: TokenServer;
let stage: Stage;

beforeAll(async () => {
  server = await openTokenServer();
  elsewhere = await openTokenServer();
  stage = await openStage({ allow: `${server.host},${elsewhere.host}`, adapters: registryOf(probe, withoutOAuth) });
  answer(stage, getConnectionUses, () => uses);
});

afterAll(async () => {
  await stage?.close();
  await server?.close();
  await elsewhere?.close();
});

/** What trigger-service answers when it is asked what works as a connection. */
const uses = { triggerCount: 0, triggers: [], scopes: [], subscriptions: 0, tombstones: 0, heldRuns: 0 };

const [SECRET, ELSEWHERE] = [newSecret('client secret'), newSecret('client secret of elsewhere')];
const fields = () => ({ workspace: stage.workspace, service: probe.id, name: 'Ours', clientId: 'vane', clientSecret: SECRET });

describe('entering an integration', () => {
  it('refuses a service nobody has an adapter for', async () => {
    await expect(stage.ask(createIntegration, { ...fields(), service: 'nowhere' })).rejects.toMatchObject({ code: 'unknown_service' });
  });

  it('refuses a service that does not use OAuth', async () => {
    await expect(stage.ask(createIntegration, { ...fields(), service: 'no-oauth' })).rejects.toMatchObject({
      code: 'invalid_config', message: expect.stringContaining('does not use OAuth'),
    });
  });

  it('demands the hosts a profile leaves open and refuses those it does not know, naming each', async () => {
    await expect(stage.ask(createIntegration, { ...fields(), hosts: { web: 'https://example.com' } })).rejects.toMatchObject({
      code: 'invalid_config', fields: [expect.objectContaining({ path: 'hosts.web' }), expect.objectContaining({ path: 'hosts.base' })],
    });
  });

  it.each(['http://127.0.0.1:1', 'http://169.254.169.254/latest', 'https://user:pass@example.com', 'http://example.com', 'https://[::1]'])(
    'refuses the host %s, which the egress guard blocks',
    async (base) => {
      await expect(stage.ask(createIntegration, { ...fields(), hosts: { base } })).rejects.toMatchObject({
        code: 'url_not_allowed', fields: [expect.objectContaining({ path: 'hosts.base' })],
      });
    },
  );

  it('never shows the client secret', async () => {
    const created = await stage.ask(createIntegration, { ...fields(), hosts: { base: `${server.url}/` } });
    expect(created).toMatchObject({ version: 1, hosts: { base: server.url } });
    const { items } = await stage.ask(listIntegrations, { workspace: stage.workspace });
    expect(JSON.stringify([created, items])).not.toContain(SECRET);
  });
});

describe('changing and deleting an integration', () => {
  it('changes only the version that was read, and leaves alone what is left out', async () => {
    const { id: integration } = await enterIntegration(stage, probe.id, server.url);
    const input = { workspace: stage.workspace, integration };
    await expect(stage.ask(updateIntegration, { ...input, ifMatch: 1, name: 'Renamed' })).resolves.toMatchObject({ name: 'Renamed', version: 2, clientId: 'vane' });
    await expect(stage.ask(updateIntegration, { ...input, ifMatch: 1, name: 'Late' })).rejects.toMatchObject({ code: 'precondition_failed' });
    await expect(stage.ask(updateIntegration, { ...input, ifMatch: 2, hosts: { base: 'http://10.0.0.1' } })).rejects.toMatchObject({ code: 'url_not_allowed' });
    await expect(stage.ask(getIntegration, input)).resolves.toMatchObject({ name: 'Renamed', version: 2, hosts: { base: server.url } });
  });

  it('lets one of two changes of the same version win', async () => {
    const { id: integration } = await enterIntegration(stage, probe.id, server.url);
    const changes = ['a', 'b'].map((name) => stage.ask(updateIntegration, { workspace: stage.workspace, integration, ifMatch: 1, name }));
    const outcomes = await Promise.allSettled(changes);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('refuses to delete one that connections use, with their number', async () => {
    const { id: integration } = await enterIntegration(stage, probe.id, server.url);
    await connect(stage, integration, newBrowser());
    const input = { workspace: stage.workspace, integration };
    await expect(stage.ask(deleteIntegration, input)).rejects.toMatchObject({ code: 'in_use', message: expect.stringContaining('1 connection') });
  });

  it('deletes an unused one and refuses its authorisations from then on', async () => {
    const { id: integration } = await enterIntegration(stage, probe.id, server.url);
    const input = { workspace: stage.workspace, integration };
    await stage.ask(authorizeConnection, input);
    await expect(stage.ask(deleteIntegration, input)).resolves.toEqual({ ok: true });
    await expect(stage.ask(getIntegration, input)).rejects.toMatchObject({ code: 'not_found' });
    expect(await stage.database.prisma.authorisation.count({ where: { integrationId: integration } })).toBe(0);
  });

  it('pages through the list, newest first, each one once', async () => {
    const workspace = await stage.newWorkspace();
    const made = [];
    for (let index = 0; index < 5; index += 1) made.push((await enterIntegration({ ...stage, workspace }, probe.id, server.url)).id);
    const seen: string[] = [];
    for (let cursor: string | undefined, more = true; more; ) {
      const { items, next } = await stage.ask(listIntegrations, { workspace, limit: 2, ...(cursor === undefined ? {} : { cursor }) });
      seen.push(...items.map(({ id }) => id));
      more = next !== null;
      cursor = next ?? undefined;
    }
    expect(seen).toEqual(made.reverse());
  });
});

describe('giving an integration other hosts', () => {
  const moved = (integration: string) =>
    stage.ask(updateIntegration, { workspace: stage.workspace, integration, ifMatch: 1, hosts: { base: elsewhere.url }, clientSecret: ELSEWHERE, confirm: true });
  const AUTH_REQUIRED = { code: 'connection_auth_required', message: expect.stringContaining('hosts') };

  it('has its connections authorised anew, says so, and sends no old token there', async () => {
    const { id: integration } = await enterIntegration(stage, probe.id, server.url);
    const { id: connection } = await connect(stage, integration, newBrowser());
    const signals: unknown[] = [];
    stage.bus.onSignal(connectionChanged, (signal) => void (signal.status === 'auth_required' && signals.push(signal)));
    await stage.bus.connection().flush();
    await expect(moved(integration)).resolves.toMatchObject({ version: 2, hosts: { base: elsewhere.url } });
    const input = { workspace: stage.workspace, connection };
    await expect(stage.ask(getConnection, input)).resolves.toMatchObject({ status: 'auth_required', reason: expect.stringContaining('were changed') });
    for (const rejectedGeneration of [undefined, 1, 2]) await expect(stage.ask(getAccessToken, { ...input, rejectedGeneration })).rejects.toMatchObject(AUTH_REQUIRED);
    await until(() => signals.length > 0);
    expect(signals).toEqual([{ workspaceId: stage.workspace, connectionId: connection, status: 'auth_required' }]);
    expect(elsewhere.seen).toEqual([]);
  });

  it('needs the client secret too, which is not sent to whom it was not entered for', async () => {
    const { id: integration } = await enterIntegration(stage, probe.id, server.url);
    const input = { workspace: stage.workspace, integration, ifMatch: 1 };
    await expect(stage.ask(updateIntegration, { ...input, hosts: { base: elsewhere.url } })).rejects.toMatchObject({
      code: 'invalid_config', fields: [expect.objectContaining({ path: 'clientSecret' })],
    });
    await expect(stage.ask(updateIntegration, { ...input, hosts: { base: `${server.url}/below` } })).resolves.toMatchObject({ version: 2 });
    await expect(stage.ask(updateIntegration, { ...input, ifMatch: 2, hosts: { base: elsewhere.url }, clientSecret: newSecret('client secret') })).resolves.toMatchObject({ version: 3 });
  });

  it('asks first when connections would have to be authorised anew, and changes nothing until that is confirmed', async () => {
    const { id: integration } = await enterIntegration(stage, probe.id, server.url);
    const { id: connection } = await connect(stage, integration, newBrowser());
    uses.triggerCount = 3;
    const change = { workspace: stage.workspace, integration, ifMatch: 1, hosts: { base: elsewhere.url }, clientSecret: ELSEWHERE };
    await expect(stage.ask(updateIntegration, change)).rejects.toMatchObject({
      code: 'confirmation_required', message: expect.stringContaining('1 connection'),
      fields: [{ path: `connections.${connection}`, message: expect.stringMatching(/"ada".*3 triggers/) }],
    });
    uses.triggerCount = 0;
    await expect(stage.ask(getIntegration, { workspace: stage.workspace, integration })).resolves.toMatchObject({ version: 1, hosts: { base: server.url } });
    await expect(stage.ask(getAccessToken, { workspace: stage.workspace, connection })).resolves.toMatchObject({ generation: 1 });
    await expect(stage.ask(updateIntegration, { ...change, confirm: true })).resolves.toMatchObject({ version: 2 });
    await expect(stage.ask(getConnection, { workspace: stage.workspace, connection })).resolves.toMatchObject({ status: 'auth_required', reasonCode: 'hosts_changed' });
  });

  it('leaves alone what needed a person before: since when, why, and no second notice', async () => {
    const { id: integration } = await enterIntegration(stage, probe.id, server.url);
    const { id: connection } = await connect(stage, integration, newBrowser());
    const since = new Date(stage.clock.now().getTime() - 3_600_000);
    const over = { status: 'auth_required', statusSince: since, reasonCode: 'dead_grant', reason: 'Revoked by its owner.', noticeDue: false };
    await stage.database.prisma.connection.update({ where: { id: connection }, data: over });
    await moved(integration);
    const row = await stage.database.prisma.connection.findUniqueOrThrow({ where: { id: connection } });
    // A refresh that is still under way brings tokens of the old client.
    expect(row).toMatchObject({ ...over, generation: 2 });
  });

  it('is not undone by a refresh at the old host that was on its way', async () => {
    const { id: integration } = await enterIntegration(stage, probe.id, server.url);
    const { id: connection } = await connect(stage, integration, newBrowser());
    const before = server.refreshes();
    server.bend.token = (_sent, proper) => ({ ...proper(), delayMs: 600 });
    const waiting = stage.ask(getAccessToken, { workspace: stage.workspace, connection, rejectedGeneration: 1 });
    const refused = expect(waiting).rejects.toMatchObject(AUTH_REQUIRED);
    await until(() => server.refreshes() > before);
    await moved(integration);
    await refused;
    server.reset();
    await expect(stage.ask(getConnection, { workspace: stage.workspace, connection })).resolves.toMatchObject({ status: 'auth_required' });
    expect(elsewhere.seen).toEqual([]);
  });

  it('ends authorisations under way at the old hosts', async () => {
    const { id: integration } = await enterIntegration(stage, probe.id, server.url);
    const callback = async () => {
      const { query, browserToken } = await walkToCallback(stage, integration, newBrowser());
      return { query, browserToken };
    };
    const [early, late] = [await callback(), await callback()];
    server.bend.token = (_sent, proper) => ({ ...proper(), delayMs: 600 });
    const before = server.seen.length;
    const finishing = expect(stage.ask(finishAuthorisation, early)).rejects.toMatchObject({ code: 'oauth_state_invalid' });
    await until(() => server.seen.length > before);
    await moved(integration);
    await finishing;
    server.reset();
    await expect(stage.ask(finishAuthorisation, late)).rejects.toMatchObject({ code: 'oauth_state_invalid' });
    expect(elsewhere.seen).toEqual([]);
    expect(await stage.database.prisma.connection.count({ where: { integrationId: integration } })).toBe(0);
  });

  it('leaves connections alone when the hosts stay, and works again once authorised at the new ones', async () => {
    const { id: integration } = await enterIntegration(stage, probe.id, server.url);
    const { id: connection } = await connect(stage, integration, newBrowser());
    const input = { workspace: stage.workspace, integration };
    await stage.ask(updateIntegration, { ...input, ifMatch: 1, name: 'Same', hosts: { base: `${server.url}/` } });
    await expect(stage.ask(getAccessToken, { workspace: stage.workspace, connection })).resolves.toMatchObject({ generation: 1 });
    await stage.ask(updateIntegration, { ...input, ifMatch: 2, hosts: { base: elsewhere.url }, clientSecret: ELSEWHERE, confirm: true });
    await expect(connect(stage, integration, newBrowser())).resolves.toMatchObject({ id: connection, status: 'active' });
    const token = await stage.ask(getAccessToken, { workspace: stage.workspace, connection });
    expect(token).toMatchObject({ accessToken: elsewhere.tokens.access, hosts: { base: elsewhere.url } });
    elsewhere.reset();
  });
});

describe('giving an integration another client', () => {
  it('asks first, then has its connections authorised anew and ends authorisations under way', async () => {
    const { id: integration } = await enterIntegration(stage, probe.id, server.url);
    const { id: connection } = await connect(stage, integration, newBrowser());
    const change = { workspace: stage.workspace, integration, ifMatch: 1, clientId: 'another' };
    await expect(stage.ask(updateIntegration, change)).rejects.toMatchObject({ code: 'confirmation_required' });
    const { query, browserToken } = await walkToCallback(stage, integration, newBrowser());
    await expect(stage.ask(updateIntegration, { ...change, confirm: true })).resolves.toMatchObject({ clientId: 'another', secretState: 'unproven' });
    await expect(stage.ask(getConnection, { workspace: stage.workspace, connection })).resolves.toMatchObject({ status: 'auth_required', reasonCode: 'client_changed' });
    await expect(stage.ask(getAccessToken, { workspace: stage.workspace, connection })).rejects.toMatchObject({ code: 'connection_auth_required' });
    await expect(stage.ask(finishAuthorisation, { query, browserToken })).rejects.toMatchObject({ code: 'oauth_state_invalid' });
  });

  it('needs no confirmation while nothing is connected, nor when it is the client it was', async () => {
    const { id: integration } = await enterIntegration(stage, probe.id, server.url);
    const input = { workspace: stage.workspace, integration };
    await expect(stage.ask(updateIntegration, { ...input, ifMatch: 1, clientId: 'another' })).resolves.toMatchObject({ version: 2 });
    const { id: connection } = await connect(stage, integration, newBrowser());
    await expect(stage.ask(updateIntegration, { ...input, ifMatch: 2, clientId: 'another' })).resolves.toMatchObject({ version: 3 });
    await expect(stage.ask(getConnection, { workspace: stage.workspace, connection })).resolves.toMatchObject({ status: 'active' });
  });

  it('names twenty connections and counts the others', async () => {
    const { id: integration } = await enterIntegration(stage, probe.id, server.url);
    for (let index = 0; index < 22; index += 1) {
      server.tokens.account = `account-${index}`;
      await connect(stage, integration, newBrowser());
    }
    server.tokens.account = 'ada';
    const refused = stage.ask(updateIntegration, { workspace: stage.workspace, integration, ifMatch: 1, clientId: 'another' });
    const { fields } = await refused.then(() => ({ fields: [] }), (error: VaneError) => error);
    expect(fields).toHaveLength(21);
    expect(fields.at(-1)).toEqual({ path: 'connections', message: 'and 2 further connections' });
  });
});

describe('what a person does at the service', () => {
  it('is told before there is a client, with our redirect URI and the hosts to be entered', async () => {
    const hosts = JSON.stringify({ base: server.url });
    const { redirectUri, setupSteps } = await stage.ask(getIntegrationSetup, { workspace: stage.workspace, service: probe.id, hosts });
    expect(redirectUri).toBe(`${API_URL}/oauth/callback`);
    expect(setupSteps).toEqual([`Register a client at ${server.url} with the redirect URI ${redirectUri}.`]);
    await expect(stage.ask(getIntegrationSetup, { workspace: stage.workspace, service: probe.id, hosts: '[]' })).rejects.toMatchObject({ code: 'bad_request' });
  });

  it('is part of the integration', async () => {
    const { setupSteps, redirectUri } = await enterIntegration(stage, probe.id, server.url);
    expect(setupSteps).toEqual([`Register a client at ${server.url} with the redirect URI ${redirectUri}.`]);
  });
});

describe('another workspace', () => {
  it('does not find integrations and connections of this one', async () => {
    const { id: integration } = await enterIntegration(stage, probe.id, server.url);
    const { id: connection } = await connect(stage, integration, newBrowser());
    const workspace = await stage.newWorkspace();
    const notFound = { code: 'not_found' };
    await expect(stage.ask(getIntegration, { workspace, integration })).rejects.toMatchObject(notFound);
    await expect(stage.ask(updateIntegration, { workspace, integration, ifMatch: 1, name: 'x' })).rejects.toMatchObject(notFound);
    await expect(stage.ask(deleteIntegration, { workspace, integration })).rejects.toMatchObject(notFound);
    await expect(stage.ask(authorizeConnection, { workspace, integration })).rejects.toMatchObject(notFound);
    await expect(stage.ask(getConnection, { workspace, connection })).rejects.toMatchObject(notFound);
    await expect(stage.ask(deleteConnection, { workspace, connection })).rejects.toMatchObject(notFound);
    await expect(stage.ask(getAccessToken, { workspace, connection })).rejects.toMatchObject(notFound);
    expect((await stage.ask(listIntegrations, { workspace })).items).toEqual([]);
    expect((await stage.ask(listConnections, { workspace })).items).toEqual([]);
    await expect(stage.ask(getConnection, { workspace: stage.workspace, connection })).resolves.toMatchObject({ id: connection });
  });
});

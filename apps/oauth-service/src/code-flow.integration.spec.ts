import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connectionChanged, createIntegration, getAccessToken, getConnection, listConnections } from '@vane/contracts';
import { startOpenIdProvider, type OpenIdProvider } from '@vane/testing';
import { adapter as probe } from '../../../libs/testing/src/probe/oauth-probe.js';
import { newBrowser, type Browser } from './fixtures/browser.js';
import { API_URL, CLIENT_SECRET, connect, enterIntegration, finish, openStage, registryOf, until, walkToCallback, type Stage } from './fixtures/oauth-stage.js';
import { openTokenServer } from './fixtures/token-server.js';

const PROBE = fileURLToPath(new URL('../../../libs/testing/src/probe/oauth-probe.ts', import.meta.url));
const HOUR = 3_600_000;

let provider: OpenIdProvider;
let stage: Stage;

beforeAll(async () => {
  provider = await startOpenIdProvider({ redirectUri: `${API_URL}/oauth/callback`, clientSecret: CLIENT_SECRET });
  stage = await openStage({ allow: new URL(provider.url).host, extraAdapters: PROBE });
});

afterAll(async () => {
  await stage?.close();
  // The first test puts a used token back.
  await provider?.close({ reuses: 1 });
});

const signedInAs = (login: string): Browser =>
  newBrowser((page): Record<string, string> => (page.includes('name="login"') ? { login, password: 'any' } : {}));

describe('the whole code flow against an OpenID provider that demands PKCE and rotates refresh tokens', () => {
  it('connects an account, hands out its token, refreshes it, and asks for a person when the grant is revoked', async () => {
    const integration = await enterIntegration(stage, 'oauth-probe', provider.url);
    expect(integration.redirectUri).toBe(`${API_URL}/oauth/callback`);
    const connection = await connect(stage, integration.id, signedInAs('ada'));
    expect(connection).toMatchObject({ service: 'oauth-probe', accountId: 'ada', accountLabel: 'ada', status: 'active', reason: null });
    expect(connection.scopes).toEqual(expect.arrayContaining(['openid', 'offline_access']));

    const { workspace, ask, clock } = stage;
    const input = { workspace, connection: connection.id };
    const first = await ask(getAccessToken, input);
    expect(first).toMatchObject({ generation: 1, service: 'oauth-probe', hosts: { base: provider.url }, tokenType: 'bearer' });
    await expect(statusOf(first.accessToken)).resolves.toBe(200);
    await expect(ask(getAccessToken, input)).resolves.toEqual(first);

    clock.advance(HOUR);
    const second = await ask(getAccessToken, input);
    expect(second.generation).toBe(2);
    expect(second.accessToken).not.toBe(first.accessToken);
    await expect(statusOf(second.accessToken)).resolves.toBe(200);

    // The pair is put back as it was before the rotation, so that the next refresh reuses a dead token.
    const row = (await stage.database.prisma.connection.findUnique({ where: { id: connection.id } }))!;
    clock.advance(HOUR);
    await ask(getAccessToken, input);
    await stage.database.prisma.connection.update({ where: { id: row.id }, data: { refreshTokenEnc: row.refreshTokenEnc } });
    const changed: string[] = [];
    stage.bus.onSignal(connectionChanged, ({ connectionId, status }) => changed.push(`${connectionId} ${status}`));
    await stage.bus.connection().flush();
    clock.advance(HOUR);
    await expect(ask(getAccessToken, input)).rejects.toMatchObject({ code: 'connection_auth_required', retry: 'reauth' });
    await until(() => changed.includes(`${connection.id} auth_required`), 'the signal');
    const refused = provider.tokenRequests.filter(({ ok }) => !ok).length;
    expect(refused).toBe(1);
    await expect(ask(getAccessToken, input)).rejects.toMatchObject({ message: expect.stringContaining('invalid_grant') });
    expect(provider.tokenRequests.filter(({ ok }) => !ok)).toHaveLength(refused);
    await expect(ask(getConnection, input)).resolves.toMatchObject({ status: 'auth_required', reason: expect.stringContaining('OAuth probe') });

    const again = await connect(stage, integration.id, signedInAs('ada'));
    expect(again).toMatchObject({ id: connection.id, status: 'active', reason: null });
    await expect(statusOf((await ask(getAccessToken, input)).accessToken)).resolves.toBe(200);
  });

  it('keeps two accounts of one integration apart', async () => {
    const integration = await enterIntegration(stage, 'oauth-probe', provider.url);
    const [bert, cleo] = [await connect(stage, integration.id, signedInAs('bert')), await connect(stage, integration.id, signedInAs('cleo'))];
    expect(bert.id).not.toBe(cleo.id);
    const { items } = await stage.ask(listConnections, { workspace: stage.workspace });
    expect(items.map(({ id }) => id)).toEqual(expect.arrayContaining([bert.id, cleo.id]));
  });

  it('sends state, S256 challenge and redirect URI, and no verifier, with the browser', async () => {
    const integration = await enterIntegration(stage, 'oauth-probe', provider.url);
    const { location, query, browserToken } = await walkToCallback(stage, integration.id, signedInAs('dora'));
    const sent = new URL(location).searchParams;
    expect(sent.get('code_challenge_method')).toBe('S256');
    expect(sent.get('code_challenge')).toMatch(/^[\w-]{43}$/);
    expect(sent.get('state')).toMatch(/^[\w-]{43}$/);
    expect(sent.get('redirect_uri')).toBe(`${API_URL}/oauth/callback`);
    expect(sent.get('prompt')).toBe('consent');
    expect(sent.has('code_verifier')).toBe(false);
    await expect(finish(stage, { query, browserToken })).resolves.toMatchObject({ accountId: 'dora' });
  });

  it('keeps no token, secret, state or verifier in clear', async () => {
    const integration = await enterIntegration(stage, 'oauth-probe', provider.url, { clientSecret: CLIENT_SECRET });
    const { query, browserToken } = await walkToCallback(stage, integration.id, signedInAs('emil'));
    const connection = await finish(stage, { query, browserToken });
    const { accessToken } = await stage.ask(getAccessToken, { workspace: stage.workspace, connection: connection.id });
    const state = new URLSearchParams(query).get('state')!;
    for (const table of ['integration', 'connection', 'authorisation', 'data_key']) {
      const { rows } = await stage.database.pool.query(`SELECT * FROM "${table}"`);
      const text = JSON.stringify(rows);
      for (const secret of [accessToken, CLIENT_SECRET, state, browserToken]) expect(text).not.toContain(secret);
    }
  });
});

describe('where the endpoints of a service are', () => {
  it.each([
    ['a host with a path', '/cloud/index.php', null, (url: string) => ({ base: `${url}/` })],
    ['a default host', '', (url: string) => url, () => ({})],
    ['a default host with a path', '/v2', (url: string) => url, () => ({})],
    ['an override of a default host', '', () => 'https://service.invalid/v1', (url: string) => ({ base: url })],
    ['an override with a path', '/on/premises', () => 'https://service.invalid', (url: string) => ({ base: url })],
  ])('is below %s: the page for people, the token and the identity', async (_what, below, byDefault, hosts) => {
    const server = await openTokenServer({ below });
    const adapter = { ...probe, hosts: { base: byDefault?.(server.url) ?? null } };
    const elsewhere = await openStage({ allow: server.host, adapters: registryOf(adapter) });
    try {
      const { workspace, ask } = elsewhere;
      const input = { workspace, service: adapter.id, name: 'Somewhere', clientId: 'vane', clientSecret: CLIENT_SECRET, hosts: hosts(server.url) };
      const { id } = await ask(createIntegration, input);
      const { location, query, browserToken } = await walkToCallback(elsewhere, id, newBrowser());
      expect(location.split('?')[0]).toBe(`${server.url}/auth`);
      const connection = await finish(elsewhere, { query, browserToken });
      expect(connection).toMatchObject({ accountId: 'ada', status: 'active' });
      elsewhere.clock.advance(HOUR);
      await expect(ask(getAccessToken, { workspace, connection: connection.id })).resolves.toMatchObject({ generation: 2 });
      expect(server.seen).toHaveLength(2);
    } finally {
      await elsewhere.close();
      await server.close();
    }
  });
});

async function statusOf(accessToken: string): Promise<number> {
  return (await fetch(`${provider.url}/me`, { headers: { authorization: `Bearer ${accessToken}` } })).status;
}

import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { authorizeConnection, finishAuthorisation, getAccessToken, listConnections, startAuthorisation } from '@vane/contracts';
import type { OAuthProfile } from '@vane/kit';
import { adapter as probe } from '../../../libs/testing/src/probe/oauth-probe.js';
import { newBrowser } from './fixtures/browser.js';
import { API_URL, CLIENT_SECRET, connect, enterIntegration, openStage, registryOf, walkToCallback, type Stage } from './fixtures/oauth-stage.js';
import { json, openTokenServer, type TokenServer } from './fixtures/token-server.js';

const variant = (id: string, more: Partial<OAuthProfile>) => ({ ...probe, id, oauth: { ...probe.oauth!, ...more } });
const bodyErrors = variant('body-errors', { errorLocation: '200-body', clientAuth: 'body', grantedScopeSeparator: ',' });
const MINUTES = 60_000;
const STATE_INVALID = { code: 'oauth_state_invalid' };

let server: TokenServer;
let stage: Stage;
let integration: string;

beforeAll(async () => {
  server = await openTokenServer();
  stage = await openStage({ allow: server.host, adapters: registryOf(probe, bodyErrors) });
});

beforeEach(async () => {
  server.reset();
  server.tokens.account = `account-${Math.random()}`;
  integration = (await enterIntegration(stage, probe.id, server.url)).id;
});

afterAll(async () => {
  await stage?.close();
  await server?.close();
});

const finish = (query: string, browserToken: string | null) => stage.ask(finishAuthorisation, { query, browserToken });

async function nothingWasExchanged(): Promise<void> {
  expect(server.seen).toHaveLength(0);
  const { items } = await stage.ask(listConnections, { workspace: stage.workspace });
  expect(items.filter(({ integrationId }) => integrationId === integration)).toEqual([]);
}

describe('the way back from the service', () => {
  it.each([
    ['without the cookie', null],
    ['with another cookie', 'x'.repeat(43)],
    ['with an empty cookie', ''],
  ])('is refused in a browser %s', async (_what, cookie) => {
    const { query } = await walkToCallback(stage, integration, newBrowser());
    await expect(finish(query, cookie)).rejects.toMatchObject(STATE_INVALID);
    await nothingWasExchanged();
  });

  it('is refused with the cookie of another authorisation', async () => {
    const [one, other] = [await walkToCallback(stage, integration, newBrowser()), await walkToCallback(stage, integration, newBrowser())];
    await expect(finish(one.query, other.browserToken)).rejects.toMatchObject(STATE_INVALID);
    await nothingWasExchanged();
  });

  it('is refused with a state nobody handed out, or none, or two', async () => {
    const { query, browserToken } = await walkToCallback(stage, integration, newBrowser());
    const { state } = Object.fromEntries(new URLSearchParams(query));
    for (const bad of ['code=the-code', 'code=the-code&state=', `code=the-code&state=${'y'.repeat(43)}`, `code=the-code&state=${state}&state=${state}`, `state=${state}`, '']) {
      await expect(finish(bad, browserToken)).rejects.toMatchObject(STATE_INVALID);
    }
    await nothingWasExchanged();
    await expect(finish(query, browserToken)).resolves.toMatchObject({ outcome: 'connected', connection: { status: 'active' } });
  });

  it('works once: the same answer again exchanges nothing', async () => {
    const { query, browserToken } = await walkToCallback(stage, integration, newBrowser());
    await finish(query, browserToken);
    await expect(finish(query, browserToken)).rejects.toMatchObject({ ...STATE_INVALID, message: expect.stringContaining('already used') });
    expect(server.seen).toHaveLength(1);
  });

  it('works once also when it comes ten times at the same moment', async () => {
    const { query, browserToken } = await walkToCallback(stage, integration, newBrowser());
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => finish(query, browserToken)));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(server.seen).toHaveLength(1);
  });

  it('is refused after ten minutes', async () => {
    const { query, browserToken } = await walkToCallback(stage, integration, newBrowser());
    stage.clock.advance(10 * MINUTES);
    await expect(finish(query, browserToken)).rejects.toMatchObject({ ...STATE_INVALID, message: expect.stringContaining('expired') });
    await nothingWasExchanged();
  });

  it('is refused when it names an issuer on another host', async () => {
    server.bend.authorize = (back) => back.set('iss', 'https://attacker.example');
    const { query, browserToken } = await walkToCallback(stage, integration, newBrowser());
    await expect(finish(query, browserToken)).rejects.toMatchObject(STATE_INVALID);
    await nothingWasExchanged();
  });

  it('tells in the words of the service why access was denied', async () => {
    server.bend.authorize = (back) => {
      back.delete('code');
      back.set('error', 'access_denied');
      back.set('error_description', 'Ada said no');
    };
    const { query, browserToken } = await walkToCallback(stage, integration, newBrowser());
    await expect(finish(query, browserToken)).rejects.toMatchObject({ code: 'oauth_denied', message: expect.stringContaining('Ada said no') });
    await nothingWasExchanged();
  });
});

describe('the start link', () => {
  it('works once and for ten minutes', async () => {
    const open = async () => (await stage.ask(authorizeConnection, { workspace: stage.workspace, integration })).url.slice(`${API_URL}/oauth/start/`.length);
    const ticket = await open();
    await expect(stage.ask(startAuthorisation, { ticket })).resolves.toMatchObject({ maxAgeSeconds: 600 });
    await expect(stage.ask(startAuthorisation, { ticket })).rejects.toMatchObject(STATE_INVALID);
    await expect(stage.ask(startAuthorisation, { ticket: 'z'.repeat(43) })).rejects.toMatchObject(STATE_INVALID);
    const late = await open();
    stage.clock.advance(10 * MINUTES);
    await expect(stage.ask(startAuthorisation, { ticket: late })).rejects.toMatchObject({ ...STATE_INVALID, message: expect.stringContaining('expired') });
  });
});

describe('the exchange', () => {
  it('sends the verifier, the code and the client secret where the profile says', async () => {
    await connect(stage, integration, newBrowser());
    const [{ parameters, authorization }] = server.seen as [(typeof server.seen)[number]];
    expect(Object.fromEntries(parameters)).toEqual({
      grant_type: 'authorization_code', code: 'the-code', code_verifier: expect.stringMatching(/^[\w-]{43}$/), redirect_uri: `${API_URL}/oauth/callback`,
    });
    expect(authorization).toBe(`Basic ${Buffer.from(`vane:${CLIENT_SECRET.replaceAll('-', '%2D').replaceAll('_', '%5F')}`).toString('base64')}`);

    const other = await enterIntegration(stage, bodyErrors.id, server.url);
    await connect(stage, other.id, newBrowser());
    const { parameters: inBody, authorization: none } = server.seen[1]!;
    expect([inBody.get('client_id'), inBody.get('client_secret'), none]).toEqual(['vane', CLIENT_SECRET, undefined]);
  });

  it('takes the scopes granted, or those asked for when the answer names none', async () => {
    const asked = await connect(stage, integration, newBrowser(), ['files']);
    expect(asked.scopes).toEqual(['openid', 'offline_access', 'files']);
    server.bend.members = { scope: 'repo,user', token_type: 'BEARER' };
    const { id } = await enterIntegration(stage, bodyErrors.id, server.url);
    await expect(connect(stage, id, newBrowser())).resolves.toMatchObject({ scopes: ['repo', 'user'] });
  });

  it('keeps the id of a connection whose account is connected again', async () => {
    const first = await connect(stage, integration, newBrowser());
    const again = await connect(stage, integration, newBrowser());
    expect(again.id).toBe(first.id);
    const token = await stage.ask(getAccessToken, { workspace: stage.workspace, connection: first.id });
    expect(token).toMatchObject({ generation: 2, accessToken: server.tokens.access });
  });

  it('does not guess how long a token lives', async () => {
    server.bend.members = { expires_in: undefined, refresh_token: null };
    await expect(connect(stage, integration, newBrowser())).resolves.toMatchObject({ expiresAt: null });
    server.bend.members = { expires_in: 1e20 };
    const { expiresAt } = await connect(stage, integration, newBrowser());
    expect(new Date(expiresAt!).getFullYear()).toBeLessThan(stage.clock.now().getFullYear() + 12);
  });

  const exchangeFails = 'oauth_exchange_failed';
  it.each([
    ['an error in JSON', json(400, { error: 'invalid_grant', error_description: 'Code the-code is stale' }), exchangeFails, 'Code *** is stale (invalid_grant)'],
    ['an error with a challenge', json(401, { error: 'invalid_client' }, { 'www-authenticate': 'Basic realm="x"' }), exchangeFails, 'invalid_client'],
    ['an HTML page with status 500', { status: 500, headers: { 'content-type': 'text/html' }, body: '<h1>Oops</h1>' }, 'service_unavailable', 'HTTP 500'],
    ['an empty answer with status 400', { status: 400, body: '' }, 'service_unavailable', 'HTTP 400 with an empty body'],
    ['an HTML page with status 404', { status: 404, body: '<h1>Where?</h1>' }, exchangeFails, 'Check the hosts'],
    ['an HTML page with status 200', { status: 200, body: '<h1>Hello</h1>' }, 'service_unavailable', 'not JSON'],
    ['JSON without a token', json(200, { hello: 1 }), 'service_unavailable', 'RFC 6749'],
    ['a redirect', { status: 302, headers: { location: 'https://example.com/token' }, body: '' }, exchangeFails, 'redirects'],
    ['a token that is no bearer token', json(200, { access_token: 'a', token_type: 'mac' }), 'service_unavailable', 'Bearer'],
    ['429', { status: 429, headers: { 'retry-after': '7' }, body: 'slow down' }, 'service_unavailable', 'HTTP 429'],
  ])('says clearly that the token endpoint answered with %s', async (_what, answer, code, words) => {
    server.bend.token = () => answer;
    const failure = await connect(stage, integration, newBrowser()).catch((error: unknown) => error as Error);
    expect(failure).toMatchObject({ code, message: expect.stringContaining(words) });
    expect((failure as Error).message).toContain('Start to connect the account again.');
    expect((failure as Error).message).not.toMatch(new RegExp(`the-code|${CLIENT_SECRET}`));
    expect(server.seen).toHaveLength(1);
  });

  it('reads errors that come with status 200 where the profile says so', async () => {
    const { id } = await enterIntegration(stage, bodyErrors.id, server.url);
    server.bend.token = () => json(200, { error: 'bad_verification_code', error_description: 'The code passed is incorrect or expired.' });
    await expect(connect(stage, id, newBrowser())).rejects.toMatchObject({ code: exchangeFails, message: expect.stringContaining('The code passed is incorrect') });
  });

  it('stores nothing when the service does not say whose account it is', async () => {
    server.bend.identity = () => json(403, {});
    await expect(connect(stage, integration, newBrowser())).rejects.toMatchObject({ code: 'service_forbidden' });
    server.bend.identity = () => json(401, {});
    await expect(connect(stage, integration, newBrowser())).rejects.toMatchObject({ code: exchangeFails });
    server.bend.identity = () => json(200, { who: 'knows' });
    await expect(connect(stage, integration, newBrowser())).rejects.toMatchObject({ code: 'service_unavailable' });
    const { items } = await stage.ask(listConnections, { workspace: stage.workspace });
    expect(items.filter(({ integrationId }) => integrationId === integration)).toEqual([]);
  });
});

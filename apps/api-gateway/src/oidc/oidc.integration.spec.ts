import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { newId } from '@vane/db';
import { startOpenIdProvider, type OpenIdProvider, newSecret } from '@vane/testing';
import { CookieJar, signInAtProvider } from '../fixtures/cookie-jar.js';
import { startForgingProvider, type Forgery } from '../fixtures/forging-provider.js';
import { startTestGateway, type Reply, type TestGateway } from '../fixtures/test-gateway.js';
import { IdentityLinks } from './identity-links.js';

/** The test's gateway listens elsewhere: what the provider sends here is opened there. */
const REDIRECT_URI = 'http://127.0.0.1/auth/oidc/callback';
const HTML = { accept: 'text/html' };

const settingsFor = ({ url, clientId, clientSecret }: Pick<OpenIdProvider, 'url' | 'clientId' | 'clientSecret'>) => ({
  VANE_API_GATEWAY_OIDC_ISSUER: url, VANE_API_GATEWAY_OIDC_CLIENT_ID: clientId, VANE_API_GATEWAY_OIDC_CLIENT_SECRET: clientSecret,
  VANE_API_GATEWAY_OIDC_LABEL: 'Example ID', LOG_LEVEL: 'silent',
});

/** Accounts at the provider by what is entered there. */
const accounts: Record<string, Record<string, unknown>> = {
  ann: { email: 'Ann@Example.com', email_verified: true, name: 'Ann Other' },
  unverified: { email: 'victim@example.com', email_verified: false },
  nomail: {},
};
const claimsOf = (sub: string) => accounts[sub] ?? { email: `${sub}@example.com`, email_verified: true, name: sub };

let provider: OpenIdProvider;
let gateway: TestGateway;

beforeAll(async () => {
  provider = await startOpenIdProvider({ redirectUri: REDIRECT_URI, claims: claimsOf });
  gateway = await startTestGateway(settingsFor(provider));
});
afterAll(async () => {
  await gateway?.stop();
  await provider?.close();
});

const open = async (path: string, jar: CookieJar, on = gateway, headers: Record<string, string> = {}): Promise<Reply> => {
  const reply = await on.send('GET', path, { headers: { ...headers, ...(jar.header ? { cookie: jar.header } : {}) } });
  jar.take(reply.headers);
  return reply;
};
const begin = (jar: CookieJar, query = '') => open(`/auth/oidc/start${query}`, jar);
/** The callback that the provider sends a browser to, which has the jar's attempt. */
async function callback(login: string, jar: CookieJar, query = ''): Promise<string> {
  const { headers } = await begin(jar, query);
  const { pathname, search } = await signInAtProvider(headers.get('location')!, login, REDIRECT_URI);
  return pathname + search;
}
const signIn = async (login: string, jar = new CookieJar(), query = '') => open(await callback(login, jar, query), jar);
const session = async (jar: CookieJar) => (await open('/api/v1/session', jar)).json;

async function addUser(email: string, of: Record<string, unknown> = {}): Promise<string> {
  const now = gateway.clock.now();
  const data = { id: newId('user', now), email, name: 'x', superadmin: false, version: 1, createdAt: now, updatedAt: now, ...of };
  return (await gateway.database.prisma.user.create({ data })).id;
}
const invite = async (email: string, role = 'editor', expiresAt = gateway.clock.in(60_000)) => {
  const now = gateway.clock.now();
  const id = newId('invitation', now);
  await gateway.database.prisma.invitation.create({ data: { id, workspaceId: gateway.workspace, email, role, tokenHash: id, invitedBy: 'test', createdAt: now, expiresAt } });
  return id;
};
const identities = (subject: string) => gateway.database.prisma.userIdentity.findMany({ where: { subject } });
const recorded = async (label: string) =>
  gateway.database.prisma.auditEntry.findMany({ where: { operation: 'session.sign-in-oidc', actorLabel: label }, orderBy: { id: 'asc' } });

describe('the start', () => {
  test('sends the browser to the provider with PKCE, state and nonce, and binds it by a cookie', async () => {
    const jar = new CookieJar();
    const { status, headers } = await begin(jar);
    expect(status).toBe(302);
    const location = new URL(headers.get('location')!);
    expect(location.origin).toBe(provider.url);
    expect(Object.fromEntries(location.searchParams)).toEqual({
      client_id: 'vane', redirect_uri: REDIRECT_URI, response_type: 'code', scope: 'openid email profile', code_challenge_method: 'S256',
      code_challenge: expect.any(String), state: expect.any(String), nonce: expect.any(String),
    });
    expect(headers.get('set-cookie')).toMatch(/^vane_oidc_[0-9a-f]{16}=[\w-]+; Path=\/; Max-Age=600; HttpOnly; SameSite=Lax$/);
    const other = await begin(new CookieJar());
    expect(new URL(other.headers.get('location')!).searchParams.get('state')).not.toBe(location.searchParams.get('state'));
  });

  test('is told to everybody who wants to sign in, where there is one', async () => {
    expect((await gateway.send('GET', '/api/v1/session/methods')).json).toEqual({
      password: true, firstUser: expect.any(Boolean), oidc: { label: 'Example ID', startUrl: 'http://127.0.0.1/auth/oidc/start' },
    });
    const without = await startTestGateway();
    try {
      expect((await without.send('GET', '/api/v1/session/methods')).json).toEqual({ password: true, firstUser: expect.any(Boolean), oidc: null });
      expect((await without.send('GET', '/auth/oidc/start')).status).toBe(404);
    } finally {
      await without.stop();
    }
  });

  test('is not opened by a preview', async () => {
    expect((await gateway.send('HEAD', '/auth/oidc/start')).status).toBe(405);
  });
});

describe('a person', () => {
  test('whose verified address is that of a user is that user, and stays so when the address changes', async () => {
    const id = await addUser('ann@example.com');
    const jar = new CookieJar();
    const reply = await signIn('ann', jar, '?returnTo=/workspaces/1');
    expect([reply.status, reply.headers.get('location')]).toEqual([303, '/workspaces/1']);
    expect(await session(jar)).toMatchObject({ user: { id, email: 'ann@example.com' } });
    expect(jar.has('vane_oidc')).toBe(false);
    expect(await identities('ann')).toMatchObject([{ issuer: provider.url, userId: id }]);
    accounts['ann'] = { email: 'moved@example.com', email_verified: false };
    const again = new CookieJar();
    expect((await signIn('ann', again)).status).toBe(303);
    expect(await session(again)).toMatchObject({ user: { id } });
    expect(await recorded('ann@example.com')).toMatchObject([
      { actorKind: 'user', actorId: id, userId: id, targetId: id, outcome: 'ok', workspaceId: null, input: { issuer: provider.url, subject: 'ann', emailVerified: true } },
      { actorKind: 'user', actorId: id, outcome: 'ok' },
    ]);
  });

  test('whose user somebody else made out of an invitation is alone from the first sign-in on', async () => {
    const base = `/api/v1/workspaces/${gateway.workspace}`;
    const { token: admin } = await gateway.addToken(gateway.workspace, 'admin');
    const { json: invitation } = await gateway.send('POST', `${base}/invitations`, { token: admin, body: { email: 'ceo@example.com', role: 'admin' } });
    const password = newSecret('password that the inviter chose');
    const accepted = await gateway.send('POST', '/api/v1/invitations/accept', { body: { token: invitation['token'], name: 'x', password } });
    const inviter = new CookieJar();
    inviter.take(accepted.headers);
    const { user, csrfToken } = accepted.json as { user: { id: string }; csrfToken: string };
    const made = await gateway.send('POST', `${base}/tokens`, { body: { name: 'x', role: 'admin' }, headers: { cookie: inviter.header, 'x-csrf-token': csrfToken } });
    expect(made.status).toBe(201);
    const reset = await gateway.send('POST', `/api/v1/users/${user.id}/reset-password`, { token: gateway.superadmin });
    // Known to the gateway at this moment.
    expect((await open(base, inviter)).status).toBe(200);
    expect((await gateway.send('GET', base, { token: String(made.json['token']) })).status).toBe(200);

    const jar = new CookieJar();
    expect((await signIn('ceo', jar)).status).toBe(303);
    expect(await session(jar)).toMatchObject({ user: { id: user.id } });
    expect((await open(base, inviter)).status).toBe(401);
    expect((await gateway.send('GET', base, { token: String(made.json['token']) })).status).toBe(401);
    expect((await gateway.send('POST', '/api/v1/session', { body: { email: 'ceo@example.com', password } })).status).toBe(401);
    expect((await gateway.send('POST', '/api/v1/session/reset-password', { body: { token: reset.json['token'], password } })).status).toBe(404);
    expect(await recorded('ceo@example.com')).toMatchObject([{ outcome: 'ok', after: { cleared: { password: true, sessions: 1, tokens: 1 } } }]);

    // What the person chooses from now on stays.
    const again = new CookieJar();
    expect((await signIn('ceo', again)).status).toBe(303);
    expect(await session(jar)).toMatchObject({ user: { id: user.id } });
  });

  test('who is invited becomes a user and a member', async () => {
    const invitation = await invite('bob@example.com');
    const jar = new CookieJar();
    expect((await signIn('bob', jar)).headers.get('location')).toBe('/');
    expect(await session(jar)).toMatchObject({ user: { email: 'bob@example.com', name: 'bob', superadmin: false }, memberships: [{ workspace: gateway.workspace, role: 'editor' }] });
    const { acceptedAt } = await gateway.database.prisma.invitation.findUniqueOrThrow({ where: { id: invitation } });
    expect(acceptedAt).not.toBeNull();
    const [joined] = await gateway.database.prisma.auditEntry.findMany({ where: { workspaceId: gateway.workspace, operation: 'invitations.accept', actorLabel: 'bob@example.com' } });
    expect(joined).toMatchObject({ actorKind: 'user', outcome: 'ok' });
  });

  test('who signs in twice at once for the first time is one user', async () => {
    await invite('carol@example.com');
    const jars = [new CookieJar(), new CookieJar()];
    const callbacks = [await callback('carol', jars[0]!), await callback('carol', jars[1]!)];
    const replies = await Promise.all(callbacks.map((path, index) => open(path, jars[index]!)));
    expect(replies.map(({ status }) => status)).toEqual([303, 303]);
    expect(await gateway.database.prisma.user.count({ where: { email: 'carol@example.com' } })).toBe(1);
  });

  test('whom nobody has invited is told so, on a page, and there is no user', async () => {
    const jar = new CookieJar();
    const reply = await open(await callback('stranger', jar), jar, gateway, HTML);
    expect(reply.status).toBe(403);
    expect(reply.text).toContain('Nobody has invited stranger@example.com.');
    expect(reply.headers.get('content-type')).toContain('text/html');
    expect(jar.has('vane')).toBe(false);
    expect(await gateway.database.prisma.user.count({ where: { email: 'stranger@example.com' } })).toBe(0);
    expect(await recorded('stranger@example.com')).toMatchObject([{ actorKind: 'anonymous', userId: null, outcome: 'sign_in_not_allowed', status: 403 }]);
  });

  test('whose invitation has expired is not invited', async () => {
    await invite('late@example.com', 'editor', gateway.clock.in(-1));
    expect((await open(await callback('late', new CookieJar()), new CookieJar())).status).toBe(400);
    expect((await signIn('late')).status).toBe(403);
  });

  test('whose address is not verified gets neither the user nor the invitation of that address', async () => {
    await addUser('victim@example.com');
    const reply = await signIn('unverified');
    expect(reply).toMatchObject({ status: 403, text: expect.stringContaining('has not verified that victim@example.com is yours') });
    expect(await identities('unverified')).toEqual([]);
    accounts['claims-invited'] = { email: 'invited@example.com', email_verified: false };
    await invite('invited@example.com');
    expect((await signIn('claims-invited')).status).toBe(403);
    expect((await signIn('nomail')).text).toContain('told no e-mail address');
  });

  test('who is disabled is refused, by identity and by address', async () => {
    const id = await addUser('dave@example.com', { disabledAt: gateway.clock.now() });
    expect((await signIn('dave')).text).toContain('disabled');
    expect(await identities('dave')).toEqual([]);
    await gateway.database.prisma.userIdentity.create({ data: { issuer: provider.url, subject: 'dave', userId: id, createdAt: gateway.clock.now() } });
    expect((await signIn('dave')).text).toContain('disabled');
    expect(await gateway.database.prisma.session.count({ where: { userId: id } })).toBe(0);
  });

  test('with the same subject at another issuer is somebody else', async () => {
    const id = await addUser('erin@example.com');
    await signIn('erin');
    const links = new IdentityLinks(gateway.database, gateway.clock);
    const claims = { subject: 'erin', email: 'other@example.com', emailVerified: true, name: null };
    await expect(links.userOf({ ...claims, issuer: provider.url })).resolves.toMatchObject({ id });
    await expect(links.userOf({ ...claims, issuer: 'https://other.example' })).rejects.toMatchObject({ code: 'sign_in_not_allowed' });
  });
});

describe('a callback', () => {
  const refusal = (status: number, code: string) => ({ status, text: expect.stringContaining(`code ${code}`) });

  test('is refused in another browser, with another state, and without any', async () => {
    await addUser('frank@example.com');
    const jar = new CookieJar();
    const path = await callback('frank', jar);
    expect(await open(path, new CookieJar())).toMatchObject(refusal(400, 'oauth_state_invalid'));
    expect(await open(path.replace(/state=[^&]+/, 'state=other'), jar)).toMatchObject(refusal(400, 'oauth_state_invalid'));
    expect(await open('/auth/oidc/callback', jar)).toMatchObject(refusal(400, 'oauth_state_invalid'));
    const crossed = new CookieJar();
    await begin(crossed);
    // The cookie of another attempt under the name of this one.
    crossed.set(jar.only('vane_oidc').name, crossed.only('vane_oidc').value);
    expect(await open(path, crossed)).toMatchObject(refusal(400, 'oauth_state_invalid'));
    expect((await open(path, jar)).status).toBe(303);
  });

  test('is refused with another nonce or verifier than it was begun with', async () => {
    await addUser('gina@example.com');
    for (const member of ['nonce', 'verifier']) {
      const jar = new CookieJar();
      const path = await callback('gina', jar);
      const { name, value } = jar.only('vane_oidc');
      const kept = JSON.parse(Buffer.from(value, 'base64url').toString()) as Record<string, string>;
      jar.set(name, Buffer.from(JSON.stringify({ ...kept, [member]: 'x'.repeat(43) })).toString('base64url'));
      expect(await open(path, jar)).toMatchObject(refusal(422, 'oauth_exchange_failed'));
      expect(jar.has('vane_session')).toBe(false);
    }
  });

  test('works once', async () => {
    await addUser('hank@example.com');
    const jar = new CookieJar();
    const path = await callback('hank', jar);
    const { name, value } = jar.only('vane_oidc');
    expect((await open(path, jar)).status).toBe(303);
    expect(await open(path, jar)).toMatchObject(refusal(400, 'oauth_state_invalid'));
    const thief = new CookieJar();
    thief.set(name, value);
    expect(await open(path, thief)).toMatchObject(refusal(422, 'oauth_exchange_failed'));
  });

  test('with which the provider says no is told so', async () => {
    const jar = new CookieJar();
    const { headers } = await begin(jar);
    const state = new URL(headers.get('location')!).searchParams.get('state')!;
    const query = new URLSearchParams({ error: 'access_denied', error_description: '<b>no</b>', state, iss: provider.url });
    const reply = await open(`/auth/oidc/callback?${query.toString()}`, jar);
    expect(reply).toMatchObject(refusal(422, 'oauth_denied'));
    expect(reply.text).not.toContain('<b>');
    expect(jar.has('vane_oidc')).toBe(false);
  });

  test('is a problem document for whoever asks for JSON', async () => {
    expect(await open('/auth/oidc/callback?state=x', new CookieJar(), gateway, { accept: 'application/json' })).toMatchObject({ status: 400, json: { code: 'oauth_state_invalid' } });
  });

  test('leaves no code, token or nonce in the audit trail', async () => {
    const { rows } = await gateway.database.pool.query<{ text: string }>(`SELECT row_to_json(e)::text AS text FROM audit_entry e WHERE operation = 'session.sign-in-oidc'`);
    expect(rows.length).toBeGreaterThan(5);
    for (const { text } of rows) expect(text).not.toMatch(/code=|nonce|verifier|eyJ/);
  });
});

describe('a provider', () => {
  let forger: Awaited<ReturnType<typeof startForgingProvider>>;
  let own: TestGateway;

  beforeAll(async () => {
    forger = await startForgingProvider('vane');
    own = await startTestGateway(settingsFor({ url: forger.url, clientId: 'vane', clientSecret: 'secret' }));
    const now = own.clock.now();
    await own.database.prisma.user.create({ data: { id: newId('user', now), email: 'ann@example.com', name: 'Ann', superadmin: true, version: 1, createdAt: now, updatedAt: now } });
  });
  afterAll(async () => {
    await own?.stop();
    await forger?.close();
  });
  beforeEach(() => {
    forger.forgery = {};
  });

  /** Comes back from the provider, whose token endpoint answers with the forgery. */
  async function attempt(forgery: Forgery, jar = new CookieJar()): Promise<Reply> {
    forger.forgery = forgery;
    const started = await open('/auth/oidc/start', jar, own);
    const { searchParams } = new URL(started.headers.get('location')!);
    forger.nonce = searchParams.get('nonce')!;
    return open(`/auth/oidc/callback?code=c&state=${searchParams.get('state')}`, jar, own);
  }

  test('is believed what it signed', async () => {
    expect((await attempt({})).status).toBe(303);
  });

  test.each<[string, Forgery]>([
    ['signed with a key that is not its own', { otherKey: true }],
    ['not signed', { unsigned: true }],
    ['from another issuer', { claims: { iss: 'https://other.example' } }],
    ['for another client', { claims: { aud: 'other' } }],
    ['expired', { claims: { iat: 1, exp: 2 } }],
    ['without the nonce', { claims: { nonce: undefined } }],
    ['with another nonce', { claims: { nonce: 'other' } }],
    ['without a subject', { claims: { sub: undefined } }],
  ])('is not believed an ID token that is %s', async (_what, forgery) => {
    const jar = new CookieJar();
    expect(await attempt(forgery, jar)).toMatchObject({ status: 422, text: expect.stringContaining('code oauth_exchange_failed') });
    expect(jar.has('vane_session')).toBe(false);
  });

  test('may tell the address at its userinfo endpoint, for the same subject alone', async () => {
    const silent = { email: undefined, email_verified: undefined, sub: 'quiet' };
    const told = { sub: 'quiet', email: 'ann@example.com', email_verified: true };
    expect(await attempt({ claims: silent, userinfo: { ...told, sub: 'other' } })).toMatchObject({ status: 422 });
    expect((await attempt({ claims: silent, userinfo: { ...told, email_verified: 'true' } })).status).toBe(403);
    expect((await attempt({ claims: silent, userinfo: told })).status).toBe(303);
  });

  test('that fails leaves the browser its cookie, for another try', async () => {
    const jar = new CookieJar();
    expect(await attempt({ tokenStatus: 503 }, jar)).toMatchObject({ status: 502, text: expect.stringContaining('code service_unavailable') });
    expect(jar.has('vane_oidc')).toBe(true);
  });

  test('that is away is found again when it is back, and is asked for what it says of itself every hour', async () => {
    const { url } = forger;
    own.clock.move(3_600_000);
    await forger.close();
    expect((await open('/auth/oidc/start', new CookieJar(), own)).status).toBe(502);
    forger = await startForgingProvider('vane', Number(new URL(url).port));
    expect((await attempt({})).status).toBe(303);
  });
});

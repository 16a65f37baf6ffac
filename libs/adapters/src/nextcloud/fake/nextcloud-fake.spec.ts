import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startNextcloudFake } from './server.js';
import type { NextcloudFake } from './server.js';

type Ocs<T = unknown> = { ocs: { meta: { status: string; statuscode: number; message: string }; data: T } };
type Hook = Record<string, unknown> & { id: number };

const api = '/ocs/v2.php/apps/webhook_listeners/api/v1/webhooks';
const created = 'OCP\\Files\\Events\\Node\\NodeCreatedEvent';
const minimal = { httpMethod: 'POST', uri: 'https://example.test/h', event: created };

let fake: NextcloudFake;
let bearer: string;

beforeEach(async () => {
  fake = await startNextcloudFake();
  bearer = fake.issueGrant().accessToken;
});
afterEach(() => fake.close());

const call = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
  fetch(fake.url + path, {
    method,
    redirect: 'manual',
    headers: { authorization: `Bearer ${bearer}`, accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
const data = async <T>(response: Response): Promise<T> => ((await response.json()) as Ocs<T>).ocs.data;

const tokenPath = '/index.php/apps/oauth2/api/v1/token';
const client = { client_id: 'fake-nextcloud-client', client_secret: 'fake-nextcloud-secret' };
const tokenCall = (fields: Record<string, string>, headers: Record<string, string> = {}) => fetch(fake.url + tokenPath, { method: 'POST', headers, body: new URLSearchParams(fields) });
const refresh = (refreshToken: string) => tokenCall({ ...client, grant_type: 'refresh_token', refresh_token: refreshToken });
const newCode = async (query = '') => {
  const answer = await fetch(`${fake.url}/index.php/apps/oauth2/authorize?response_type=code&client_id=${client.client_id}&state=st&auto=1${query}`, { redirect: 'manual' });
  expect(answer.status).toBe(303);
  return new URL(answer.headers.get('location') ?? '').searchParams.get('code') ?? '';
};
const errorOf = async (answer: Response) => [answer.status, await answer.json()];
const invalidRequest = [400, { error: 'invalid_request' }];

describe('OAuth', () => {
  test('exchanges a code once, by client credentials in the body or by Basic', async () => {
    const code = await newCode('&user=alice&redirect_uri=https%3A%2F%2Fevil.test%2F');
    expect(code).toMatch(/^\w{128}$/);
    const pair = (await (await tokenCall({ ...client, grant_type: 'authorization_code', code })).json()) as Record<string, string>;
    expect(pair).toEqual({ access_token: expect.stringMatching(/^\w{72}$/), token_type: 'Bearer', expires_in: 3600, refresh_token: expect.stringMatching(/^\w{128}$/), user_id: 'alice' });
    expect(await errorOf(await tokenCall({ ...client, grant_type: 'authorization_code', code }))).toEqual(invalidRequest);
    bearer = pair['access_token'] ?? '';
    expect((await call('GET', '/ocs/v2.php/cloud/user')).status).toBe(200);
    const basic = `Basic ${Buffer.from(`${client.client_id}:${client.client_secret}`).toString('base64')}`;
    const answer = await tokenCall({ grant_type: 'authorization_code', code: await newCode() }, { authorization: basic });
    expect(await answer.json()).toMatchObject({ user_id: 'admin' });
  });

  test('lets a code live ten minutes', async () => {
    const code = await newCode();
    fake.advance(601);
    expect(await errorOf(await tokenCall({ ...client, grant_type: 'authorization_code', code }))).toEqual(invalidRequest);
  });

  test('rotates both tokens at once, and of parallel refreshes one wins', async () => {
    const old = fake.issueGrant();
    const answers = await Promise.all(Array.from({ length: 5 }, () => refresh(old.refreshToken)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400, 400, 400]);
    expect(fake.state.counters).toMatchObject({ refreshes: 1, reusedRefreshTokens: 4 });
    const winner = (await answers.find(({ status }) => status === 200)?.json()) as Record<string, string>;
    bearer = old.accessToken;
    expect((await call('GET', '/ocs/v2.php/cloud/user')).status).toBe(401);
    bearer = winner['access_token'] ?? '';
    expect((await call('GET', '/ocs/v2.php/cloud/user')).status).toBe(200);
  });

  test('answers every protocol error with 400 and consumes nothing for a bad client', async () => {
    const { refreshToken } = fake.issueGrant();
    expect(await errorOf(await tokenCall({ ...client, client_secret: 'no', grant_type: 'refresh_token', refresh_token: refreshToken }))).toEqual([400, { error: 'invalid_client' }]);
    expect(await errorOf(await tokenCall({ ...client, grant_type: 'password' }))).toEqual([400, { error: 'invalid_grant' }]);
    const missing = await tokenCall({ ...client });
    expect([missing.status, await missing.text()]).toEqual([400, '']);
    const secretless = await tokenCall({ client_id: client.client_id, grant_type: 'refresh_token', refresh_token: refreshToken });
    expect([secretless.status, secretless.headers.get('content-type')]).toEqual([500, expect.stringContaining('text/html')]);
    expect((await refresh(refreshToken)).status).toBe(200);
  });

  test('locks the token endpoint after ten failures, for a valid refresh too, while bearers live', async () => {
    const { refreshToken } = fake.issueGrant();
    for (let turn = 0; turn < 10; turn += 1) expect((await refresh('dead')).status).toBe(400);
    const locked = await refresh(refreshToken);
    expect([locked.status, locked.headers.get('content-type')]).toEqual([429, expect.stringContaining('text/html')]);
    expect((await call('GET', '/ocs/v2.php/cloud/user')).status).toBe(200);
    expect(fake.state.counters).toMatchObject({ tokenRequests: 11, tokenErrors: 10, throttled: 1 });
    fake.resetThrottle();
    expect((await refresh(refreshToken)).status).toBe(200);
    for (let turn = 0; turn < 11; turn += 1) await refresh('dead');
    fake.advance(12 * 3600 + 1);
    expect((await refresh('dead')).status).toBe(400);
  });

  test('answers wrong response types and unknown clients as Nextcloud does', async () => {
    const wrong = await fetch(`${fake.url}/apps/oauth2/authorize?response_type=token&client_id=${client.client_id}&state=q`, { redirect: 'manual' });
    expect(wrong.headers.get('location')).toBe('http://127.0.0.1:4000/callback?error=unsupported_response_type&state=q');
    const unknown = await fetch(`${fake.url}/apps/oauth2/authorize?response_type=code&client_id=nobody`);
    expect([unknown.status, unknown.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/html')]);
  });

  test('leads through the grant pages by their initial state', async () => {
    const open = await fetch(`${fake.url}/index.php/apps/oauth2/authorize?response_type=code&client_id=${client.client_id}&state=st`, { redirect: 'manual' });
    const read = async (path: string, name: string) => {
      const text = await (await fetch(fake.url + path, { headers: { accept: 'text/html' } })).text();
      const value = new RegExp(`id="initial-state-core-${name}" value="([^"]+)"`).exec(text)?.[1] ?? '';
      return { token: /data-requesttoken="([^"]+)"/.exec(text)?.[1] ?? '', state: JSON.parse(Buffer.from(value, 'base64').toString('utf8')) as Record<string, string> };
    };
    const flow = open.headers.get('location') ?? '';
    expect((await fetch(fake.url + flow, { headers: { accept: 'application/json' } })).status).toBe(401);
    const auth = await read(flow, 'loginFlowAuth');
    const { token, state } = await read(auth.state['loginRedirectUrl'] ?? '', 'loginFlowGrant');
    const { actionUrl, ...fields } = state;
    const done = await fetch(`${fake.url}${actionUrl}`, { method: 'POST', redirect: 'manual', headers: { accept: 'text/html' }, body: new URLSearchParams({ ...fields, requesttoken: token }) });
    expect(done.headers.get('location')).toMatch(/^http:\/\/127\.0\.0\.1:4000\/callback\?state=st&code=\w{128}$/);
  });

  test('lets an admin register a client and shows its secret once', async () => {
    const basic = { authorization: `Basic ${Buffer.from('admin:admin').toString('base64')}`, 'ocs-apirequest': 'true' };
    const answer = await call('POST', '/index.php/apps/oauth2/clients', { name: 'x', redirectUri: 'https://x.test/cb' }, basic);
    expect(await answer.json()).toMatchObject({ redirectUri: 'https://x.test/cb', clientId: expect.stringMatching(/^\w{64}$/), clientSecret: expect.stringMatching(/^\w{64}$/) });
    expect((await call('POST', '/index.php/apps/oauth2/clients', { name: 'x', redirectUri: 'half' }, basic)).status).toBe(400);
  });
});

describe('signing in to OCS', () => {
  test('answers a dead or expired bearer 401 with 997', async () => {
    fake.advance(3601);
    const dead = await call('GET', '/ocs/v2.php/cloud/user');
    expect([dead.status, ((await dead.json()) as Ocs).ocs.meta.statuscode]).toEqual([401, 997]);
  });

  test('refuses Basic without OCS-APIRequest outside the envelope', async () => {
    const authorization = `Basic ${Buffer.from('alice:alice').toString('base64')}`;
    const refused = await call('GET', '/ocs/v2.php/cloud/user', undefined, { authorization });
    expect([refused.status, await refused.json()]).toEqual([412, { message: 'CSRF check failed' }]);
    const taken = await call('GET', '/ocs/v2.php/cloud/user', undefined, { authorization, 'ocs-apirequest': 'true' });
    expect(await data(taken)).toMatchObject({ id: 'alice', 'display-name': 'Alice', groups: [] });
  });

  test('speaks XML unless JSON is asked for', async () => {
    const any = await call('GET', '/ocs/v2.php/cloud/user', undefined, { accept: '*/*' });
    expect(any.headers.get('content-type')).toContain('application/xml');
    expect(await any.text()).toContain('<statuscode>200</statuscode>');
    const byQuery = await call('GET', '/ocs/v2.php/cloud/user?format=json', undefined, { accept: '*/*' });
    expect(await data(byQuery)).toMatchObject({ id: 'admin', groups: ['admin'] });
  });

  test('refuses hooks to an ordinary user', async () => {
    bearer = fake.issueGrant('alice').accessToken;
    const refused = await call('GET', api);
    expect([refused.status, ((await refused.json()) as Ocs).ocs.meta.status]).toEqual([403, 'failure']);
  });
});

describe('hooks', () => {
  const create = async (more: Record<string, unknown> = {}) => {
    const answer = await call('POST', api, { ...minimal, ...more });
    expect(answer.status).toBe(200);
    return data<Hook>(answer);
  };

  test('echoes unset fields as PHP does', async () => {
    const hook = await create({ eventFilter: {}, headers: {} });
    expect(hook).toEqual({
      ...{ id: expect.any(Number), appId: null, userId: 'admin', eventFilter: [], userIdFilter: '', headers: [] },
      ...{ ...minimal, authMethod: 'none', authData: null, tokenNeeded: [] },
    });
    expect(await create()).toMatchObject({ headers: null, eventFilter: [] });
  });

  test('returns the secret headers only as a ciphertext that differs each time', async () => {
    const auth = { authMethod: 'header', authData: { 'X-Secret': 'open sesame' } };
    const [one, two] = [await create(auth), await create(auth)];
    expect(one['authData']).toMatch(/^[0-9a-f|]+\|3$/);
    expect(one['authData']).not.toBe(two['authData']);
    expect(JSON.stringify(await (await call('GET', api)).json())).not.toContain('open sesame');
  });

  test('refuses classes that do not exist, also the one the manual names, and takes an abstract one', async () => {
    const wrong = 'OCP\\Files\\Events\\Node\\NodeRestoredEvent';
    const refused = await call('POST', api, { ...minimal, event: wrong });
    expect([refused.status, ((await refused.json()) as Ocs).ocs.meta.message]).toEqual([400, `${wrong} is not an event class compatible with webhooks`]);
    expect(await create({ event: '\\OCA\\Files_Trashbin\\Events\\NodeRestoredEvent' })).toMatchObject({ event: 'OCA\\Files_Trashbin\\Events\\NodeRestoredEvent' });
    await create({ event: 'OCP\\Files\\Events\\Node\\AbstractNodeEvent' });
  });

  test('refuses bad auth methods, and missing or mistyped fields without a body', async () => {
    expect((await call('POST', api, { ...minimal, authMethod: 'basic' })).status).toBe(400);
    expect((await call('POST', api, { ...minimal, authMethod: 'header' })).status).toBe(400);
    for (const body of [{ httpMethod: 'POST', uri: 'x' }, { ...minimal, headers: 'no' }]) {
      const answer = await call('POST', api, body);
      expect([answer.status, answer.headers.get('content-type'), await answer.text()]).toEqual([400, expect.stringContaining('text/html'), '']);
    }
  });

  test('lists the hooks of everybody, or of one uri, and refuses nothing as a duplicate', async () => {
    const [one, two] = [await create(), await create()];
    const all = await data<Hook[]>(await call('GET', api));
    expect(all.map(({ userId, appId }) => [userId, appId])).toEqual([['other-admin', null], [null, 'flow'], ['admin', null], ['admin', null]]);
    const mine = await data<Hook[]>(await call('GET', `${api}?uri=${encodeURIComponent(minimal.uri)}`));
    expect(mine.map(({ id }) => id)).toEqual([one.id, two.id]);
    const xml = await (await call('GET', api, undefined, { accept: '*/*' })).text();
    expect(xml.match(/<element><id>/g)).toHaveLength(4);
  });

  test('updates by full replacement and moves the hook to the caller', async () => {
    const hook = await create({ headers: { A: 'b' }, userIdFilter: 'alice' });
    fake.state.users.push({ uid: 'boss', displayName: 'Boss', password: 'boss', admin: true });
    bearer = fake.issueGrant('boss').accessToken;
    expect((await call('PUT', `${api}/${hook.id}`, minimal)).status).toBe(405);
    await call('POST', `${api}/${hook.id}`, { ...minimal, uri: 'https://example.test/new' });
    expect(await data(await call('GET', `${api}/${hook.id}`))).toMatchObject({ uri: 'https://example.test/new', headers: null, userIdFilter: '', userId: 'boss' });
  });

  test('echoes an update of an unknown id and stores nothing', async () => {
    const echoed = await call('POST', `${api}/4711`, minimal);
    expect([echoed.status, (await data<Hook>(echoed)).id]).toEqual([200, 4711]);
    const gone = await call('GET', `${api}/4711`);
    expect([gone.status, ((await gone.json()) as Ocs).ocs.meta.message]).toEqual([404, expect.stringContaining('SELECT * FROM')]);
  });

  test('deletes with true, then false', async () => {
    const hook = await create();
    expect([await data(await call('DELETE', `${api}/${hook.id}`)), await data(await call('DELETE', `${api}/${hook.id}`))]).toEqual([true, false]);
  });

  test('knows no hook route when the app is disabled', async () => {
    fake.state.settings.webhooksEnabled = false;
    const answer = await call('GET', api);
    expect([answer.status, ((await answer.json()) as Ocs).ocs.meta.statuscode]).toEqual([404, 998]);
  });
});

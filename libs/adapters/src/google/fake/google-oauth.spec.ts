import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { caller, openStage } from './stage.js';
import type { Stage } from './stage.js';

const start = '2026-03-01T12:00:00.000Z';
const back = 'http://127.0.0.1:4000/callback';
const client = { client_id: 'fake-google-client.apps.googleusercontent.com', client_secret: 'fake-google-secret' };
const scope = (name: string) => `https://www.googleapis.com/auth/${name}`;

let stage: Stage;
beforeEach(async () => {
  stage = await openStage({ now: start, client: { redirectUris: [back] } });
});
afterEach(() => stage.close());

const authorize = (query: Record<string, string>): Promise<Response> => {
  const asked = { client_id: client.client_id, redirect_uri: back, response_type: 'code', state: 'st1', scope: scope('drive.readonly'), auto: '1', ...query };
  return fetch(`${stage.fake.url}/o/oauth2/v2/auth?${new URLSearchParams(asked)}`, { redirect: 'manual' });
};
async function codeFor(query: Record<string, string> = {}): Promise<string> {
  const answer = await authorize(query);
  expect(answer.status).toBe(302);
  return new URL(answer.headers.get('location') ?? '').searchParams.get('code') ?? '';
}
type Tokens = { access_token: string; refresh_token?: string; scope: string; error?: string; error_description?: string; refresh_token_expires_in?: number };
async function ask(fields: Record<string, string>): Promise<{ status: number; body: Tokens }> {
  const answer = await fetch(`${stage.fake.url}/token`, { method: 'POST', body: new URLSearchParams({ ...client, ...fields }) });
  return { status: answer.status, body: (await answer.json()) as Tokens };
}
const exchange = (code: string, more: Record<string, string> = {}) => ask({ grant_type: 'authorization_code', code, redirect_uri: back, ...more });
const refresh = (token: string | undefined) => ask({ grant_type: 'refresh_token', refresh_token: token ?? '' });
const offline = { access_type: 'offline', prompt: 'consent' };

describe('The consent page', () => {
  test('sends the code and the state back, to a registered address only', async () => {
    const answer = await authorize({});
    const url = new URL(answer.headers.get('location') ?? '');
    expect(url.origin + url.pathname).toBe(back);
    expect(Object.fromEntries(url.searchParams)).toMatchObject({ state: 'st1', scope: scope('drive.readonly'), code: expect.stringMatching(/^4\/0A/) });
    expect((await authorize({ redirect_uri: `${back}/other` })).status).toBe(400);
    expect((await authorize({ client_id: 'nobody' })).status).toBe(401);
    stage.fake.settings({ autoDeny: true });
    expect(new URL((await authorize({})).headers.get('location') ?? '').searchParams.get('error')).toBe('access_denied');
  });

  test('asks, and goes on when the person allows it', async () => {
    const page = await (await authorize({ auto: '', login: 'ben@example.test' })).text();
    expect(page).toContain('ben@example.test');
    const form = new URLSearchParams([...page.matchAll(/name="([^"]+)" value="([^"]*)">(?!Cancel|Allow)/g)].map(([, name = '', value = '']): [string, string] => [name, value]));
    form.set('decision', 'approve');
    const answer = await fetch(`${stage.fake.url}/o/oauth2/v2/auth`, { method: 'POST', body: form, redirect: 'manual' });
    expect(new URL(answer.headers.get('location') ?? '').searchParams.get('state')).toBe('st1');
  });
});

describe('Tokens', () => {
  test('a code is taken once, at the address it was sent to', async () => {
    const code = await codeFor({ scope: `openid email ${scope('drive')}` });
    expect((await exchange(code, { redirect_uri: 'http://127.0.0.1:4000/x' })).body.error).toBe('redirect_uri_mismatch');
    const { body } = await exchange(code);
    expect(body).toMatchObject({ access_token: expect.stringMatching(/^ya29\./), expires_in: 3599, token_type: 'Bearer', scope: `openid ${scope('userinfo.email')} ${scope('drive')}` });
    const again = await exchange(code);
    expect([again.status, again.body.error]).toEqual([400, 'invalid_grant']);
    const late = await codeFor();
    stage.fake.advance(601);
    expect((await exchange(late)).body.error).toBe('invalid_grant');
    expect((await ask({ grant_type: 'authorization_code', client_secret: 'wrong' })).status).toBe(401);
  });

  test('the proof of RFC 7636 is checked when it was announced', async () => {
    const verifier = 'v'.repeat(43);
    const proof = { code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256' };
    expect((await exchange(await codeFor(proof))).body.error_description).toBe('Missing code verifier.');
    expect((await exchange(await codeFor(proof), { code_verifier: 'w'.repeat(43) })).body.error).toBe('invalid_grant');
    expect((await exchange(await codeFor(proof), { code_verifier: verifier })).status).toBe(200);
  });

  test('a refresh token comes with offline access, on the first consent or when consent is asked for, and stays the same', async () => {
    expect((await exchange(await codeFor())).body.refresh_token).toBeUndefined();
    expect((await exchange(await codeFor({ access_type: 'offline' }))).body.refresh_token).toBeUndefined();
    const { body } = await exchange(await codeFor(offline));
    const [first, second] = [await refresh(body.refresh_token), await refresh(body.refresh_token)];
    expect([first.status, second.status]).toEqual([200, 200]);
    expect(first.body.access_token).not.toBe(second.body.access_token);
    expect(first.body.refresh_token).toBeUndefined();
    const call = caller(stage.fake, first.body.access_token);
    expect((await call('GET', '/drive/v3/files')).status).toBe(200);
    stage.fake.advance(3599);
    expect((await call('GET', '/drive/v3/files')).reason).toBe('authError');
  });

  test('a refresh token dies with its time, with the hundred-and-first after it, and with the grant', async () => {
    stage.fake.settings({ refreshTokenLifeSeconds: 604_800 });
    const { body } = await exchange(await codeFor(offline));
    expect(body.refresh_token_expires_in).toBe(604_800);
    stage.fake.advance(604_800);
    const dead = await refresh(body.refresh_token);
    expect([dead.status, dead.body.error]).toEqual([400, 'invalid_grant']);

    const tokens = Array.from({ length: 101 }, () => stage.fake.issueRefreshToken());
    expect((await refresh(tokens[0])).body.error).toBe('invalid_grant');
    const { body: live } = await refresh(tokens[1]);
    const revoked = await fetch(`${stage.fake.url}/revoke?token=${encodeURIComponent(live.access_token)}`, { method: 'POST' });
    expect(revoked.status).toBe(200);
    expect((await refresh(tokens[100])).body.error).toBe('invalid_grant');
    expect((await caller(stage.fake, live.access_token)('GET', '/drive/v3/files')).status).toBe(401);
    expect((await fetch(`${stage.fake.url}/revoke?token=unknown`, { method: 'POST' })).status).toBe(400);
  });
});

describe('Scopes', () => {
  test('are what was granted, earlier ones included when that is asked', async () => {
    await exchange(await codeFor({ scope: scope('drive.readonly') }));
    const more = await exchange(await codeFor({ scope: scope('calendar.readonly'), include_granted_scopes: 'true' }));
    expect(more.body.scope.split(' ').sort()).toEqual([scope('calendar.readonly'), scope('drive.readonly')]);
    expect((await exchange(await codeFor({ scope: scope('calendar.readonly') }))).body.scope).toBe(scope('calendar.readonly'));
    stage.fake.settings({ grantScopes: ['openid'] });
    expect((await exchange(await codeFor({ scope: `openid ${scope('drive')}` }))).body.scope).toBe('openid');
  });

  test('are enforced', async () => {
    const reader = caller(stage.fake, stage.fake.issueToken({ scopes: ['drive.readonly'] }));
    expect((await reader('GET', '/drive/v3/changes/startPageToken')).status).toBe(200);
    for (const [method, path] of [['POST', '/drive/v3/files'], ['GET', '/calendar/v3/users/me/calendarList'], ['POST', '/calendar/v3/calendars/primary/events/watch']] as const) {
      const refused = await reader(method, path, method === 'POST' ? {} : undefined);
      expect([refused.status, refused.reason]).toEqual([403, 'insufficientPermissions']);
    }
    const nobody = await caller(stage.fake, 'ya29.unknown')('GET', '/drive/v3/files');
    expect([nobody.status, nobody.reason]).toEqual([401, 'authError']);
  });

  test('drive.file shows an app what it made itself', async () => {
    stage.fake.act('files', { name: 'private' });
    const narrow = caller(stage.fake, stage.fake.issueToken({ scopes: ['drive.file'] }));
    const { startPageToken } = (await narrow('GET', '/drive/v3/changes/startPageToken')).body;
    await narrow('POST', '/drive/v3/files', { name: 'own' });
    stage.fake.act('files', { name: 'private too' });
    expect((await narrow('GET', '/drive/v3/files')).body).toMatchObject({ files: [{ name: 'own' }] });
    expect(((await narrow('GET', `/drive/v3/changes?pageToken=${String(startPageToken)}`)).body['changes'] as object[])).toMatchObject([{ file: { name: 'own' } }]);
  });

  test('say who it is', async () => {
    const info = async (scopes: string[]) => (await caller(stage.fake, stage.fake.issueToken({ scopes }))('GET', '/v1/userinfo')).body;
    expect(await info(['openid'])).toEqual({ sub: expect.stringMatching(/^\d{21}$/) });
    expect(await info(['openid', 'email'])).toEqual({ sub: expect.any(String), email: 'ada@example.test', email_verified: true });
    expect(await info(['drive'])).toMatchObject({ error: 'invalid_request' });
  });
});

import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startReceiver } from './receiver.js';
import type { Receiver } from './receiver.js';
import { startGithubFake } from './server.js';
import type { GithubFake } from './server.js';

type Hook = { id: number; events: string[]; active: boolean; config: Record<string, string>; last_response: { code: number | null; status: string } };

let fake: GithubFake;
let receiver: Receiver;
let target: string;
let token: string;

beforeEach(async () => {
  receiver = await startReceiver();
  target = `${receiver.url}/hooks/k1`;
  fake = await startGithubFake({ app: { callbackUrl: 'http://127.0.0.1:4000/callback' } });
  token = fake.issueToken();
});
afterEach(async () => {
  await fake.close();
  await receiver.close();
});

const call = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
  fetch(fake.url + path, {
    method,
    redirect: 'manual',
    headers: { authorization: `Bearer ${token}`, ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
const hooks = '/repos/octocat/hello-world/hooks';
const hookBody = (more: Record<string, unknown> = {}) => ({ name: 'web', events: ['push'], config: { url: target, content_type: 'json', secret: 's3cret' }, ...more });
const createHook = async (more: Record<string, unknown> = {}): Promise<Hook> => {
  const response = await call('POST', hooks, hookBody(more));
  expect(response.status).toBe(201);
  const hook = (await response.json()) as Hook;
  await fake.idle();
  return hook;
};

async function codeFor(query: Record<string, string> = {}): Promise<URL> {
  const asked = new URLSearchParams({ client_id: 'fake-github-client', state: 'st1', scope: 'repo admin:repo_hook', auto: '1', ...query });
  const response = await fetch(`${fake.url}/login/oauth/authorize?${asked}`, { redirect: 'manual' });
  expect(response.status).toBe(302);
  return new URL(response.headers.get('location') ?? '');
}
const exchange = (fields: Record<string, string>, accept = 'application/json') =>
  fetch(`${fake.url}/login/oauth/access_token`, {
    method: 'POST',
    headers: { accept },
    body: new URLSearchParams({ client_id: 'fake-github-client', client_secret: 'fake-github-secret', ...fields }),
  });

describe('OAuth', () => {
  test('gives a code and the state back, and a gho_ token with a comma-separated scope once', async () => {
    const back = await codeFor();
    expect(back.origin + back.pathname).toBe('http://127.0.0.1:4000/callback');
    expect(back.searchParams.get('state')).toBe('st1');
    const code = back.searchParams.get('code') ?? '';
    const first = (await (await exchange({ code })).json()) as Record<string, string>;
    expect(first).toEqual({ access_token: expect.stringMatching(/^gho_/), token_type: 'bearer', scope: 'repo,admin:repo_hook' });
    const second = await exchange({ code });
    expect(second.status).toBe(200);
    expect(await second.json()).toMatchObject({ error: 'bad_verification_code', error_description: 'The code passed is incorrect or expired.' });
  });

  test('answers form-encoded unless JSON is asked for', async () => {
    const back = await codeFor();
    const answer = await exchange({ code: back.searchParams.get('code') ?? '' }, '*/*');
    expect(answer.headers.get('content-type')).toContain('application/x-www-form-urlencoded');
    expect(new URLSearchParams(await answer.text()).get('scope')).toBe('repo,admin:repo_hook');
  });

  test('verifies the S256 challenge and refuses plain', async () => {
    const verifier = 'v'.repeat(43);
    const challenge = createHash('sha256').update(verifier).digest('base64url');
    const pkce = { code_challenge: challenge, code_challenge_method: 'S256' };
    const codes = [await codeFor(pkce), await codeFor(pkce), await codeFor(pkce)].map((url) => url.searchParams.get('code') ?? '');
    expect(await (await exchange({ code: codes[0] ?? '', code_verifier: 'w'.repeat(43) })).json()).toMatchObject({ error: 'bad_verification_code' });
    expect(await (await exchange({ code: codes[1] ?? '' })).json()).toMatchObject({ error: 'bad_verification_code' });
    expect(await (await exchange({ code: codes[2] ?? '', code_verifier: verifier })).json()).toHaveProperty('access_token');
    const plain = await codeFor({ code_challenge: verifier, code_challenge_method: 'plain' });
    expect(plain.searchParams.get('error')).toBe('invalid_request');
  });

  test('lets a code live ten minutes', async () => {
    const code = (await codeFor()).searchParams.get('code') ?? '';
    fake.advance(601);
    expect(await (await exchange({ code })).json()).toMatchObject({ error: 'bad_verification_code' });
  });

  test('checks client secret and redirect_uri', async () => {
    expect(await (await exchange({ code: 'x', client_secret: 'wrong' })).json()).toMatchObject({ error: 'incorrect_client_credentials' });
    const foreign = await codeFor({ redirect_uri: 'http://evil.test/callback' });
    expect(foreign.host).toBe('127.0.0.1:4000');
    expect(foreign.searchParams.get('error')).toBe('redirect_uri_mismatch');
    const below = await codeFor({ redirect_uri: 'http://127.0.0.1:4999/callback/deeper' });
    expect(below.port).toBe('4999');
    const answer = await exchange({ code: below.searchParams.get('code') ?? '', redirect_uri: 'http://127.0.0.1:4000/callback' });
    expect(await answer.json()).toMatchObject({ error: 'redirect_uri_mismatch' });
  });

  test('shows a form that approves or denies', async () => {
    const page = await fetch(`${fake.url}/login/oauth/authorize?client_id=fake-github-client&state=a%22b&scope=repo`);
    expect(await page.text()).toContain('value="a&quot;b"');
    const press = (decision: string) =>
      fetch(`${fake.url}/login/oauth/authorize`, { method: 'POST', redirect: 'manual', body: new URLSearchParams({ client_id: 'fake-github-client', state: 'q', decision }) });
    expect(new URL((await press('deny')).headers.get('location') ?? '').searchParams.get('error')).toBe('access_denied');
    expect(new URL((await press('approve')).headers.get('location') ?? '').searchParams.get('code')).toMatch(/^\w{20}$/);
  });

  test('grants fewer scopes than asked when told so', async () => {
    fake.state.settings.grantScopes = ['read:user'];
    const answer = await exchange({ code: (await codeFor()).searchParams.get('code') ?? '' });
    expect(await answer.json()).toMatchObject({ scope: 'read:user' });
  });

  test('rotates expiring pairs and kills both old tokens', async () => {
    fake.state.settings.expiringTokens = true;
    const first = (await (await exchange({ code: (await codeFor()).searchParams.get('code') ?? '' })).json()) as Record<string, string>;
    expect(first).toMatchObject({ access_token: expect.stringMatching(/^ghu_/), refresh_token: expect.stringMatching(/^ghr_/), expires_in: 28_800 });
    const again = (await (await exchange({ grant_type: 'refresh_token', refresh_token: first['refresh_token'] ?? '' })).json()) as Record<string, string>;
    const dead = await exchange({ grant_type: 'refresh_token', refresh_token: first['refresh_token'] ?? '' });
    expect([dead.status, await dead.json()]).toEqual([200, expect.objectContaining({ error: 'bad_refresh_token' })]);
    token = first['access_token'] ?? '';
    expect((await call('GET', '/user')).status).toBe(401);
    token = again['access_token'] ?? '';
    expect((await call('GET', '/user')).status).toBe(200);
    fake.advance(28_801);
    expect((await call('GET', '/user')).status).toBe(401);
    expect(fake.state.counters).toEqual({ tokenRequests: 3, codeExchanges: 1, refreshes: 1, tokenErrors: 1 });
  });

  test('revokes the oldest of more than ten tokens, and any token on demand', async () => {
    for (let count = 0; count < 10; count += 1) fake.issueToken();
    expect((await call('GET', '/user')).status).toBe(401);
    token = fake.issueToken();
    const basic = `Basic ${Buffer.from('fake-github-client:fake-github-secret').toString('base64')}`;
    const revoke = () => call('DELETE', '/applications/fake-github-client/token', { access_token: token }, { authorization: basic });
    expect([(await revoke()).status, (await revoke()).status]).toEqual([204, 422]);
    expect((await call('GET', '/user')).status).toBe(401);
  });
});

describe('account', () => {
  test('tells the scopes of the token', async () => {
    const answer = await call('GET', '/user');
    expect(answer.headers.get('x-oauth-scopes')).toBe('repo, admin:repo_hook');
    expect(await answer.json()).toMatchObject({ login: 'octocat', id: 583231 });
  });

  test('refuses a bad token and a missing one', async () => {
    const bad = await call('GET', '/user', undefined, { authorization: 'Bearer gho_no' });
    expect([bad.status, await bad.json()]).toEqual([401, expect.objectContaining({ message: 'Bad credentials' })]);
    expect((await fetch(`${fake.url}/user`)).status).toBe(401);
  });

  test('pages repositories by Link below both roots', async () => {
    for (let index = 0; index < 128; index += 1) fake.addRepo(`octocat/repo-${index}`);
    const names = new Set<string>();
    let next: string | undefined = `${fake.url}/api/v3/user/repos?per_page=100`;
    let pages = 0;
    while (next !== undefined) {
      const answer: Response = await fetch(next, { headers: { authorization: `token ${token}` } });
      for (const repo of (await answer.json()) as { full_name: string }[]) names.add(repo.full_name);
      next = /<([^>]+)>; rel="next"/.exec(answer.headers.get('link') ?? '')?.[1];
      if (next !== undefined) expect(next).toContain('/api/v3/user/repos');
      pages += 1;
    }
    expect([names.size, pages]).toEqual([130, 2]);
  });

  test('hides private repositories from a token without repo', async () => {
    token = fake.issueToken({ scopes: ['admin:repo_hook'] });
    const repos = (await (await call('GET', '/user/repos')).json()) as { full_name: string }[];
    expect(repos.map((repo) => repo.full_name)).toEqual(['octocat/hello-world']);
  });

  test('stops at the primary rate limit with its headers', async () => {
    fake.state.settings.rateLimitRemaining = 1;
    expect((await call('GET', '/user')).headers.get('x-ratelimit-remaining')).toBe('0');
    const refused = await call('GET', '/user');
    expect([refused.status, refused.headers.get('x-ratelimit-remaining')]).toEqual([403, '0']);
    expect(((await refused.json()) as { message: string }).message).toContain('API rate limit exceeded');
  });
});

describe('hooks', () => {
  test('creates a hook, masks its secret and pings it after the answer', async () => {
    const hook = await createHook();
    expect(hook.config).toEqual({ url: target, content_type: 'json', insecure_ssl: '0', secret: '********' });
    expect(receiver.received).toHaveLength(1);
    expect(receiver.received[0]?.headers).toMatchObject({ 'x-github-event': 'ping', 'x-github-hook-id': String(hook.id) });
    expect(JSON.parse(receiver.received[0]?.body ?? '')).toMatchObject({ hook_id: hook.id, hook: { config: { secret: '********' } } });
    expect(await (await call('GET', `${hooks}/${hook.id}`)).json()).toMatchObject({ last_response: { code: 200, status: 'active' } });
  });

  test('refuses the same URL with overlapping events and takes other events', async () => {
    await createHook();
    const same = await call('POST', hooks, hookBody({ events: ['issues', 'push'] }));
    expect(same.status).toBe(422);
    expect(await same.json()).toMatchObject({ message: 'Validation Failed', errors: [{ resource: 'Hook', code: 'custom', message: 'Hook already exists on this repository' }] });
    await createHook({ events: ['issues'] });
    expect((await call('POST', hooks, hookBody({ events: ['*'] }))).status).toBe(422);
  });

  test('refuses unknown events, a missing URL and, when told so, localhost', async () => {
    expect((await call('POST', hooks, hookBody({ events: ['pushed'] }))).status).toBe(422);
    expect((await call('POST', hooks, { config: {} })).status).toBe(422);
    fake.state.settings.refuseLocalhost = true;
    const local = await call('POST', hooks, hookBody());
    expect([local.status, JSON.stringify(await local.json())]).toEqual([422, expect.stringContaining('public Internet')]);
    expect(fake.state.repos.get('octocat/hello-world')?.hooks).toHaveLength(0);
  });

  test('takes twenty hooks for one event and not one more', async () => {
    for (let index = 0; index < 20; index += 1) await createHook({ config: { url: `${target}${index}`, content_type: 'json' } });
    const refused = await call('POST', hooks, hookBody());
    expect([refused.status, JSON.stringify(await refused.json())]).toEqual([422, expect.stringContaining('cannot have more than 20 hooks')]);
    const page = await call('GET', `${hooks}?per_page=15&page=2`);
    expect([((await page.json()) as Hook[]).length, page.headers.get('link')?.includes('rel="prev"')]).toEqual([5, true]);
  });

  test('PATCH replaces the config, so a secret that is not re-sent is gone', async () => {
    const hook = await createHook();
    const patched = await call('PATCH', `${hooks}/${hook.id}`, { config: { url: target, content_type: 'json' } });
    expect(((await patched.json()) as Hook).config).not.toHaveProperty('secret');
    receiver.received.length = 0;
    await fake.push('octocat/hello-world', 'push');
    expect(receiver.received[0]?.headers).not.toHaveProperty('x-hub-signature-256');
  });

  test('PATCH on config keeps what is not sent, and events can be added and removed', async () => {
    const hook = await createHook();
    const config = await call('PATCH', `${hooks}/${hook.id}/config`, { url: `${target}b` });
    expect(await config.json()).toMatchObject({ url: `${target}b`, content_type: 'json', secret: '********' });
    const patched = (await (await call('PATCH', `${hooks}/${hook.id}`, { add_events: ['issues'], remove_events: ['push'], active: false })).json()) as Hook;
    expect([patched.events, patched.active, patched.config['secret']]).toEqual([['issues'], false, '********']);
    receiver.received.length = 0;
    expect(await fake.push('octocat/hello-world', 'issues')).toEqual([]);
  });

  test('deletes once, then answers 404', async () => {
    const hook = await createHook();
    expect((await call('DELETE', `${hooks}/${hook.id}`)).status).toBe(204);
    expect((await call('DELETE', `${hooks}/${hook.id}`)).status).toBe(404);
    expect((await call('GET', `${hooks}/${hook.id}`)).status).toBe(404);
  });

  test('answers 404 without the scope, and for a repository one does not administer', async () => {
    token = fake.issueToken({ scopes: ['read:user'] });
    expect((await call('GET', hooks)).status).toBe(404);
    token = fake.issueToken({ scopes: ['read:repo_hook'] });
    expect([(await call('GET', hooks)).status, (await call('POST', hooks, hookBody())).status]).toEqual([200, 404]);
    token = fake.issueToken();
    fake.addRepo({ fullName: 'other/theirs', admin: false });
    expect((await call('GET', '/repos/other/theirs/hooks')).status).toBe(404);
  });

  test('pings and tests on demand', async () => {
    const hook = await createHook();
    receiver.received.length = 0;
    expect((await call('POST', `${hooks}/${hook.id}/pings`)).status).toBe(204);
    expect((await call('POST', `${hooks}/${hook.id}/tests`)).status).toBe(204);
    await fake.idle();
    expect(receiver.received.map(({ headers }) => headers['x-github-event']).sort()).toEqual(['ping', 'push']);
  });
});

import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { verify } from '@octokit/webhooks-methods';
import { startGithubFake } from './server.js';
import type { GithubFake } from './server.js';

type Got = { headers: IncomingHttpHeaders; body: string };
type Hook = { id: number; events: string[]; active: boolean; config: Record<string, string>; last_response: { code: number | null; status: string } };

let fake: GithubFake;
let receiver: Server;
let got: Got[];
let answerStatus: number;
let target: string;
let token: string;

beforeEach(async () => {
  fake = await startGithubFake({ app: { callbackUrl: 'http://127.0.0.1:4000/callback' } });
  got = [];
  answerStatus = 200;
  receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      got.push({ headers: request.headers, body: Buffer.concat(chunks).toString('utf8') });
      if (answerStatus > 0) response.writeHead(answerStatus, { location: '/elsewhere' }).end('seen');
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', () => resolve()));
  target = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hooks/k1`;
  token = fake.issueToken();
});

afterEach(async () => {
  receiver.closeAllConnections();
  await new Promise((resolve) => receiver.close(resolve));
  await fake.close();
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
    expect(got).toHaveLength(1);
    expect(got[0]?.headers).toMatchObject({ 'x-github-event': 'ping', 'x-github-hook-id': String(hook.id) });
    expect(JSON.parse(got[0]?.body ?? '')).toMatchObject({ hook_id: hook.id, hook: { config: { secret: '********' } } });
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
    got = [];
    await fake.push('octocat/hello-world', 'push');
    expect(got[0]?.headers).not.toHaveProperty('x-hub-signature-256');
  });

  test('PATCH on config keeps what is not sent, and events can be added and removed', async () => {
    const hook = await createHook();
    const config = await call('PATCH', `${hooks}/${hook.id}/config`, { url: `${target}b` });
    expect(await config.json()).toMatchObject({ url: `${target}b`, content_type: 'json', secret: '********' });
    const patched = (await (await call('PATCH', `${hooks}/${hook.id}`, { add_events: ['issues'], remove_events: ['push'], active: false })).json()) as Hook;
    expect([patched.events, patched.active, patched.config['secret']]).toEqual([['issues'], false, '********']);
    got = [];
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
    got = [];
    expect((await call('POST', `${hooks}/${hook.id}/pings`)).status).toBe(204);
    expect((await call('POST', `${hooks}/${hook.id}/tests`)).status).toBe(204);
    await fake.idle();
    expect(got.map(({ headers }) => headers['x-github-event']).sort()).toEqual(['ping', 'push']);
  });
});

describe('deliveries', () => {
  test('signs the raw bytes so that the vendor library accepts them, as JSON and as form', async () => {
    await createHook();
    await createHook({ events: ['issues'], config: { url: target, content_type: 'form', secret: 'other ✓' } });
    got = [];
    await fake.push('octocat/hello-world', 'push', { ref: 'refs/heads/grüße' });
    await fake.push('octocat/hello-world', 'issues', { action: 'opened', title: 'a & b' });
    const [asJson, asForm] = got;
    expect(await verify('s3cret', asJson?.body ?? '', String(asJson?.headers['x-hub-signature-256']))).toBe(true);
    expect(await verify('wrong', asJson?.body ?? '', String(asJson?.headers['x-hub-signature-256']))).toBe(false);
    expect(await verify('other ✓', asForm?.body ?? '', String(asForm?.headers['x-hub-signature-256']))).toBe(true);
    expect(JSON.parse(new URLSearchParams(asForm?.body).get('payload') ?? '')).toMatchObject({ title: 'a & b', repository: { full_name: 'octocat/hello-world' } });
    expect(asJson?.headers['x-github-delivery']).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-/);
    expect(asJson?.headers['user-agent']).toMatch(/^GitHub-Hookshot\//);
  });

  test('tries once whatever is answered, and follows no redirect', async () => {
    const hook = await createHook();
    for (const status of [500, 302]) {
      got = [];
      answerStatus = status;
      const [attempt] = await fake.push('octocat/hello-world', 'push');
      expect([attempt?.statusCode, got.length]).toEqual([status, 1]);
    }
    expect(await (await call('GET', `${hooks}/${hook.id}`)).json()).toMatchObject({ last_response: { code: 302, status: 'misconfigured' } });
  });

  test('gives up on a receiver that does not answer in time', async () => {
    await createHook();
    fake.state.settings.deliveryTimeoutMs = 50;
    answerStatus = 0;
    expect(await fake.push('octocat/hello-world', 'push')).toMatchObject([{ statusCode: 0, status: 'timed out' }]);
  });

  test('lists past deliveries by cursor and redelivers under the same GUID', async () => {
    const hook = await createHook();
    answerStatus = 503;
    const [missed] = await fake.push('octocat/hello-world', 'push');
    answerStatus = 200;
    const page = await call('GET', `${hooks}/${hook.id}/deliveries?per_page=1`);
    expect(await page.json()).toMatchObject([{ guid: missed?.guid, status_code: 503, event: 'push', redelivery: false }]);
    const older = await call('GET', (/<([^>]+)>/.exec(page.headers.get('link') ?? '')?.[1] ?? '').slice(fake.url.length));
    expect(await older.json()).toMatchObject([{ event: 'ping' }]);
    got = [];
    expect((await call('POST', `${hooks}/${hook.id}/deliveries/${missed?.id}/attempts`)).status).toBe(202);
    await fake.idle();
    expect(got[0]?.headers['x-github-delivery']).toBe(missed?.guid);
  });
});

describe('faults', () => {
  test('answers a status with retry-after as often as told', async () => {
    fake.faults.set({ kind: 'status', status: 429, retryAfterSeconds: 7, method: 'GET', path: '/user', times: 2, skip: 1 });
    const statuses: number[] = [];
    for (let turn = 0; turn < 4; turn += 1) statuses.push((await call('GET', '/user')).status);
    expect(statuses).toEqual([200, 429, 429, 200]);
    expect(fake.state.requests.map(({ status, fault }) => [status, fault])).toEqual([[200, null], [429, 'status'], [429, 'status'], [200, null]]);
    expect(fake.state.requests[0]?.headers['authorization']).toBe('Bearer ***');
  });

  test('drops the connection before or after the work', async () => {
    fake.faults.set({ kind: 'drop', method: 'POST', path: '/repos/*/*/hooks' });
    await expect(call('POST', hooks, hookBody())).rejects.toThrow();
    expect(fake.state.repos.get('octocat/hello-world')?.hooks).toHaveLength(0);
    fake.faults.set({ kind: 'drop', afterWork: true, method: 'POST', path: '/repos/**' });
    await expect(call('POST', `/api/v3${hooks}`, hookBody())).rejects.toThrow();
    await fake.idle();
    expect(fake.state.repos.get('octocat/hello-world')?.hooks).toHaveLength(1);
    expect(got).toHaveLength(1);
    expect((await call('POST', hooks, hookBody())).status).toBe(422);
  });

  test('never answers under a timeout', async () => {
    fake.faults.set({ kind: 'timeout', path: '/user' });
    await expect(fetch(`${fake.url}/user`, { headers: { authorization: `Bearer ${token}` }, signal: AbortSignal.timeout(100) })).rejects.toThrow();
    expect(fake.state.requests).toMatchObject([{ path: '/user', status: null, fault: 'timeout' }]);
  });

  test('answers late by the time told', async () => {
    fake.faults.set({ kind: 'delay', delayMs: 80 });
    const started = performance.now();
    expect((await call('GET', '/user')).status).toBe(200);
    expect(performance.now() - started).toBeGreaterThanOrEqual(75);
  });

  test('garbles answers in three ways', async () => {
    fake.faults.set([
      { kind: 'garbage', form: 'html' },
      { kind: 'garbage', form: 'invalid-json' },
      { kind: 'garbage', form: 'truncated' },
    ]);
    expect((await call('GET', '/user')).headers.get('content-type')).toContain('text/html');
    await expect((await call('GET', '/user')).json()).rejects.toThrow(/JSON/);
    await expect(call('GET', '/user').then((answer) => answer.text())).rejects.toThrow();
  });

  test('delivers the ping, and an event, before the create answer under early', async () => {
    fake.faults.set({ kind: 'early', method: 'POST', path: '/repos/*/*/hooks', push: { event: 'push', payload: { ref: 'refs/heads/early' } } });
    expect((await call('POST', hooks, hookBody())).status).toBe(201);
    expect(got.map(({ headers }) => headers['x-github-event'])).toEqual(['ping', 'push']);
  });

  test('duplicates, drops and tampers with deliveries', async () => {
    await createHook();
    got = [];
    fake.faults.set({ kind: 'delivery-duplicate', event: 'push' });
    await fake.push('octocat/hello-world', 'push');
    expect([got.length, new Set(got.map(({ headers }) => headers['x-github-delivery'])).size]).toEqual([2, 1]);
    fake.faults.set({ kind: 'delivery-drop' });
    expect(await fake.push('octocat/hello-world', 'push')).toMatchObject([{ statusCode: 0, status: 'dropped by a fault' }]);
    expect(got).toHaveLength(2);
    fake.faults.set({ kind: 'delivery-tamper' });
    await fake.push('octocat/hello-world', 'push');
    expect(await verify('s3cret', got[2]?.body ?? '', String(got[2]?.headers['x-hub-signature-256']))).toBe(false);
  });
});

describe('control over HTTP', () => {
  const control = async (method: string, path: string, body?: unknown) => {
    const answer = await fetch(`${fake.url}/__fake/${path}`, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    return { status: answer.status, value: (await answer.json()) as Record<string, unknown> };
  };

  test('sets faults, pushes, counts and dumps without secrets', async () => {
    const hook = await createHook();
    expect((await control('POST', 'faults', { kind: 'nonsense' })).status).toBe(400);
    await control('POST', 'faults', { kind: 'delivery-duplicate' });
    expect((await control('POST', 'push', { repo: 'octocat/hello-world', event: 'push' })).value['deliveries']).toHaveLength(2);
    expect((await control('POST', 'push', { repo: 'no/where' })).status).toBe(400);
    await exchange({ code: 'nope' });
    expect((await control('GET', 'counts')).value).toMatchObject({ tokenRequests: 1, tokenErrors: 1 });
    const text = JSON.stringify((await control('GET', 'state')).value);
    expect(text).not.toContain('s3cret');
    expect(text).not.toContain(token);
    expect(text).toContain('"secretSet":true');
    await control('POST', 'hooks/edit', { id: hook.id, set: { active: false, config: { url: 'http://elsewhere.test/' } } });
    expect(await (await call('GET', `${hooks}/${hook.id}`)).json()).toMatchObject({ active: false, config: { url: 'http://elsewhere.test/' } });
    await control('POST', 'hooks/delete', { id: hook.id });
    expect((await call('GET', `${hooks}/${hook.id}`)).status).toBe(404);
  });

  test('resets to the first state', async () => {
    await createHook();
    fake.faults.set({ kind: 'status', status: 500, times: 0 });
    await control('POST', 'reset');
    expect((await call('GET', '/user')).status).toBe(401);
    expect([fake.state.deliveries.length, fake.faults.list().length]).toEqual([0, 0]);
  });
});

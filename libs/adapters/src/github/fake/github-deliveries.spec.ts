import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { verify } from '@octokit/webhooks-methods';
import { startReceiver } from './receiver.js';
import type { Receiver } from './receiver.js';
import { startGithubFake } from './server.js';
import type { GithubFake } from './server.js';

type Hook = { id: number };

let fake: GithubFake;
let receiver: Receiver;
let target: string;
let token: string;

beforeEach(async () => {
  receiver = await startReceiver();
  target = `${receiver.url}/hooks/k1`;
  fake = await startGithubFake();
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

describe('deliveries', () => {
  test('signs the raw bytes so that the vendor library accepts them, as JSON and as form', async () => {
    await createHook();
    await createHook({ events: ['issues'], config: { url: target, content_type: 'form', secret: 'other ✓' } });
    receiver.received.length = 0;
    await fake.push('octocat/hello-world', 'push', { ref: 'refs/heads/grüße' });
    await fake.push('octocat/hello-world', 'issues', { action: 'opened', title: 'a & b' });
    const [asJson, asForm] = receiver.received;
    expect(await verify('s3cret', asJson?.body ?? '', String(asJson?.headers['x-hub-signature-256']))).toBe(true);
    expect(await verify('wrong', asJson?.body ?? '', String(asJson?.headers['x-hub-signature-256']))).toBe(false);
    expect(await verify('other ✓', asForm?.body ?? '', String(asForm?.headers['x-hub-signature-256']))).toBe(true);
    expect(JSON.parse(new URLSearchParams(asForm?.body).get('payload') ?? '')).toMatchObject({ title: 'a & b', repository: { full_name: 'octocat/hello-world' } });
    expect(asJson?.headers['x-github-delivery']).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-/);
    expect(asJson?.headers['user-agent']).toMatch(/^GitHub-Hookshot\//);
  });

  test('tries once whatever is answered, and follows no redirect', async () => {
    const hook = await createHook();
    receiver.answer.headers = { location: '/elsewhere' };
    for (const status of [500, 302]) {
      receiver.received.length = 0;
      receiver.answer.status = status;
      const [attempt] = await fake.push('octocat/hello-world', 'push');
      expect([attempt?.statusCode, receiver.received.length]).toEqual([status, 1]);
    }
    expect(await (await call('GET', `${hooks}/${hook.id}`)).json()).toMatchObject({ last_response: { code: 302, status: 'misconfigured' } });
  });

  test('gives up on a receiver that does not answer in time', async () => {
    await createHook();
    fake.state.settings.deliveryTimeoutMs = 50;
    receiver.answer.status = 0;
    expect(await fake.push('octocat/hello-world', 'push')).toMatchObject([{ statusCode: 0, status: 'timed out' }]);
  });

  test('lists past deliveries by cursor and redelivers under the same GUID', async () => {
    const hook = await createHook();
    receiver.answer.status = 503;
    const [missed] = await fake.push('octocat/hello-world', 'push');
    receiver.answer.status = 200;
    const page = await call('GET', `${hooks}/${hook.id}/deliveries?per_page=1`);
    expect(await page.json()).toMatchObject([{ guid: missed?.guid, status_code: 503, event: 'push', redelivery: false }]);
    const older = await call('GET', (/<([^>]+)>/.exec(page.headers.get('link') ?? '')?.[1] ?? '').slice(fake.url.length));
    expect(await older.json()).toMatchObject([{ event: 'ping' }]);
    receiver.received.length = 0;
    expect((await call('POST', `${hooks}/${hook.id}/deliveries/${missed?.id}/attempts`)).status).toBe(202);
    await fake.idle();
    expect(receiver.received[0]?.headers['x-github-delivery']).toBe(missed?.guid);
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
    expect(receiver.received).toHaveLength(1);
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
    expect(receiver.received.map(({ headers }) => headers['x-github-event'])).toEqual(['ping', 'push']);
  });

  test('duplicates, drops and tampers with deliveries', async () => {
    await createHook();
    receiver.received.length = 0;
    fake.faults.set({ kind: 'delivery-duplicate', event: 'push' });
    await fake.push('octocat/hello-world', 'push');
    expect([receiver.received.length, new Set(receiver.received.map(({ headers }) => headers['x-github-delivery'])).size]).toEqual([2, 1]);
    fake.faults.set({ kind: 'delivery-drop' });
    expect(await fake.push('octocat/hello-world', 'push')).toMatchObject([{ statusCode: 0, status: 'dropped by a fault' }]);
    expect(receiver.received).toHaveLength(2);
    fake.faults.set({ kind: 'delivery-tamper' });
    await fake.push('octocat/hello-world', 'push');
    expect(await verify('s3cret', receiver.received[2]?.body ?? '', String(receiver.received[2]?.headers['x-hub-signature-256']))).toBe(false);
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
    await fetch(`${fake.url}/login/oauth/access_token`, { method: 'POST', body: new URLSearchParams({ client_id: 'x', client_secret: 'y', code: 'z' }) });
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

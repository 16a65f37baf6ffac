import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { RegisterInput, RemoteRef, ServiceHttp, VisibleRemote } from '@vane/kit';
import { createServiceHttp, EgressClient, parseEgressAllow, SystemClock } from '@vane/runtime';
import { startReceiver, type Receiver } from './fake/receiver.js';
import { startGithubFake, type GithubFake } from './fake/server.js';
import { adapter } from './index.js';

const remote = adapter.triggerTypes['repository']!.remote as VisibleRemote;
const resource = 'octocat/hello-world';
const LONG_AGO = new Date(0);

let fake: GithubFake;
let receiver: Receiver;
let egress: EgressClient;
let http: ServiceHttp;
let ref: RemoteRef;

const httpOf = (url: string, accessToken: string): ServiceHttp =>
  createServiceHttp({
    adapter, hosts: { web: url, api: url }, egress, clock: new SystemClock(), timeoutMs: 2_000, token: async () => ({ accessToken, tokenType: 'bearer', generation: 1 }),
  });
const input = (events = ['push'], key = 'one'): RegisterInput => ({
  id: `sub_${key}`, resource, want: { events }, callbackUrl: `${receiver.url}/hooks/${key}`, secret: 'a-secret-nobody-may-read', now: new Date(0),
});

beforeEach(async () => {
  receiver = await startReceiver();
  fake = await startGithubFake();
  egress = new EgressClient({ policy: { allow: parseEgressAllow('127.0.0.1') } });
  http = httpOf(fake.url, fake.issueToken({ scopes: ['admin:repo_hook'] }));
  const { externalId } = await remote.register(http, input());
  await fake.idle();
  ref = { resource, externalId, aux: null };
});
afterEach(async () => {
  await egress.close();
  await fake.close();
  await receiver.close();
});

describe('what GitHub keeps of what it sent', () => {
  const log = remote.deliveryLog!;

  it('is read back page by page, the newest first, with what was taken and what is an event', async () => {
    for (let n = 0; n < 130; n += 1) await fake.push(resource, 'push', { n });
    receiver.answer.status = 503;
    const [missed] = await fake.push(resource, 'push');
    const all = await log.list(http, ref, LONG_AGO, 1_000);
    expect(all).toHaveLength(132);
    expect(all[0]).toEqual({ id: String(missed!.id), dedupeKey: missed!.guid, isEvent: true, at: missed!.deliveredAt, taken: false, status: expect.stringMatching(/^503 /) });
    expect(all.at(-1)).toMatchObject({ isEvent: false, taken: true });
    expect(new Set(all.map(({ id }) => id)).size).toBe(132);
    expect(await log.list(http, ref, LONG_AGO, 101)).toEqual(all.slice(0, 101));
    const since = new Date(all[100]!.at);
    expect(await log.list(http, ref, since, 1_000)).toEqual(all.filter(({ at }) => Date.parse(at) >= since.getTime()));
  });

  it('reaches three days back', async () => {
    await fake.push(resource, 'push');
    expect(log.keptMs).toBe(fake.state.settings.deliveriesKeptMs);
    fake.advance(log.keptMs / 1000 + 1);
    expect(await log.list(http, ref, LONG_AGO, 10)).toEqual([]);
  });

  it('is sent again under the same identity', async () => {
    fake.faults.set({ kind: 'delivery-drop' });
    const [missed] = await fake.push(resource, 'push');
    expect(receiver.received.map(({ headers }) => headers['x-github-event'])).toEqual(['ping']);
    await log.redeliver(http, ref, String(missed!.id));
    await fake.idle();
    expect(receiver.received.at(-1)!.headers['x-github-delivery']).toBe(missed!.guid);
    expect((await log.list(http, ref, LONG_AGO, 10)).filter(({ dedupeKey }) => dedupeKey === missed!.guid).map(({ taken }) => taken)).toEqual([true, false]);
  });

  it('is known by ids that are longer than a number', async () => {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      const one = '{"id":9007199254740993,"guid":"g","delivered_at":"2026-01-05T10:00:00Z","redelivery":false,"duration":0.1,"status":"OK","status_code":200,"event":"push","action":null}';
      response.writeHead(request.method === 'GET' ? 200 : 202, { 'content-type': 'application/json' }).end(request.method === 'GET' ? `[${one}]` : '{}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const other = httpOf(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, 'tok');
      const [sent] = await log.list(other, ref, LONG_AGO, 10);
      await log.redeliver(other, ref, sent!.id);
      expect(asked[1]).toBe(`POST /repos/${resource}/hooks/${ref.externalId}/deliveries/9007199254740993/attempts`);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it('is not there for a hook that is not', async () => {
    await expect(log.list(http, { ...ref, externalId: '1' }, LONG_AGO, 10)).rejects.toMatchObject({ kind: 'not_found' });
  });
});

describe('a canary at GitHub', () => {
  it('is a ping', async () => {
    const { canary } = remote;
    if (canary?.by !== 'message') throw new Error('It is another kind of canary.');
    await canary.send(http, ref);
    await fake.idle();
    expect(receiver.received.map(({ headers }) => headers['x-github-event'])).toEqual(['ping', 'ping']);
  });
});

describe('what GitHub demands of a webhook', () => {
  const states = async (events: string[]) => (await remote.preflight!(http, { resource, want: { events } })).map(({ id, state }) => `${id} ${state}`);

  it('is met by an administrator while there is room', async () => {
    expect(remote.callbackRules).toMatchObject({ publicOnly: true });
    expect(await states(['push'])).toEqual(['admin ok', 'hook_quota ok']);
  });

  it('is not more than twenty webhooks for one event', async () => {
    for (let n = 1; n < 20; n += 1) await remote.register(http, input(['push', 'issues'], `k${n}`));
    await expect(remote.register(http, input(['push'], 'k20'))).rejects.toMatchObject({ kind: 'invalid' });
    expect(await states(['push', 'fork'])).toEqual(['admin ok', 'hook_quota failed']);
    expect(await states(['issues'])).toEqual(['admin ok', 'hook_quota ok']);
    const [, quota] = await remote.preflight!(http, { resource, want: { events: ['push'] } });
    expect(quota).toMatchObject({ message: expect.stringContaining('20 webhooks for push'), fix: expect.stringContaining('Settings > Webhooks') });
  });

  it('is an administrator, which it does not take an outage for', async () => {
    fake.state.repos.get(resource)!.admin = false;
    expect(await states(['push'])).toEqual(['admin failed', 'hook_quota unknown']);
    fake.faults.set({ kind: 'status', status: 503 });
    expect(await states(['push'])).toEqual(['admin unknown', 'hook_quota unknown']);
  });
});

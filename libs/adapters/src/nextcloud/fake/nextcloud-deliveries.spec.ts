import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { matchesFilter } from './mongo.js';
import { startReceiver } from './receiver.js';
import type { Received, Receiver } from './receiver.js';
import { startNextcloudFake } from './server.js';
import type { NextcloudFake } from './server.js';

const node = 'OCP\\Files\\Events\\Node\\';
const created = `${node}NodeCreatedEvent`;
const api = '/ocs/v2.php/apps/webhook_listeners/api/v1/webhooks';

let fake: NextcloudFake;
let receiver: Receiver;

beforeEach(async () => {
  receiver = await startReceiver();
  fake = await startNextcloudFake({ listeners: [] });
});
afterEach(async () => {
  await fake.close();
  await receiver.close();
});

const create = (more: Record<string, unknown> = {}) =>
  fetch(fake.url + api, {
    method: 'POST',
    headers: { authorization: `Bearer ${fake.issueGrant().accessToken}`, 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify({ httpMethod: 'POST', uri: `${receiver.url}/h`, event: created, ...more }),
  });
const last = (): Received => receiver.received.at(-1) ?? { method: '', path: '', headers: [], body: '' };
const header = (name: string) => last().headers.filter(([other]) => other.toLowerCase() === name.toLowerCase()).map(([, value]) => value);

describe('deliveries', () => {
  test('send exactly the headers and the bytes Nextcloud sends', async () => {
    await create();
    fake.state.clockOffsetMs = 0;
    await fake.emit(created, { node: { id: 97, path: '/admin/files/ä b.txt' } });
    expect(last().headers.map(([name]) => name).sort()).toEqual(['Accept-Encoding', 'Content-Length', 'Host', 'User-Agent']);
    expect(header('user-agent')).toEqual(['Nextcloud-Server-Crawler/33.0.3']);
    expect(last().body).toMatch(
      /^\{"event":\{"node":\{"id":97,"path":"\\\/admin\\\/files\\\/\\u00e4 b\.txt"\},"class":"OCP\\\\Files\\\\Events\\\\Node\\\\NodeCreatedEvent"\},"user":\{"uid":"admin","displayName":"admin"\},"time":\d{10},"authentication":\[\]\}$/,
    );
  });

  test('let authData win over headers, and headers over the User-Agent', async () => {
    await create({ headers: { 'X-Secret': 'weak', 'User-Agent': 'mine' }, authMethod: 'header', authData: { 'x-secret': 'strong' } });
    await fake.emit(created);
    expect([header('x-secret'), header('user-agent')]).toEqual([['strong'], ['mine']]);
  });

  test('carry live account tokens for whom the hook asked', async () => {
    await create({ tokenNeeded: { user_ids: ['alice'], user_roles: ['owner', 'trigger'] } });
    await fake.emit(created, undefined, 'alice');
    const { authentication } = JSON.parse(last().body) as { authentication: { user_ids: Record<string, { token: string }>; owner: { userId: string; token: string }; trigger: { userId: string } } };
    expect([authentication.owner.userId, authentication.trigger.userId]).toEqual(['admin', 'alice']);
    const asAlice = (headers: Record<string, string>) => fetch(`${fake.url}/ocs/v2.php/cloud/user?format=json`, { headers });
    const token = authentication.user_ids['alice']?.token ?? '';
    expect(await (await asAlice({ authorization: `Bearer ${token}` })).text()).toContain('"id":"alice"');
    const basic = { authorization: `Basic ${Buffer.from(`alice:${token}`).toString('base64')}`, 'ocs-apirequest': 'true' };
    expect((await asAlice(basic)).status).toBe(200);
    fake.advance(3601);
    expect((await asAlice(basic)).status).toBe(401);
  });

  test('are tried once whatever is answered', async () => {
    await create();
    for (const status of [500, 404, 503]) {
      receiver.answer.status = status;
      expect(await fake.emit(created)).toMatchObject([{ status }]);
    }
    expect(receiver.received).toHaveLength(3);
    fake.state.settings.deliveryTimeoutMs = 50;
    receiver.answer.status = 0;
    expect(await fake.emit(created)).toMatchObject([{ status: null, error: 'timed out' }]);
    await receiver.close();
    expect(await fake.emit(created)).toMatchObject([{ status: null, error: 'connection failed' }]);
  });

  test('lose the body on 302 and keep it on 307', async () => {
    await create();
    receiver.answer.headers = { location: '/elsewhere' };
    receiver.answer.status = 302;
    await fake.emit(created);
    expect([last().method, last().path, last().body]).toEqual(['GET', '/elsewhere', '']);
    receiver.answer.status = 307;
    await fake.emit(created);
    expect([last().method, last().path, last().body.length > 0]).toEqual(['POST', '/elsewhere', true]);
  });

  test('send a body with GET too', async () => {
    await create({ httpMethod: 'GET' });
    await fake.emit(created);
    expect([last().method, last().body.startsWith('{"event"')]).toEqual(['GET', true]);
  });

  test('respect class, user filter and event filter', async () => {
    await create({ userIdFilter: 'alice', eventFilter: { 'event.node.path': '/^\\/alice\\/.*\\.pdf$/i' } });
    const emit = (path: string, uid: string | null) => fake.emit(created, { node: { id: 1, path } }, uid);
    expect(await emit('/alice/files/x.PDF', 'alice')).toHaveLength(1);
    expect(await emit('/alice/files/x.txt', 'alice')).toHaveLength(0);
    expect(await emit('/alice/files/x.pdf', 'admin')).toHaveLength(0);
    expect(await emit('/alice/files/x.pdf', null)).toHaveLength(0);
    expect(await fake.emit(`${node}NodeWrittenEvent`, { node: { path: '/alice/x.pdf' } }, 'alice')).toHaveLength(0);
  });

  test('announce a new file twice and an overwrite once', async () => {
    await create();
    await create({ event: `${node}NodeWrittenEvent` });
    expect((await fake.writeFile('/admin/files/n.txt')).map(({ event }) => event).sort()).toEqual([created, `${node}NodeWrittenEvent`]);
    expect(await fake.writeFile('/admin/files/n.txt', { overwrite: true })).toHaveLength(1);
  });

  test('stay away for five minutes from a user the memcache already knew', async () => {
    fake.state.settings.memcache = true;
    expect(await fake.emit(created)).toHaveLength(0);
    await create();
    expect(await fake.emit(created)).toHaveLength(0);
    expect(await fake.emit(created, undefined, 'alice')).toHaveLength(1);
    fake.advance(301);
    expect(await fake.emit(created)).toHaveLength(1);
  });

  test('get lost when the job argument is too long or local addresses are refused', async () => {
    await create();
    expect(await fake.emit(created, { node: { path: 'x'.repeat(32_000) } })).toMatchObject([{ error: 'the job argument is too long' }]);
    fake.state.settings.allowLocalRemoteServers = false;
    expect(await fake.emit(created)).toMatchObject([{ error: 'Host violates local access rules' }]);
    expect(receiver.received).toHaveLength(0);
  });
});

describe('filters', () => {
  const document = { event: { node: { id: 7, path: '/a/b.txt' }, tags: ['x', 'y'] }, user: { uid: 'alice' }, time: 100 };
  const passing = [
    {},
    { 'event.node.id': 7 },
    { 'event.node.id': { $e: 7 } },
    { $or: [{ 'user.uid': 'bob' }, { 'user.uid': 'alice' }] },
    { $and: [{ 'user.uid': 'alice' }, { time: { $gte: 100, $lt: 101 } }] },
    { $nor: [{ 'user.uid': 'bob' }] },
    { $not: { 'user.uid': 'bob' } },
    { 'user.uid': { $in: ['bob', 'alice'] } },
    { 'user.uid': { $nin: ['bob'] } },
    { 'user.uid': { $ne: 'bob' } },
    { 'event.tags': 'y' },
    { 'event.tags': { $all: ['x', 'y'] } },
    { 'event.gone': { $exists: false } },
    { time: { $mod: [30, 10] } },
    { 'event.node.path': '/\\.TXT$/i' },
  ];
  const failing = [
    { 'event.node.id': '7' },
    { 'event.node.id': { $ne: 7 } },
    { 'event.gone': 'x' },
    { 'event.node.path': '/\\.TXT$/' },
    { 'user.uid': { $in: ['bob'] } },
    { 'event.tags': { $all: ['x', 'z'] } },
    { $or: [{ 'user.uid': 'bob' }, { time: { $gt: 100 } }] },
    { $nor: [{ 'user.uid': 'alice' }] },
  ];
  test.each(passing)('pass %j', (filter) => expect(matchesFilter(filter, document)).toBe(true));
  test.each(failing)('stop %j', (filter) => expect(matchesFilter(filter, document)).toBe(false));

  test('do not know $eq, so such a hook never fires', async () => {
    expect(() => matchesFilter({ time: { $eq: 100 } }, document)).toThrow('Operator $eq is unknown');
    await create({ eventFilter: { 'user.uid': { $eq: 'admin' } } });
    expect(await fake.emit(created)).toHaveLength(0);
  });
});

describe('faults and control', () => {
  const control = async (method: string, path: string, body?: unknown) => {
    const answer = await fetch(`${fake.url}/__fake/${path}`, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    return { status: answer.status, value: (await answer.json()) as Record<string, unknown> };
  };

  test('deliver an event before the create answer under early', async () => {
    fake.faults.set({ kind: 'early', method: 'POST', path: '/ocs/**/webhooks' });
    expect((await create()).status).toBe(200);
    expect(receiver.received).toHaveLength(1);
  });

  test('drop the refresh answer after the work, which leaves the caller with a dead pair', async () => {
    const { refreshToken, accessToken } = fake.issueGrant();
    fake.faults.set({ kind: 'drop', afterWork: true, path: '/apps/oauth2/api/v1/token' });
    const refresh = () =>
      fetch(`${fake.url}/index.php/apps/oauth2/api/v1/token`, {
        method: 'POST',
        body: new URLSearchParams({ client_id: 'fake-nextcloud-client', client_secret: 'fake-nextcloud-secret', grant_type: 'refresh_token', refresh_token: refreshToken }),
      });
    await expect(refresh()).rejects.toThrow();
    expect((await refresh()).status).toBe(400);
    expect((await fetch(`${fake.url}/ocs/v2.php/cloud/user`, { headers: { authorization: `Bearer ${accessToken}` } })).status).toBe(401);
  });

  test('answer statuses, drops, silence and garbage on the routes named', async () => {
    fake.faults.set([
      { kind: 'status', status: 503, retryAfterSeconds: 9, path: '/ocs/**' },
      { kind: 'drop', path: '/ocs/**' },
      { kind: 'garbage', form: 'html', path: '/ocs/**' },
    ]);
    const busy = await create();
    expect([busy.status, busy.headers.get('retry-after')]).toEqual([503, '9']);
    await expect(create()).rejects.toThrow();
    expect(fake.state.listeners).toHaveLength(0);
    expect((await create()).headers.get('content-type')).toContain('text/html');
    expect(fake.state.listeners).toHaveLength(1);
    expect(fake.state.requests.map(({ status, fault }) => [status, fault])).toEqual([[503, 'status'], [null, 'drop'], [200, 'garbage']]);
  });

  test('duplicate, drop and tamper with deliveries', async () => {
    await create();
    fake.faults.set([{ kind: 'delivery-duplicate' }]);
    await fake.emit(created);
    expect([receiver.received.length, receiver.received[0]?.body === receiver.received[1]?.body]).toEqual([2, true]);
    fake.faults.set({ kind: 'delivery-drop' });
    expect(await fake.emit(created)).toMatchObject([{ error: 'dropped by a fault' }]);
    fake.faults.set({ kind: 'delivery-tamper' });
    await fake.emit(created);
    expect([receiver.received.length, JSON.parse(last().body)]).toEqual([3, expect.objectContaining({ tampered: true })]);
  });

  test('work from another process without showing secrets', async () => {
    await create({ authMethod: 'header', authData: { 'X-Secret': 'open sesame' }, tokenNeeded: { user_roles: ['owner'] } });
    await control('POST', 'faults', { faults: [{ kind: 'delivery-duplicate' }] });
    const emitted = await control('POST', 'emit', { eventClass: created, event: { node: { path: '/x' } }, user: 'alice' });
    expect(emitted.value['deliveries']).toHaveLength(2);
    expect((await control('POST', 'emit', { eventClass: created, user: 'nobody' })).status).toBe(400);
    const pair = (await control('POST', 'grants', { user: 'alice' })).value;
    const text = JSON.stringify([await control('GET', 'state'), await control('GET', 'deliveries'), await control('GET', 'requests'), emitted]);
    const account = [...fake.state.accountTokens.keys()][0] ?? 'none';
    for (const secret of ['open sesame', String(pair['accessToken']), String(pair['refreshToken']), account]) expect(text).not.toContain(secret);
    expect((await control('POST', 'revoke', { user: 'alice' })).value).toEqual({ revoked: 1 });
    await control('POST', 'reset');
    expect([fake.state.listeners.length, fake.state.deliveries.length]).toEqual([0, 0]);
  });
});

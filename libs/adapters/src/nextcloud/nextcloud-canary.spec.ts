import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Canary, JsonObject, RegisterInput, ServiceHttp, VisibleRemote } from '@vane/kit';
import { createServiceHttp, EgressClient, parseEgressAllow, SystemClock } from '@vane/runtime';
import { startReceiver, type Receiver } from './fake/receiver.js';
import { startNextcloudFake, type NextcloudFake } from './fake/server.js';
import { adapter } from './index.js';

const type = adapter.triggerTypes['event']!;
const remote = type.remote as VisibleRemote;
const canary = remote.canary as Extract<Canary, { by: 'event' }>;
const CLASS = (name: string) => `OCP\\Files\\Events\\Node\\${name}Event`;
const marker = 'cny-01k9zq3v8w5x2y7t4r6n0m1abc';

let fake: NextcloudFake;
let receiver: Receiver;
let egress: EgressClient;

const httpOf = (uid = 'admin'): ServiceHttp => {
  const { accessToken } = fake.issueGrant(uid);
  return createServiceHttp({
    adapter, hosts: { base: fake.url }, egress, clock: new SystemClock(), timeoutMs: 2_000, token: async () => ({ accessToken, tokenType: 'Bearer', generation: 1 }),
  });
};
const plan = (config: JsonObject) => type.plan(type.config.parse(config));
const input = (event: string, key: string): RegisterInput => ({
  id: `sub_${key}`, ...plan({ event }), callbackUrl: `${receiver.url}/hooks/${key}`, secret: 'a-secret-nobody-may-read', now: new Date(0),
});
const eventsAt = (key: string) =>
  receiver.received
    .filter(({ path }) => path === `/hooks/${key}`)
    .flatMap(({ body }) => type.webhook.normalise!({ headers: {}, body: Buffer.from(body), receivedAt: '' }, {}));

beforeEach(async () => {
  receiver = await startReceiver();
  fake = await startNextcloudFake({ users: [{ uid: 'ada lovelace@x', displayName: 'Ada', password: 'x', admin: true }, { uid: 'admin', displayName: 'admin', password: 'x', admin: true }] });
  egress = new EgressClient({ policy: { allow: parseEgressAllow('127.0.0.1') } });
});
afterEach(async () => {
  await egress.close();
  await fake.close();
  await receiver.close();
});

describe('a canary at a Nextcloud', () => {
  it('is a file that comes and goes, whose events are recognised and those of other files are not', async () => {
    const http = httpOf();
    for (const name of ['NodeCreated', 'NodeWritten', 'NodeDeleted']) await remote.register(http, input(CLASS(name), name));
    await canary.send(http, marker);
    await fake.idle();
    for (const name of ['NodeCreated', 'NodeWritten', 'NodeDeleted']) {
      const events = eventsAt(name);
      expect(events).toHaveLength(1);
      expect(events.map((event) => canary.markerOf(event))).toEqual([marker]);
    }
    expect([...fake.state.files]).toEqual([]);
    await fake.writeFile('/admin/files/.vane-canary-of-mine.txt');
    await fake.writeFile('/admin/files/.vane-canary-dir/a.txt');
    expect(eventsAt('NodeCreated').slice(1).map((event) => canary.markerOf(event))).toEqual([null, null]);
  });

  it('is written by the connected account, whatever it is called, and not kept in the trash bin', async () => {
    await canary.send(httpOf('ada lovelace@x'), marker);
    const files = fake.state.requests.filter(({ path }) => path.startsWith('/remote.php/'));
    expect(files.map(({ method, status }) => [method, status])).toEqual([['PUT', 201], ['DELETE', 204]]);
    expect(new Set(files.map(({ path }) => decodeURIComponent(path)))).toEqual(new Set([`/remote.php/dav/files/ada lovelace@x/.vane-canary-${marker}`]));
    expect(files[1]!.headers['x-nc-skip-trashbin']).toBe('true');
  });

  it.each([
    [{ event: CLASS('NodeCreated') }, true],
    [{ event: CLASS('NodeWritten') }, true],
    [{ event: CLASS('NodeDeleted') }, false],
    [{ event: CLASS('NodeCreated'), filter: { 'event.node.path': '/x/' } }, false],
    [{ event: CLASS('NodeCreated'), userId: 'admin' }, false],
  ])('for %j would be heard: %s', (config, heard) => {
    expect(canary.applies(plan(config).want)).toBe(heard);
  });

  it('that is refused is a failure', async () => {
    fake.faults.set({ kind: 'status', status: 403, method: 'PUT', path: '/remote.php/**' });
    await expect(canary.send(httpOf(), marker)).rejects.toMatchObject({ kind: 'forbidden' });
  });
});

describe('what a Nextcloud demands of a webhook', () => {
  const states = async (http: ServiceHttp) => (await remote.preflight!(http, plan({ event: CLASS('NodeCreated') }))).map(({ id, state, fix }) => `${id} ${state}${fix === null ? '' : ': do'}`);

  it('is the app and an administrator', async () => {
    const http = httpOf();
    expect(await states(http)).toEqual(['app ok', 'admin ok']);
    fake.state.users.find(({ uid }) => uid === 'admin')!.admin = false;
    expect(await states(http)).toEqual(['app ok', 'admin failed: do']);
    fake.state.settings.webhooksEnabled = false;
    expect(await states(http)).toEqual(['app failed: do', 'admin unknown']);
    fake.faults.set({ kind: 'status', status: 503 });
    expect(await states(http)).toEqual(['app unknown', 'admin unknown']);
  });
});

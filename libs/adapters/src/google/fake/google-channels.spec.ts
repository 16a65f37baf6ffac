import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { caller, openStage, told } from './stage.js';
import type { Answered, Stage } from './stage.js';

const start = '2026-03-01T12:00:00.000Z';
const at = (seconds: number): string => new Date(Date.parse(start) + seconds * 1000).toISOString();

let stage: Stage;
let call: ReturnType<typeof caller>;

beforeEach(async () => {
  stage = await openStage({ now: start });
  call = caller(stage.fake);
});
afterEach(() => stage.close());

const control = (method: string, path: string, body?: unknown): Promise<Answered> => caller(stage.fake, 'none')(method, `/__fake/${path}`, body);
const watchChanges = async (id: string, more: Record<string, unknown> = {}, as = call): Promise<Answered> => {
  const token = ((await as('GET', '/drive/v3/changes/startPageToken')).body as { startPageToken: string }).startPageToken;
  const answer = await as('POST', `/drive/v3/changes/watch?pageToken=${token}`, { id, type: 'web_hook', address: stage.target, ...more });
  await stage.fake.idle();
  return answer;
};
const addFile = async (name = 'x'): Promise<{ id: string }> => {
  const file = stage.fake.act('files', { name }) as { id: string };
  await stage.fake.idle();
  return file;
};
const messages = async (query = ''): Promise<{ number: number; outcome: string; attempts: { at: string; status: number | null }[]; fault: string | null }[]> =>
  (await control('GET', `messages${query}`)).body as never;

describe('Watching', () => {
  test('refuses what Google refuses', async () => {
    const reason = async (more: Record<string, unknown>) => {
      const { status, reason: why } = await watchChanges('ok-1', more);
      return [status, why];
    };
    expect(await reason({ id: 'x'.repeat(65) })).toEqual([400, 'channelIdInvalid']);
    expect(await reason({ id: 'no spaces' })).toEqual([400, 'channelIdInvalid']);
    expect(await reason({ type: 'mail' })).toEqual([400, 'channelTypeUnknown']);
    expect(await reason({ token: 't'.repeat(257) })).toEqual([400, 'invalid']);
    expect(await reason({ expiration: String(Date.parse(start) - 1) })).toEqual([400, 'invalid']);
    expect(await reason({})).toEqual([200, undefined]);
    expect(await reason({})).toEqual([400, 'channelIdNotUnique']);
    stage.fake.settings({ allowHttp: false });
    expect(await reason({ id: 'ok-2' })).toEqual([400, 'push.webhookUrlNotHttps']);
    expect((await control('GET', 'counts')).body).toMatchObject({ channels: { total: 1, live: 1 }, operations: { 'drive.changes.watch': { requests: 8, statuses: { 200: 1, 400: 7 } } } });
  });

  test('never takes an id again, not even of a channel that ended', async () => {
    await watchChanges('once', { expiration: String(Date.parse(start) + 60_000) });
    stage.fake.advance(61);
    expect((await watchChanges('once')).reason).toBe('channelIdNotUnique');
  });

  test('gives the life that is asked, the usual one, or the longest there is', async () => {
    const file = await addFile();
    const lives = async (path: string, kind: string) => {
      let count = 0;
      const life = async (more: object) => {
        const { body } = await call('POST', path, { id: `${kind}${count++}`, type: 'web_hook', address: stage.target, ...more });
        return (Number(body['expiration']) - Date.parse(start)) / 1000;
      };
      return [await life({}), await life({ params: { ttl: '600' } }), await life({ expiration: String(Date.parse(start) + 30 * 86_400_000) })];
    };
    expect(await lives(`/drive/v3/files/${file.id}/watch`, 'f')).toEqual([3600, 600, 86_400]);
    const { startPageToken } = (await call('GET', '/drive/v3/changes/startPageToken')).body;
    expect(await lives(`/drive/v3/changes/watch?pageToken=${String(startPageToken)}`, 'c')).toEqual([3600, 600, 604_800]);
    expect(await lives('/calendar/v3/calendars/primary/events/watch', 'e')).toEqual([604_800, 600, 604_800]);
    await control('POST', 'settings', { maxLifetimeSeconds: { events: 90 } });
    expect(await lives('/calendar/v3/calendars/primary/events/watch', 'g')).toEqual([90, 90, 90]);
  });

  test('names one resource alike for every channel of one account, and otherwise for another', async () => {
    const ben = caller(stage.fake, stage.fake.issueToken({ account: 'ben@example.test' }));
    const ids = [await watchChanges('a'), await watchChanges('b'), await watchChanges('c', {}, ben)].map(({ body }) => body['resourceId']);
    expect(ids[0]).toBe(ids[1]);
    expect(ids[0]).not.toBe(ids[2]);
  });

  test('a file tells what happened to it, a folder that its children changed', async () => {
    const folder = stage.fake.act('files', { name: 'F', mimeType: 'application/vnd.google-apps.folder' }) as { id: string };
    const file = await addFile();
    for (const { id } of [folder, file]) await call('POST', `/drive/v3/files/${id}/watch`, { id: `w-${id.slice(0, 8)}`, type: 'web_hook', address: stage.target });
    await stage.fake.idle();
    stage.receiver.received.splice(0);
    const steps: [string, Record<string, unknown>][] = [
      ['files/update', { id: file.id, content: 'new', name: 'y' }], ['files/move', { id: file.id, parent: folder.id }],
      ['files/update', { id: file.id, trashed: true }], ['files/update', { id: file.id, trashed: false }], ['files/delete', { id: file.id }],
    ];
    for (const [path, body] of steps) {
      stage.fake.act(path, body);
      await stage.fake.idle();
    }
    const said = stage.receiver.received.map(({ headers }) => `${String(headers['x-goog-channel-id']) === `w-${file.id.slice(0, 8)}` ? 'file' : 'folder'} ${String(headers['x-goog-resource-state'])} ${String(headers['x-goog-changed'] ?? '')}`.trim());
    expect(said.filter((line) => line.startsWith('file'))).toEqual(['file update content,properties', 'file update parents', 'file trash', 'file untrash', 'file remove']);
    expect(said.filter((line) => line.startsWith('folder'))).toEqual(Array(4).fill('folder update children'));
  });
});

describe('Notifications', () => {
  test('carry Google\'s headers and no body, with numbers that grow by more than one', async () => {
    const { body } = await watchChanges('c1', { token: 'secret-token' });
    for (let turn = 0; turn < 5; turn += 1) await addFile();
    const { headers, method, body: sent } = stage.receiver.received[0] ?? { headers: {}, method: '', body: '-' };
    expect([method, sent]).toEqual(['POST', '']);
    expect(headers).toMatchObject({
      'content-length': '0', 'user-agent': expect.stringMatching(/^APIs-Google; /), 'x-goog-channel-id': 'c1', 'x-goog-channel-token': 'secret-token',
      'x-goog-channel-expiration': 'Sun, 01 Mar 2026 13:00:00 GMT', 'x-goog-resource-id': body['resourceId'], 'x-goog-resource-uri': body['resourceUri'],
      'x-goog-resource-state': 'sync', 'x-goog-message-number': '1',
    });
    const numbers = told(stage.receiver).map(({ number }) => number);
    expect(numbers).toEqual([...new Set(numbers)].sort((one, other) => one - other));
    expect(numbers.at(-1)).toBeGreaterThan(6);
  });

  test('begin with a sync message after the answer, or before it by fault and by chance', async () => {
    let answered = false;
    const cameFirst: boolean[] = [];
    stage.receiver.onRequest = () => void cameFirst.push(!answered);
    const early = async (id: string): Promise<boolean[]> => {
      answered = false;
      cameFirst.splice(0);
      expect((await call('POST', '/calendar/v3/calendars/primary/events/watch', { id, type: 'web_hook', address: stage.target })).status).toBe(200);
      answered = true;
      return [...cameFirst];
    };
    await control('POST', 'faults', { kind: 'early', operation: 'calendar.*.watch' });
    expect(await early('e1')).toEqual([true]);
    stage.fake.settings({ earlySyncShare: 1 });
    expect(await early('e2')).toEqual([true]);
    stage.fake.settings({ earlySyncShare: 0, hold: true });
    expect(await early('e3')).toEqual([]);
    await stage.fake.deliver();
    expect(cameFirst).toEqual([false]);
  });

  test('are tried again for 500, 502, 503 and 504 only, later and later, when the clock is driven', async () => {
    await watchChanges('c1', { expiration: String(Date.parse(start) + 86_400_000) });
    for (const status of [400, 404, 301, 410, 429, 501]) {
      stage.receiver.answer.status = status;
      await addFile();
      expect((await messages()).at(-1)).toMatchObject({ outcome: 'refused', attempts: [{ status }] });
    }
    for (const status of [200, 201, 202, 204]) {
      stage.receiver.answer.status = status;
      await addFile();
      expect((await messages()).at(-1)).toMatchObject({ outcome: 'delivered', attempts: [{ status }] });
    }
    for (const status of [500, 502, 503, 504]) {
      stage.receiver.answer.status = status;
      await addFile();
      expect((await messages()).at(-1)).toMatchObject({ outcome: 'waiting', attempts: [{ status }] });
    }
    await stage.fake.deliver(true);
    for (const after of [1, 2, 3]) {
      stage.fake.advance(after);
      await stage.fake.deliver();
    }
    const last = (await messages()).at(-1);
    // 1 s, then 2 s, then 4 s after the attempt before, of which the last is not due yet.
    expect(last?.attempts.map((attempt) => attempt.at)).toEqual([at(0), at(0), at(3)]);
    stage.receiver.answer.status = 200;
    stage.fake.advance(4);
    const [done] = (await stage.fake.deliver()).slice(-1);
    expect(done?.outcome).toBe('delivered');
    expect(await stage.fake.deliver()).toEqual([]);
  });

  test('are tried again by themselves when the clock is real', async () => {
    stage.fake.setClock(null);
    call = caller(stage.fake);
    stage.fake.settings({ retryBaseSeconds: 0.02, attempts: 3 });
    expect((await watchChanges('c1')).status).toBe(200);
    stage.receiver.answer.status = 503;
    const seen = new Promise<void>((resolve) => {
      stage.receiver.onRequest = () => stage.receiver.received.length === 4 && resolve();
    });
    await addFile();
    await seen;
    await stage.fake.idle();
    expect((await messages()).at(-1)).toMatchObject({ outcome: 'spent', attempts: [{ status: 503 }, { status: 503 }, { status: 503 }] });
  });

  test('wait for the control when they are held', async () => {
    stage.fake.settings({ hold: true });
    await watchChanges('c1');
    await addFile();
    expect(stage.receiver.received).toEqual([]);
    const { body } = await control('POST', 'deliver');
    expect((body['messages'] as unknown[]).length).toBe(2);
    expect(told(stage.receiver).map(({ state }) => state)).toEqual(['sync', 'change']);
  });

  test('are dropped, doubled, reordered and delayed by faults, and a share of them by a seed', async () => {
    await watchChanges('c1', { expiration: String(Date.parse(start) + 86_400_000) });
    stage.receiver.received.splice(0);
    await control('POST', 'faults', { faults: [{ kind: 'ping-drop' }, { kind: 'ping-duplicate', skip: 1 }, { kind: 'ping-reorder', skip: 2 }, { kind: 'ping-delay', skip: 3, delayMs: 5000 }] });
    for (let turn = 0; turn < 5; turn += 1) await addFile();
    const log = await messages('?since=1');
    expect(log.map(({ fault }) => fault)).toEqual(['ping-drop', 'ping-duplicate', 'ping-reorder', 'ping-delay', null]);
    const numbers = log.map(({ number }) => number);
    expect(told(stage.receiver).map(({ number }) => numbers.indexOf(number))).toEqual([1, 1, 4, 2]);
    stage.fake.advance(5);
    await stage.fake.deliver();
    expect(told(stage.receiver).at(-1)?.number).toBe(numbers[3]);

    const lost = async (seed: number): Promise<string[]> => {
      const [id] = (await control('POST', 'faults', { kind: 'ping-drop', share: 0.5, seed })).body['ids'] as string[];
      const from = stage.fake.state.messages.length;
      for (let turn = 0; turn < 20; turn += 1) await addFile();
      await control('DELETE', `faults?id=${id ?? ''}`);
      return (await messages(`?since=${from}`)).map(({ outcome }) => outcome);
    };
    const first = await lost(7);
    expect(await lost(7)).toEqual(first);
    const count = first.filter((outcome) => outcome === 'suppressed').length;
    expect([count > 3, count < 17]).toEqual([true, true]);
  });
});

describe('The end of a channel', () => {
  test('comes silently with its time', async () => {
    await watchChanges('short', { params: { ttl: '60' } });
    await watchChanges('long', { params: { ttl: '120' } });
    stage.fake.setClock(at(60));
    stage.receiver.received.splice(0);
    await addFile();
    expect(told(stage.receiver).map(({ channel }) => channel)).toEqual(['long']);
    const channels = (await control('GET', 'channels?live=false')).body;
    expect(channels).toMatchObject([{ id: 'short', end: 'expired', createdAt: start, expiresAt: at(60), endedAt: at(60) }]);
    const resources = (await control('GET', 'resources')).body;
    expect(resources).toMatchObject([{ live: 1, most: 2, channels: ['short', 'long'], history: [{ at: start, live: 1 }, { at: start, live: 2 }, { at: at(60), live: 1 }] }]);
    expect((await control('POST', 'channels/expire', { id: 'long' })).body).toEqual({ expired: ['long'] });
    await addFile();
    expect(stage.receiver.received).toHaveLength(1);
  });

  test('comes by a stop of the same user and client only', async () => {
    const { body } = await watchChanges('c1');
    const wanted = { id: 'c1', resourceId: body['resourceId'] };
    await control('POST', 'clients', { clientId: 'other-client', clientSecret: 'x' });
    const other = caller(stage.fake, stage.fake.issueToken({ clientId: 'other-client' }));
    const ben = caller(stage.fake, stage.fake.issueToken({ account: 'ben@example.test' }));
    const stop = '/drive/v3/channels/stop';
    expect((await other('POST', stop, wanted)).status).toBe(404);
    expect((await ben('POST', stop, wanted)).status).toBe(403);
    expect((await call('POST', stop, { ...wanted, resourceId: 'other' })).status).toBe(404);
    expect((await call('POST', stop, { ...wanted, id: 'c2' })).status).toBe(404);
    expect((await call('POST', '/calendar/v3/channels/stop', wanted)).status).toBe(404);
    expect((await call('POST', stop, { id: 'c1' })).status).toBe(400);
    expect((await control('GET', 'channels')).body).toMatchObject([{ live: true }]);
    // Another token of the same user and client will do.
    expect((await caller(stage.fake, stage.fake.issueToken())('POST', stop, wanted)).status).toBe(204);
    expect((await call('POST', stop, wanted)).status).toBe(404);
    expect((await control('GET', 'requests?operation=drive.channels.stop&channelId=c1&status=204')).body).toHaveLength(1);
    expect((await control('GET', 'channels')).body).toMatchObject([{ live: false, end: 'stopped' }]);
  });

  test('may come some time after the stop', async () => {
    stage.fake.settings({ stopTakesSeconds: 30 });
    const { body } = await watchChanges('c1');
    const stop = () => call('POST', '/drive/v3/channels/stop', { id: 'c1', resourceId: body['resourceId'] });
    expect((await stop()).status).toBe(204);
    await addFile();
    expect(told(stage.receiver)).toHaveLength(2);
    stage.fake.advance(20);
    expect((await stop()).status).toBe(204);
    stage.fake.advance(10);
    await addFile();
    expect(told(stage.receiver)).toHaveLength(2);
    expect((await stop()).status).toBe(404);
    expect((await control('GET', 'channels')).body).toMatchObject([{ end: 'stopped', endedAt: at(30) }]);
  });

  test('comes with the grant, and what waits for it is given up', async () => {
    await watchChanges('c1');
    stage.receiver.answer.status = 503;
    await addFile();
    await control('POST', 'revoke', { account: 'ada@example.test' });
    stage.fake.advance(10);
    expect(await stage.fake.deliver()).toMatchObject([{ outcome: 'abandoned' }]);
    expect((await call('GET', '/drive/v3/files')).reason).toBe('authError');
  });
});

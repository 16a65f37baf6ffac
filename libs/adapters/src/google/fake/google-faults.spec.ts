import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { caller, openStage } from './stage.js';
import type { Answered, Stage } from './stage.js';

const start = '2026-03-01T12:00:00.000Z';

let stage: Stage;
let call: ReturnType<typeof caller>;
beforeEach(async () => {
  stage = await openStage({ now: start });
  call = caller(stage.fake);
});
afterEach(() => stage.close());

const control = (method: string, path: string, body?: unknown): Promise<Answered> => caller(stage.fake, 'none')(method, `/__fake/${path}`, body);
const channel = (id: string) => ({ id, type: 'web_hook', address: stage.target });
const watchEvents = (id: string) => call('POST', '/calendar/v3/calendars/primary/events/watch', channel(id));
const broken = (work: Promise<unknown>): Promise<boolean> => work.then(() => false, () => true);

describe('Faults of requests', () => {
  test('answer a status in Google\'s form, for one operation and one account, as often as asked', async () => {
    await control('POST', 'faults', { faults: [{ kind: 'rate-limit', operation: 'drive.files.*', times: 2, retryAfterSeconds: 7 }, { kind: 'rate-limit', operation: 'drive.files.list', status: 429, account: 'ada@example.test' }] });
    expect((await call('GET', '/drive/v3/drives')).status).toBe(200);
    const first = await call('GET', '/drive/v3/files');
    expect([first.status, first.reason, first.headers.get('retry-after')]).toEqual([403, 'rateLimitExceeded', '7']);
    expect((await call('GET', '/drive/v3/files/x')).status).toBe(403);
    const ben = caller(stage.fake, stage.fake.issueToken({ account: 'ben@example.test' }));
    expect((await ben('GET', '/drive/v3/files')).status).toBe(200);
    expect((await call('GET', '/drive/v3/files')).status).toBe(429);
    expect((await call('GET', '/drive/v3/files')).status).toBe(200);
    await control('POST', 'faults', { kind: 'status', status: 500, operation: 'drive.drives.list', reason: 'internalError' });
    expect((await call('GET', '/drive/v3/drives')).reason).toBe('internalError');
    expect((await control('POST', 'faults', { kind: 'nonsense' })).status).toBe(400);
    expect((await control('GET', 'counts')).body).toMatchObject({ operations: { 'drive.files.list': { requests: 4, statuses: { 200: 2, 403: 1, 429: 1 } } } });
  });

  test('lose the answer of a watch that was done, or do nothing and drop it', async () => {
    await control('POST', 'faults', { faults: [{ kind: 'lost', operation: 'calendar.events.watch' }, { kind: 'drop', operation: 'calendar.events.watch' }] });
    expect(await broken(watchEvents('lost'))).toBe(true);
    expect(await broken(watchEvents('dropped'))).toBe(true);
    await stage.fake.idle();
    expect((await control('GET', 'channels')).body).toMatchObject([{ id: 'lost', live: true, lastNumber: 1 }]);
    expect((await control('GET', 'requests?operation=calendar.events.watch')).body).toMatchObject([{ channelId: 'lost', status: null, fault: 'lost' }, { status: null, fault: 'drop' }]);
    expect((await watchEvents('lost')).reason).toBe('channelIdNotUnique');
  });

  test('spoil an answer, and delay one', async () => {
    await control('POST', 'faults', { faults: [{ kind: 'garbage' }, { kind: 'garbage', form: 'truncated' }, { kind: 'delay', delayMs: 30, skip: 2 }] });
    expect(await broken(call('GET', '/drive/v3/files'))).toBe(true);
    expect(await broken(call('GET', '/drive/v3/files'))).toBe(true);
    const before = performance.now();
    expect((await call('GET', '/drive/v3/files')).status).toBe(200);
    expect(performance.now() - before).toBeGreaterThan(25);
  });
});

describe('Cursors', () => {
  const startToken = async (): Promise<string> => String((await call('GET', '/drive/v3/changes/startPageToken')).body['startPageToken']);
  const changes = async (token: string, more = ''): Promise<Answered> => call('GET', `/drive/v3/changes?pageToken=${token}${more}`);

  test('of Drive collapse: one entry for a file, at the end, in its newest state', async () => {
    const from = await startToken();
    const [a, b] = ['a', 'b'].map((name) => (stage.fake.act('files', { name }) as { id: string }).id);
    for (let turn = 0; turn < 600; turn += 1) stage.fake.act('files/update', { id: a, name: `a${turn}` });
    const { body } = await changes(from, '&fields=*');
    expect((body['changes'] as { fileId: string; file: { name: string; version: string } }[]).map(({ fileId, file }) => [fileId, file.name, file.version])).toEqual([[b, 'b', '1'], [a, 'a599', '601']]);
    stage.fake.act('files/delete', { id: b });
    expect((await changes(from, '&includeRemoved=false')).body['changes']).toHaveLength(1);
    expect((await changes(String(body['newStartPageToken']))).body['changes']).toEqual([{ kind: 'drive#change', type: 'file', changeType: 'file', time: start, removed: true, fileId: b }]);
  });

  test('of Drive show a file that is no longer shared as removed', async () => {
    const ben = caller(stage.fake, stage.fake.issueToken({ account: 'ben@example.test' }));
    const token = String((await ben('GET', '/drive/v3/changes/startPageToken')).body['startPageToken']);
    const { id } = stage.fake.act('files', { name: 'ours', sharedWith: ['ben@example.test'] }) as { id: string };
    expect((await ben('GET', `/drive/v3/changes?pageToken=${token}`)).body).toMatchObject({ changes: [{ fileId: id, removed: false }] });
    expect((await ben('GET', `/drive/v3/changes?pageToken=${token}&restrictToMyDrive=true`)).body['changes']).toEqual([]);
    stage.fake.act('files/update', { id, sharedWith: [] });
    expect((await ben('GET', `/drive/v3/changes?pageToken=${token}`)).body).toMatchObject({ changes: [{ fileId: id, removed: true }] });
    expect((await ben('GET', `/drive/v3/files/${id}`)).reason).toBe('notFound');
  });

  test('of Drive become stale when they are made so, with the status that is set', async () => {
    const from = await startToken();
    await control('POST', 'stale', { kind: 'changes' });
    expect((await changes(from)).status).toBe(410);
    stage.fake.settings({ staleChangesStatus: 404 });
    expect((await changes(from)).status).toBe(404);
    expect((await changes(await startToken())).status).toBe(200);
    expect((await changes('nonsense')).status).toBe(400);
    expect((await changes('999999999')).status).toBe(400);
    expect((await call('GET', '/drive/v3/changes')).reason).toBe('required');
  });

  test('of a calendar grow old, and hold to the parameters they were given for', async () => {
    const list = (query = '') => call('GET', `/calendar/v3/calendars/primary/events?${query}`);
    const token = String((await list('singleEvents=true')).body['nextSyncToken']);
    expect((await list(`syncToken=${token}`)).reason).toBe('invalid');
    expect((await list(`singleEvents=true&syncToken=${token}&showDeleted=false`)).reason).toBe('invalid');
    expect((await list(`singleEvents=true&syncToken=${token}&orderBy=startTime`)).reason).toBe('invalid');
    expect((await list('singleEvents=true&orderBy=startTime')).body['nextSyncToken']).toBeUndefined();
    stage.fake.settings({ syncTokenLifeSeconds: 60 });
    expect((await list(`singleEvents=true&syncToken=${token}`)).status).toBe(200);
    stage.fake.advance(60);
    expect((await list(`singleEvents=true&syncToken=${token}`)).reason).toBe('fullSyncRequired');
  });

  test('of a calendar bring what changes between two pages with the next synchronisation', async () => {
    const ids = ['a', 'b', 'c'].map((summary) => (stage.fake.act('events', { summary }) as { id: string }).id);
    const page = (await call('GET', '/calendar/v3/calendars/primary/events?maxResults=2')).body;
    stage.fake.act('events/update', { calendarId: 'ada@example.test', id: ids[2], summary: 'c2' });
    const last = (await call('GET', `/calendar/v3/calendars/primary/events?maxResults=2&pageToken=${String(page['nextPageToken'])}`)).body;
    expect(last['items']).toEqual([]);
    const next = (await call('GET', `/calendar/v3/calendars/primary/events?maxResults=2&syncToken=${String(last['nextSyncToken'])}`)).body;
    expect(next['items']).toMatchObject([{ id: ids[2], summary: 'c2' }]);
  });
});

describe('What a judge reads', () => {
  test('is every state of every object, also of a batch', async () => {
    const event = { calendarId: 'ada@example.test', id: 'event01' };
    const operations = [
      { path: 'files', body: { id: 'f1', name: 'one' } }, { path: 'files/update', body: { id: 'f1', name: 'two' } }, { path: 'files/update', body: { id: 'f1', trashed: true } },
      { path: 'advance', body: { seconds: 60 } }, { path: 'files/delete', body: { id: 'f1' } },
      { path: 'calendars', body: { id: 'other', summary: 'Other' } }, { path: 'events', body: { ...event, summary: 'e' } }, { path: 'events/move', body: { ...event, destination: 'other' } },
    ];
    expect((await control('POST', 'batch', { operations })).body['results']).toHaveLength(operations.length);
    const log = (await control('GET', 'log?by=object')).body as Record<string, { what: string; version: string; at: string }[]>;
    expect(log['file f1']?.map(({ what, version, at }) => [what, version, at])).toEqual([
      ['create', '1', start], ['update', '2', start], ['trash', '3', start], ['delete', '4', '2026-03-01T12:01:00.000Z'],
    ]);
    expect(log['event ada@example.test event01']?.map(({ what }) => what)).toEqual(['create', 'delete']);
    expect(log['event other event01']?.map(({ what }) => what)).toEqual(['create']);
    expect((await control('GET', 'log?kind=file&since=2')).body).toMatchObject([{ seq: 2, what: 'trash' }, { seq: 3, what: 'delete' }]);
    expect((await call('GET', '/calendar/v3/calendars/primary/events/event01')).body).toMatchObject({ status: 'cancelled' });
    expect((await control('POST', 'files/delete', { id: 'f1' })).body).toEqual({ error: 'There is no file f1.' });
  });

  test('starts anew with a reset', async () => {
    stage.fake.act('files', { name: 'x' });
    await watchEvents('c1');
    await control('POST', 'reset');
    expect((await control('GET', 'counts')).body).toMatchObject({ operations: {}, messages: { total: 0 }, channels: { total: 0 } });
    expect((await control('GET', 'log')).body).toEqual([]);
    expect((await call('GET', '/drive/v3/files')).status).toBe(401);
  });
});

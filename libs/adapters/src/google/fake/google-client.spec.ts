import { auth, calendar } from '@googleapis/calendar';
import type { calendar_v3 } from '@googleapis/calendar';
import { drive } from '@googleapis/drive';
import type { drive_v3 } from '@googleapis/drive';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openStage, told } from './stage.js';
import type { Stage } from './stage.js';

// The whole story as Google's own client libraries tell it.
let stage: Stage;
let files: drive_v3.Drive;
let events: calendar_v3.Calendar;

function credentials(account?: string) {
  const client = new auth.OAuth2({ clientId: stage.fake.state.clients[0]?.clientId ?? '', clientSecret: 'fake-google-secret' });
  client.setCredentials({ access_token: stage.fake.issueToken(account === undefined ? {} : { account }) });
  return client;
}
const driveOf = (account?: string) => drive({ version: 'v3', rootUrl: `${stage.fake.url}/`, auth: credentials(account), retry: false });

beforeEach(async () => {
  stage = await openStage();
  files = driveOf();
  events = calendar({ version: 'v3', rootUrl: `${stage.fake.url}/`, auth: credentials(), retry: false });
});
afterEach(() => stage.close());

const refused = async (work: Promise<unknown>): Promise<{ status?: number; response?: { data: { error: { errors: { reason: string }[] } } } }> =>
  work.then(() => ({}), (error: unknown) => error as { status?: number });
const reasonOf = (error: { response?: { data: { error: { errors: { reason: string }[] } } } }) => error.response?.data.error.errors[0]?.reason;

const changeFields = 'newStartPageToken,nextPageToken,changes(fileId,removed,time,file(name,parents,trashed,version,modifiedTime))';

async function advance(pageToken: string): Promise<{ changes: drive_v3.Schema$Change[]; token: string; pages: number }> {
  const changes: drive_v3.Schema$Change[] = [];
  for (let [token, pages] = [pageToken, 1]; ; pages += 1) {
    const { data } = await files.changes.list({ pageToken: token, pageSize: 2, fields: changeFields });
    changes.push(...(data.changes ?? []));
    if (data.newStartPageToken) return { changes, token: data.newStartPageToken, pages };
    token = data.nextPageToken ?? '';
  }
}

describe('Drive', () => {
  test('is listed, watched and followed by its cursor', async () => {
    const { data: folder } = await files.files.create({ requestBody: { name: 'Inbox', mimeType: 'application/vnd.google-apps.folder' } });
    const { data: start } = await files.changes.getStartPageToken({});
    const from = start.startPageToken ?? '';
    const { data: channel } = await files.changes.watch({ pageToken: from, requestBody: { id: 'c-1', type: 'web_hook', address: stage.target, token: 'shh' } });
    await stage.fake.idle();
    expect(channel).toMatchObject({ kind: 'api#channel', id: 'c-1', token: 'shh', resourceId: expect.any(String), expiration: expect.stringMatching(/^\d{13}$/) });

    const { data: file } = await files.files.create({ requestBody: { name: 'report.txt', parents: [folder.id ?? ''] }, fields: 'id,name,version,parents' });
    await files.files.update({ fileId: file.id ?? '', requestBody: { name: 'report-2.txt' } });
    for (const name of ['a', 'b', 'c']) await files.files.create({ requestBody: { name } });
    await files.files.update({ fileId: file.id ?? '', requestBody: { trashed: true } });
    await stage.fake.idle();
    expect(told(stage.receiver).map(({ state }) => state)).toEqual(['sync', ...Array<string>(6).fill('change')]);

    const first = await advance(from);
    expect(first.pages).toBe(2);
    expect(first.changes.map(({ file: one }) => one?.name)).toEqual(['a', 'b', 'c', 'report-2.txt']);
    expect(first.changes.at(-1)).toMatchObject({ fileId: file.id, removed: false, file: { trashed: true, parents: [folder.id] } });
    expect(Number(first.changes.at(-1)?.file?.version)).toBeGreaterThan(Number(file.version));

    await files.files.delete({ fileId: file.id ?? '' });
    const second = await advance(first.token);
    expect(second.changes).toEqual([{ fileId: file.id, removed: true, time: expect.any(String) }]);
    expect((await advance(second.token)).changes).toEqual([]);

    await files.channels.stop({ requestBody: { id: channel.id ?? '', resourceId: channel.resourceId ?? '' } });
    expect((await refused(files.channels.stop({ requestBody: { id: channel.id ?? '', resourceId: channel.resourceId ?? '' } }))).status).toBe(404);
    await stage.fake.idle();
    const before = stage.receiver.received.length;
    await files.files.create({ requestBody: { name: 'late' } });
    await stage.fake.idle();
    expect(stage.receiver.received).toHaveLength(before);
  });

  test('finds files by what q says, page by page, and answers only the fields that are asked', async () => {
    const folder = stage.fake.act('files', { name: 'F', mimeType: 'application/vnd.google-apps.folder' }) as { id: string };
    for (const name of ['Sales plan', 'Sales report', "Bob's sales"]) stage.fake.act('files', { name, parents: [folder.id] });
    stage.fake.act('files', { name: 'From Ben', account: 'ben@example.test', sharedWith: ['ada@example.test'] });
    const search = async (q: string) => (await files.files.list({ q, orderBy: 'name', fields: 'files(name)' })).data.files?.map(({ name }) => name);
    expect(await search(`'${folder.id}' in parents and name contains 'sales'`)).toEqual(["Bob's sales", 'Sales plan', 'Sales report']);
    expect(await search("name contains 'ales'")).toEqual([]);
    expect(await search("name = 'Bob\\'s sales' or sharedWithMe")).toEqual(["Bob's sales", 'From Ben']);
    expect(await search("mimeType = 'application/vnd.google-apps.folder' and trashed = false")).toEqual(['F']);
    expect(await search(`'root' in parents and not mimeType contains 'text/'`)).toEqual(['F']);
    expect((await refused(files.files.list({ q: 'name like sales' }))).status).toBe(400);

    const page = (await files.files.list({ pageSize: 3, orderBy: 'name' })).data;
    const rest = (await files.files.list({ pageSize: 3, orderBy: 'name', pageToken: page.nextPageToken ?? '' })).data;
    expect([...(page.files ?? []), ...(rest.files ?? [])]).toHaveLength(5);
    expect(rest.nextPageToken).toBeUndefined();
    expect(page.files?.[0]).toEqual({ kind: 'drive#file', id: expect.any(String), name: "Bob's sales", mimeType: 'application/octet-stream' });
    expect(reasonOf(await refused(files.files.list({ fields: 'files(id,nane)' })))).toBe('invalidParameter');
  });

  test('shows shared drives to their members, and only to calls that say they support them', async () => {
    const made = stage.fake.act('drives', { name: 'Team', members: ['ada@example.test'] }) as { id: string };
    const all = { driveId: made.id, supportsAllDrives: true, includeItemsFromAllDrives: true };
    const { data: own } = await files.changes.getStartPageToken({});
    const { data: start } = await files.changes.getStartPageToken({ driveId: made.id, supportsAllDrives: true });
    const file = stage.fake.act('files', { name: 'shared.txt', driveId: made.id }) as { id: string };
    expect((await files.drives.list({})).data.drives).toEqual([{ kind: 'drive#drive', id: made.id, name: 'Team' }]);
    expect((await driveOf('ben@example.test').drives.list({})).data.drives).toEqual([]);
    expect((await files.files.list({ ...all, corpora: 'drive' })).data.files).toMatchObject([{ id: file.id, driveId: made.id }]);
    expect((await refused(files.files.get({ fileId: file.id }))).status).toBe(404);
    expect((await files.files.get({ fileId: file.id, supportsAllDrives: true })).data.name).toBe('shared.txt');
    const token = start.startPageToken ?? '';
    expect((await files.changes.list({ ...all, pageToken: token })).data.changes).toMatchObject([{ fileId: file.id, file: { driveId: made.id } }]);
    expect((await files.changes.list({ pageToken: own.startPageToken ?? '' })).data.changes).toEqual([]);
    const mixed = { pageToken: own.startPageToken ?? '', supportsAllDrives: true, includeItemsFromAllDrives: true };
    expect((await files.changes.list(mixed)).data.changes).toHaveLength(1);
    expect((await files.changes.list({ ...mixed, restrictToMyDrive: true })).data.changes).toEqual([]);
    // A token of one log is none of the other.
    expect((await refused(files.changes.list({ ...all, pageToken: own.startPageToken ?? '' }))).status).toBe(400);
    expect((await refused(files.changes.list({ pageToken: token }))).status).toBe(400);
  });
});

describe('Calendar', () => {
  const insert = (summary: string, day = '2026-03-01') =>
    events.events.insert({ calendarId: 'primary', requestBody: { summary, start: { date: day }, end: { date: day } } }).then(({ data }) => data);

  async function sync(query: calendar_v3.Params$Resource$Events$List): Promise<{ items: calendar_v3.Schema$Event[]; token: string; pages: number }> {
    const items: calendar_v3.Schema$Event[] = [];
    for (let [pageToken, pages] = [undefined as string | undefined, 1]; ; pages += 1) {
      const { data } = await events.events.list({ calendarId: 'primary', maxResults: 2, ...query, ...(pageToken === undefined ? {} : { pageToken }) });
      items.push(...(data.items ?? []));
      if (data.nextSyncToken) return { items, token: data.nextSyncToken, pages };
      pageToken = data.nextPageToken ?? '';
    }
  }

  test('is synchronised in pages, told by its channel, and begun anew after 410', async () => {
    const [one, two] = [await insert('one'), await insert('two'), await insert('three')];
    const full = await sync({ singleEvents: true });
    expect([full.items.map(({ summary }) => summary), full.pages]).toEqual([['one', 'two', 'three'], 2]);
    const { data: channel } = await events.events.watch({ calendarId: 'primary', requestBody: { id: 'e-1', type: 'web_hook', address: stage.target, params: { ttl: '3600' } } });
    expect(Math.abs(Number(channel.expiration) - Date.now() - 3_600_000)).toBeLessThan(60_000);

    await events.events.patch({ calendarId: 'primary', eventId: one.id ?? '', requestBody: { summary: 'uno' } });
    await events.events.patch({ calendarId: 'primary', eventId: one.id ?? '', requestBody: { start: { date: '2026-03-02' }, end: { date: '2026-03-03' } } });
    await events.events.delete({ calendarId: 'primary', eventId: two.id ?? '' });
    await insert('four');
    await stage.fake.idle();
    expect(told(stage.receiver).map(({ state }) => state)).toEqual(['sync', 'exists', 'exists', 'exists', 'exists']);

    const next = await sync({ singleEvents: true, syncToken: full.token });
    expect(next.pages).toBe(2);
    expect(next.items[0]).toMatchObject({ id: one.id, summary: 'uno', sequence: 1 });
    expect(next.items[0]?.etag).not.toBe(one.etag);
    expect(next.items[1]).toEqual({ kind: 'calendar#event', id: two.id, status: 'cancelled', etag: expect.any(String) });
    expect(next.items[2]?.summary).toBe('four');
    expect((await sync({ singleEvents: true, syncToken: next.token })).items).toEqual([]);
    expect((await sync({ showDeleted: true })).items).toHaveLength(4);

    const mixed = await refused(events.events.list({ calendarId: 'primary', singleEvents: true, syncToken: next.token, timeMin: '2026-01-01T00:00:00Z' }));
    expect(mixed.status).toBe(400);
    stage.fake.act('events', { summary: 'unseen' });
    const { stale } = (await (await fetch(`${stage.fake.url}/__fake/stale`, { method: 'POST', body: JSON.stringify({ kind: 'events', calendarId: 'ada@example.test' }) })).json()) as { stale: number };
    expect(stale).toBe(1);
    const gone = await refused(events.events.list({ calendarId: 'primary', singleEvents: true, syncToken: next.token }));
    expect([gone.status, reasonOf(gone)]).toEqual([410, 'fullSyncRequired']);
    expect((await sync({ singleEvents: true })).items.map(({ summary }) => summary).sort()).toEqual(['four', 'three', 'uno', 'unseen']);
    await events.channels.stop({ requestBody: { id: 'e-1', resourceId: channel.resourceId ?? '' } });
  });

  test('lists calendars by a sync token, and tells of calendars that come and go', async () => {
    const { data: full } = await events.calendarList.list({});
    expect(full.items).toMatchObject([{ id: 'ada@example.test', primary: true, accessRole: 'owner' }]);
    await events.calendarList.watch({ requestBody: { id: 'l-1', type: 'web_hook', address: stage.target } });
    const shared = stage.fake.act('calendars', { account: 'ben@example.test', summary: 'Holidays', access: { 'ada@example.test': 'reader' } }) as { id: string };
    await stage.fake.idle();
    expect(told(stage.receiver).map(({ state }) => state)).toEqual(['sync', 'exists']);
    const { data: next } = await events.calendarList.list({ syncToken: full.nextSyncToken ?? '' });
    expect(next.items).toMatchObject([{ id: shared.id, accessRole: 'reader' }]);
    const body = { summary: 'mine?', start: { date: '2026-03-01' }, end: { date: '2026-03-02' } };
    expect((await refused(events.events.insert({ calendarId: shared.id, requestBody: body }))).status).toBe(403);
    stage.fake.act('calendars/update', { id: shared.id, access: { 'ben@example.test': 'owner' } });
    const { data: last } = await events.calendarList.list({ syncToken: next.nextSyncToken ?? '' });
    expect(last.items).toMatchObject([{ id: shared.id, deleted: true }]);
    expect((await refused(events.events.list({ calendarId: shared.id }))).status).toBe(404);
  });
});

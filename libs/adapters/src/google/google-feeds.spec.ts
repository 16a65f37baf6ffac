import { afterEach, describe, expect, it } from '@jest/globals';
import { StaleCursor, type JsonObject, type NormalisedEvent, type PulledPage, type ServiceError } from '@vane/kit';
import { ADA, BEN, failure, startRig, targetFor, typeOf, type Rig } from './fixtures/google-rig.js';

const folder = 'application/vnd.google-apps.folder';
const open: Rig[] = [];

afterEach(async () => {
  for (const rig of open.splice(0)) await rig.close();
});

/** Fetches of one trigger type for one config. */
async function feedOf(triggerType: string, config: JsonObject, prepare: (rig: Rig) => unknown = () => undefined) {
  const rig = await startRig(triggerType);
  open.push(rig);
  prepare(rig);
  const type = typeOf(triggerType);
  const target = targetFor(triggerType, config);
  const page = (cursor: string): Promise<PulledPage> => type.pull!.page(rig.http, target, cursor);
  const pages = async (from: string): Promise<PulledPage[]> => {
    const first = await page(from);
    return first.more ? [first, ...(await pages(first.cursor))] : [first];
  };
  return {
    ...rig,
    type,
    page,
    begin: () => type.pull!.begin(rig.http, target),
    replay: (cursor: string | null) => type.pull!.replay(rig.http, target, cursor),
    all: async (from: string): Promise<NormalisedEvent[]> => (await pages(from)).flatMap(({ events }) => events),
    pages,
    matching: (events: NormalisedEvent[], wanted: JsonObject) => events.filter((event) => type.matches!(type.config.parse(wanted), event)).map(nameOf),
  };
}

type FilePayload = { fileId: string; removed: boolean; file?: { name: string; trashed: boolean; parents: string[] }; ancestors?: string[] };
const payloadOf = (event: NormalisedEvent) => event.payload as FilePayload;
const nameOf = (event: NormalisedEvent) => payloadOf(event).file?.name;

describe('Changes of a Drive', () => {
  it('come as files with id and version, and as removals with their time', async () => {
    const { fake, begin, all } = await feedOf('drive-changes', {}, ({ fake }) => fake.act('files', { id: 'a', name: 'a.txt' }));
    const cursor = await begin();
    fake.act('files/update', { id: 'a', name: 'b.txt' });
    const [changed, ...none] = await all(cursor);
    expect(none).toEqual([]);
    expect(changed).toMatchObject({ type: 'file.changed', dedupeKey: 'a:2', payload: { changeType: 'file', removed: false, fileId: 'a', file: { name: 'b.txt', version: '2' } } });
    expect(changed?.occurredAt).toBe('2025-11-23T10:00:00.000Z');
    fake.advance(60);
    fake.act('files/delete', { id: 'a' });
    expect(await all(cursor)).toEqual([
      { type: 'file.removed', dedupeKey: 'a:removed:2025-11-23T10:01:00.000Z', occurredAt: '2025-11-23T10:01:00.000Z', payload: expect.objectContaining({ removed: true, fileId: 'a' }) },
    ]);
  });

  it('are read page by page, and a pull that was cut off goes on at its last page', async () => {
    const { fake, begin, pages, all } = await feedOf('drive-changes', {});
    const cursor = await begin();
    for (let count = 1; count <= 450; count += 1) fake.act('files', { id: `f${count}`, name: `${count}` });
    const read = await pages(cursor);
    expect(read.map(({ events, more }) => [events.length, more])).toEqual([[200, true], [200, true], [50, false]]);
    expect((await all(read[0]!.cursor)).map(({ dedupeKey }) => dedupeKey)).toEqual(read.slice(1).flatMap(({ events }) => events).map(({ dedupeKey }) => dedupeKey));
  });

  it('include those in shared drives, unless only My Drive is wanted', async () => {
    const prepare = ({ fake }: Rig) => fake.act('drives', { id: 'team', name: 'Team', members: [ADA] });
    for (const [config, names] of [[{}, ['mine', 'shared', 'theirs']], [{ restrictToMyDrive: true }, ['mine']], [{ driveId: 'team' }, ['theirs']]] as const) {
      const { fake, begin, all, replay } = await feedOf('drive-changes', config, prepare);
      const cursor = await begin();
      fake.act('files', { id: 'm', name: 'mine' });
      fake.act('files', { id: 's', name: 'shared', account: BEN, sharedWith: [ADA] });
      fake.act('files', { id: 't', name: 'theirs', driveId: 'team' });
      expect((await all(cursor)).map(nameOf).filter(Boolean).sort()).toEqual(names);
      expect((await replay(null)).events.map(nameOf)).toEqual(expect.arrayContaining([...names]));
    }
  });

  it('behind a page token that Google does not take any more are a StaleCursor, whichever status says so', async () => {
    for (const status of [400, 404, 410] as const) {
      const { fake, begin, page } = await feedOf('drive-changes', {});
      fake.settings({ staleChangesStatus: status });
      const cursor = await begin();
      fake.state.accounts.get(ADA)!.files.expire();
      const error = await failure<StaleCursor>(page(cursor));
      expect(error).toBeInstanceOf(StaleCursor);
      expect(error.message).toContain('The page token is no longer valid');
    }
  });

  it('of a shared drive that was lost are no stale cursor', async () => {
    const { fake, begin, page } = await feedOf('drive-changes', { driveId: 'team' }, (rig) => rig.fake.act('drives', { id: 'team', name: 'Team', members: [ADA] }));
    const cursor = await begin();
    fake.act('drives/update', { id: 'team', members: [BEN] });
    const error = await failure(page(cursor));
    expect([error.name, error.kind]).toEqual(['ServiceError', 'not_found']);
    expect(error.message).toContain('Shared drive not found: team');
  });

  it('are not missed between a replay and the pull after it', async () => {
    const { fake, replay, all } = await feedOf('drive-changes', {}, ({ fake }) => {
      for (let count = 1; count <= 250; count += 1) fake.act('files', { id: `f${count}`, name: `${count}` });
    });
    const first = await replay(null);
    fake.act('files/update', { id: 'f1', name: 'late' });
    const second = await replay(first.cursor);
    expect([first.more, second.more]).toEqual([true, false]);
    expect((await all(second.cursor)).map(nameOf)).toEqual(['late']);
  });
});

describe('Changes in a Drive folder', () => {
  const tree = ({ fake }: Rig) => {
    fake.act('files', { id: 'inbox', name: 'Inbox', mimeType: folder });
    fake.act('files', { id: 'deep', name: 'Deep', mimeType: folder, parents: ['inbox'] });
    fake.act('files', { id: 'deeper', name: 'Deeper', mimeType: folder, parents: ['deep'] });
  };

  it('are told by the folders a file lies in, for each trigger of the feed', async () => {
    const { fake, begin, all, matching } = await feedOf('drive-folder', { folderId: 'inbox' }, tree);
    const cursor = await begin();
    fake.act('files', { id: 'x', name: 'outside' });
    fake.act('files', { id: 'y', name: 'inside', parents: ['inbox'] });
    fake.act('files', { id: 'z', name: 'below', parents: ['deeper'] });
    const events = await all(cursor);
    expect(matching(events, { folderId: 'inbox' })).toEqual(['inside']);
    expect(matching(events, { folderId: 'inbox', includeSubfolders: true })).toEqual(['inside', 'below']);
    expect(matching(events, { folderId: 'deep', includeSubfolders: true })).toEqual(['below']);
    expect(payloadOf(events[2]!).ancestors?.slice(0, 3)).toEqual(['deeper', 'deep', 'inbox']);
  });

  it('follow a file to the folder it is moved to, and into the trash', async () => {
    const { fake, begin, all, matching } = await feedOf('drive-folder', { folderId: 'inbox' }, (rig) => (tree(rig), rig.fake.act('files', { id: 'x', name: 'x' })));
    const cursor = await begin();
    fake.act('files/move', { id: 'x', parent: 'inbox' });
    expect(matching(await all(cursor), { folderId: 'inbox' })).toEqual(['x']);
    fake.act('files/update', { id: 'x', trashed: true });
    const [trashed] = (await all(cursor)).filter((event) => payloadOf(event).fileId === 'x');
    expect([payloadOf(trashed!).file?.trashed, matching([trashed!], { folderId: 'inbox' })]).toEqual([true, ['x']]);
  });

  it('ask for each folder once in a page', async () => {
    const { fake, begin, all } = await feedOf('drive-folder', { folderId: 'inbox' }, tree);
    const cursor = await begin();
    for (let count = 1; count <= 40; count += 1) fake.act('files', { id: `f${count}`, name: `${count}`, parents: ['deeper'] });
    const before = fake.state.requests.length;
    expect(await all(cursor)).toHaveLength(40);
    const asked = fake.state.requests.slice(before).filter(({ operation }) => operation === 'drive.files.get');
    expect(asked.map(({ path }) => path.split('/').pop())).toEqual(['deeper', 'deep', 'inbox', expect.any(String)]);
  });

  it('share a feed, and have one of their own in each shared drive', () => {
    const configs: JsonObject[] = [{ folderId: 'a' }, { folderId: 'b', includeSubfolders: true }, { folderId: 'c', driveId: 'team' }];
    expect(configs.map((config) => targetFor('drive-folder', config).resource)).toEqual(['account', 'account', 'drive/team']);
  });
});

describe('A Drive file', () => {
  it('is told once for each version, and that it is gone', async () => {
    const { fake, begin, page } = await feedOf('drive-file', { fileId: 'a' }, (rig) => rig.fake.act('files', { id: 'a', name: 'a.txt' }));
    const begun = await begin();
    fake.act('files', { id: 'other', name: 'other.txt' });
    expect((await page(begun)).events).toEqual([]);
    fake.act('files/update', { id: 'a', content: 'new' });
    const changed = await page(begun);
    expect(changed.events).toMatchObject([{ type: 'file.changed', dedupeKey: 'a:2', payload: { fileId: 'a', file: { name: 'a.txt' } } }]);
    fake.act('files/delete', { id: 'a' });
    const removed = await page(changed.cursor);
    expect(removed.events).toMatchObject([{ type: 'file.removed', dedupeKey: 'a:removed:2', payload: { removed: true, fileId: 'a' } }]);
    expect((await page(removed.cursor)).events).toEqual([]);
  });

  it('is found in a shared drive, and refused in words where it is not there', async () => {
    const { begin } = await feedOf('drive-file', { fileId: 'a' }, ({ fake }) => {
      fake.act('drives', { id: 'team', name: 'Team', members: [ADA] });
      fake.act('files', { id: 'a', name: 'a.txt', driveId: 'team' });
    });
    expect(await begin()).toBe('{"version":"1"}');
    const missing = await feedOf('drive-file', { fileId: 'nowhere' });
    const error: ServiceError = await failure(missing.begin());
    expect([error.kind, error.message]).toEqual(['not_found', expect.stringContaining('Google Drive has no file nowhere')]);
  });
});

describe('Events of a calendar', () => {
  const meeting = { id: 'meeting', summary: 'Meeting', start: { dateTime: '2025-12-01T10:00:00Z' }, end: { dateTime: '2025-12-01T11:00:00Z' } };

  it('come with their state as identity, and cancelled ones as such', async () => {
    const { fake, begin, all } = await feedOf('calendar-events', { calendarId: 'primary' });
    const cursor = await begin();
    fake.act('events', meeting);
    const [made] = await all(cursor);
    expect(made).toMatchObject({ type: 'event.changed', occurredAt: '2025-11-23T10:00:00.000Z', payload: { calendarId: 'primary', event: { id: 'meeting', summary: 'Meeting' } } });
    expect(made?.dedupeKey).toBe(`meeting:${(made?.payload as { event: { etag: string } }).event.etag}`);
    fake.act('events/delete', { calendarId: ADA, id: 'meeting' });
    expect(await all(cursor)).toMatchObject([{ type: 'event.cancelled', payload: { event: { id: 'meeting', status: 'cancelled' } } }]);
  });

  it('are read page by page from one sync token, and the beginning reads past what is there', async () => {
    const { fake, begin, pages, replay } = await feedOf('calendar-events', { calendarId: 'primary' }, ({ fake }) => {
      for (let count = 0; count < 300; count += 1) fake.act('events', { ...meeting, id: `before${count}` });
    });
    const cursor = await begin();
    for (let count = 0; count < 300; count += 1) fake.act('events', { ...meeting, id: `after${count}` });
    const read = await pages(cursor);
    expect(read.map(({ events, more }) => [events.length, more])).toEqual([[250, true], [50, false]]);
    const first = await replay(null);
    expect([first.events.length, first.more]).toEqual([250, true]);
    expect((await replay(first.cursor)).events).toHaveLength(250);
  });

  it('sync tokens that ended are stale cursors, with the words of the service', async () => {
    const { fake, begin, page } = await feedOf('calendar-events', { calendarId: 'primary' });
    fake.settings({ syncTokenLifeSeconds: 60 });
    const cursor = await begin();
    fake.advance(61);
    const error = await failure<StaleCursor>(page(cursor));
    expect([error.name, error.message]).toEqual(['StaleCursor', expect.stringContaining('a full sync is required')]);
  });
});

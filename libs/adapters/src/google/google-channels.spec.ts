import { afterEach, describe, expect, it } from '@jest/globals';
import { missingScopes, type JsonObject, type OpaqueRemote, type Picker } from '@vane/kit';
import { ADA, BEN, failure, inputFor, SECRET, startRig, typeOf, type Rig } from './fixtures/google-rig.js';
import { adapter } from './index.js';

const folder = 'application/vnd.google-apps.folder';
const open: Rig[] = [];

afterEach(async () => {
  for (const rig of open.splice(0)) await rig.close();
});

async function rigOf(triggerType: string): Promise<Rig & { remote: OpaqueRemote }> {
  const rig = await startRig(triggerType);
  open.push(rig);
  return { ...rig, remote: typeOf(triggerType).remote as OpaqueRemote };
}

const watched: [string, JsonObject, number][] = [
  ['drive-file', { fileId: 'a' }, 24 * 3600],
  ['drive-changes', {}, 7 * 24 * 3600],
  ['drive-folder', { folderId: 'inbox' }, 7 * 24 * 3600],
  ['calendar-events', { calendarId: 'primary' }, 7 * 24 * 3600],
  ['calendar-list', {}, 7 * 24 * 3600],
];

describe('Channels at Google', () => {
  it.each(watched)('of %s live as long as Google lets them, carry our id and token, and end by id and resource id', async (triggerType, config, seconds) => {
    const { fake, http, remote } = await rigOf(triggerType);
    fake.act('files', { id: 'a', name: 'a.txt' });
    const input = inputFor(triggerType, config);
    const { externalId, aux, expiresAt } = await remote.register(http, input);
    const channel = fake.state.channels.get('sub_one')!;
    expect(externalId).toBe('sub_one');
    expect(channel).toMatchObject({ address: input.callbackUrl, token: SECRET });
    expect(aux).toEqual({ resourceId: channel.resourceId });
    expect(Date.parse(expiresAt!) - input.now.getTime()).toBe(seconds * 1000);
    expect(await remote.remove(http, input.resource, externalId, aux)).toBe('removed');
  });

  it('are believed to end when Google says, and not when they were asked to', async () => {
    const { fake, http, remote } = await rigOf('drive-changes');
    fake.settings({ maxLifetimeSeconds: { files: 60, changes: 60, events: 60, calendarList: 60 } });
    const { expiresAt } = await remote.register(http, inputFor('drive-changes', {}));
    expect(expiresAt).toBe('2025-11-23T10:01:00.000Z');
  });

  it('Google needs resourceId + same client', async () => {
    const { fake, http, httpWith, remote } = await rigOf('drive-changes');
    const { externalId, aux } = await remote.register(http, inputFor('drive-changes', {}));
    const without = await failure(remote.remove(http, 'account', externalId, null));
    expect([without.kind, without.message]).toEqual(['invalid', expect.stringContaining('ends by itself when it expires')]);
    const other = await failure(remote.remove(httpWith(['drive'], BEN), 'account', externalId, aux));
    expect(other.kind).toBe('forbidden');
    fake.state.channels.get(externalId)!.clientId = 'of-another-client';
    expect(await remote.remove(http, 'account', externalId, aux)).toBe('gone');
  });

  it('watch the feed that is fetched: of the account, of My Drive, of a shared drive', async () => {
    const { fake, http, remote } = await rigOf('drive-changes');
    fake.act('drives', { id: 'team', name: 'Team', members: [ADA] });
    const scopes: unknown[] = [];
    const configs: JsonObject[] = [{}, { restrictToMyDrive: true }, { driveId: 'team' }];
    for (const [index, config] of configs.entries()) {
      await remote.register(http, inputFor('drive-changes', config, `sub_${index}`));
      scopes.push(fake.state.channels.get(`sub_${index}`)!.scope);
    }
    expect(scopes).toEqual([
      { driveId: null, allDrives: true, myDriveOnly: false, includeRemoved: true },
      { driveId: null, allDrives: true, myDriveOnly: true, includeRemoved: true },
      { driveId: 'team', allDrives: true, myDriveOnly: false, includeRemoved: true },
    ]);
  });

  it('are certainly not there when what is asked before fails', async () => {
    const { fake, http, remote } = await rigOf('drive-changes');
    fake.faults.set({ kind: 'status', status: 500, operation: 'drive.changes.getStartPageToken' });
    const before = await failure(remote.register(http, inputFor('drive-changes', {})));
    fake.faults.set({ kind: 'status', status: 500, operation: 'drive.changes.watch' });
    const during = await failure(remote.register(http, inputFor('drive-changes', {})));
    expect([before.details.unsent, during.details.unsent]).toEqual([true, undefined]);
  });

  it('are refused with what is wrong with our address', async () => {
    const { fake, http, remote } = await rigOf('drive-changes');
    const plain = { ...inputFor('drive-changes', {}), callbackUrl: 'http://vane.example/hooks/one' };
    expect((await failure(remote.register(http, plain))).message).toContain('WebHook callback must be HTTPS');
    fake.faults.set({ kind: 'status', status: 401, reason: 'push.webhookUrlUnauthorized', message: 'Unauthorized WebHook callback channel', operation: '*.watch', times: 2 });
    const error = await failure(remote.register(http, inputFor('drive-changes', {})));
    expect([error.kind, error.message]).toEqual(['invalid', expect.stringContaining('verify its domain')]);
  });
});

describe('Quotas of Google', () => {
  it('are limits also where Google answers 403, and other refusals are none', async () => {
    const { fake, http, remote } = await rigOf('drive-changes');
    const kinds: string[] = [];
    for (const reason of ['rateLimitExceeded', 'userRateLimitExceeded', 'subscriptionRateLimitExceeded', 'insufficientPermissions', 'forbidden']) {
      fake.faults.set({ kind: 'status', status: 403, reason, operation: '*.watch' });
      kinds.push((await failure(remote.register(http, inputFor('drive-changes', {})))).kind);
    }
    expect(kinds).toEqual(['rate_limited', 'rate_limited', 'rate_limited', 'forbidden', 'forbidden']);
  });
});

describe('Accounts of Google', () => {
  it('are told by what does not change, and called by their address', async () => {
    const { fake, http } = await rigOf('drive-file');
    expect(await adapter.oauth!.identity(http)).toEqual({ accountId: fake.state.accounts.get(ADA)!.sub, accountLabel: ADA });
  });

  it('have the scopes that wider ones include, and those that Google calls by other names', () => {
    const granted = (...names: string[]) => ['openid', 'https://www.googleapis.com/auth/userinfo.email', ...names.map((name) => `https://www.googleapis.com/auth/${name}`)];
    const needed = [...adapter.oauth!.baseScopes, ...Object.values(adapter.triggerTypes).flatMap(({ scopes }) => scopes)];
    expect(missingScopes(adapter.oauth!, granted('drive', 'calendar'), needed)).toEqual([]);
    expect(missingScopes(adapter.oauth!, granted('drive.readonly', 'calendar.readonly'), needed)).toEqual([]);
    expect(missingScopes(adapter.oauth!, granted('drive.file', 'calendar.events'), needed)).toEqual([
      'https://www.googleapis.com/auth/drive.metadata.readonly',
      'https://www.googleapis.com/auth/calendar.calendarlist.readonly',
    ]);
  });
});

describe('What there is to choose from', () => {
  const picker = (triggerType: string, name: string): Picker => typeOf(triggerType).pickers![name]!;
  const scene = async (triggerType: string) => {
    const rig = await rigOf(triggerType);
    rig.fake.act('drives', { id: 'team', name: 'Team', members: [ADA] });
    rig.fake.act('files', { id: 'inbox', name: "Ada's inbox", mimeType: folder });
    rig.fake.act('files', { id: 'a', name: 'report.txt', parents: ['inbox'] });
    rig.fake.act('files', { id: 'b', name: 'from Ben.txt', account: BEN, sharedWith: [ADA] });
    rig.fake.act('files', { id: 'plans', name: 'Plans', mimeType: folder, driveId: 'team' });
    return rig;
  };
  const labels = ({ items }: { items: { label: string }[] }) => items.map(({ label }) => label);

  it('in Drive is walked into: My Drive, shared with me, folders', async () => {
    const { http } = await scene('drive-file');
    const { pick } = picker('drive-file', 'files');
    const [mine, shared] = (await pick(http, {})).items;
    expect(labels(await pick(http, { parent: mine!.inside }))).toEqual(["Ada's inbox"]);
    expect((await pick(http, { parent: 'inbox' })).items).toEqual([{ value: 'a', label: 'report.txt', description: expect.any(String) }]);
    expect(labels(await pick(http, { parent: shared!.inside }))).toEqual(['from Ben.txt']);
    expect(labels(await pick(http, { q: "ada's" }))).toEqual(["Ada's inbox"]);
  });

  it('are folders only, with the shared drive they lie in', async () => {
    const { httpWith } = await scene('drive-folder');
    const http = httpWith(['drive.readonly']);
    const { pick } = picker('drive-folder', 'folders');
    expect((await pick(http, { parent: 'shared-drives' })).items).toEqual([{ value: 'team', label: 'Team', inside: 'team', also: { driveId: 'team' } }]);
    expect((await pick(http, { parent: 'team' })).items).toEqual([{ value: 'plans', label: 'Plans', description: 'Folder', inside: 'plans', also: { driveId: 'team' } }]);
    expect(labels(await pick(http, { parent: 'inbox' }))).toEqual([]);
  });

  it('are shared drives with the scope for it, and words without', async () => {
    const { http, httpWith } = await scene('drive-changes');
    const { pick } = picker('drive-changes', 'drives');
    expect((await pick(httpWith(['drive.readonly']), { q: 'te' })).items).toEqual([{ value: 'team', label: 'Team' }]);
    expect((await failure(pick(http, {}))).message).toContain('drive.readonly');
  });

  it('goes on behind a page', async () => {
    const { fake, http } = await scene('drive-file');
    for (let count = 1; count <= 120; count += 1) fake.act('files', { id: `f${count}`, name: `file ${count}`, parents: ['inbox'] });
    const { pick } = picker('drive-file', 'files');
    const first = await pick(http, { parent: 'inbox' });
    const second = await pick(http, { parent: 'inbox', cursor: first.next! });
    expect([first.items.length, second.items.length, second.next]).toEqual([100, 21, null]);
  });

  it('are the calendars of the account', async () => {
    const { fake, http } = await rigOf('calendar-events');
    fake.act('calendars', { id: 'team', summary: 'Team', account: ADA });
    const { pick } = picker('calendar-events', 'calendars');
    expect((await pick(http, { q: 'TEAM' })).items).toEqual([{ value: 'team', label: 'Team', description: expect.stringContaining('Access') }]);
    expect((await pick(http, {})).items.map(({ value }) => value)).toEqual(expect.arrayContaining([ADA, 'team']));
  });
});

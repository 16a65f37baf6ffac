import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getRun, pick, type TriggerView } from '@vane/contracts';
import { ADA, GOOGLE_TYPES, GoogleStage, type GoogleType } from './google-stage.js';

let stage: GoogleStage;
beforeAll(async () => {
  stage = await GoogleStage.open('google');
});
afterAll(() => stage?.close());

const offered = async (triggerType: GoogleType, picker: string, parent?: string) => {
  const { workspace, connection } = stage;
  return (await workspace.api.call(pick, { workspace: workspace.id, connection, triggerType, picker, parent })).items;
};

describe('what a trigger can be on', () => {
  it('is found by walking through Drive, folder by folder', async () => {
    const { id: outer } = stage.addFile('Invoices', { mimeType: 'application/vnd.google-apps.folder' });
    const { id: inner } = stage.addFile('2026', { mimeType: 'application/vnd.google-apps.folder', parents: [outer] });
    const { id: file } = stage.addFile('May.pdf', { parents: [inner] });
    const places = await offered('drive-file', 'files');
    expect(places.map(({ label }) => label)).toEqual(['My Drive', 'Shared with me', 'Shared drives']);
    let items = await offered('drive-file', 'files', places[0]!.inside);
    for (const label of ['Invoices', '2026']) items = await offered('drive-file', 'files', items.find((item) => item.label === label)!.inside);
    expect(items).toMatchObject([{ value: file, label: 'May.pdf' }]);
    expect(await offered('drive-folder', 'folders', outer)).toMatchObject([{ value: inner, label: '2026' }]);
  });

  it('is a calendar of the account', async () => {
    const team = stage.addCalendar('Team');
    const found = await offered('calendar-events', 'calendars');
    expect(found.map(({ value, label }) => [value, label])).toEqual(expect.arrayContaining([[ADA, ADA], [team, 'Team']]));
  });
});

describe('a change', () => {
  const triggers = {} as Record<GoogleType, TriggerView>;

  it('becomes one run of each trigger that it is for, with what changed as its payload', async () => {
    const { id: folderId } = stage.addFile('Watched', { mimeType: 'application/vnd.google-apps.folder' });
    const { id: fileId } = stage.addFile('report.txt');
    const calendarId = stage.addCalendar('Watched');
    const configs: Record<GoogleType, Record<string, string>> = {
      'drive-file': { fileId }, 'drive-changes': {}, 'drive-folder': { folderId }, 'calendar-events': { calendarId }, 'calendar-list': {},
    };
    for (const type of GOOGLE_TYPES) triggers[type] = await stage.trigger(type, configs[type]);
    expect((await stage.expectLive(5)).map(({ id }) => id).sort()).toEqual(Object.values(triggers).map(({ subscription }) => subscription!.externalId).sort());

    const { id: inside } = stage.addFile('inside.txt', { parents: [folderId] });
    stage.fake.act('files/update', { id: fileId, name: 'report-2.txt' });
    const { id: eventId } = stage.addEvent('Planning', calendarId);
    const listed = stage.addCalendar('New');

    expect(await stage.payloads(triggers['drive-file'], 1)).toMatchObject([{ fileId, file: { name: 'report-2.txt' } }]);
    expect(await stage.payloads(triggers['drive-folder'], 1)).toMatchObject([{ fileId: inside, file: { name: 'inside.txt', parents: [folderId] } }]);
    expect(await stage.payloads(triggers['calendar-events'], 1)).toMatchObject([{ calendarId, event: { id: eventId, summary: 'Planning' } }]);
    expect(await stage.payloads(triggers['calendar-list'], 1)).toMatchObject([{ calendar: { id: listed, summary: 'New' } }]);
    const changes = await stage.payloads(triggers['drive-changes'], 2);
    expect(changes.map((change) => change.fileId).sort()).toEqual([inside, fileId].sort());

    const [run] = await stage.workspace.endedRuns(triggers['drive-file'].id, 1);
    const { attemptList } = await stage.workspace.api.call(getRun, { workspace: stage.workspace.id, run: run!.id });
    expect(attemptList).toMatchObject([{ outcome: 'succeeded', result: { fileId, file: { name: 'report-2.txt' } } }]);
  });

  it('that comes after is another run, and one that goes is told as gone', async () => {
    const { fileId } = triggers['drive-file'].config as { fileId: string };
    const { calendarId } = triggers['calendar-events'].config as { calendarId: string };
    const [event] = [...stage.fake.state.calendars.get(calendarId)!.events.values()];
    stage.fake.act('files/delete', { id: fileId });
    stage.fake.act('events/delete', { calendarId, id: event!.id });
    expect((await stage.payloads(triggers['drive-file'], 2)).at(-1)).toMatchObject({ fileId, removed: true });
    expect((await stage.payloads(triggers['calendar-events'], 2)).at(-1)).toMatchObject({ event: { id: event!.id, status: 'cancelled' } });
  });

  it('is told no more when its trigger is deleted: no channel lives', async () => {
    for (const type of GOOGLE_TYPES) {
      const { status, subscription } = await stage.remove(triggers[type]);
      expect([type, status, subscription.status]).toEqual([type, 200, 'removed']);
    }
    expect(stage.live()).toEqual([]);
    expect(new Set([...stage.fake.state.channels.values()].map(({ end }) => end))).toEqual(new Set(['stopped']));
  });
});

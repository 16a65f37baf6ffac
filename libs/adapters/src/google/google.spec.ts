import { describeConformance, readFixtures, type Subject } from '@vane/kit/conformance';
import type { GoogleFake } from './fake/server.js';
import { ADA, pullRig, remoteRig } from './fixtures/google-rig.js';
import { adapter } from './index.js';

const fixtures = readFixtures(new URL('./fixtures/', import.meta.url));
const sign: Subject['sign'] = (_body, secret) => ({ 'X-Goog-Channel-Token': secret });

type Scene = {
  config?: Subject['config'];
  prepare?(fake: GoogleFake): unknown;
  change(fake: GoogleFake, count: number): unknown;
  stale?: 'changes' | 'events' | 'calendarList';
};

const folder = 'application/vnd.google-apps.folder';
const event = (count: number) => ({ id: 'meeting', summary: `Meeting ${count}`, start: { dateTime: '2025-12-01T10:00:00Z' }, end: { dateTime: '2025-12-01T11:00:00Z' } });

const scenes: Record<string, Scene> = {
  'drive-file': {
    config: { fileId: 'report' },
    prepare: (fake) => fake.act('files', { id: 'report', name: 'report.txt' }),
    change: (fake, count) => fake.act('files/update', { id: 'report', content: `${count}` }),
  },
  'drive-changes': {
    prepare: (fake) => fake.act('files', { id: 'report', name: 'report.txt' }),
    change: (fake, count) => fake.act('files/update', { id: 'report', content: `${count}` }),
    stale: 'changes',
  },
  'drive-folder': {
    config: { folderId: 'inbox', includeSubfolders: true },
    prepare: (fake) => {
      fake.act('files', { id: 'inbox', name: 'Inbox', mimeType: folder });
      fake.act('files', { id: 'deeper', name: 'Deeper', mimeType: folder, parents: ['inbox'] });
    },
    change: (fake, count) => fake.act('files', { id: `file-${count}`, name: `${count}.txt`, parents: ['deeper'] }),
    stale: 'changes',
  },
  'calendar-events': {
    config: { calendarId: 'primary' },
    change: (fake, count) =>
      count === 1 ? fake.act('events', event(count)) : fake.act('events/update', { calendarId: ADA, ...event(count) }),
    stale: 'events',
  },
  'calendar-list': {
    change: (fake, count) => (count === 1 ? fake.act('calendars', { id: 'team', summary: 'Team', account: ADA }) : fake.act('calendars/update', { id: 'team', summary: `Team ${count}` })),
    stale: 'calendarList',
  },
};

for (const [triggerType, { config = {}, prepare = () => undefined, change, stale }] of Object.entries(scenes)) {
  describeConformance(adapter, {
    triggerType,
    config,
    fixtures,
    sign,
    remote: () => remoteRig(triggerType, prepare),
    pull: () => pullRig(triggerType, prepare, change, stale && { kind: stale }),
  });
}

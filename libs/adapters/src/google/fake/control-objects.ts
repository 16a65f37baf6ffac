import type { calendar_v3 } from '@googleapis/calendar';
import { cancelEvent, createCalendar, createEvent, deleteCalendar, moveEvent, updateCalendar, updateEvent } from './calendar-store.js';
import { createDrive, createFile, deleteDrive, deleteFile, updateDrive, updateFile } from './drive-store.js';
import type { FileEdit } from './drive-store.js';
import { driveView, fileView } from './drive-views.js';
import { accountOf } from './state.js';
import type { Account, Calendar, DriveFile, SharedDrive, State, StoredEvent } from './state.js';

type Body = Record<string, unknown>;
type Action = (state: State, body: Body) => unknown;

function found<T>(map: Map<string, T>, id: unknown, what: string): T {
  const value = map.get(String(id));
  if (value === undefined) throw new Error(`There is no ${what} ${String(id)}.`);
  return value;
}

const fileOf = (state: State, id: unknown): DriveFile => found(state.files, id, 'file');
const driveOf = (state: State, id: unknown): SharedDrive => found(state.drives, id, 'shared drive');
const calendarOf = (state: State, id: unknown): Calendar => found(state.calendars, id, 'calendar');
const eventOf = (calendar: Calendar, id: unknown): StoredEvent => found(calendar.events, id, 'event');

/** Who acts on a file when the body names nobody: its owner, or a member of its shared drive. */
function actorOf(state: State, file: DriveFile, body: Body): Account {
  if (body['account'] !== undefined) return accountOf(state, body['account']);
  const member = file.driveId === null ? undefined : [...(state.drives.get(file.driveId)?.members ?? [])][0];
  return accountOf(state, file.owner ?? member);
}

function addFile(state: State, body: Body): unknown {
  const { account: email, driveId, id, ...edit } = body as { account?: string; driveId?: string; id?: string } & FileEdit;
  const member = driveId === undefined ? undefined : [...driveOf(state, driveId).members][0];
  const account = accountOf(state, email ?? member);
  return fileView(state, createFile(state, { account, clientId: null }, edit, { ...(id === undefined ? {} : { id }), driveId: driveId ?? null }), account);
}

function editFile(state: State, body: Body): unknown {
  const { id, account: _account, ...edit } = body;
  const file = fileOf(state, id);
  const account = actorOf(state, file, body);
  updateFile(state, { account, clientId: null }, file, edit as FileEdit);
  return fileView(state, file, account);
}

function editEvent(state: State, body: Body): unknown {
  const { calendarId, id, ...edit } = body;
  const calendar = calendarOf(state, calendarId);
  return updateEvent(state, calendar, eventOf(calendar, id), edit as calendar_v3.Schema$Event);
}

function addEvent(state: State, body: Body): unknown {
  const { calendarId, account, ...event } = body as { calendarId?: string; account?: string } & calendar_v3.Schema$Event;
  const email = accountOf(state, account).email;
  return createEvent(state, calendarOf(state, calendarId ?? email), email, event);
}

const calendarView = ({ id, summary, access }: Calendar) => ({ id, summary, access: Object.fromEntries(access) });

/** What people do in Drive and Calendar, by control path. Each throws a sentence when it cannot be done. */
export const objectActions: Record<string, Action> = {
  files: addFile,
  'files/update': editFile,
  'files/move': (state, { id, parent, account }) => editFile(state, { id, account, parents: [String(parent)] }),
  'files/delete': (state, { id }) => deleteFile(state, fileOf(state, id)),
  drives: (state, body) => driveView(createDrive(state, body as { name: string; members: string[] })),
  'drives/update': (state, { id, ...edit }) => updateDrive(state, driveOf(state, id), edit),
  'drives/delete': (state, { id }) => deleteDrive(state, driveOf(state, id)),
  calendars: (state, body) => calendarView(createCalendar(state, body as { summary: string })),
  'calendars/update': (state, { id, ...edit }) => updateCalendar(state, calendarOf(state, id), edit),
  'calendars/delete': (state, { id }) => deleteCalendar(state, calendarOf(state, id)),
  events: addEvent,
  'events/update': editEvent,
  'events/move': (state, { calendarId, id, destination }) => {
    const calendar = calendarOf(state, calendarId);
    return moveEvent(state, calendar, eventOf(calendar, id), calendarOf(state, destination));
  },
  'events/delete': (state, { calendarId, id }) => {
    const calendar = calendarOf(state, calendarId);
    cancelEvent(state, calendar, eventOf(calendar, id));
  },
};

/** Makes cursors stale: of `changes` {account | driveId}, `events` {calendarId} or `calendarList` {account}; all of that kind when none is named. */
export function makeStale(state: State, body: Body): number {
  const { kind, account, driveId, calendarId } = body;
  const accounts = account === undefined ? [...state.accounts.values()] : [accountOf(state, account)];
  const drives = driveId === undefined ? (account === undefined ? [...state.drives.values()] : []) : [driveOf(state, driveId)];
  const calendars = calendarId === undefined ? [...state.calendars.values()] : [calendarOf(state, calendarId)];
  const logs: Record<string, { expire(): void }[]> = {
    changes: [...(driveId === undefined ? accounts.map(({ files }) => files) : []), ...drives.map(({ log }) => log)],
    events: calendars.map(({ log }) => log),
    calendarList: accounts.map(({ calendarList }) => calendarList),
  };
  const chosen = logs[String(kind)];
  if (!chosen) throw new Error('Stale is one of: changes, events, calendarList.');
  for (const log of chosen) log.expire();
  return chosen.length;
}

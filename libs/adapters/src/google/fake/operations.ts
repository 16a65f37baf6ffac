import { admit, failure } from './api.js';
import type { Call } from './api.js';
import { changeEvent, deleteEvent, getEvent, insertEvent, transferEvent } from './calendar-events.js';
import { getCalendarEntry, listCalendars, listEvents, watchCalendarList, watchEvents } from './calendar-lists.js';
import { stop } from './channels.js';
import { listChanges, startPageToken, watchChanges } from './drive-changes.js';
import { getDrive, getFile, insertFile, listDrives, listFiles, patchFile, removeFile, watchFile } from './drive-files.js';
import { authorize, revoke, token, userinfo } from './oauth.js';
import type { State } from './state.js';
import { html } from './wire.js';
import type { Answer, Request } from './wire.js';

type Handler = (call: Call) => Answer;
type Operation = { name: string; method: string; path: RegExp; scopes: readonly string[]; handle: Handler };

const auth = (...names: string[]): readonly string[] => names.map((name) => `https://www.googleapis.com/auth/${name}`);

/** The scopes of which a call needs one, as the discovery documents list them. */
const scopes = {
  driveRead: auth('drive', 'drive.readonly', 'drive.metadata', 'drive.metadata.readonly', 'drive.file', 'drive.appdata', 'drive.meet.readonly', 'drive.photos.readonly'),
  driveCreate: auth('drive', 'drive.file', 'drive.appdata'),
  driveUpdate: auth('drive', 'drive.file', 'drive.appdata', 'drive.metadata', 'drive.scripts'),
  drives: auth('drive', 'drive.readonly'),
  events: auth('calendar', 'calendar.readonly', 'calendar.events', 'calendar.events.readonly', 'calendar.app.created', 'calendar.events.owned', 'calendar.events.owned.readonly'),
  eventsWrite: auth('calendar', 'calendar.events', 'calendar.app.created', 'calendar.events.owned'),
  calendarList: auth('calendar', 'calendar.readonly', 'calendar.calendarlist', 'calendar.calendarlist.readonly'),
};
const calendarAny = [...new Set([...scopes.events, ...scopes.calendarList])];

function operation(name: string, method: string, path: string, needed: readonly string[], handle: Handler): Operation {
  return { name, method, path: new RegExp(`^${path.replace(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`), scopes: needed, handle };
}

const operations: readonly Operation[] = [
  operation('drive.changes.list', 'GET', '/drive/v3/changes', scopes.driveRead, listChanges),
  operation('drive.changes.getStartPageToken', 'GET', '/drive/v3/changes/startPageToken', scopes.driveRead, startPageToken),
  operation('drive.changes.watch', 'POST', '/drive/v3/changes/watch', scopes.driveRead, watchChanges),
  operation('drive.channels.stop', 'POST', '/drive/v3/channels/stop', scopes.driveRead, (call) => stop(call, 'drive')),
  operation('drive.drives.list', 'GET', '/drive/v3/drives', scopes.drives, listDrives),
  operation('drive.drives.get', 'GET', '/drive/v3/drives/{driveId}', scopes.drives, getDrive),
  operation('drive.files.list', 'GET', '/drive/v3/files', scopes.driveRead, listFiles),
  operation('drive.files.create', 'POST', '/drive/v3/files', scopes.driveCreate, insertFile),
  operation('drive.files.get', 'GET', '/drive/v3/files/{fileId}', scopes.driveRead, getFile),
  operation('drive.files.update', 'PATCH', '/drive/v3/files/{fileId}', scopes.driveUpdate, patchFile),
  operation('drive.files.delete', 'DELETE', '/drive/v3/files/{fileId}', scopes.driveCreate, removeFile),
  operation('drive.files.watch', 'POST', '/drive/v3/files/{fileId}/watch', scopes.driveRead, watchFile),
  operation('calendar.events.list', 'GET', '/calendar/v3/calendars/{calendarId}/events', scopes.events, listEvents),
  operation('calendar.events.insert', 'POST', '/calendar/v3/calendars/{calendarId}/events', scopes.eventsWrite, insertEvent),
  operation('calendar.events.watch', 'POST', '/calendar/v3/calendars/{calendarId}/events/watch', scopes.events, watchEvents),
  operation('calendar.events.get', 'GET', '/calendar/v3/calendars/{calendarId}/events/{eventId}', scopes.events, getEvent),
  operation('calendar.events.update', 'PUT', '/calendar/v3/calendars/{calendarId}/events/{eventId}', scopes.eventsWrite, changeEvent),
  operation('calendar.events.patch', 'PATCH', '/calendar/v3/calendars/{calendarId}/events/{eventId}', scopes.eventsWrite, changeEvent),
  operation('calendar.events.delete', 'DELETE', '/calendar/v3/calendars/{calendarId}/events/{eventId}', scopes.eventsWrite, deleteEvent),
  operation('calendar.events.move', 'POST', '/calendar/v3/calendars/{calendarId}/events/{eventId}/move', scopes.eventsWrite, transferEvent),
  operation('calendar.calendarList.list', 'GET', '/calendar/v3/users/me/calendarList', scopes.calendarList, listCalendars),
  operation('calendar.calendarList.get', 'GET', '/calendar/v3/users/me/calendarList/{calendarId}', scopes.calendarList, getCalendarEntry),
  operation('calendar.calendarList.watch', 'POST', '/calendar/v3/users/me/calendarList/watch', scopes.calendarList, watchCalendarList),
  operation('calendar.channels.stop', 'POST', '/calendar/v3/channels/stop', calendarAny, (call) => stop(call, 'calendar')),
];

type Open = { name: string; methods: readonly string[]; handle: (state: State, request: Request) => Answer };

const open: Record<string, Open> = {
  '/o/oauth2/v2/auth': { name: 'oauth.auth', methods: ['GET', 'POST'], handle: authorize },
  '/token': { name: 'oauth.token', methods: ['POST'], handle: token },
  '/revoke': { name: 'oauth.revoke', methods: ['POST', 'GET'], handle: revoke },
  '/oauth2/v3/userinfo': { name: 'oauth.userinfo', methods: ['GET', 'POST'], handle: userinfo },
  '/v1/userinfo': { name: 'oauth.userinfo', methods: ['GET', 'POST'], handle: userinfo },
};

function find(method: string, path: string): { found: Operation; groups: Record<string, string> } | null {
  for (const found of operations) {
    const match = found.method === method ? found.path.exec(path) : null;
    if (match) return { found, groups: match.groups ?? {} };
  }
  return null;
}

/** What a method and path ask for, under the name it has in the journal and in faults. */
export function operationName(method: string, path: string): string {
  const entry = open[path];
  if (entry?.methods.includes(method)) return entry.name;
  return find(method, path)?.found.name ?? 'unknown';
}

/** Answers everything but control. */
export function route(state: State, request: Request): Answer {
  const entry = open[request.path];
  if (entry) return entry.methods.includes(request.method) ? entry.handle(state, request) : html(405, 'Method Not Allowed');
  const match = find(request.method, request.path);
  if (!match) return request.path.startsWith('/drive/') || request.path.startsWith('/calendar/') ? failure(404, 'notFound', 'Not Found') : html(404, '<title>Error 404 (Not Found)!!1</title>');
  const parameters = Object.fromEntries(Object.entries(match.groups).map(([name, text]) => [name, decodeURIComponent(text)]));
  const call = admit(state, request, parameters, match.found.scopes);
  return 'status' in call ? call : match.found.handle(call);
}

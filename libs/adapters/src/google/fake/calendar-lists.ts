import type { calendar_v3 } from '@googleapis/calendar';
import { badParameter, failure, flag, pack, unpack, wholeNumber } from './api.js';
import type { Call } from './api.js';
import type { Entry } from './change-log.js';
import { synchronise } from './calendar-sync.js';
import type { Collection } from './calendar-sync.js';
import { eventsPath } from './calendar-store.js';
import { calendarListNames, entryNames, entryView, eventsNames, eventView } from './calendar-views.js';
import { watch } from './channels.js';
import { answerFields } from './fields.js';
import { iso, nowOf } from './state.js';
import type { Calendar, StoredEvent } from './state.js';
import type { Answer } from './wire.js';

/** The calendar of the path, `primary` being the caller's own, or 404. */
export function calendarOf({ state, account, parameters }: Call): Calendar | Answer {
  const asked = parameters['calendarId'] ?? '';
  const calendar = state.calendars.get(asked === 'primary' ? account.email : asked);
  return calendar?.access.has(account.email) ? calendar : failure(404, 'notFound', 'Not Found');
}

/** https://developers.google.com/workspace/calendar/api/v3/reference/events/list */
const eventsCollection = (calendar: Calendar): Collection => ({
  id: `events ${calendar.id}`,
  log: calendar.log,
  forbidden: ['iCalUID', 'orderBy', 'privateExtendedProperty', 'q', 'sharedExtendedProperty', 'timeMin', 'timeMax', 'updatedMin'],
  neverFalse: ['showDeleted'],
  same: ['singleEvents', 'eventTypes'],
});

const instant = (time: calendar_v3.Schema$EventDateTime | undefined): number => Date.parse(time?.dateTime ?? time?.date ?? '');

function matches(event: StoredEvent, query: URLSearchParams): boolean {
  const [least, most, updated] = ['timeMin', 'timeMax', 'updatedMin'].map((name) => Date.parse(query.get(name) ?? ''));
  if (least !== undefined && !Number.isNaN(least) && instant(event.end) <= least) return false;
  if (most !== undefined && !Number.isNaN(most) && instant(event.start) >= most) return false;
  if (updated !== undefined && !Number.isNaN(updated) && Date.parse(event.updated ?? '') < updated) return false;
  const [words, uid, types] = [query.get('q')?.toLowerCase(), query.get('iCalUID'), query.getAll('eventTypes')];
  if (uid !== null && event.iCalUID !== uid) return false;
  if (types.length > 0 && !types.includes(event.eventType ?? 'default')) return false;
  return words === undefined || [event.summary, event.description, event.location].some((text) => text?.toLowerCase().includes(words));
}

/** Recurring events show as one, or as the instances that are stored for them when `singleEvents` asks for that. */
const fitsExpansion = (event: StoredEvent, single: boolean): boolean => (single ? !event.recurrence : !event.recurringEventId || event.originalStartTime !== undefined);

function wantedEvent({ request: { query } }: Call, calendar: Calendar): (entry: Entry, incremental: boolean) => boolean {
  const [showDeleted, single] = [flag(query, 'showDeleted') ?? false, flag(query, 'singleEvents') ?? false];
  return ({ id }, incremental) => {
    const event = calendar.events.get(id);
    if (!event || !fitsExpansion(event, single)) return false;
    if (event.status === 'cancelled' && !incremental && !showDeleted) return false;
    return incremental ? matchesType(event, query) : matches(event, query);
  };
}

const matchesType = (event: StoredEvent, query: URLSearchParams): boolean => query.getAll('eventTypes').length === 0 || query.getAll('eventTypes').includes(event.eventType ?? 'default');

function frame(call: Call, calendar: Calendar, items: StoredEvent[], tokens: object): calendar_v3.Schema$Events {
  const shown = items.map(eventView);
  const role = calendar.access.get(call.account.email) ?? 'none';
  return {
    kind: 'calendar#events', etag: `"p${calendar.log.head()}"`, summary: calendar.summary, description: calendar.description ?? '', updated: iso(nowOf(call.state)),
    timeZone: calendar.timeZone, accessRole: role, defaultReminders: [], items: shown, ...tokens,
  };
}

/** Lists in an order of the client's, which no sync token goes with. */
function ordered(call: Call, calendar: Calendar): Answer {
  const { request } = call;
  const by = request.query.get('orderBy');
  if (by !== 'startTime' && by !== 'updated') return badParameter('orderBy');
  if (by === 'startTime' && flag(request.query, 'singleEvents') !== true) return badParameter('orderBy', 'The requested ordering is not available for the particular query.');
  const size = wholeNumber(request.query, 'maxResults', 250, 2500);
  const token = request.query.get('pageToken');
  const from = token === null ? 0 : unpack(token)?.['o'];
  if (size === null) return badParameter('maxResults');
  if (typeof from !== 'number') return badParameter('pageToken', 'Invalid page token value.');
  const wanted = wantedEvent(call, calendar);
  const rank = (event: StoredEvent) => (by === 'startTime' ? instant(event.start) : Date.parse(event.updated ?? ''));
  const all = [...calendar.events.values()].filter(({ id }) => wanted({ seq: 0, at: 0, id }, false)).sort((one, other) => rank(one) - rank(other) || one.id.localeCompare(other.id));
  const more = from + size < all.length ? { nextPageToken: pack({ o: from + size }) } : {};
  return answerFields(request, frame(call, calendar, all.slice(from, from + size), more), eventsNames, '*');
}

/** `GET /calendar/v3/calendars/{calendarId}/events` */
export function listEvents(call: Call): Answer {
  const calendar = calendarOf(call);
  if ('status' in calendar) return calendar;
  const { query } = call.request;
  const dated = ['timeMin', 'timeMax', 'updatedMin'].find((name) => query.has(name) && Number.isNaN(Date.parse(query.get(name) ?? '')));
  if (dated !== undefined) return badParameter(dated, 'Bad Request', 'badRequest');
  if (query.has('orderBy') && !query.has('syncToken')) return ordered(call, calendar);
  // A list that was searched is no beginning of a synchronisation; one that was restricted to some time may be.
  const complete = !['q', 'iCalUID', 'updatedMin', 'privateExtendedProperty', 'sharedExtendedProperty'].some((name) => query.has(name));
  const sync = synchronise(call, eventsCollection(calendar), wantedEvent(call, calendar), complete);
  if ('status' in sync) return sync;
  const items = sync.page.entries.map(({ id }) => calendar.events.get(id)).filter((event): event is StoredEvent => event !== undefined);
  return answerFields(call.request, frame(call, calendar, items, sync.tokens), eventsNames, '*');
}

/** `POST /calendar/v3/calendars/{calendarId}/events/watch` */
export function watchEvents(call: Call): Answer {
  const calendar = calendarOf(call);
  if ('status' in calendar) return calendar;
  return watch(call, { api: 'calendar', kind: 'events', path: eventsPath(calendar), uri: eventsPath(calendar) });
}

/** `GET /calendar/v3/users/me/calendarList` */
export function listCalendars(call: Call): Answer {
  const { state, account, request } = call;
  const collection: Collection = { id: `calendarList ${account.email}`, log: account.calendarList, forbidden: ['minAccessRole'], neverFalse: ['showDeleted', 'showHidden'], same: [] };
  const showDeleted = flag(request.query, 'showDeleted') ?? false;
  const roles = ['freeBusyReader', 'reader', 'writer', 'owner'];
  const least = roles.indexOf(request.query.get('minAccessRole') ?? 'freeBusyReader');
  if (least < 0) return badParameter('minAccessRole');
  const sync = synchronise(call, collection, ({ id }, incremental) => {
    const role = state.calendars.get(id)?.access.get(account.email);
    return role === undefined ? incremental || showDeleted : roles.indexOf(role) >= least;
  });
  if ('status' in sync) return sync;
  const list: calendar_v3.Schema$CalendarList = {
    kind: 'calendar#calendarList',
    etag: `"p${account.calendarList.head()}"`,
    items: sync.page.entries.map(({ id, at }) => entryView(id, state.calendars.get(id), account, `"${at}000000"`)),
    ...sync.tokens,
  };
  return answerFields(request, list, calendarListNames, '*');
}

/** `GET /calendar/v3/users/me/calendarList/{calendarId}` */
export function getCalendarEntry(call: Call): Answer {
  const calendar = calendarOf(call);
  if ('status' in calendar) return calendar;
  return answerFields(call.request, entryView(calendar.id, calendar, call.account, `"${calendar.log.head()}000000"`), entryNames, '*');
}

/** `POST /calendar/v3/users/me/calendarList/watch` */
export function watchCalendarList(call: Call): Answer {
  return watch(call, { api: 'calendar', kind: 'calendarList', path: 'users/me/calendarList', uri: 'users/me/calendarList' });
}

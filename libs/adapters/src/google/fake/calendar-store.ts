import type { calendar_v3 } from '@googleapis/calendar';
import { createChangeLog } from './change-log.js';
import { notify, resourceName } from './channels.js';
import { opaque, randomEventId, randomText } from './random.js';
import { accountOf, iso, newEtag, nowOf, remember } from './state.js';
import type { Calendar, State, StoredEvent } from './state.js';

type Body = calendar_v3.Schema$Event;

/** The resource that channels on a calendar's events watch. */
export const eventsPath = (calendar: Calendar): string => `calendars/${encodeURIComponent(calendar.id)}/events`;

function listChanged(state: State, calendar: Calendar, people: Iterable<string>, what: string): void {
  remember(state, { kind: 'calendar', id: calendar.id, in: null, what, version: null, name: calendar.summary });
  for (const email of people) {
    state.accounts.get(email)?.calendarList.append(calendar.id, nowOf(state));
    notify(state, resourceName(email, 'calendar', 'users/me/calendarList'), { state: 'exists' });
  }
}

/** Adds a calendar; `access` gives further people their role: owner, writer, reader or freeBusyReader. */
export function createCalendar(state: State, wanted: { id?: string; account?: string; summary: string; timeZone?: string; access?: Record<string, string> }): Calendar {
  const owner = accountOf(state, wanted.account).email;
  const id = wanted.id ?? `c_${opaque(randomText(30)).toLowerCase()}@group.calendar.google.com`;
  if (state.calendars.has(id)) throw new Error(`There is a calendar ${id} already.`);
  const access = new Map([[owner, 'owner'], ...Object.entries(wanted.access ?? {})]);
  const calendar: Calendar = { id, summary: wanted.summary, description: null, timeZone: wanted.timeZone ?? 'Europe/Berlin', access, events: new Map(), log: createChangeLog() };
  state.calendars.set(id, calendar);
  for (const email of access.keys()) accountOf(state, email).calendars.add(id);
  listChanged(state, calendar, access.keys(), 'create');
  return calendar;
}

/** Changes a calendar; `access` is the whole list of people and roles. */
export function updateCalendar(state: State, calendar: Calendar, edit: { summary?: string; description?: string; access?: Record<string, string> }): void {
  const before = [...calendar.access.keys()];
  if (edit.summary !== undefined) calendar.summary = edit.summary;
  if (edit.description !== undefined) calendar.description = edit.description;
  if (edit.access) calendar.access = new Map(Object.entries(edit.access));
  for (const email of before) if (!calendar.access.has(email)) state.accounts.get(email)?.calendars.delete(calendar.id);
  for (const email of calendar.access.keys()) accountOf(state, email).calendars.add(calendar.id);
  listChanged(state, calendar, new Set([...before, ...calendar.access.keys()]), 'update');
}

/** Deletes a calendar with its events. */
export function deleteCalendar(state: State, calendar: Calendar): void {
  state.calendars.delete(calendar.id);
  for (const email of calendar.access.keys()) {
    state.accounts.get(email)?.calendars.delete(calendar.id);
    notify(state, resourceName(email, 'calendar', eventsPath(calendar)), { state: 'not_exists' });
  }
  listChanged(state, calendar, calendar.access.keys(), 'delete');
}

function publish(state: State, calendar: Calendar, event: StoredEvent, what: string): void {
  calendar.log.append(event.id, nowOf(state));
  remember(state, { kind: 'event', id: event.id, in: calendar.id, what, version: event.etag, name: event.summary ?? null });
  for (const email of calendar.access.keys()) notify(state, resourceName(email, 'calendar', eventsPath(calendar)), { state: 'exists' });
}

/** Puts an event into a calendar. Throws a sentence when there is one of that id. */
export function createEvent(state: State, calendar: Calendar, by: string, body: Body): StoredEvent {
  const id = body.id ?? randomEventId();
  if (calendar.events.has(id)) throw new Error(`There is an event ${id} already.`);
  const now = iso(nowOf(state));
  const person = { email: by, ...(by === calendar.id ? { self: true } : {}) };
  const start = body.start ?? { dateTime: now };
  const event: StoredEvent = {
    kind: 'calendar#event', reminders: { useDefault: true }, eventType: 'default', ...body,
    id, etag: newEtag(state), status: body.status ?? 'confirmed', created: now, updated: now, creator: person,
    organizer: { email: calendar.id, ...(calendar.id === by ? { self: true } : {}) }, sequence: body.sequence ?? 0,
    iCalUID: body.iCalUID ?? `${id}@google.com`, htmlLink: `https://www.google.com/calendar/event?eid=${Buffer.from(`${id} ${calendar.id}`).toString('base64url')}`,
    start, end: body.end ?? start,
  };
  calendar.events.set(id, event);
  publish(state, calendar, event, 'create');
  return event;
}

/** Changes an event; a new time counts its sequence up. A member that is null is taken away. */
export function updateEvent(state: State, calendar: Calendar, event: StoredEvent, edit: Body): StoredEvent {
  const { id: _id, etag: _etag, kind: _kind, created: _created, creator: _creator, ...rest } = edit;
  const rescheduled = [rest.start, rest.end].some((time, index) => time && JSON.stringify(time) !== JSON.stringify(index === 0 ? event.start : event.end));
  const kept = Object.entries({ ...event, ...rest }).filter(([, value]) => value !== null);
  const changed = {
    ...(Object.fromEntries(kept) as unknown as StoredEvent),
    etag: newEtag(state), updated: iso(nowOf(state)), sequence: Math.max(rest.sequence ?? 0, (event.sequence ?? 0) + (rescheduled ? 1 : 0)),
  };
  calendar.events.set(event.id, changed);
  publish(state, calendar, changed, changed.status === 'cancelled' ? 'delete' : 'update');
  return changed;
}

/** Cancels an event; its tombstone stays. */
export function cancelEvent(state: State, calendar: Calendar, event: StoredEvent): void {
  updateEvent(state, calendar, event, { status: 'cancelled' });
}

/** Moves an event to another calendar: it is cancelled here and appears there, under the same id. */
export function moveEvent(state: State, from: Calendar, event: StoredEvent, to: Calendar): StoredEvent {
  const { etag: _etag, organizer: _organizer, ...body } = event;
  const buried = to.events.get(event.id);
  if (buried?.status === 'cancelled') to.events.delete(event.id);
  const moved = createEvent(state, to, event.creator?.email ?? to.id, body);
  cancelEvent(state, from, event);
  return moved;
}

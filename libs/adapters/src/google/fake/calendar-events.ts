import type { calendar_v3 } from '@googleapis/calendar';
import { failure } from './api.js';
import type { Call } from './api.js';
import { calendarOf } from './calendar-lists.js';
import { cancelEvent, createEvent, moveEvent, updateEvent } from './calendar-store.js';
import { eventNames } from './calendar-views.js';
import { answerFields } from './fields.js';
import type { Calendar, StoredEvent } from './state.js';
import { jsonObject } from './wire.js';
import type { Answer } from './wire.js';

const notFound = (): Answer => failure(404, 'notFound', 'Not Found');
const missing = (what: string): Answer => failure(400, 'required', `Missing ${what}.`);

function writable(call: Call): Calendar | Answer {
  const calendar = calendarOf(call);
  if ('status' in calendar) return calendar;
  const role = calendar.access.get(call.account.email);
  return role === 'owner' || role === 'writer' ? calendar : failure(403, 'requiredAccessLevel', 'You need to have writer access to this calendar.', { domain: 'calendar' });
}

function existing(call: Call, calendar: Calendar): StoredEvent | Answer {
  const event = calendar.events.get(call.parameters['eventId'] ?? '');
  if (!event) return notFound();
  const match = call.request.headers['if-match'];
  return match !== undefined && match !== '*' && match !== event.etag ? failure(412, 'conditionNotMet', 'Precondition Failed', { location: 'If-Match', locationType: 'header' }) : event;
}

const isEvent = (found: StoredEvent | Answer): found is StoredEvent => 'etag' in found;
const shown = (call: Call, event: StoredEvent): Answer => answerFields(call.request, event, eventNames, '*');

function bodyOf(call: Call): calendar_v3.Schema$Event | Answer {
  return (jsonObject(call.request.raw) as calendar_v3.Schema$Event | null) ?? failure(400, 'parseError', 'Parse Error');
}

const isAnswer = (found: calendar_v3.Schema$Event | Answer): found is Answer => typeof found.status === 'number';

/** `GET /calendar/v3/calendars/{calendarId}/events/{eventId}`; a cancelled event is still there. */
export function getEvent(call: Call): Answer {
  const calendar = calendarOf(call);
  if ('log' in calendar) {
    const event = calendar.events.get(call.parameters['eventId'] ?? '');
    return event ? shown(call, event) : notFound();
  }
  return calendar;
}

/** `POST /calendar/v3/calendars/{calendarId}/events` */
export function insertEvent(call: Call): Answer {
  const calendar = writable(call);
  if (!('log' in calendar)) return calendar;
  const body = bodyOf(call);
  if (isAnswer(body)) return body;
  if (!body.start) return missing('start time');
  if (!body.end) return missing('end time');
  if (body.id && !/^[a-v0-9]{5,1024}$/.test(body.id)) return failure(400, 'invalid', 'Invalid resource id value.');
  if (body.id && calendar.events.has(body.id)) return failure(409, 'duplicate', 'The requested identifier already exists.');
  return shown(call, createEvent(call.state, calendar, call.account.email, body));
}

/** `PUT` (the whole event) and `PATCH` (what is named) of `/calendar/v3/calendars/{calendarId}/events/{eventId}`. */
export function changeEvent(call: Call): Answer {
  const calendar = writable(call);
  if (!('log' in calendar)) return calendar;
  const event = existing(call, calendar);
  if (!isEvent(event)) return event;
  const body = bodyOf(call);
  if (isAnswer(body)) return body;
  if (call.request.method === 'PATCH') return shown(call, updateEvent(call.state, calendar, event, body));
  if (!body.start) return missing('start time');
  if (!body.end) return missing('end time');
  const settable = ['summary', 'description', 'location', 'attendees', 'recurrence', 'extendedProperties', 'transparency', 'visibility', 'colorId'] as const;
  const dropped = Object.fromEntries(settable.filter((name) => body[name] === undefined).map((name) => [name, null]));
  return shown(call, updateEvent(call.state, calendar, event, { status: 'confirmed', ...dropped, ...body }));
}

/** `DELETE /calendar/v3/calendars/{calendarId}/events/{eventId}`; 410 the second time. */
export function deleteEvent(call: Call): Answer {
  const calendar = writable(call);
  if (!('log' in calendar)) return calendar;
  const event = existing(call, calendar);
  if (!isEvent(event)) return event;
  if (event.status === 'cancelled') return failure(410, 'deleted', 'Resource has been deleted');
  cancelEvent(call.state, calendar, event);
  return { status: 204 };
}

/** `POST /calendar/v3/calendars/{calendarId}/events/{eventId}/move?destination=` */
export function transferEvent(call: Call): Answer {
  const from = writable(call);
  if (!('log' in from)) return from;
  const event = existing(call, from);
  if (!isEvent(event)) return event;
  const to = writable({ ...call, parameters: { calendarId: call.request.query.get('destination') ?? '' } });
  if (!('log' in to)) return to;
  return event.status === 'cancelled' || to.id === from.id ? failure(400, 'invalid', 'Invalid Value') : shown(call, moveEvent(call.state, from, event, to));
}

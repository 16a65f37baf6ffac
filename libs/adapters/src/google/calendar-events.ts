import { defineTriggerType } from '@vane/kit';
import { z } from 'zod';
import { timeOf } from './answers.js';
import { calendarsPicker } from './calendar-pickers.js';
import { identityOf, syncPull } from './calendar-sync.js';
import { channelRemote } from './channels.js';
import { scope } from './oauth.js';
import { calendarEventScript } from './starter-scripts.js';
import { webhook } from './webhook.js';

const config = z.strictObject({
  calendarId: z
    .string()
    .trim()
    .regex(/^\S{1,300}$/, 'is not the id of a calendar: it looks like an e-mail address, or is primary')
    .meta({ title: 'Calendar', description: 'Id of the calendar; primary is the main one of the account' }),
});

const path = (calendarId: string): string => `/calendars/${encodeURIComponent(calendarId)}/events`;

/** Events of one calendar; a recurring event is one, and each exception to it another. */
export const calendarEvents = defineTriggerType({
  label: 'Calendar event',
  description: 'Runs when an event of a Google calendar is created, changed or cancelled.',
  config,
  summary: ({ calendarId }) => `Events of ${calendarId === 'primary' ? 'the main calendar' : calendarId.slice(0, 100)}`,
  starterScript: calendarEventScript,
  // The second one lists calendars to choose from.
  scopes: [scope('calendar.events.readonly'), scope('calendar.calendarlist.readonly')],
  sharing: 'feed',
  plan: ({ calendarId }) => ({ resource: calendarId, want: {} }),
  webhook,
  // https://developers.google.com/workspace/calendar/api/v3/reference/events/watch
  remote: channelRemote({
    api: 'calendar/v3',
    longestSeconds: 604_800,
    docsUrl: 'https://developers.google.com/workspace/calendar/api/guides/push',
    call: async (_http, { resource }) => ({ path: `${path(resource)}/watch` }),
  }),
  pull: syncPull({
    path: (resource) => `/calendar/v3${path(resource)}`,
    query: { showDeleted: 'true', singleEvents: 'false', maxResults: 250 },
    what: 'events of this calendar',
    eventOf: (event, calendarId) => ({
      type: event['status'] === 'cancelled' ? 'event.cancelled' : 'event.changed',
      dedupeKey: identityOf(event),
      occurredAt: timeOf(event['updated']),
      payload: { calendarId, event },
    }),
  }),
  pickers: { calendars: calendarsPicker },
});

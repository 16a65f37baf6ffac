import { defineTriggerType } from '@vane/kit';
import { z } from 'zod';
import { identityOf, syncPull } from './calendar-sync.js';
import { channelRemote } from './channels.js';
import { scope } from './oauth.js';
import { calendarListScript } from './starter-scripts.js';
import { webhook } from './webhook.js';

const PATH = '/users/me/calendarList';

/** The calendars that an account has in its list. */
export const calendarList = defineTriggerType({
  label: 'List of calendars',
  description: 'Runs when a calendar comes into the list of a Google account, is changed there or leaves it.',
  config: z.strictObject({}),
  summary: () => 'Calendars of the account',
  starterScript: calendarListScript,
  scopes: [scope('calendar.calendarlist.readonly')],
  sharing: 'feed',
  plan: () => ({ resource: 'calendars', want: {} }),
  webhook,
  // https://developers.google.com/workspace/calendar/api/v3/reference/calendarList/watch
  remote: channelRemote({
    api: 'calendar/v3',
    longestSeconds: 604_800,
    docsUrl: 'https://developers.google.com/workspace/calendar/api/guides/push',
    call: async () => ({ path: `${PATH}/watch` }),
  }),
  pull: syncPull({
    path: () => `/calendar/v3${PATH}`,
    query: { showDeleted: 'true', showHidden: 'true', maxResults: 250 },
    what: 'calendars',
    eventOf: (calendar) => ({
      type: calendar['deleted'] === true ? 'calendar.removed' : 'calendar.changed',
      dedupeKey: identityOf(calendar),
      occurredAt: null,
      payload: { calendar },
    }),
  }),
});

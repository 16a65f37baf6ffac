import type { calendar_v3 } from '@googleapis/calendar';
import type { Known } from './fields.js';
import type { Account, Calendar, StoredEvent } from './state.js';

/** Every name of `T`: a name that Google adds or drops is an error of the type check. */
type NamesOf<T> = { [Name in keyof T]-?: true | Known };

const any = true as const;

export const eventNames: NamesOf<calendar_v3.Schema$Event> = {
  anyoneCanAddSelf: any, attachments: any, attendees: any, attendeesOmitted: any, birthdayProperties: any, colorId: any, conferenceData: any, created: any,
  creator: any, description: any, end: any, endTimeUnspecified: any, etag: any, eventLabelId: any, eventType: any, extendedProperties: any,
  focusTimeProperties: any, gadget: any, guestsCanInviteOthers: any, guestsCanModify: any, guestsCanSeeOtherGuests: any, hangoutLink: any, htmlLink: any,
  iCalUID: any, id: any, kind: any, location: any, locked: any, organizer: any, originalStartTime: any, outOfOfficeProperties: any, privateCopy: any,
  recurrence: any, recurringEventId: any, reminders: any, sequence: any, source: any, start: any, status: any, summary: any, transparency: any, updated: any,
  visibility: any, workingLocationProperties: any,
};

export const eventsNames: NamesOf<calendar_v3.Schema$Events> = {
  accessRole: any, defaultReminders: any, description: any, etag: any, items: eventNames, kind: any, nextPageToken: any, nextSyncToken: any, summary: any,
  timeZone: any, updated: any,
};

export const entryNames: NamesOf<calendar_v3.Schema$CalendarListEntry> = {
  accessRole: any, autoAcceptInvitations: any, backgroundColor: any, colorId: any, conferenceProperties: any, dataOwner: any, defaultReminders: any,
  deleted: any, description: any, etag: any, foregroundColor: any, hidden: any, id: any, kind: any, location: any, notificationSettings: any, primary: any,
  selected: any, summary: any, summaryOverride: any, timeZone: any,
};

export const calendarListNames: NamesOf<calendar_v3.Schema$CalendarList> = { etag: any, items: entryNames, kind: any, nextPageToken: any, nextSyncToken: any };

/** An event as lists show it; of a cancelled one little is left. */
export function eventView(event: StoredEvent): calendar_v3.Schema$Event {
  if (event.status !== 'cancelled') return event;
  const { id, etag, status, recurringEventId, originalStartTime } = event;
  return { kind: 'calendar#event', etag, id, status, ...(recurringEventId ? { recurringEventId, originalStartTime } : {}) };
}

/** A calendar in somebody's list; one that they lost is only marked as deleted. */
export function entryView(id: string, calendar: Calendar | undefined, account: Account, etag: string): calendar_v3.Schema$CalendarListEntry {
  const accessRole = calendar?.access.get(account.email);
  if (!calendar || accessRole === undefined) return { kind: 'calendar#calendarListEntry', etag, id, deleted: true };
  return {
    kind: 'calendar#calendarListEntry', etag, id, summary: calendar.summary, timeZone: calendar.timeZone, accessRole, defaultReminders: [], colorId: '1',
    backgroundColor: '#ac725e', foregroundColor: '#1d1d1d', selected: true,
    ...(calendar.description === null ? {} : { description: calendar.description }),
    ...(id === account.email ? { primary: true } : {}),
  };
}

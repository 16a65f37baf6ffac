import type { Picker } from '@vane/kit';
import { z } from 'zod';
import { get } from './answers.js';

const calendars = z.object({
  items: z.array(z.object({ id: z.string(), summary: z.string().optional(), summaryOverride: z.string().optional(), primary: z.boolean().optional(), accessRole: z.string().optional() })).optional(),
  nextPageToken: z.string().optional(),
});

/** Calendars in the account's list: https://developers.google.com/workspace/calendar/api/v3/reference/calendarList/list */
export const calendarsPicker: Picker = {
  field: 'calendarId',
  async pick(http, { q = '', cursor }) {
    const query = { maxResults: 250, pageToken: cursor, fields: 'nextPageToken,items(id,summary,summaryOverride,primary,accessRole)' };
    const { items = [], nextPageToken } = await get(http, { path: '/calendar/v3/users/me/calendarList', query }, calendars, 'a list of calendars');
    const wanted = q.trim().toLowerCase();
    const found = items.map(({ id, summary, summaryOverride, primary, accessRole }) => ({
      value: id,
      label: summaryOverride ?? summary ?? id,
      description: [primary ? 'Main calendar' : '', accessRole ? `Access: ${accessRole}` : ''].filter(Boolean).join('. '),
    }));
    return { items: found.filter(({ value, label }) => `${label} ${value}`.toLowerCase().includes(wanted)), next: nextPageToken ?? null };
  },
};

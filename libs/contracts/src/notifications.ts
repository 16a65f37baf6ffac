import { z } from 'zod';
import { defineOperation } from './operation.js';
import { jsonObject, ref, text, webUrl } from './scalars.js';

export const SEVERITIES = ['info', 'warning', 'critical'] as const;

/** What a notification is about, for programs: words joined by dots, such as `connection.auth-required`. */
export const notificationKind = z
  .string()
  .max(100)
  .regex(/^[a-z][a-z0-9-]*(\.[a-z0-9-]+)*$/, 'is not a kind of notification (words of a-z, 0-9 and -, joined by dots)');

/** What a notification says, wherever it is read. Plain text throughout, and never a secret. */
const said = {
  kind: notificationKind,
  severity: z.enum(SEVERITIES),
  title: text().trim().min(1).max(200),
  text: text().trim().min(1).max(4_000),
};

export const postNotification = defineOperation({
  name: 'notifications.post',
  owner: 'api-gateway',
  summary: 'Tell the people of a workspace something, once per dedupe key, in the console and over its channels',
  access: 'internal',
  mutates: true,
  input: z.object({
    workspace: ref,
    ...said,
    /** Says what happened and to what, the same in every repeat of one occurrence and different for the next. */
    dedupeKey: text().min(1).max(300),
    link: webUrl().max(2_000).nullable(),
    facts: jsonObject,
  }),
  output: z.object({ posted: z.boolean().describe('False when it was posted before') }),
});

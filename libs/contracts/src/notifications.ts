import { z } from 'zod';
import { defineOperation } from './operation.js';
import { done, id, ifMatch, instant, jsonObject, page, pageQuery, ref, shownSecret, text, webUrl } from './scalars.js';

export const SEVERITIES = ['info', 'warning', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

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

export const notificationView = z
  .object({
    id: id('notification').describe('Also the webhook-id under which channels get it'),
    ...said,
    link: z.string().nullable(),
    facts: jsonObject,
    createdAt: instant,
    readAt: instant.nullable(),
  })
  .meta({ id: 'Notification' });
export type NotificationView = z.infer<typeof notificationView>;

export const CHANNEL_KINDS = ['webhook', 'email'] as const;
export type ChannelKind = (typeof CHANNEL_KINDS)[number];

export const NOTIFICATION_DELIVERY_STATUSES = ['pending', 'sent', 'failed'] as const;

export const notificationDeliveryView = z
  .object({
    channelId: id('channel'),
    kind: z.enum(CHANNEL_KINDS),
    status: z.enum(NOTIFICATION_DELIVERY_STATUSES),
    attempts: z.number().int(),
    nextAttemptAt: instant.nullable(),
    lastError: z.string().nullable(),
    sentAt: instant.nullable(),
  })
  .meta({ id: 'NotificationDelivery' });

export const listNotifications = defineOperation({
  name: 'notifications.list',
  owner: 'api-gateway',
  summary: 'List what the people of a workspace were told',
  access: 'operator',
  http: { method: 'GET', path: '/workspaces/{workspace}/notifications' },
  input: z.object({
    workspace: ref,
    ...pageQuery,
    unread: z.stringbool().optional(),
    kind: notificationKind.optional(),
    from: instant.optional(),
  }),
  output: page(notificationView),
});

export const getNotification = defineOperation({
  name: 'notifications.get',
  owner: 'api-gateway',
  summary: 'Read a notification and what became of it on every channel',
  access: 'operator',
  http: { method: 'GET', path: '/workspaces/{workspace}/notifications/{notification}' },
  input: z.object({ workspace: ref, notification: ref }),
  output: notificationView.extend({ deliveries: z.array(notificationDeliveryView) }).meta({ id: 'NotificationWithDeliveries' }),
});

export const markNotificationRead = defineOperation({
  name: 'notifications.mark-read',
  owner: 'api-gateway',
  summary: 'Mark a notification as read, for everybody in the workspace',
  access: 'operator',
  http: { method: 'POST', path: '/workspaces/{workspace}/notifications/{notification}/read' },
  input: z.object({ workspace: ref, notification: ref }),
  output: notificationView,
});

export const markAllNotificationsRead = defineOperation({
  name: 'notifications.mark-all-read',
  owner: 'api-gateway',
  summary: 'Mark every notification of the workspace as read',
  access: 'operator',
  http: { method: 'POST', path: '/workspaces/{workspace}/notifications/read' },
  input: z.object({ workspace: ref }),
  output: z.object({ marked: z.number().int() }).meta({ id: 'NotificationsMarked' }),
});

export const channelView = z
  .object({
    id: id('channel'),
    kind: z.enum(CHANNEL_KINDS),
    target: z.string().describe('URL of a webhook, or an e-mail address'),
    enabled: z.boolean(),
    createdAt: instant,
    updatedAt: instant,
    version: z.number().int(),
  })
  .meta({ id: 'NotificationChannel' });
export type ChannelView = z.infer<typeof channelView>;

const target = text().min(1).max(2_000).describe('An http(s) URL for kind webhook, an address for kind email');
const shownOnce = shownSecret().nullable().describe('Standard Webhooks secret (whsec_...) that the receiver verifies with; null for e-mail');

export const createChannel = defineOperation({
  name: 'notification-channels.create',
  owner: 'api-gateway',
  summary: 'Send the notifications of a workspace somewhere; the signing secret of a webhook is shown this once',
  access: 'admin',
  http: { method: 'POST', path: '/workspaces/{workspace}/notification-channels', status: 201, revealsSecret: ['secret'] },
  input: z.object({ workspace: ref, kind: z.enum(CHANNEL_KINDS), target }),
  output: channelView.extend({ secret: shownOnce }).meta({ id: 'CreatedNotificationChannel' }),
});

export const listChannels = defineOperation({
  name: 'notification-channels.list',
  owner: 'api-gateway',
  summary: 'List where the notifications of a workspace are sent',
  access: 'admin',
  http: { method: 'GET', path: '/workspaces/{workspace}/notification-channels' },
  input: z.object({ workspace: ref, ...pageQuery }),
  output: page(channelView),
});

export const getChannel = defineOperation({
  name: 'notification-channels.get',
  owner: 'api-gateway',
  summary: 'Read a notification channel',
  access: 'admin',
  http: { method: 'GET', path: '/workspaces/{workspace}/notification-channels/{channel}' },
  input: z.object({ workspace: ref, channel: ref }),
  output: channelView,
});

export const updateChannel = defineOperation({
  name: 'notification-channels.update',
  owner: 'api-gateway',
  summary: 'Change where a channel sends to, or switch it off and on; what it is owed while it is off is not sent later',
  access: 'admin',
  http: { method: 'PATCH', path: '/workspaces/{workspace}/notification-channels/{channel}', ifMatch: true },
  input: z.object({ workspace: ref, channel: ref, ifMatch, target: target.optional(), enabled: z.boolean().optional() }),
  output: channelView,
});

export const deleteChannel = defineOperation({
  name: 'notification-channels.delete',
  owner: 'api-gateway',
  summary: 'Delete a notification channel and what it is still owed',
  access: 'admin',
  http: { method: 'DELETE', path: '/workspaces/{workspace}/notification-channels/{channel}' },
  input: z.object({ workspace: ref, channel: ref }),
  output: done,
});

export const rotateChannelSecret = defineOperation({
  name: 'notification-channels.rotate-secret',
  owner: 'api-gateway',
  summary: 'Give a webhook channel a new signing secret, used from now on and shown this once; refused messages are repeated for a day',
  access: 'admin',
  http: { method: 'POST', path: '/workspaces/{workspace}/notification-channels/{channel}/secret', revealsSecret: ['secret'] },
  input: z.object({ workspace: ref, channel: ref }),
  output: channelView.extend({ secret: shownOnce }).meta({ id: 'NotificationChannelWithSecret' }),
});

export const testChannel = defineOperation({
  name: 'notification-channels.test',
  owner: 'api-gateway',
  summary: 'Send a test notification over a channel, once, and tell what happened',
  access: 'admin',
  deadlineMs: 45_000,
  http: { method: 'POST', path: '/workspaces/{workspace}/notification-channels/{channel}/test' },
  input: z.object({ workspace: ref, channel: ref }),
  output: z
    .object({ sent: z.boolean(), error: z.string().nullable().describe('Why it was not taken, in a sentence') })
    .meta({ id: 'NotificationChannelTest' }),
});

export const deliverNotifications = defineOperation({
  name: 'notifications.deliver',
  owner: 'api-gateway',
  summary: 'Send what channels are owed and is due',
  access: 'internal',
  mutates: true,
  deadlineMs: 60_000,
  input: z.object({ limit: z.number().int().min(1).max(100) }),
  output: z.object({ sent: z.number().int(), failed: z.number().int(), more: z.boolean() }),
});

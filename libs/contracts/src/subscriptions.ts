import { z } from 'zod';
import { defineOperation } from './operation.js';
import { reason } from './health.js';
import { id, instant, jsonObject, page, pageQuery, ref, slug } from './scalars.js';

/** `renewing`: active, and its replacement is being made; `missing`: the service does not have it; `disabled`: it does, and switched it off. */
export const SUBSCRIPTION_STATUSES = ['pending', 'active', 'renewing', 'degraded', 'missing', 'auth_required', 'disabled', 'removing', 'removed'] as const;
export type SubscriptionStatus = (typeof SUBSCRIPTION_STATUSES)[number];

export const DRIFT_KINDS = ['missing', 'disabled', 'changed', 'url_changed'] as const;
export type DriftKind = (typeof DRIFT_KINDS)[number];

/** What the service holds and what we want it to hold, where they differ. Never a secret. */
export const driftView = z
  .object({ kind: z.enum(DRIFT_KINDS), seenAt: instant, ours: jsonObject, theirs: jsonObject.nullable() })
  .meta({ id: 'Drift' });
export type DriftView = z.infer<typeof driftView>;

/** How the events of a feed are fetched, for services whose messages only say that there is something. */
export const pullView = z
  .object({
    state: z.enum(['waiting', 'pulling', 'replaying', 'failing']),
    reason: reason.nullable(),
    lastPullAt: instant.nullable().describe('When a pull last reached the end'),
    nextPullAt: instant.nullable(),
    behind: z.boolean().describe('Whether the service has told of something that is not fetched yet'),
  })
  .meta({ id: 'FeedPull' });
export type PullView = z.infer<typeof pullView>;

export const subscriptionView = z
  .object({
    id: id('subscription'),
    feedId: id('feed'),
    service: slug,
    resource: z.string(),
    status: z.enum(SUBSCRIPTION_STATUSES),
    since: instant,
    reason: reason.nullable(),
    externalId: z.string().nullable().describe('Id of the object at the service'),
    verified: z.boolean().describe('False when whoever knows the URL can post'),
    attempts: z.number().int().describe('Tries since the last success'),
    nextAttemptAt: instant.nullable(),
    expiresAt: instant.nullable().describe('When the service ends it by itself, as it said'),
    renewAt: instant.nullable().describe('When it is replaced ahead of that'),
    replaces: id('subscription').nullable().describe('The one that stays until this one is active'),
    checkedAt: instant.nullable().describe('When it was last compared with what the service holds'),
    drift: driftView.nullable(),
    secretRotation: z
      .object({
        state: z.enum(['applying', 'overlap']).describe('applying: the service has not confirmed the new secret; overlap: it has, and the old one is still accepted'),
        oldAcceptedUntil: instant.nullable().describe('Until when the old secret is accepted; null while the service has not confirmed the new one'),
      })
      .nullable(),
    tombstone: z.boolean().describe('Removed here, removal at the service still owed'),
    history: z.array(z.object({ at: instant, status: z.string(), reason: reason.nullable() })),
  })
  .meta({ id: 'Subscription' });
export type SubscriptionView = z.infer<typeof subscriptionView>;

export const listSubscriptions = defineOperation({
  name: 'subscriptions.list',
  owner: 'trigger-service',
  summary: 'List subscriptions, tombstones included',
  access: 'operator',
  http: { method: 'GET', path: '/workspaces/{workspace}/subscriptions' },
  input: z.object({ workspace: ref, ...pageQuery, status: z.enum(SUBSCRIPTION_STATUSES).optional() }),
  output: page(subscriptionView),
});

export const getSubscription = defineOperation({
  name: 'subscriptions.get',
  owner: 'trigger-service',
  summary: 'Read a subscription with its history',
  access: 'operator',
  http: { method: 'GET', path: '/workspaces/{workspace}/subscriptions/{subscription}' },
  input: z.object({ workspace: ref, subscription: ref }),
  output: subscriptionView,
});

export const forgetSubscription = defineOperation({
  name: 'subscriptions.forget',
  owner: 'trigger-service',
  summary: 'Give up a removal that is still owed at a service that is gone for good; its hook may still be there',
  access: 'editor',
  http: { method: 'DELETE', path: '/workspaces/{workspace}/subscriptions/{subscription}' },
  input: z.object({ workspace: ref, subscription: ref }),
  output: subscriptionView,
});

/** What is not of one subscription alone; the rest is `work.due`. */
export const sweepSubscriptions = defineOperation({
  name: 'subscriptions.sweep',
  owner: 'trigger-service',
  summary: 'Follow connections that ended or work again, finish moves and wipe secrets whose time is over',
  access: 'internal',
  mutates: true,
  deadlineMs: 60_000,
  input: z.object({ limit: z.number().int().max(200) }),
  output: z.object({ ok: z.literal(true) }),
});

/** Asked by oauth-service when another account has taken over a connection, until none is busy; a repeat does no harm. */
export const reapplySubscriptions = defineOperation({
  name: 'subscriptions.reapply',
  owner: 'trigger-service',
  summary: 'Tell the service anew what is wanted of it, as the account that the connection works as now',
  access: 'internal',
  mutates: true,
  input: z.object({ workspace: ref, connection: ref }),
  output: z.object({
    due: z.number().int(),
    /** Being changed at this moment, maybe still as the account before. */
    busy: z.number().int(),
  }),
});

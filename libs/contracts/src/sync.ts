import { z } from 'zod';
import { defineOperation } from './operation.js';
import { done, id, instant, jsonObject, ref, slug, text } from './scalars.js';
import { reason } from './health.js';
import { driftView, SUBSCRIPTION_STATUSES, subscriptionView } from './subscriptions.js';

export const DRIFT_ACTIONS = ['restore', 'keep'] as const;

export const resolveDrift = defineOperation({
  name: 'subscriptions.resolve-drift',
  owner: 'trigger-service',
  summary: 'Decide what becomes of an object that was changed or deleted at the service; 202 when the service has not answered yet',
  access: 'editor',
  deadlineMs: 25_000,
  http: {
    method: 'POST',
    path: '/workspaces/{workspace}/subscriptions/{subscription}/drift',
    status: ({ status }) => (status === 'active' ? 200 : 202),
  },
  input: z.object({
    workspace: ref,
    subscription: ref,
    action: z.enum(DRIFT_ACTIONS).describe('restore: make it as we want it; keep: leave what was changed as it is there, until that changes again or something else is wanted'),
  }),
  output: subscriptionView,
});

/** What is left at the service of subscriptions that are removed here, or that nobody here knows any more. */
export const orphan = z
  .object({
    feed: id('feed').describe('Whose resource it was found at'),
    externalId: z.string().describe('Id of the object at the service'),
    service: slug,
    resource: z.string(),
    active: z.boolean().nullable(),
    fields: jsonObject,
  })
  .meta({ id: 'Orphan' });
export type Orphan = z.infer<typeof orphan>;

/** Calls the service as the connected account, as `triggers.provider-view` does. */
export const listOrphans = defineOperation({
  name: 'connections.orphans',
  owner: 'trigger-service',
  summary: 'Ask the service for objects of ours that no subscription has any more, at every resource that the connection listens or listened to',
  access: 'editor',
  deadlineMs: 45_000,
  http: { method: 'GET', path: '/workspaces/{workspace}/connections/{connection}/orphans' },
  input: z.object({ workspace: ref, connection: ref }),
  output: z
    .object({
      items: z.array(orphan),
      unseen: z.array(z.object({ resource: z.string(), message: z.string() })).describe('Resources that the service does not let this account look at now: there may be more'),
      unasked: z.number().int().describe('Resources that this call did not come to'),
    })
    .meta({ id: 'Orphans' }),
});
export type Orphans = z.infer<typeof listOrphans.output>;

export const deleteOrphan = defineOperation({
  name: 'connections.delete-orphan',
  owner: 'trigger-service',
  summary: 'Delete an orphan at the service; what is not ours, or has a subscription, is never deleted',
  access: 'editor',
  deadlineMs: 25_000,
  http: { method: 'DELETE', path: '/workspaces/{workspace}/connections/{connection}/orphans/{feed}/{externalId}' },
  input: z.object({ workspace: ref, connection: ref, feed: ref, externalId: text().min(1).max(500) }),
  output: done,
});

export const syncView = z
  .object({
    id: id('sync'),
    triggerId: id('trigger').nullable(),
    connectionId: id('connection').nullable(),
    requestedAt: instant,
    state: z.enum(['running', 'done']),
    progress: z.object({
      total: z.number().int().describe('Subscriptions that can be compared with their service, and feeds whose events are fetched'),
      done: z.number().int().describe('Those that the service was asked about since then, or that it could not be asked about'),
    }),
    orphans: z.number().int().nullable().describe('Objects of ours at the service that no subscription has; null while they are not counted'),
    findings: z
      .array(
        z.object({
          subscriptionId: id('subscription'),
          service: slug,
          resource: z.string(),
          status: z.enum(SUBSCRIPTION_STATUSES),
          reason: reason.nullable(),
          drift: driftView.nullable(),
        }),
      )
      .describe('What is not as it should be, at most 100'),
  })
  .meta({ id: 'Sync' });
export type SyncView = z.infer<typeof syncView>;

export const startSync = defineOperation({
  name: 'syncs.start',
  owner: 'trigger-service',
  summary: 'Compare with the services now, and fetch what there is to fetch: of a trigger, a connection or the whole workspace',
  access: 'editor',
  http: { method: 'POST', path: '/workspaces/{workspace}/syncs', status: 202 },
  input: z.object({ workspace: ref, trigger: ref.optional(), connection: ref.optional() }),
  output: syncView,
});

export const getSync = defineOperation({
  name: 'syncs.get',
  owner: 'trigger-service',
  summary: 'How far a sync is, and what it found; forgotten after seven days',
  access: 'operator',
  http: { method: 'GET', path: '/workspaces/{workspace}/syncs/{sync}' },
  input: z.object({ workspace: ref, sync: ref }),
  output: syncView,
});

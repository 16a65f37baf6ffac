import { z } from 'zod';
import { healthView, reason } from './health.js';
import { defineOperation } from './operation.js';
import { id, ifMatch, instant, json, jsonObject, label, page, pageQuery, ref, secretText, shownSecret, slug, text } from './scalars.js';
import { driftView, pullView, subscriptionView } from './subscriptions.js';

export const RESYNC_POLICIES = ['from_now', 'replay_all'] as const;
export const DRIFT_POLICIES = ['restore', 'flag'] as const;

/** UTF-16 units of a filter or a mapping. */
export const MAX_EXPRESSION = 4_000;

/** What decides on an event, and makes of it what a run gets: expressions in CEL (docs/filters.md). */
const expressions = {
  filter: text().trim().min(1).max(MAX_EXPRESSION).nullable().describe('CEL expression that comes to true for events that start a run, as in `payload.action == "opened"`; null: all do'),
  mapping: text().trim().min(1).max(MAX_EXPRESSION).nullable().describe('CEL expression that makes of an event what the run gets: `ctx.args` of a script, the whole body for an HTTP target; null: the event as it is'),
};

/** How a trigger is watched over; what is left out keeps its value, or gets the default. */
const care = {
  resync: z
    .enum(RESYNC_POLICIES)
    .describe('When the service has forgotten where we were: go on from now, or run once for everything that is there (identical versions that ran before do not run again)'),
  onDrift: z.enum(DRIFT_POLICIES).describe('When our object at the service was changed or deleted there: put it back, or flag it and wait for a person'),
  expectEverySeconds: z
    .number()
    .int()
    .min(60)
    .max(366 * 86_400)
    .nullable()
    .describe('Longest silence that is normal; null: what the rhythm of its events says'),
};

export const TRIGGER_STATUSES = ['enabled', 'paused', 'disabled'] as const;

export const triggerView = z
  .object({
    id: id('trigger'),
    name: label,
    service: slug,
    type: slug,
    connectionId: id('connection').nullable(),
    config: jsonObject,
    summary: z.string(),
    runnableId: id('runnable').nullable(),
    status: z.enum(TRIGGER_STATUSES),
    statusReason: reason.nullable(),
    health: healthView,
    callbackUrl: shownSecret().describe('Where the service posts; its last part is a credential'),
    subscription: subscriptionView.nullable(),
    ...care,
    ...expressions,
    pull: pullView.nullable().describe('Null where the service sends the events themselves'),
    createdAt: instant,
    updatedAt: instant,
    version: z.number().int().describe('Send as If-Match to change the trigger'),
  })
  .meta({ id: 'Trigger' });
export type TriggerView = z.infer<typeof triggerView>;

/** What the service itself says about our object, beside what we hold. */
export const providerView = z
  .object({
    state: z.enum(['present', 'missing', 'unknown', 'not_applicable']),
    message: z.string().nullable(),
    callbackUrl: shownSecret().nullable(),
    active: z.boolean().nullable(),
    fields: jsonObject.nullable(),
    drift: driftView.nullable().describe('What differs from what we want, at this moment'),
  })
  .meta({ id: 'ProviderView' });
export type ProviderView = z.infer<typeof providerView>;

/** An active subscription with a try that has not ended is being changed at the service. */
const settled = ({ subscription }: { subscription: { status: string; attempts: number } | null }, whenDone: number) => {
  if (!subscription) return whenDone;
  const { status, attempts } = subscription;
  return status === 'pending' || status === 'degraded' || (status === 'active' && attempts > 0) ? 202 : whenDone;
};

export const createTrigger = defineOperation({
  name: 'triggers.create',
  owner: 'trigger-service',
  summary: 'Create a trigger and register it at the service; 202 when the service has not answered yet',
  access: 'editor',
  deadlineMs: 25_000,
  http: {
    method: 'POST',
    path: '/workspaces/{workspace}/triggers',
    status: (trigger) => settled(trigger, 201),
    revealsSecret: ['secret'],
  },
  input: z.object({
    workspace: ref,
    name: label,
    service: slug,
    type: slug,
    connectionId: ref.nullish(),
    config: jsonObject.default({}),
    runnableId: ref,
    secret: secretText()
      .min(16)
      .max(500)
      .optional()
      .describe('Only for services without an API: a secret that the sender already has; left out, Vane makes one'),
    paused: z.boolean().default(false).describe('Record events as skipped until resumed'),
    resync: care.resync.default('from_now'),
    onDrift: care.onDrift.default('restore'),
    expectEverySeconds: care.expectEverySeconds.default(null),
    filter: expressions.filter.default(null),
    mapping: expressions.mapping.default(null),
  }),
  output: triggerView
    .extend({
      secret: shownSecret().nullable().describe('For services without an API: the secret to enter there, shown this once'),
    })
    .meta({ id: 'CreatedTrigger' }),
});

export const getTrigger = defineOperation({
  name: 'triggers.get',
  owner: 'trigger-service',
  summary: 'Read a trigger',
  access: 'operator',
  http: { method: 'GET', path: '/workspaces/{workspace}/triggers/{trigger}' },
  input: z.object({ workspace: ref, trigger: ref }),
  output: triggerView,
});

/** Calls the service as the connected account, which is why reading the trigger is not enough. */
export const getProviderView = defineOperation({
  name: 'triggers.provider-view',
  owner: 'trigger-service',
  summary: "Ask the service for its own view of a trigger's subscription",
  access: 'editor',
  deadlineMs: 25_000,
  http: { method: 'GET', path: '/workspaces/{workspace}/triggers/{trigger}/provider' },
  input: z.object({ workspace: ref, trigger: ref }),
  output: providerView,
});

export const listTriggers = defineOperation({
  name: 'triggers.list',
  owner: 'trigger-service',
  summary: 'List triggers',
  access: 'operator',
  http: { method: 'GET', path: '/workspaces/{workspace}/triggers' },
  input: z.object({
    workspace: ref,
    ...pageQuery,
    service: slug.optional(),
    status: z.enum(TRIGGER_STATUSES).optional(),
    runnable: ref.optional(),
    connection: ref.optional(),
  }),
  output: page(triggerView),
});

export const updateTrigger = defineOperation({
  name: 'triggers.update',
  owner: 'trigger-service',
  summary: 'Change a trigger; what is left out stays; 202 when the service has not answered yet',
  access: 'editor',
  deadlineMs: 25_000,
  http: {
    method: 'PATCH',
    path: '/workspaces/{workspace}/triggers/{trigger}',
    status: (trigger) => settled(trigger, 200),
    ifMatch: true,
  },
  input: z.object({
    workspace: ref,
    trigger: ref,
    ifMatch,
    name: label.optional(),
    connectionId: ref.optional().describe('Another connection of the same service: the old one serves the trigger until the new one does'),
    config: jsonObject.optional(),
    runnableId: ref.optional(),
    resync: care.resync.optional(),
    onDrift: care.onDrift.optional(),
    expectEverySeconds: care.expectEverySeconds.optional(),
    filter: expressions.filter.optional(),
    mapping: expressions.mapping.optional(),
  }),
  output: triggerView,
});

const problem = z.object({ message: z.string(), line: z.number().int().nullable(), column: z.number().int().nullable() }).nullable().meta({ id: 'ExpressionProblem' });

export const previewTrigger = defineOperation({
  name: 'triggers.preview',
  owner: 'trigger-service',
  summary: 'Evaluate a filter and a mapping on a past event or a sample before they are saved; nothing is started',
  access: 'editor',
  mutates: false,
  http: { method: 'POST', path: '/workspaces/{workspace}/triggers/preview', status: 200 },
  input: z
    .object({
      workspace: ref,
      filter: expressions.filter.optional(),
      mapping: expressions.mapping.optional(),
      eventId: ref.optional().describe('A past event'),
      payload: json.optional().describe('Or a sample payload; without either an empty object'),
      type: text().max(200).optional().describe('Of the sample'),
      service: slug.optional().describe('Of the sample'),
    }),
  output: z
    .object({
      filter: z.object({ verdict: z.enum(['passed', 'filtered', 'failed', 'invalid']), error: problem }).nullable(),
      mapping: z.object({ verdict: z.enum(['mapped', 'failed', 'invalid']), value: json.nullable(), error: problem }).nullable(),
    })
    .meta({ id: 'TriggerPreview' }),
});

export const deleteTrigger = defineOperation({
  name: 'triggers.delete',
  owner: 'trigger-service',
  summary: 'Delete a trigger and what it registered; a refused removal stays as a tombstone that is retried',
  access: 'editor',
  deadlineMs: 25_000,
  http: {
    method: 'DELETE',
    path: '/workspaces/{workspace}/triggers/{trigger}',
    status: (reply) => (reply.subscription?.tombstone ? 202 : 200),
  },
  input: z.object({
    workspace: ref,
    trigger: ref,
    force: z.stringbool().default(false).describe('Do not ask the service: it or the grant is gone'),
  }),
  output: z.object({ ok: z.literal(true), subscription: subscriptionView.nullable() }).meta({ id: 'DeletedTrigger' }),
});

export const pauseTrigger = defineOperation({
  name: 'triggers.pause',
  owner: 'trigger-service',
  summary: 'Pause: the service keeps its hook, events are recorded as skipped and can be replayed',
  access: 'editor',
  http: { method: 'POST', path: '/workspaces/{workspace}/triggers/{trigger}/pause', status: 200 },
  input: z.object({ workspace: ref, trigger: ref }),
  output: triggerView,
});

export const resumeTrigger = defineOperation({
  name: 'triggers.resume',
  owner: 'trigger-service',
  summary: 'Resume a paused or disabled trigger',
  access: 'editor',
  http: { method: 'POST', path: '/workspaces/{workspace}/triggers/{trigger}/resume', status: 200 },
  input: z.object({ workspace: ref, trigger: ref }),
  output: triggerView,
});

/** What works as a connection: asked by oauth-service before it is changed or removed, and when its grant is dead. */
export const getConnectionUses = defineOperation({
  name: 'triggers.by-connection',
  owner: 'trigger-service',
  summary: 'The triggers, subscriptions and held runs of a connection',
  access: 'internal',
  input: z.object({ workspace: ref, connection: ref }),
  output: z.object({
    triggerCount: z.number().int(),
    /** The oldest 100; `scopes` are those that its trigger type needs. */
    triggers: z.array(z.object({ id: id('trigger'), name: label, type: slug, status: z.enum(TRIGGER_STATUSES), scopes: z.array(z.string()) })),
    /** Those that any of its triggers needs, or the removal of what one has left at the service. */
    scopes: z.array(z.string()),
    /** Objects that the service holds for us, without those whose removal is owed. */
    subscriptions: z.number().int(),
    /** Removals that the service still owes us. */
    tombstones: z.number().int(),
    heldRuns: z.number().int(),
  }),
});
export type ConnectionUses = z.infer<typeof getConnectionUses.output>;

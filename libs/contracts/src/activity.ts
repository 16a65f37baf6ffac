import { z } from 'zod';
import { defineOperation } from './operation.js';
import { id, instant, json, page, pageQuery, ref, slug, text } from './scalars.js';

export const DELIVERY_STATUSES = ['accepted', 'refused', 'unprocessable', 'handshake', 'ping'] as const;
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];

/** `held`: kept until what stands in its way is gone; `cancelled`: it never will be. */
export const RUN_STATUSES = ['held', 'queued', 'running', 'succeeded', 'failed', 'dead', 'interrupted', 'cancelled', 'skipped'] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];
export const TERMINAL_RUN_STATUSES = ['succeeded', 'failed', 'dead', 'interrupted', 'cancelled', 'skipped'] as const satisfies RunStatus[];

/** Whose fault a failed attempt is. */
export const FAULTS = ['ours', 'target', 'script'] as const;
export type Fault = (typeof FAULTS)[number];

export const deliveryView = z
  .object({
    id: id('delivery'),
    receivedAt: instant,
    status: z.enum(DELIVERY_STATUSES),
    reason: z.string().nullable(),
    service: slug,
    subscriptionId: id('subscription'),
    feedId: id('feed'),
    method: z.string(),
    size: z.number().int().describe('Bytes of the body as received'),
    sha256: z.string().describe('Of the body as received'),
  })
  .meta({ id: 'Delivery' });
export type DeliveryView = z.infer<typeof deliveryView>;

export const eventView = z
  .object({
    id: id('event'),
    receivedAt: instant,
    occurredAt: instant.nullable(),
    service: slug,
    type: z.string(),
    feedId: id('feed'),
    deliveryId: id('delivery').nullable(),
    dedupeKey: z.string(),
  })
  .meta({ id: 'Event' });
export type EventView = z.infer<typeof eventView>;

export const attemptView = z
  .object({
    number: z.number().int(),
    startedAt: instant,
    endedAt: instant.nullable(),
    outcome: z.enum(['running', 'succeeded', 'failed', 'interrupted']),
    fault: z.enum(FAULTS).nullable(),
    code: z.string().nullable(),
    message: z.string().nullable(),
    result: json.nullable(),
    logs: z.string(),
  })
  .meta({ id: 'Attempt' });
export type AttemptView = z.infer<typeof attemptView>;

export const runView = z
  .object({
    id: id('run').describe('Also the idempotency key that an HTTP target gets as webhook-id'),
    triggerId: id('trigger'),
    eventId: id('event'),
    runnableId: id('runnable').nullable(),
    replay: z.number().int().describe('0 for the first run of an event'),
    status: z.enum(RUN_STATUSES),
    reason: z.string().nullable(),
    reasonMessage: z.string().nullable().describe('More of the reason, such as what a filter said'),
    attempts: z.number().int(),
    createdAt: instant,
    startedAt: instant.nullable(),
    endedAt: instant.nullable(),
    nextAttemptAt: instant.nullable(),
    correlationId: z.string(),
  })
  .meta({ id: 'Run' });
export type RunView = z.infer<typeof runView>;

export const listDeliveries = defineOperation({
  name: 'deliveries.list',
  owner: 'trigger-service',
  summary: 'List deliveries',
  access: 'operator',
  http: { method: 'GET', path: '/workspaces/{workspace}/deliveries' },
  input: z.object({
    workspace: ref,
    ...pageQuery,
    status: z.enum(DELIVERY_STATUSES).optional(),
    trigger: ref.optional(),
    subscription: ref.optional(),
  }),
  output: page(deliveryView),
});

export const getDelivery = defineOperation({
  name: 'deliveries.get',
  owner: 'trigger-service',
  summary: 'Read a delivery with its headers and body, redacted',
  access: 'operator',
  http: { method: 'GET', path: '/workspaces/{workspace}/deliveries/{delivery}' },
  input: z.object({ workspace: ref, delivery: ref }),
  output: deliveryView
    .extend({
      headers: z.record(z.string(), z.string()),
      body: z.string().nullable().describe('Text as stored after redaction; null when only hash and size were kept'),
      events: z.array(eventView),
    })
    .meta({ id: 'DeliveryWithBody' }),
});

export const listEvents = defineOperation({
  name: 'events.list',
  owner: 'trigger-service',
  summary: 'List events',
  access: 'operator',
  http: { method: 'GET', path: '/workspaces/{workspace}/events' },
  input: z.object({ workspace: ref, ...pageQuery, trigger: ref.optional(), type: text().max(200).optional() }),
  output: page(eventView),
});

export const getEvent = defineOperation({
  name: 'events.get',
  owner: 'trigger-service',
  summary: 'Read an event with its payload and its runs',
  access: 'operator',
  http: { method: 'GET', path: '/workspaces/{workspace}/events/{event}' },
  input: z.object({ workspace: ref, event: ref }),
  output: eventView.extend({ payload: json, runs: z.array(runView) }).meta({ id: 'EventWithPayload' }),
});

export const listRuns = defineOperation({
  name: 'runs.list',
  owner: 'run-worker',
  summary: 'List runs',
  access: 'operator',
  http: { method: 'GET', path: '/workspaces/{workspace}/runs' },
  input: z.object({
    workspace: ref,
    ...pageQuery,
    status: z.enum(RUN_STATUSES).optional(),
    reason: text().max(100).optional().describe('Such as `filtered` or `filter_failed`'),
    trigger: ref.optional(),
    event: ref.optional(),
  }),
  output: page(runView),
});

export const getRun = defineOperation({
  name: 'runs.get',
  owner: 'run-worker',
  summary: 'Read a run with its attempts, results and console output',
  access: 'operator',
  http: { method: 'GET', path: '/workspaces/{workspace}/runs/{run}' },
  input: z.object({ workspace: ref, run: ref }),
  output: runView.extend({ input: json.nullable().describe('What the mapping of its trigger made of the event; null without one'), attemptList: z.array(attemptView) }).meta({ id: 'RunWithAttempts' }),
});

export const replayRun = defineOperation({
  name: 'runs.replay',
  owner: 'trigger-service',
  summary: 'Run the same event again for the same trigger, as a new run',
  access: 'operator',
  http: { method: 'POST', path: '/workspaces/{workspace}/runs/{run}/replay', status: 201 },
  input: z.object({ workspace: ref, run: ref }),
  output: runView,
});

export const cancelRun = defineOperation({
  name: 'runs.cancel',
  owner: 'run-worker',
  summary: 'End a run that has not ended; one under way is stopped within seconds',
  access: 'operator',
  http: { method: 'POST', path: '/workspaces/{workspace}/runs/{run}/cancel' },
  input: z.object({ workspace: ref, run: ref }),
  output: runView,
});

export const runNow = defineOperation({
  name: 'runs.run-now',
  owner: 'run-worker',
  summary: 'Start the next attempt of a waiting run now',
  access: 'operator',
  http: { method: 'POST', path: '/workspaces/{workspace}/runs/{run}/run-now' },
  input: z.object({ workspace: ref, run: ref }),
  output: runView,
});

export const summariseActivity = defineOperation({
  name: 'activity.summary',
  owner: 'trigger-service',
  summary: 'Count what was received and run in the last 24 hours, by the hour',
  access: 'operator',
  http: { method: 'GET', path: '/workspaces/{workspace}/activity' },
  input: z.object({ workspace: ref }),
  output: z
    .object({
      deliveries: z.number().int(),
      refused: z.number().int().describe('Of the deliveries'),
      runs: z.number().int(),
      failed: z.number().int().describe('Of the runs: failed, dead or interrupted'),
      waiting: z.number().int().describe('Of the runs: held, queued or running'),
      oldestWaitingAt: instant.nullable().describe('When the first of those that wait was created'),
      hours: z.array(z.object({ at: instant, runs: z.number().int(), failed: z.number().int() })).describe('Hours with runs, oldest first'),
    })
    .meta({ id: 'ActivitySummary' }),
});
export type ActivitySummary = z.infer<typeof summariseActivity.output>;

/** Finds queued runs that no queue knows and running ones whose lease has ended. */
export const reconcileRuns = defineOperation({
  name: 'runs.reconcile',
  owner: 'run-worker',
  summary: 'Hand runs back to the queue after a crash or a flushed Redis',
  access: 'internal',
  mutates: true,
  deadlineMs: 60_000,
  input: z.object({ limit: z.number().int().max(5000) }),
  output: z.object({ requeued: z.number().int(), more: z.boolean() }),
});

export const relayInbox = defineOperation({
  name: 'inbox.relay',
  owner: 'trigger-service',
  summary: 'Take in what ingress stored while the bus was away',
  access: 'internal',
  mutates: true,
  deadlineMs: 60_000,
  input: z.object({ limit: z.number().int().max(1000) }),
  output: z.object({ relayed: z.number().int(), more: z.boolean() }),
});

export const ensurePartitions = defineOperation({
  name: 'partitions.ensure',
  owner: 'trigger-service',
  summary: 'Create the partitions of the coming months',
  access: 'internal',
  mutates: true,
  deadlineMs: 60_000,
  input: z.object({}),
  output: z.object({ created: z.array(z.string()) }),
});

import { z } from 'zod';
import { DELIVERY_STATUSES } from './activity.js';
import { id, instant, slug } from './scalars.js';

/**
 * What webhook-ingress publishes per HTTP request: this header as one JSON line, then the body's bytes after redaction.
 * The verdict travels with it, so nothing after ingress needs the secret.
 */
export const deliveryHeader = z.object({
  v: z.literal(1),
  id: id('delivery'),
  receivedAt: instant,
  status: z.enum(DELIVERY_STATUSES),
  reason: z.string().nullable(),
  workspaceId: id('workspace'),
  subscriptionId: id('subscription'),
  feedId: id('feed'),
  service: slug,
  triggerType: slug,
  method: z.string(),
  headers: z.record(z.string(), z.string()),
  /** Of the body as received, before redaction. */
  size: z.number().int(),
  sha256: z.string(),
  /** True when the body is left out and only hash and size are kept. */
  bodyOmitted: z.boolean(),
  /** What the adapter cut out for scripts, sealed to the data ring; usable until `authUntil`. */
  sealedAuth: z.string().nullable(),
  authUntil: instant.nullable(),
});
export type DeliveryHeader = z.infer<typeof deliveryHeader>;

/** A plain message to every process that listens: lost ones must do no harm. */
export type Signal<Schema extends z.ZodType = z.ZodType> = { name: string; schema: Schema };

/** A subscription's key, secrets, scheme or status changed: caches drop it. */
export const subscriptionChanged = {
  name: 'subscription.changed',
  schema: z.object({ subscriptionId: id('subscription'), key: z.string(), version: z.number().int() }),
} satisfies Signal;

/** A connection needs authorising anew, or works again. */
export const connectionChanged = {
  name: 'connection.changed',
  schema: z.object({ workspaceId: id('workspace'), connectionId: id('connection'), status: z.string() }),
} satisfies Signal;

export const SIGNALS: Signal[] = [subscriptionChanged, connectionChanged];

/** A BullMQ job: its queue is its own, its payload the schema's. */
export type Job<Schema extends z.ZodType = z.ZodType> = { name: string; queue: string; schema: Schema };

/** Carries ids only; the run row is the truth. */
export const executeRun = { name: 'run.execute', queue: 'runs', schema: z.object({ runId: id('run') }) } satisfies Job;

/** Recurring work of sync-worker: which operation to ask how often. Found due by BullMQ Job Schedulers. */
export const SCHEDULES = [
  { name: 'subscriptions.sweep', everyMs: 5_000 },
  { name: 'work.due', everyMs: 2_000 },
  { name: 'connections.refresh-due', everyMs: 30_000 },
  { name: 'connections.disconnect-due', everyMs: 10_000 },
  { name: 'inbox.relay', everyMs: 2_000 },
  { name: 'runs.reconcile', everyMs: 2_000 },
  { name: 'notifications.deliver', everyMs: 5_000 },
  { name: 'retention.sweep', everyMs: 3_600_000 },
  { name: 'runs.prune', everyMs: 3_600_000 },
  { name: 'partitions.ensure', everyMs: 6 * 3_600_000 },
] as const;

export const scheduledWork = {
  name: 'work.scheduled',
  queue: 'sync',
  schema: z.object({ operation: z.enum(SCHEDULES.map((schedule) => schedule.name)) }),
} satisfies Job;

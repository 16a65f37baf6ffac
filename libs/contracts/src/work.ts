import { z } from 'zod';
import { defineOperation } from './operation.js';
import { ref } from './scalars.js';
import type { Job } from './messages.js';

/**
 * What becomes due by a time in Postgres, one object at a time: `settle` what a subscription wants with its service, `renew`
 * it ahead of its expiry, `check` it against what the service holds, read the service's `log` of what it sent, `pull` a feed's
 * events, send a `canary`, look after the `silence` of a trigger, give `notice` of a state, and go on with a `replay` of many events.
 */
export const WORK_KINDS = ['settle', 'renew', 'check', 'log', 'pull', 'canary', 'silence', 'notice', 'replay'] as const;
export type WorkKind = (typeof WORK_KINDS)[number];

/** `id` is of the subscription, for `check` also of a sync, for `pull` of the feed, for `notice` also of a trigger, for `silence` of the trigger, for `replay` of the replay. */
export const workItem = z.object({ kind: z.enum(WORK_KINDS), id: ref });
export type WorkItem = z.infer<typeof workItem>;

/** Costs one query per kind, whatever exists; what somebody works on is left out. */
export const dueWork = defineOperation({
  name: 'work.due',
  owner: 'trigger-service',
  summary: 'What is due now, of every kind the longest due first',
  access: 'internal',
  input: z.object({ limit: z.number().int().min(1).max(1_000).describe('Of each kind') }),
  output: z.object({ items: z.array(workItem), more: z.boolean() }),
});

/** Under a lease of the object: of two that are asked at once, one does it. What is not due any more is left. */
export const doWork = defineOperation({
  name: 'work.do',
  owner: 'trigger-service',
  summary: 'Do one thing that is due',
  access: 'internal',
  mutates: true,
  deadlineMs: 60_000,
  input: workItem,
  output: z.object({ done: z.boolean().describe('False when another is at it, it was not due, or it did not work and is due again later') }),
});

/** One item for any sync-worker; its id is the item, so that it is in the queue once. */
export const itemWork = { name: 'work.item', queue: 'items', schema: workItem } satisfies Job;

import { z } from 'zod';
import { defineOperation } from './operation.js';
import { id, instant, page, pageQuery, ref } from './scalars.js';

/** One try to see that what the service sends arrives. */
export const canaryView = z
  .object({
    id: id('canary'),
    subscriptionId: id('subscription'),
    state: z.enum(['waiting', 'heard', 'failed']),
    startedAt: instant,
    heardAt: instant.nullable(),
    failedAt: instant.nullable(),
    roundTripMs: z.number().int().nullable().describe('From our asking the service until its message was here'),
    message: z.string().nullable().describe('Where it failed: what to look at'),
  })
  .meta({ id: 'Canary' });
export type CanaryView = z.infer<typeof canaryView>;

export const sendCanary = defineOperation({
  name: 'subscriptions.canary',
  owner: 'trigger-service',
  summary: 'See whether what the service sends arrives: something that starts nothing is sent; one that is under way is answered again',
  access: 'editor',
  deadlineMs: 25_000,
  http: { method: 'POST', path: '/workspaces/{workspace}/subscriptions/{subscription}/canary', status: 202 },
  input: z.object({ workspace: ref, subscription: ref }),
  output: canaryView,
});

export const listCanaries = defineOperation({
  name: 'subscriptions.canaries',
  owner: 'trigger-service',
  summary: 'List the canaries of a subscription and of those that it replaced, with their round trips',
  access: 'operator',
  http: { method: 'GET', path: '/workspaces/{workspace}/subscriptions/{subscription}/canaries' },
  input: z.object({ workspace: ref, subscription: ref, ...pageQuery }),
  output: page(canaryView),
});

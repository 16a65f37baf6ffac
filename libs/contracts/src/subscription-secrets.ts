import { z } from 'zod';
import { defineOperation } from './operation.js';
import { ref, secretText, shownSecret } from './scalars.js';
import { subscriptionView } from './subscriptions.js';

/** How long the secret before stays accepted once the service has the new one. */
export const SECRET_OVERLAPS = { now: 0, '1h': 3_600_000, '24h': 86_400_000, '7d': 604_800_000 } as const;

export const rotateSubscriptionSecret = defineOperation({
  name: 'subscriptions.rotate-secret',
  owner: 'trigger-service',
  summary: 'Give a subscription a new secret; the one before stays accepted for as long as asked; 202 when the service has not confirmed it yet',
  access: 'editor',
  deadlineMs: 25_000,
  http: {
    method: 'POST',
    path: '/workspaces/{workspace}/subscriptions/{subscription}/rotate-secret',
    status: ({ secretRotation }) => (secretRotation?.state === 'applying' ? 202 : 200),
    revealsSecret: ['secret'],
  },
  input: z.object({
    workspace: ref,
    subscription: ref,
    overlap: z
      .enum(Object.keys(SECRET_OVERLAPS) as [keyof typeof SECRET_OVERLAPS, ...(keyof typeof SECRET_OVERLAPS)[]])
      .describe('How long the old secret stays accepted, counted from when the service has the new one; without an API from now'),
    secret: secretText().min(16).max(500).optional().describe('Only for services without an API: a secret that the sender already has'),
  }),
  output: subscriptionView
    .extend({ secret: shownSecret().nullable().describe('For services without an API: the secret to enter there, shown this once') })
    .meta({ id: 'RotatedSubscription' }),
});

import { z } from 'zod';
import { defineOperation } from './operation.js';
import { id, ref } from './scalars.js';

export const moveTriggers = defineOperation({
  name: 'connections.move-triggers',
  owner: 'trigger-service',
  summary: 'Let triggers work as another connection of the same service; 50 of them in one call, so repeat while some remain',
  access: 'editor',
  deadlineMs: 45_000,
  http: { method: 'POST', path: '/workspaces/{workspace}/connections/{connection}/move-triggers', status: 200 },
  input: z.object({
    workspace: ref,
    connection: ref,
    to: ref.describe('The connection that they work as from now on'),
    triggers: z.array(ref).min(1).max(50).optional().describe('Left out: all that work as the connection'),
  }),
  output: z
    .object({
      moved: z.array(id('trigger')).describe('Those whose new subscription is still pending go on to be served by the old one until it is active'),
      failed: z.array(z.object({ id: z.string(), message: z.string() })).describe('These work as before'),
      remaining: z.number().int().describe('Triggers that this call did not come to'),
    })
    .meta({ id: 'MovedTriggers' }),
});

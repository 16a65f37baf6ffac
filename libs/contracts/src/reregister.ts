import { z } from 'zod';
import { defineOperation } from './operation.js';

export const reregistration = z
  .object({
    publicUrl: z.string().describe('The URL that is configured now'),
    begun: z.number().int().describe('Of how many the services are told from this call on, within half a minute'),
    left: z.number().int().describe('How many are registered with another URL, those that were begun before among them'),
    waiting: z.number().int().describe('How many of these wait for a person to authorise their connection again; they follow by themselves'),
    failing: z.number().int().describe('How many of these their service has refused or not answered; they are tried again'),
    byHand: z.number().int().describe('URLs that people have entered at senders, which nobody else can change'),
  })
  .meta({ id: 'Reregistration' });
export type Reregistration = z.infer<typeof reregistration>;

/** After the public URL was changed: what was registered under another one is told anew, or replaced where it cannot be changed. */
export const reregisterSubscriptions = defineOperation({
  name: 'subscriptions.reregister',
  owner: 'trigger-service',
  summary: 'Tell services the public URL that is configured now, some subscriptions at a time; ask until none is left',
  access: 'superadmin',
  http: { method: 'POST', path: '/subscriptions/reregister', isolationExempt: 'Only superadmins, who see every workspace, may ask' },
  input: z.object({
    wave: z.number().int().min(1).max(1_000).default(50).describe('How many to begin with at most'),
    dryRun: z.boolean().default(false).describe('Only count'),
  }),
  output: reregistration,
});

import { z } from 'zod';
import { defineOperation } from './operation.js';
import { id, label, ref } from './scalars.js';

/** What disconnecting an account takes with it, asked before it is done. */
export const planDisconnection = defineOperation({
  name: 'connections.disconnect-plan',
  owner: 'oauth-service',
  summary: 'What disconnecting this account would remove, and whether its grant can be revoked at the service',
  access: 'editor',
  http: { method: 'GET', path: '/workspaces/{workspace}/connections/{connection}/disconnect' },
  input: z.object({ workspace: ref, connection: ref }),
  output: z
    .object({
      triggerCount: z.number().int(),
      triggers: z.array(z.object({ id: id('trigger'), name: label })).describe('The oldest 100 of them'),
      subscriptions: z.number().int().describe('Objects at the service that are removed there'),
      tombstones: z.number().int().describe('Removals that the service still owes, which are waited for'),
      heldRuns: z.number().int().describe('Runs that wait for this connection and would be cancelled with their triggers'),
      revokes: z.boolean().describe('Whether the grant is then revoked at the service'),
      revocation: z.string().describe('The same in words, and why not'),
    })
    .meta({ id: 'DisconnectionPlan' }),
});

export const deleteConnection = defineOperation({
  name: 'connections.delete',
  owner: 'oauth-service',
  summary: 'Disconnect an account: what Vane made at the service is removed there, then the grant is revoked; 202 while the service has not done it yet',
  access: 'editor',
  deadlineMs: 20_000,
  http: {
    method: 'DELETE',
    path: '/workspaces/{workspace}/connections/{connection}',
    status: ({ state }) => (state === 'disconnected' ? 200 : 202),
    plannedBy: planDisconnection.name,
  },
  input: z.object({
    workspace: ref,
    connection: ref,
    triggers: z.enum(['delete']).optional().describe('Needed while triggers work with it: they are deleted too'),
    force: z.stringbool().default(false).describe('Do not wait for the service: it or the grant is gone. Hooks may stay there'),
  }),
  output: z
    .object({
      ok: z.literal(true),
      state: z.enum(['disconnected', 'disconnecting']),
      tombstones: z.number().int().describe('Removals that the service still owes; the grant is kept for them'),
      message: z.string().nullable().describe('What is left for a person to do'),
    })
    .meta({ id: 'Disconnection' }),
});

/** Goes on with disconnections that a crash, an outage or a removal still owed has left open. */
export const finishDisconnections = defineOperation({
  name: 'connections.disconnect-due',
  owner: 'oauth-service',
  summary: 'Finish disconnections that are under way',
  access: 'internal',
  mutates: true,
  deadlineMs: 60_000,
  input: z.object({ limit: z.number().int().max(200) }),
  output: z.object({ disconnected: z.number().int(), waiting: z.number().int(), more: z.boolean() }),
});

/** Asked by oauth-service before a connection goes; a repeat does no harm. */
export const releaseConnection = defineOperation({
  name: 'triggers.release-connection',
  owner: 'trigger-service',
  summary: 'Delete the triggers of a connection that goes, and have their objects removed at the service',
  access: 'internal',
  mutates: true,
  input: z.object({
    workspace: ref,
    connection: ref,
    /** Whether its triggers go with it; without, nothing is done while there are any. */
    triggers: z.boolean(),
    /** Owe the service nothing any more: its objects may still be there. */
    force: z.boolean(),
  }),
  output: z.object({
    /** Triggers that still work with it. */
    triggers: z.number().int(),
    /** Removals that the service still owes. */
    owed: z.number().int(),
  }),
});

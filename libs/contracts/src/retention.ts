import { z } from 'zod';
import { defineOperation } from './operation.js';
import { ifMatch, instant, ref } from './scalars.js';

/** What a workspace keeps that has not said otherwise, in days. */
export const DEFAULT_RETENTION = { deliveriesDays: 30, eventsDays: 90, runsDays: 90 } as const;
/** Identities of events outlive them, and every service's window for sending again. */
export const IDENTITIES_DAYS = 400;
/** Subscriptions that were removed, with their history. */
export const REMOVED_SUBSCRIPTIONS_DAYS = 90;

const days = z.number().int().min(0).max(3_650).describe('0: for ever');

const kept = {
  deliveriesDays: days.describe('Days for which requests are kept as they came in; 0: for ever'),
  eventsDays: days.describe('Days for which events are kept, at least as long as runs; 0: for ever'),
  runsDays: days.describe('Days for which ended runs are kept; 0: for ever'),
};

export const retentionView = z
  .object({ ...kept, isDefault: z.boolean().describe('Nobody has set it for this workspace'), updatedAt: instant.nullable(), version: z.number().int() })
  .meta({ id: 'Retention' });

export const getRetention = defineOperation({
  name: 'retention.get',
  owner: 'trigger-service',
  summary: 'How long the workspace keeps what was received and run',
  access: 'operator',
  http: { method: 'GET', path: '/workspaces/{workspace}/retention' },
  input: z.object({ workspace: ref }),
  output: retentionView,
});

export const updateRetention = defineOperation({
  name: 'retention.update',
  owner: 'trigger-service',
  summary: 'Change how long the workspace keeps what was received and run; what is older goes within the hour',
  access: 'admin',
  http: { method: 'PATCH', path: '/workspaces/{workspace}/retention', ifMatch: true },
  input: z.object({
    workspace: ref,
    ifMatch,
    deliveriesDays: kept.deliveriesDays.optional(),
    eventsDays: kept.eventsDays.optional(),
    runsDays: kept.runsDays.optional(),
  }),
  output: retentionView,
});

const swept = z.object({ deleted: z.number().int(), more: z.boolean() });

export const sweepRetention = defineOperation({
  name: 'retention.sweep',
  owner: 'trigger-service',
  summary: 'Delete deliveries, events, identities and removed subscriptions whose time is over',
  access: 'internal',
  mutates: true,
  deadlineMs: 60_000,
  input: z.object({ limit: z.number().int().min(1).max(10_000) }),
  output: swept,
});

export const pruneRuns = defineOperation({
  name: 'runs.prune',
  owner: 'run-worker',
  summary: 'Delete ended runs whose time is over',
  access: 'internal',
  mutates: true,
  deadlineMs: 60_000,
  input: z.object({ limit: z.number().int().min(1).max(10_000) }),
  output: swept,
});

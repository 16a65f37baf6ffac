import { z } from 'zod';
import { RUN_STATUSES, TERMINAL_RUN_STATUSES } from './activity.js';
import { defineOperation } from './operation.js';
import { id, instant, page, pageQuery, ref, text } from './scalars.js';

/** `paused` goes on when it is resumed; `done` and `cancelled` are the end. */
export const REPLAY_STATUSES = ['running', 'paused', 'done', 'cancelled'] as const;
export type ReplayStatus = (typeof REPLAY_STATUSES)[number];
export const REPLAY_ORDERS = ['oldest_first', 'newest_first'] as const;

/** Which events: each with each trigger that it came to, once, by the newest run of the two. */
const selection = {
  trigger: ref.optional().describe('Events of this trigger alone'),
  runnable: ref.optional().describe('Whose newest run was of this runnable'),
  status: z.array(z.enum(TERMINAL_RUN_STATUSES)).min(1).max(TERMINAL_RUN_STATUSES.length).default(['failed', 'dead', 'interrupted']).describe('Whose newest run ended so'),
  reason: text().min(1).max(100).optional().describe('Whose newest run has this reason, such as `filtered`, `filter_failed` or `trigger_paused`'),
  from: instant.optional().describe('Received at this time or later'),
  to: instant.optional().describe('Received before this time'),
  eventType: text().min(1).max(200).optional(),
};

const selectionView = z.object({
  trigger: z.string().nullable(),
  runnable: z.string().nullable(),
  status: z.array(z.enum(TERMINAL_RUN_STATUSES)),
  reason: z.string().nullable(),
  from: instant.nullable(),
  to: instant.nullable(),
  eventType: z.string().nullable(),
});

export const replayView = z
  .object({
    id: id('replay'),
    status: z.enum(REPLAY_STATUSES),
    selection: selectionView,
    order: z.enum(REPLAY_ORDERS),
    rate: z.number().int().describe('Events a second at most'),
    applyFilter: z.boolean(),
    renormalise: z.boolean(),
    progress: z.object({
      total: z.number().int().describe('Selected when it was created; what retention deletes meanwhile is never come to'),
      started: z.number().int().describe('New runs'),
      skipped: z.number().int().describe('Kept out by the filter of the trigger'),
      failed: z.number().int().describe('Could not be started; `notStarted` says why'),
    }),
    createdBy: z.string(),
    createdAt: instant,
    updatedAt: instant,
    endedAt: instant.nullable(),
  })
  .meta({ id: 'Replay' });
export type ReplayView = z.infer<typeof replayView>;

export const estimateReplay = defineOperation({
  name: 'replays.estimate',
  owner: 'trigger-service',
  summary: 'Count what a replay would select, before it is created; nothing is started',
  access: 'operator',
  mutates: false,
  deadlineMs: 25_000,
  http: { method: 'POST', path: '/workspaces/{workspace}/replays/estimate', status: 200 },
  input: z.object({ workspace: ref, ...selection }),
  output: z
    .object({
      count: z.number().int(),
      oldestAt: instant.nullable().describe('When the oldest event was received'),
      newestAt: instant.nullable(),
      alreadySucceeded: z.number().int().describe('Of these, events of which the trigger has had a run that succeeded'),
      withoutRunnable: z.number().int().describe('Of these, events whose trigger was deleted or has no runnable: they cannot be started'),
    })
    .meta({ id: 'ReplayEstimate' }),
});

export const createReplay = defineOperation({
  name: 'replays.create',
  owner: 'trigger-service',
  summary: 'Run a selection of past events again, each once, at a rate',
  access: 'operator',
  deadlineMs: 25_000,
  http: { method: 'POST', path: '/workspaces/{workspace}/replays', status: 201 },
  input: z.object({
    workspace: ref,
    ...selection,
    order: z.enum(REPLAY_ORDERS).default('oldest_first'),
    rate: z.number().int().min(1).max(1_000).default(10).describe('Events a second at most'),
    applyFilter: z.boolean().default(true).describe('Ask the filters of the triggers, as they are then'),
    renormalise: z.boolean().default(false).describe('Read each event anew from its delivery with the adapter as it is now; the event keeps its id and changes'),
    paused: z.boolean().default(false).describe('Start nothing until resumed'),
  }),
  output: replayView,
});

export const listReplays = defineOperation({
  name: 'replays.list',
  owner: 'trigger-service',
  summary: 'List replays',
  access: 'operator',
  http: { method: 'GET', path: '/workspaces/{workspace}/replays' },
  input: z.object({ workspace: ref, ...pageQuery, status: z.enum(REPLAY_STATUSES).optional() }),
  output: page(replayView),
});

export const getReplay = defineOperation({
  name: 'replays.get',
  owner: 'trigger-service',
  summary: 'How far a replay is, what became of its runs, and what it could not start; forgotten 90 days after it was created',
  access: 'operator',
  http: { method: 'GET', path: '/workspaces/{workspace}/replays/{replay}' },
  input: z.object({ workspace: ref, replay: ref }),
  output: replayView
    .extend({
      runs: z.partialRecord(z.enum(RUN_STATUSES), z.number().int()).describe('The runs that it has started, by status'),
      notStarted: z
        .array(z.object({ triggerId: id('trigger'), eventId: id('event'), code: z.string(), message: z.string() }))
        .describe('Skipped and failed ones, at most 100'),
    })
    .meta({ id: 'ReplayWithRuns' }),
});

const change = (verb: string, summary: string) =>
  defineOperation({
    name: `replays.${verb}`,
    owner: 'trigger-service',
    summary,
    access: 'operator',
    http: { method: 'POST', path: `/workspaces/{workspace}/replays/{replay}/${verb}`, status: 200 },
    input: z.object({ workspace: ref, replay: ref }),
    output: replayView,
  });

export const pauseReplay = change('pause', 'Start nothing more until resumed; runs that were started go on');
export const resumeReplay = change('resume', 'Go on with a paused replay');
export const cancelReplay = change('cancel', 'End a replay for good; runs that were started go on');

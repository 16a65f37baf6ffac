import {
  deliverNotifications,
  dueWork,
  ensurePartitions,
  finishDisconnections,
  itemWork,
  pruneRuns,
  reconcileRuns,
  refreshDueTokens,
  relayInbox,
  sweepRetention,
  sweepSubscriptions,
  type CallContext,
  type Operation,
  type SCHEDULES,
} from '@vane/contracts';
import type { Bus, JobQueues } from '@vane/runtime';
import type { z } from 'zod';

export type ScheduledOperation = (typeof SCHEDULES)[number]['name'];

/** One call to an operation's owner; `done` counts what was done, `more` says that there is more of it now. */
export type Ask = (parts: { bus: Bus; queues: JobQueues }, call: CallContext) => Promise<{ more: boolean; done: number }>;

function ask<O extends Operation>(operation: O, input: z.input<O['input']>, done: (output: z.output<O['output']>) => number): Ask {
  return async ({ bus }, call) => {
    const output = await bus.ask(operation, input, call);
    const more = (output as { more?: boolean }).more === true;
    return { more, done: done(output as z.output<O['output']>) };
  };
}

/** At most this many of each kind are put into the queue at a tick. */
const ITEMS = 1_000;

/**
 * Puts what is due into the queue, where any sync-worker takes it. What is there from the tick before stays once; what gets
 * lost with the queue is still due in Postgres.
 */
const spreadDueWork: Ask = async ({ bus, queues }, call) => {
  const { items } = await bus.ask(dueWork, { limit: ITEMS }, call);
  await queues.add(itemWork, items.map((item) => ({ data: item, id: `${item.kind}-${item.id}` })));
  return { more: false, done: items.length };
};

/** What is asked for each schedule, in steps that end well before the operation's deadline. */
export const WORK: Record<ScheduledOperation, Ask> = {
  'subscriptions.sweep': ask(sweepSubscriptions, { limit: 50 }, () => 0),
  'work.due': spreadDueWork,
  'connections.refresh-due': ask(refreshDueTokens, { limit: 50 }, ({ refreshed, failed }) => refreshed + failed),
  'connections.disconnect-due': ask(finishDisconnections, { limit: 20 }, ({ disconnected }) => disconnected),
  'inbox.relay': ask(relayInbox, { limit: 500 }, ({ relayed }) => relayed),
  'runs.reconcile': ask(reconcileRuns, { limit: 1000 }, ({ requeued }) => requeued),
  'notifications.deliver': ask(deliverNotifications, { limit: 50 }, ({ sent, failed }) => sent + failed),
  'retention.sweep': ask(sweepRetention, { limit: 5_000 }, ({ deleted }) => deleted),
  'runs.prune': ask(pruneRuns, { limit: 2_000 }, ({ deleted }) => deleted),
  'partitions.ensure': ask(ensurePartitions, {}, ({ created }) => created.length),
};

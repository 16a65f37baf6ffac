import type { InputOf, estimateReplay } from '@vane/contracts';
import { firstIdAt } from '@vane/db';

/** A run is made after its event was received; the clocks of two processes may differ by so much. */
const CLOCK_SKEW_MS = 5 * 60_000;

/** What is selected, as it was when it was asked for: runs that were made later change nothing in it. */
export type Selection = {
  workspaceId: string; at: Date; triggerId: string | null; runnableId: string | null; runStatuses: string[]; reason: string | null;
  receivedFrom: Date | null; receivedTo: Date | null; eventType: string | null;
};

export type Query = { sql: string; values: unknown[] };

export function selectionOf(input: InputOf<typeof estimateReplay>, at: Date): Selection {
  const dateOrNull = (text: string | undefined) => (text === undefined ? null : new Date(text));
  return {
    workspaceId: input.workspace, at, triggerId: input.trigger ?? null, runnableId: input.runnable ?? null, runStatuses: input.status, reason: input.reason ?? null,
    receivedFrom: dateOrNull(input.from), receivedTo: dateOrNull(input.to), eventType: input.eventType ?? null,
  };
}

/**
 * The rows of a selection as `FROM ... WHERE ...`: of each event and trigger the first run as `r`, which there is once, and
 * the newest as `latest`. Only what is asked for is in the statement, so that it is planned for that.
 */
export function selected({ workspaceId, at, triggerId, runnableId, runStatuses, reason, receivedFrom, receivedTo, eventType }: Selection): Query {
  const values: unknown[] = [];
  const put = (value: unknown) => `$${values.push(value)}`;
  const before = put(firstIdAt('run', at));
  const conditions = [
    `r.workspace_id = ${put(workspaceId)} AND r.replay = 0 AND r.id < ${before} AND latest.status = ANY(${put(runStatuses)})`,
    ...(triggerId === null ? [] : [`r.trigger_id = ${put(triggerId)}`]),
    ...(runnableId === null ? [] : [`latest.runnable_id = ${put(runnableId)}`]),
    ...(reason === null ? [] : [`latest.reason = ${put(reason)}`]),
    ...(receivedFrom === null ? [] : [`r.event_received_at >= ${put(receivedFrom)}`, `r.id >= ${put(firstIdAt('run', new Date(receivedFrom.getTime() - CLOCK_SKEW_MS)))}`]),
    ...(receivedTo === null ? [] : [`r.event_received_at < ${put(receivedTo)}`]),
    ...(eventType === null ? [] : [`e.type = ${put(eventType)}`]),
  ];
  const sql = `
    FROM run r
    CROSS JOIN LATERAL (
      SELECT l.status, l.reason, l.runnable_id FROM run l WHERE l.trigger_id = r.trigger_id AND l.event_id = r.event_id AND l.id < ${before} ORDER BY l.replay DESC LIMIT 1
    ) latest
    LEFT JOIN event e ON e.workspace_id = r.workspace_id AND e.id = r.event_id AND e.received_at = r.event_received_at
    LEFT JOIN trigger t ON t.workspace_id = r.workspace_id AND t.id = r.trigger_id
    WHERE ${conditions.join(' AND ')}`;
  return { sql, values };
}

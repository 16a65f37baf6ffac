import type { ActivitySummary } from '@vane/contracts';
import { newId, type Database } from '@vane/db';

const DAY_MS = 86_400_000;

/** Ids are ordered by time, so that both read one stretch of the workspace's index and nothing older. */
const DELIVERIES = `
  SELECT count(*)::int AS deliveries, (count(*) FILTER (WHERE status = 'refused'))::int AS refused
  FROM delivery WHERE workspace_id = $1 AND id >= $2 AND received_at >= $3`;
const RUNS = `
  SELECT date_bin('1 hour', created_at, TIMESTAMPTZ '2000-01-01Z') AS at, count(*)::int AS runs,
    (count(*) FILTER (WHERE status IN ('failed', 'dead', 'interrupted')))::int AS failed,
    (count(*) FILTER (WHERE status IN ('held', 'queued', 'running')))::int AS waiting,
    min(created_at) FILTER (WHERE status IN ('held', 'queued', 'running')) AS oldest
  FROM run WHERE workspace_id = $1 AND id >= $2 GROUP BY 1 ORDER BY 1`;

type Hour = { at: Date; runs: number; failed: number; waiting: number; oldest: Date | null };

/** What a workspace received and ran in the 24 hours before `now`. */
export async function summaryOf({ pool }: Database, workspace: string, now: Date): Promise<ActivitySummary> {
  const from = new Date(now.getTime() - DAY_MS);
  const [received, ran] = await Promise.all([
    pool.query<{ deliveries: number; refused: number }>(DELIVERIES, [workspace, newId('delivery', from), from]),
    pool.query<Hour>(RUNS, [workspace, newId('run', from)]),
  ]);
  const hours = ran.rows;
  const sum = (of: 'runs' | 'failed' | 'waiting'): number => hours.reduce((total, hour) => total + hour[of], 0);
  return {
    ...received.rows[0]!,
    runs: sum('runs'),
    failed: sum('failed'),
    waiting: sum('waiting'),
    oldestWaitingAt: hours.find(({ oldest }) => oldest !== null)?.oldest?.toISOString() ?? null,
    hours: hours.map(({ at, runs, failed }) => ({ at: at.toISOString(), runs, failed })),
  };
}

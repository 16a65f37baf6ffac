import type { Database } from '@vane/db';
import type { Clock } from '@vane/runtime';
import { OVERDUE_MS } from './judge.js';

const DAY_MS = 24 * 3_600_000;
/** The newest of each that are looked at; the older ones say nothing of how it is now. */
const DELIVERIES = 50;
const RUNS = 20;
/** Runs among which those are looked for: what a filter keeps out says nothing of how a trigger is. */
const LOOKED_AT = 400;
/** Overdue runs that are looked through for those of our triggers, the longest waiting first. */
const OVERDUE = 1_000;

export type ConnectionFact = { id: string; status: string; status_since: Date; reason_code: string | null; reason: string | null };
export type SubscriptionFact = {
  id: string; feed_id: string; status: string; status_since: Date; reason_code: string | null; reason_message: string | null;
  external_id: string | null; expires_at: Date | null; drift: { kind: string; seenAt: string } | null; replaces_id: string | null;
};
export type PullFact = { feed_id: string; failures: number; reason_code: string | null; reason_message: string | null; pulled_at: Date | null };
/** Newest first. */
export type DeliveryFact = { feed_id: string; subscription_id: string; status: string; reason: string | null; received_at: Date };
/** Newest first. */
export type RunFact = { trigger_id: string; id: string; status: string; reason: string | null; reason_message: string | null; created_at: Date; ended_at: Date | null };
export type WaitingFact = { trigger_id: string; status: 'queued' | 'held'; since: Date };
export type AttemptFact = { run_id: string; code: string | null; message: string | null };

/** Which triggers are looked at, by what they hang on. */
export type Watched = { id: string; feedId: string; connectionId: string | null };

export type Facts = {
  connections: ConnectionFact[]; subscriptions: SubscriptionFact[]; pulls: PullFact[]; deliveries: DeliveryFact[];
  runs: RunFact[]; waiting: WaitingFact[]; attempts: AttemptFact[];
};

/** Reads what tells how triggers are: so many queries whatever the number of triggers, each bounded by indexes. */
export class HealthFacts {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  async of(workspaceId: string, triggers: readonly Watched[]): Promise<Facts> {
    const ids = triggers.map(({ id }) => id);
    const feeds = [...new Set(triggers.map(({ feedId }) => feedId))];
    const used = [...new Set(triggers.flatMap(({ connectionId }) => connectionId ?? []))];
    const [connections, subscriptions, pulls, deliveries, runs, waiting] = await Promise.all([
      this.query<ConnectionFact>('SELECT id, status, status_since, reason_code, reason FROM connection WHERE workspace_id = $1 AND id = ANY($2)', [workspaceId, used]),
      this.query<SubscriptionFact>(
        `SELECT id, feed_id, status, status_since, reason_code, reason_message, external_id, expires_at, drift, replaces_id FROM subscription
         WHERE workspace_id = $1 AND feed_id = ANY($2) AND status <> 'removed' ORDER BY id DESC`,
        [workspaceId, feeds],
      ),
      this.query<PullFact>('SELECT feed_id, failures, reason_code, reason_message, pulled_at FROM feed_pull WHERE workspace_id = $1 AND feed_id = ANY($2)', [workspaceId, feeds]),
      this.deliveries(workspaceId, feeds),
      this.runs(workspaceId, ids),
      this.waiting(workspaceId, ids),
    ]);
    // What came to a subscription that is gone says nothing of the one that took its place.
    const there = new Set(subscriptions.map(({ id }) => id));
    const failed = runs.filter(({ status }) => status === 'dead' || status === 'failed').map(({ id }) => id);
    const attempts = await this.query<AttemptFact>(
      `SELECT DISTINCT ON (run_id) run_id, code, message FROM attempt WHERE workspace_id = $1 AND run_id = ANY($2) ORDER BY run_id, number DESC`,
      [workspaceId, failed],
    );
    return { connections, subscriptions, pulls, deliveries: deliveries.filter((one) => there.has(one.subscription_id)), runs, waiting, attempts };
  }

  private deliveries(workspaceId: string, feeds: string[]): Promise<DeliveryFact[]> {
    return this.query<DeliveryFact>(
      `SELECT d.* FROM unnest($2::text[]) AS f (id) CROSS JOIN LATERAL (
         SELECT feed_id, subscription_id, status, reason, received_at FROM delivery
         WHERE feed_id = f.id AND workspace_id = $1 AND received_at >= $3 ORDER BY id DESC LIMIT ${DELIVERIES}
       ) d`,
      [workspaceId, feeds, this.clock.in(-DAY_MS)],
    );
  }

  private runs(workspaceId: string, triggers: string[]): Promise<RunFact[]> {
    return this.query<RunFact>(
      `SELECT r.* FROM unnest($2::text[]) AS t (id) CROSS JOIN LATERAL (
         SELECT * FROM (
           SELECT trigger_id, id, status, reason, reason_message, created_at, ended_at FROM run
           WHERE trigger_id = t.id AND workspace_id = $1 ORDER BY id DESC LIMIT ${LOOKED_AT}
         ) newest WHERE reason IS DISTINCT FROM 'filtered' ORDER BY id DESC LIMIT ${RUNS}
       ) r`,
      [workspaceId, triggers],
    );
  }

  /** The oldest held run of each, and the oldest of those that are queued and overdue. */
  private waiting(workspaceId: string, triggers: string[]): Promise<WaitingFact[]> {
    return this.query<WaitingFact>(
      `SELECT t.id AS trigger_id, 'held' AS status, r.created_at AS since FROM unnest($2::text[]) AS t (id) CROSS JOIN LATERAL (
         SELECT created_at FROM run WHERE trigger_id = t.id AND workspace_id = $1 AND status = 'held' ORDER BY event_received_at, id LIMIT 1
       ) r
       UNION ALL
       SELECT trigger_id, 'queued', min(due) FROM (
         SELECT trigger_id, workspace_id, COALESCE(next_attempt_at, created_at) AS due FROM run
         WHERE status = 'queued' AND COALESCE(next_attempt_at, created_at) < $3 ORDER BY COALESCE(next_attempt_at, created_at), id LIMIT ${OVERDUE}
       ) overdue WHERE workspace_id = $1 AND trigger_id = ANY($2) GROUP BY trigger_id`,
      [workspaceId, triggers, this.clock.in(-OVERDUE_MS)],
    );
  }

  private async query<Row extends object>(sql: string, values: unknown[]): Promise<Row[]> {
    return (await this.database.pool.query<Row>(sql, values)).rows;
  }
}

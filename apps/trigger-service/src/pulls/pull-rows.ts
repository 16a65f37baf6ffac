import type { Database } from '@vane/db';
import type { JsonObject } from '@vane/kit';
import type { Clock } from '@vane/runtime';
import type { PoolClient } from 'pg';
import { CLOCK_SKEW_MS, LEASE_MS } from '../sagas/subscription-rows.js';

/** A live subscription of a feed; `listening`: the service would tell it what happens. */
export type LiveSubscription = { want: JsonObject; listening: boolean; reason_code: string | null };

/** What a claim has read, before anything is fetched. */
export type ClaimedPull = {
  feed_id: string; workspace_id: string; service: string; trigger_type: string; connection_id: string; resource: string;
  connection_status: string | null;
  cursor: string | null; replaying: boolean; replay_cursor: string | null; replay_since: Date | null;
  wanted: number; failures: number; pulled_at: Date | null; gap_from: Date | null; recovered: number; created_at: Date;
  /** The oldest first. */
  live: LiveSubscription[];
};

/** How far a feed is: `replaySince` is set while everything that is there is fetched again, and `cursor` is then that replay's own. */
export type Position = { cursor: string | null; replaySince: Date | null };

/** What a page has brought: its events that were new while there is a gap, and since when that gap is. */
export type Progress = { gapFrom: Date | null; recovered: number };

/** Another has taken the feed over, or it is at another place than this pull believes: what this one would commit must not be. */
export class PullLost extends Error {}

type Queryable = Pick<PoolClient, 'query'>;

/** Reads and writes how far a feed is, under its lease and only from the place where the writer believes it to be. */
export class PullRows {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** Feeds whose time has come and that nobody pulls. */
  async due(limit: number): Promise<string[]> {
    const { rows } = await this.database.pool.query<{ feed_id: string }>(
      'SELECT feed_id FROM feed_pull WHERE due_at <= $1 AND (lease_owner IS NULL OR lease_until < $2) ORDER BY due_at LIMIT $3',
      [this.clock.now(), this.clock.in(-CLOCK_SKEW_MS), limit],
    );
    return rows.map((row) => row.feed_id);
  }

  /** Takes the lease and reads all that a pull needs, in one statement; null when it is not due or another is at it. */
  async claim(feedId: string, owner: string): Promise<ClaimedPull | null> {
    const { rows } = await this.database.pool.query<ClaimedPull>(
      `UPDATE feed_pull p SET lease_owner = $2, lease_until = $3
       FROM feed f LEFT JOIN connection c ON c.workspace_id = f.workspace_id AND c.id = f.connection_id
       WHERE p.feed_id = $1 AND f.id = p.feed_id AND p.due_at <= $4 AND (p.lease_owner IS NULL OR p.lease_until < $5)
       RETURNING p.*, f.service, f.trigger_type, f.connection_id, f.resource, c.status AS connection_status,
         (SELECT coalesce(json_agg(json_build_object('want', s.want, 'reason_code', s.reason_code, 'listening',
            s.external_id IS NOT NULL AND s.status IN ('active', 'renewing', 'degraded') AND (s.expires_at IS NULL OR s.expires_at > $4)) ORDER BY s.id), '[]')
          FROM subscription s WHERE s.feed_id = f.id AND s.status NOT IN ('removing', 'removed')) AS live`,
      [feedId, owner, this.clock.in(LEASE_MS), this.clock.now(), this.clock.in(-CLOCK_SKEW_MS)],
    );
    return rows[0] ?? null;
  }

  /**
   * Moves on from one place to the next, and extends the lease.
   *
   * @throws PullLost
   */
  async advance(tx: Queryable, feedId: string, owner: string, from: Position, to: Position, progress: Progress): Promise<void> {
    const { rowCount } = await tx.query(
      `UPDATE feed_pull SET ${MOVE}, gap_from = LEAST(gap_from, $9), recovered = recovered + $10, lease_until = $11 WHERE ${HERE}`,
      [...places(feedId, owner, from, to), progress.gapFrom, progress.recovered, this.clock.in(LEASE_MS)],
    );
    if (rowCount === 0) throw new PullLost();
  }

  /** Extends the lease. @throws PullLost */
  async extend(feedId: string, owner: string): Promise<void> {
    const { rowCount } = await this.database.pool.query('UPDATE feed_pull SET lease_until = $3 WHERE feed_id = $1 AND lease_owner = $2', [
      feedId, owner, this.clock.in(LEASE_MS),
    ]);
    if (rowCount === 0) throw new PullLost();
  }

  /**
   * The end was reached: what was wanted before the pull is done, the lease ends. Due again at `next`, or at once when more is
   * wanted by now; `closed` says that a gap that was to be closed is.
   *
   * @throws PullLost
   */
  async finish(
    tx: Queryable, claimed: ClaimedPull, owner: string, from: Position, to: Position, progress: Progress & { closes: boolean; next: Date },
  ): Promise<{ closed: boolean }> {
    const { rows } = await tx.query<{ again: boolean }>(
      `UPDATE feed_pull SET ${MOVE}, done = $12, due_at = CASE WHEN wanted > $12 THEN $13 ELSE $14::timestamptz END, pulled_at = $13,
         gap_from = CASE WHEN $11 AND wanted = $12 THEN NULL ELSE LEAST(gap_from, $9) END,
         recovered = CASE WHEN $11 AND wanted = $12 THEN 0 ELSE recovered + $10 END,
         failures = 0, reason_code = NULL, reason_message = NULL, lease_owner = NULL, lease_until = NULL
       WHERE ${HERE} RETURNING wanted > $12 AS again`,
      [...places(claimed.feed_id, owner, from, to), progress.gapFrom, progress.recovered, progress.closes, claimed.wanted, this.clock.now(), progress.next],
    );
    if (!rows[0]) throw new PullLost();
    return { closed: progress.closes && !rows[0].again };
  }

  /** Forgets what was before: it cannot be fetched any more, and nothing after this moment is missed. */
  async beginsNow(tx: Queryable, feedId: string): Promise<void> {
    await tx.query('UPDATE feed_pull SET gap_from = NULL, recovered = 0, pulled_at = $2 WHERE feed_id = $1', [feedId, this.clock.now()]);
  }

  /** Lets go of the lease without having pulled to the end. */
  async postpone(feedId: string, owner: string, dueAt: Date): Promise<void> {
    await this.database.pool.query('UPDATE feed_pull SET due_at = $3, lease_owner = NULL, lease_until = NULL WHERE feed_id = $1 AND lease_owner = $2', [feedId, owner, dueAt]);
  }

  /** Counts a failure and lets go; false when another has taken over. */
  async failed(feedId: string, owner: string, reason: { code: string; message: string }, dueAt: Date): Promise<boolean> {
    const { rowCount } = await this.database.pool.query(
      `UPDATE feed_pull SET failures = failures + 1, reason_code = $3, reason_message = $4, due_at = $5, lease_owner = NULL, lease_until = NULL
       WHERE feed_id = $1 AND lease_owner = $2`,
      [feedId, owner, reason.code, reason.message, dueAt],
    );
    return rowCount === 1;
  }

  /** What the triggers of a feed want when its cursor is lost. */
  async policies(feedId: string): Promise<{ replayAll: boolean; fromNow: boolean }> {
    const { rows } = await this.database.pool.query<{ resync: string }>(
      'SELECT DISTINCT resync FROM trigger WHERE feed_id = $1 OR (old_feed_id = $1 AND old_feed_until IS NULL)',
      [feedId],
    );
    return { replayAll: rows.some(({ resync }) => resync === 'replay_all'), fromNow: rows.some(({ resync }) => resync !== 'replay_all') };
  }
}

const HERE = 'feed_id = $1 AND lease_owner = $2 AND replaying = $3 AND (CASE WHEN replaying THEN replay_cursor ELSE cursor END) IS NOT DISTINCT FROM $4';
const MOVE = 'cursor = $5, replaying = $6, replay_cursor = $7, replay_since = $8';

function places(feedId: string, owner: string, from: Position, to: Position): unknown[] {
  const replaying = to.replaySince !== null;
  return [
    feedId, owner, from.replaySince !== null, from.cursor,
    replaying ? null : to.cursor, replaying, replaying ? to.cursor : null, to.replaySince,
  ];
}

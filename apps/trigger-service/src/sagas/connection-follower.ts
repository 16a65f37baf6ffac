import type { Database } from '@vane/db';
import type { Clock } from '@vane/runtime';
import { FeedPulls } from '../pulls/feed-pulls.js';
import { CLOCK_SKEW_MS } from './subscription-rows.js';

/** Until it is asked again whether a connection works that nobody has said to work: only oauth-service is asked then. */
const LOOK_AGAIN_MS = 3_600_000;

/** `$1` now, `$2` leases that ended before this are over, `$3` workspace, `$4` connection, both null for all. */
const CONCERNED = `(s.lease_owner IS NULL OR s.lease_until < $2) AND ($4::text IS NULL OR (s.workspace_id = $3 AND s.connection_id = $4))`;

const WITH_HISTORY = `
  INSERT INTO subscription_history (workspace_id, subscription_id, at, status, reason_code, reason_message)
  SELECT workspace_id, id, $1, status, reason_code, reason_message FROM changed`;

/** What was found changed at the service and flagged is left as it is: it waits for a person as well, and is not asked about. */
const STOP = `
  WITH changed AS (
    UPDATE subscription s
       SET status = 'auth_required', status_since = $1, reason_code = 'unauthorised', reason_message = c.reason, next_attempt_at = $5, version = s.version + 1
      FROM connection c
     WHERE c.status = 'auth_required' AND s.workspace_id = c.workspace_id AND s.connection_id = c.id
       AND s.status IN ('pending', 'active', 'renewing', 'degraded', 'missing') AND s.drift IS NULL AND ${CONCERNED}
    RETURNING s.workspace_id, s.id, s.status, s.reason_code, s.reason_message
  )${WITH_HISTORY}`;

/**
 * Once each time that the connection came back: a service that refuses us all the same is not asked at every look. That is told
 * by another `status_since` than before, not by a later one than ours, which another machine's clock has said.
 */
const GO_ON = `
  WITH changed AS (
    UPDATE subscription s
       SET status = CASE WHEN s.external_id IS NULL THEN 'pending' ELSE 'degraded' END, status_since = $1, connection_since = c.status_since,
           reason_code = 'authorised', reason_message = 'The connection works again, so the service is asked again.', next_attempt_at = $1, version = s.version + 1
      FROM connection c
     WHERE s.status = 'auth_required' AND c.workspace_id = s.workspace_id AND c.id = s.connection_id
       AND c.status = 'active' AND c.status_since IS DISTINCT FROM s.connection_since AND ${CONCERNED}
    RETURNING s.workspace_id, s.id, s.status, s.reason_code, s.reason_message
  )${WITH_HISTORY}`;

/**
 * Whatever waits, be it for a removal or a right that was granted only now: told once, by the signal. Of a connection that is
 * being disconnected, what is to be removed, unless its grant is dead (`reason_code`).
 */
const WAKE = `
  UPDATE subscription s SET next_attempt_at = $1
   WHERE s.next_attempt_at > $1 AND ${CONCERNED}
     AND EXISTS (SELECT 1 FROM connection c WHERE c.workspace_id = $3 AND c.id = $4
       AND (c.status = 'active' OR (c.status = 'disconnecting' AND c.reason_code IS NULL AND s.status = 'removing')))`;

/**
 * Keeps subscriptions in step with whether their connection can work: without it they wait, in a state that says so, and no
 * try is made; with it they are tried at once. Compares rows with rows, so a signal only makes it sooner.
 */
export class ConnectionFollower {
  private readonly pulls: FeedPulls;

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {
    this.pulls = new FeedPulls(database, clock);
  }

  /** Of one connection, as told by a signal, or of all. What another process works on is left for the next look. */
  async follow(one?: { workspaceId: string; connectionId: string }): Promise<void> {
    const { pool } = this.database;
    const values = [this.clock.now(), this.clock.in(-CLOCK_SKEW_MS), one?.workspaceId ?? null, one?.connectionId ?? null];
    await pool.query(STOP, [...values, this.clock.in(LOOK_AGAIN_MS)]);
    await pool.query(GO_ON, values);
    if (!one) return;
    await pool.query(WAKE, values);
    await this.pulls.wake(one);
  }
}

import type { Database } from '@vane/db';
import type { Clock } from '@vane/runtime';

/** Runs of one trigger let go in one pass, and of all together: a flood that was held must not hold up what is new. */
export const PER_TRIGGER = 200;
const PER_PASS = 1_000;
/** One process at a time lets go, so that what one hands over is not overtaken by what another does. */
const LOCK_KEY = 7_245_011;

/**
 * Steps from one trigger with held runs to the next by the index `run_held_idx`, so triggers cost something and their held
 * runs do not. What is let go depends on the trigger and its connection as they are now: one that is not enabled waits on.
 */
export const RELEASE = `
  WITH RECURSIVE holding AS (
    (SELECT trigger_id FROM run WHERE status = 'held' ORDER BY trigger_id LIMIT 1)
    UNION ALL
    SELECT (SELECT trigger_id FROM run WHERE status = 'held' AND trigger_id > holding.trigger_id ORDER BY trigger_id LIMIT 1)
      FROM holding WHERE holding.trigger_id IS NOT NULL
  ), judged AS (
    SELECT holding.trigger_id,
           CASE WHEN t.id IS NULL THEN 'trigger_deleted' WHEN t.connection_id IS NOT NULL AND c.id IS NULL THEN 'connection_deleted' END AS gone,
           t.status = 'enabled' AND (t.connection_id IS NULL OR c.status = 'active') AS free
      FROM holding
      LEFT JOIN trigger t ON t.id = holding.trigger_id
      LEFT JOIN connection c ON c.workspace_id = t.workspace_id AND c.id = t.connection_id
     WHERE holding.trigger_id IS NOT NULL
  ), picked AS (
    SELECT r.id, judged.gone
      FROM judged CROSS JOIN LATERAL (
        SELECT id, event_received_at FROM run WHERE trigger_id = judged.trigger_id AND status = 'held' ORDER BY event_received_at, id LIMIT $1
      ) r
     WHERE judged.gone IS NOT NULL OR judged.free
     ORDER BY r.event_received_at, r.id LIMIT $2
  )
  UPDATE run SET status = CASE WHEN picked.gone IS NULL THEN 'queued' ELSE 'cancelled' END, reason = picked.gone,
         ended_at = CASE WHEN picked.gone IS NULL THEN NULL ELSE $3::timestamptz END
    FROM picked WHERE run.id = picked.id AND run.status = 'held'
  RETURNING run.id, run.status, run.event_received_at`;

type Row = { id: string; status: 'queued' | 'cancelled'; event_received_at: Date };

/**
 * Lets go of runs that were held because their connection needed a person, once it works again: oldest first, a bounded
 * number in each pass. Ends those whose trigger or connection is gone. Every pass looks anew, so whatever a crash leaves
 * behind is found by the next.
 */
export class HeldRuns {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** Makes runs queued and hands their ids over in order. @returns how many; 0 while another process is at it */
  async release(hand: (runIds: string[]) => Promise<void>): Promise<number> {
    return this.database.transaction(async (lock) => {
      const { rows } = await lock.query<{ mine: boolean }>('SELECT pg_try_advisory_xact_lock($1) AS mine', [LOCK_KEY]);
      if (!rows[0]!.mine) return 0;
      // Committed before it is handed over: a worker that is faster than the commit would find nothing to do.
      const released = await this.database.pool.query<Row>(RELEASE, [PER_TRIGGER, PER_PASS, this.clock.now()]);
      const queued = released.rows.filter(({ status }) => status === 'queued').sort(byArrival);
      await hand(queued.map(({ id }) => id));
      return queued.length;
    });
  }
}

function byArrival(a: Row, b: Row): number {
  return a.event_received_at.getTime() - b.event_received_at.getTime() || (a.id < b.id ? -1 : 1);
}

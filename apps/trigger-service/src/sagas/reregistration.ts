import type { InputOf, Reregistration as Counted, reregisterSubscriptions } from '@vane/contracts';
import type { Database } from '@vane/db';
import type { Clock } from '@vane/runtime';
import { CLOCK_SKEW_MS } from './subscription-rows.js';

/** What is begun together is told to the services at any moment within this time. */
const SPREAD_MS = 30_000;

/** Registered under another public URL than `$1`. What a person has entered at a sender has no id there. */
const ELSEWHERE = `status NOT IN ('removing', 'removed') AND external_id IS NOT NULL AND registered_at IS NOT NULL AND public_url IS DISTINCT FROM $1`;

const COUNT = `
  SELECT count(*) FILTER (WHERE ${ELSEWHERE}) AS left,
         count(*) FILTER (WHERE ${ELSEWHERE} AND status = 'auth_required') AS waiting,
         count(*) FILTER (WHERE ${ELSEWHERE} AND status <> 'auth_required' AND attempts > 0 AND reason_code IS NOT NULL) AS failing,
         count(*) FILTER (WHERE status NOT IN ('removing', 'removed') AND external_id IS NULL AND applied_secret IS NOT NULL) AS by_hand
    FROM subscription`;

/** Begun are those whose `applied` is gone: the settler then tells the service, or makes another one. What is leased comes with a later wave. */
const BEGIN = `
  UPDATE subscription SET applied = NULL, next_attempt_at = CASE WHEN status = 'auth_required' THEN next_attempt_at ELSE $4::timestamptz + random() * $5 * interval '1 ms' END,
         version = version + 1
   WHERE id IN (
     SELECT id FROM subscription WHERE ${ELSEWHERE} AND applied IS NOT NULL AND (lease_owner IS NULL OR lease_until < $2)
      ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED)`;

/** Moves subscriptions to another public URL, in waves. Ingress takes what comes under the old one too, so nothing is lost meanwhile. */
export class Reregistration {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly publicUrl: string,
  ) {}

  async wave({ wave, dryRun }: InputOf<typeof reregisterSubscriptions>): Promise<Counted> {
    const { pool } = this.database;
    const values = [this.publicUrl, this.clock.in(-CLOCK_SKEW_MS), wave, this.clock.now(), SPREAD_MS];
    const begun = dryRun ? 0 : ((await pool.query(BEGIN, values)).rowCount ?? 0);
    const { rows } = await pool.query<Record<'left' | 'waiting' | 'failing' | 'by_hand', string>>(COUNT, [this.publicUrl]);
    const { left, waiting, failing, by_hand: byHand } = rows[0]!;
    return { publicUrl: this.publicUrl, begun, left: Number(left), waiting: Number(waiting), failing: Number(failing), byHand: Number(byHand) };
  }
}

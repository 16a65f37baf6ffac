import type { Database } from '@vane/db';
import { Batches } from './batches.js';
import type { Claim } from './run-store.js';

/** All that an attempt needs of other tables; a part that was deleted meanwhile is null. */
export type RunDetails = {
  replay: number;
  /** JSON that the trigger's mapping made of the event; null without one. */
  input: string | null;
  /** Attempts of this run that were cut off. */
  uncounted: number;
  runnable: { id: string; spec: unknown; retry: unknown; secretSealed: string | null } | null;
  trigger: { id: string; name: string; config: Record<string, unknown> } | null;
  event: {
    id: string;
    type: string;
    service: string;
    occurredAt: Date | null;
    receivedAt: Date;
    /** JSON as it was stored: numbers too large for JavaScript are still whole here. */
    payload: string;
  } | null;
  auth: { deliveryId: string; sealed: string; until: Date } | null;
};

type Row = {
  run_id: string;
  replay: number;
  input: string | null;
  uncounted: number;
  runnable_id: string | null;
  spec: unknown;
  retry: unknown;
  secret_sealed: string | null;
  trigger_id: string | null;
  trigger_name: string;
  config: Record<string, unknown>;
  event_id: string | null;
  type: string;
  service: string;
  occurred_at: Date | null;
  received_at: Date;
  payload: string;
  delivery_id: string | null;
  sealed_auth: string;
  auth_until: Date;
};

/**
 * Names the time of event and delivery, so that one partition of each is read. Run by run, which `LIMIT` sees to: joined as
 * sets, every partition could be read for a few runs.
 * `$1` is JSON because the number of its rows is estimated alike with and without its value: so one plan is kept. With arrays
 * Postgres made a plan at each call, over all partitions, which took ten times as long as to read the rows.
 */
export const DETAILS = `
  SELECT found.* FROM json_to_recordset($1::json) AS wanted ("workspaceId" text, "runId" text) CROSS JOIN LATERAL (
  SELECT r.id AS run_id, r.replay, r.input::text AS input,
         (SELECT count(*)::int FROM attempt a
           WHERE a.workspace_id = r.workspace_id AND a.run_id = r.id AND (a.outcome = 'interrupted' OR (a.outcome = 'failed' AND a.fault = 'ours'))) AS uncounted,
         rb.id AS runnable_id, rb.spec, rb.retry, rb.secret_sealed,
         t.id AS trigger_id, t.name AS trigger_name, t.config,
         e.id AS event_id, e.type, e.service, e.occurred_at, e.received_at, e.payload::text AS payload,
         d.id AS delivery_id, d.sealed_auth, d.auth_until
    FROM run r
    LEFT JOIN runnable rb ON rb.workspace_id = r.workspace_id AND rb.id = r.runnable_id AND rb.deleted_at IS NULL
    LEFT JOIN trigger t ON t.workspace_id = r.workspace_id AND t.id = r.trigger_id
    LEFT JOIN event e ON e.workspace_id = r.workspace_id AND e.id = r.event_id AND e.received_at = r.event_received_at
    LEFT JOIN delivery d ON d.workspace_id = e.workspace_id AND d.id = e.delivery_id AND d.received_at = e.received_at
          AND d.sealed_auth IS NOT NULL AND d.auth_until IS NOT NULL
   WHERE r.workspace_id = wanted."workspaceId" AND r.id = wanted."runId" LIMIT 1) found`;

/** The parameter of `DETAILS`. */
export const wantedOf = (claims: Pick<Claim, 'workspaceId' | 'runId'>[]): string =>
  JSON.stringify(claims.map(({ workspaceId, runId }) => ({ workspaceId, runId })));

/** Reads what claimed runs are about: those that are asked for at the same time in one query. */
export class RunDetailsReader {
  private readonly reads = new Batches((claims: Claim[]) => this.readAll(claims));

  constructor(private readonly database: Database) {}

  async read(claim: Claim): Promise<RunDetails> {
    const details = await this.reads.do(claim);
    if (!details) throw new Error(`Run ${claim.runId} was removed while it was claimed.`);
    return details;
  }

  private async readAll(claims: Claim[]): Promise<(RunDetails | undefined)[]> {
    const { rows } = await this.database.pool.query<Row>(DETAILS, [wantedOf(claims)]);
    const found = new Map(rows.map((row) => [row.run_id, detailsOf(row)]));
    return claims.map((claim) => found.get(claim.runId));
  }
}

const detailsOf = (row: Row): RunDetails => ({
  replay: row.replay,
  input: row.input,
  uncounted: row.uncounted,
  runnable: row.runnable_id === null ? null : { id: row.runnable_id, spec: row.spec, retry: row.retry, secretSealed: row.secret_sealed },
  trigger: row.trigger_id === null ? null : { id: row.trigger_id, name: row.trigger_name, config: row.config },
  event: row.event_id === null ? null : { ...eventOf(row), id: row.event_id },
  auth: row.delivery_id === null ? null : { deliveryId: row.delivery_id, sealed: row.sealed_auth, until: row.auth_until },
});

const eventOf = (row: Row) => ({
  type: row.type,
  service: row.service,
  occurredAt: row.occurred_at,
  receivedAt: row.received_at,
  payload: row.payload,
});

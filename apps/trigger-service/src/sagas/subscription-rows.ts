import type { SubscriptionStatus } from '@vane/contracts';
import type { Database } from '@vane/db';
import type { JsonObject } from '@vane/kit';
import type { Clock } from '@vane/runtime';
import type { PoolClient } from 'pg';
import { nextNotice } from '../health/notice-times.js';

/** A subscription as the sagas see it. */
export type SubscriptionRow = {
  id: string;
  workspace_id: string;
  feed_id: string;
  service: string;
  trigger_type: string;
  connection_id: string | null;
  resource: string;
  key: string;
  secrets_enc: string;
  /** Counts the secrets chosen; `applied_secret` is the last one that the service has confirmed, null before the first. */
  secret_version: number;
  applied_secret: number | null;
  /** Milliseconds, as Postgres writes a bigint. */
  secret_overlap_ms: string | null;
  old_secrets_until: Date | null;
  want: JsonObject;
  applied: JsonObject | null;
  external_id: string | null;
  aux: JsonObject | null;
  /** The subscription that this one replaces, as long as that one is there. */
  replaces_id: string | null;
  public_url: string | null;
  registered_at: Date | null;
  expires_at: Date | null;
  renew_at: Date | null;
  alarm_at: Date | null;
  check_at: Date | null;
  checked_at: Date | null;
  drift: JsonObject | null;
  drift_kept: JsonObject | null;
  log_at: Date | null;
  log_read_until: Date | null;
  canary_at: Date | null;
  notice_at: Date | null;
  told_status: string | null;
  status: SubscriptionStatus;
  status_since: Date;
  reason_code: string | null;
  reason_message: string | null;
  attempts: number;
  next_attempt_at: Date | null;
  version: number;
};

/** What is written; a member that is left out stays as it is. */
export type Change = Partial<{
  status: SubscriptionStatus;
  reason: { code: string; message: string } | null;
}> & ColumnChange;

type ColumnChange = { [Key in keyof typeof COLUMNS]?: SubscriptionRow[(typeof COLUMNS)[Key]] };

const COLUMNS = {
  want: 'want',
  applied: 'applied',
  externalId: 'external_id',
  aux: 'aux',
  replacesId: 'replaces_id',
  publicUrl: 'public_url',
  registeredAt: 'registered_at',
  expiresAt: 'expires_at',
  renewAt: 'renew_at',
  alarmAt: 'alarm_at',
  checkAt: 'check_at',
  checkedAt: 'checked_at',
  drift: 'drift',
  driftKept: 'drift_kept',
  logAt: 'log_at',
  logReadUntil: 'log_read_until',
  canaryAt: 'canary_at',
  noticeAt: 'notice_at',
  toldStatus: 'told_status',
  attempts: 'attempts',
  nextAttemptAt: 'next_attempt_at',
  appliedSecret: 'applied_secret',
  oldSecretsUntil: 'old_secrets_until',
} as const satisfies Record<string, keyof SubscriptionRow>;

const JSON_COLUMNS: readonly string[] = ['want', 'applied', 'aux', 'drift', 'drift_kept'] satisfies (keyof SubscriptionRow)[];

/** Longer than one call with its token and its renewed try; extended before each call. */
export const LEASE_MS = 60_000;
/** Clocks of two machines may differ by this much before a lease is taken over too early. */
export const CLOCK_SKEW_MS = 2_000;

/** Another has taken the row over, or wants it gone: what was begun for it is left to that. */
export class LeaseLost extends Error {}

type Queryable = Pick<PoolClient, 'query'>;

/** Reads and writes subscriptions under their lease: an update by who no longer holds it changes nothing and says so. */
export class SubscriptionRows {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** Takes the lease, or returns null when another holds it. */
  async claim(id: string, owner: string): Promise<SubscriptionRow | null> {
    const { rows } = await this.database.pool.query<SubscriptionRow>(
      `UPDATE subscription SET lease_owner = $2, lease_until = $3
       WHERE id = $1 AND (lease_owner IS NULL OR lease_owner = $2 OR lease_until < $4) RETURNING *`,
      [id, owner, this.clock.in(LEASE_MS), this.clock.in(-CLOCK_SKEW_MS)],
    );
    return rows[0] ?? null;
  }

  async read(id: string): Promise<SubscriptionRow | null> {
    const { rows } = await this.database.pool.query<SubscriptionRow>('SELECT * FROM subscription WHERE id = $1', [id]);
    return rows[0] ?? null;
  }

  /**
   * Writes a change and extends the lease; null when the lease was lost meanwhile. What the change is may depend on what
   * others have made of the row since it was claimed: the lease keeps them from calling the service, not from wanting.
   */
  async change(row: SubscriptionRow, owner: string, change: Change | ((current: SubscriptionRow) => Change)): Promise<SubscriptionRow | null> {
    return this.database.transaction(async (tx) => {
      const current = await this.lockLeased(tx, row.id, owner);
      return current && applyChange(tx, current, typeof change === 'function' ? change(current) : change, this.clock, LEASE_MS);
    });
  }

  /** The row as it is now, locked; null when the lease was lost. */
  async lockLeased(tx: PoolClient, id: string, owner: string): Promise<SubscriptionRow | null> {
    const { rows } = await tx.query<SubscriptionRow>('SELECT * FROM subscription WHERE id = $1 AND lease_owner = $2 FOR UPDATE', [id, owner]);
    return rows[0] ?? null;
  }

  /** Whether another one is to take its place at this moment. */
  async isBeingReplaced({ id, feed_id: feedId }: SubscriptionRow): Promise<boolean> {
    const { rowCount } = await this.database.pool.query(
      `SELECT 1 FROM subscription WHERE feed_id = $2 AND replaces_id = $1 AND status NOT IN ('removing', 'removed') LIMIT 1`, [id, feedId],
    );
    return rowCount === 1;
  }

  /** What the service answered to its registration, or to the last one for its feed: it is the same for all of them. */
  async auxOf({ aux, workspace_id: workspaceId, feed_id: feedId }: SubscriptionRow): Promise<JsonObject | null> {
    if (aux) return aux;
    const { rows } = await this.database.pool.query<{ aux: JsonObject }>(
      'SELECT aux FROM subscription WHERE workspace_id = $1 AND feed_id = $2 AND aux IS NOT NULL ORDER BY registered_at DESC NULLS LAST LIMIT 1', [workspaceId, feedId],
    );
    return rows[0]?.aux ?? null;
  }

  /** Extends the lease before another call to the service; false when it was lost meanwhile. */
  async extend(id: string, owner: string): Promise<boolean> {
    const { rowCount } = await this.database.pool.query('UPDATE subscription SET lease_until = $3 WHERE id = $1 AND lease_owner = $2', [
      id, owner, this.clock.in(LEASE_MS),
    ]);
    return rowCount === 1;
  }

  /** Lets go; `want` may have changed while the last call was under way, which the returned row tells. */
  async release(id: string, owner: string): Promise<SubscriptionRow | null> {
    const { rows } = await this.database.pool.query<SubscriptionRow>(
      'UPDATE subscription SET lease_owner = NULL, lease_until = NULL WHERE id = $1 AND lease_owner = $2 RETURNING *',
      [id, owner],
    );
    return rows[0] ?? null;
  }

  /**
   * Makes what this connection has at the service due to be told it anew, as when another account took the connection over.
   * What is under a lease is left, because its call may be on its way in the old name.
   *
   * @returns how many are due now, and how many were busy and need another call of this
   */
  async reapply(workspaceId: string, connectionId: string): Promise<{ due: number; busy: number }> {
    // One statement: a lease that ends between looking and writing must not leave its row both untouched and uncounted.
    const { rows } = await this.database.pool.query<{ due: string; busy: string }>(
      `WITH live AS (
         SELECT id, coalesce(lease_owner IS NOT NULL AND lease_until >= $3, false) AS leased FROM subscription
         WHERE workspace_id = $1 AND connection_id = $2 AND status NOT IN ('removing', 'removed') ORDER BY id FOR UPDATE
       ), told AS (
         UPDATE subscription SET applied = NULL, next_attempt_at = $4, version = version + 1
         FROM live WHERE subscription.id = live.id AND NOT live.leased RETURNING subscription.id
       )
       SELECT (SELECT count(*) FROM told) AS due, (SELECT count(*) FROM live WHERE leased) AS busy`,
      [workspaceId, connectionId, this.clock.in(-CLOCK_SKEW_MS), this.clock.now()],
    );
    return { due: Number(rows[0]!.due), busy: Number(rows[0]!.busy) };
  }

  /** Whether the time of its next try has come. */
  isDue({ next_attempt_at: at }: SubscriptionRow): boolean {
    return at !== null && at <= this.clock.now();
  }

  /** Ids whose time has come and that nobody works on: retries that are due and sagas a crash left behind. */
  async due(limit: number): Promise<string[]> {
    const { rows } = await this.database.pool.query<{ id: string }>(
      `SELECT id FROM subscription
       WHERE next_attempt_at <= $1 AND (lease_owner IS NULL OR lease_until < $2)
       ORDER BY next_attempt_at LIMIT $3`,
      [this.clock.now(), this.clock.in(-CLOCK_SKEW_MS), limit],
    );
    return rows.map((row) => row.id);
  }
}

export const isLeaving = ({ status }: Pick<SubscriptionRow, 'status'>): boolean => status === 'removing' || status === 'removed';

/** What is on its way out is not looked at any more. */
const NOT_LOOKED_AT = { renewAt: null, alarmAt: null, checkAt: null, logAt: null, canaryAt: null } as const satisfies Change;

/** Applies a change inside a transaction that holds the row; a new status gets a line in the history. */
export async function applyChange(
  tx: Queryable,
  row: SubscriptionRow,
  wanted: Change,
  clock: Clock,
  extendLeaseMs?: number,
): Promise<SubscriptionRow> {
  const now = clock.now();
  const status = wanted.status ?? row.status;
  const change = isLeaving({ status }) ? { ...wanted, ...NOT_LOOKED_AT } : wanted;
  const reason = change.reason === undefined ? { code: row.reason_code, message: row.reason_message } : change.reason;
  // The service's own words may hold what Postgres text cannot.
  const message = reason?.message?.replaceAll('\u0000', '\uFFFD') ?? null;
  const code = reason?.code ?? null;
  const turned = status !== row.status || code !== row.reason_code;
  const since = status === row.status ? row.status_since : now;
  const notice = turned ? { noticeAt: nextNotice({ status, status_since: since, reason_code: code, told_status: row.told_status }, now)?.at ?? null } : {};
  const written: ColumnChange = { ...change, ...notice };
  const columns = (Object.keys(COLUMNS) as (keyof ColumnChange)[])
    .filter((key) => written[key] !== undefined)
    .map((key) => ({ name: COLUMNS[key], value: JSON_COLUMNS.includes(COLUMNS[key]) ? jsonOrNull(written[key]) : written[key] }));
  const set = columns.map(({ name }, index) => `, ${name} = $${index + 7}`).join('');
  const { rows } = await tx.query<SubscriptionRow>(
    `UPDATE subscription SET status = $2, status_since = CASE WHEN status = $2 THEN status_since ELSE $3 END,
       reason_code = $4, reason_message = $5, version = version + 1, lease_until = coalesce($6, lease_until)${set}
     WHERE id = $1 RETURNING *`,
    [
      row.id, status, now, code, message, extendLeaseMs === undefined ? null : clock.in(extendLeaseMs),
      ...columns.map(({ value }) => value),
    ],
  );
  if (turned) {
    await tx.query(
      `INSERT INTO subscription_history (workspace_id, subscription_id, at, status, reason_code, reason_message)
       VALUES ($1, $2, $3, $4, $5, $6)`,
      [row.workspace_id, row.id, now, status, code, message],
    );
  }
  return rows[0]!;
}

const jsonOrNull = (value: unknown) => (value === null || value === undefined ? null : JSON.stringify(value));

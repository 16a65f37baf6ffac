import type { AdapterRegistry } from '@vane/adapters';
import { VaneError, type CallContext, type InputOf, type startSync, type SyncView } from '@vane/contracts';
import { firstIdAt, newId, type Database } from '@vane/db';
import type { Clock } from '@vane/runtime';
import { idsFrom } from '../work-desk.js';
import type { OrphanFinder } from './orphans.js';

type Request = {
  id: string; workspace_id: string; trigger_id: string | null; connection_id: string | null; requested_at: Date; due_at: Date | null;
  /** How many orphans each connection was found to have. */
  orphans: Record<string, number>;
};
type Finding = {
  id: string; service: string; resource: string; status: SyncView['findings'][number]['status']; drift: SyncView['findings'][number]['drift'];
  reason_code: string | null; reason_message: string | null; unseen: boolean; check_at: Date | null;
};

const KEPT_MS = 7 * 86_400_000;
const MOST_FINDINGS = 100;
/** A crash in the middle of counting is noticed by then. */
const TAKEOVER_MS = 120_000;

/** `$1` workspace, `$2` trigger, `$3` connection, both null for all. */
const FEEDS = `
  SELECT f.id FROM feed f WHERE f.workspace_id = $1 AND ($3::text IS NULL OR f.connection_id = $3) AND ($2::text IS NULL OR f.id IN (
    SELECT unnest(ARRAY[feed_id, CASE WHEN old_feed_until IS NULL THEN old_feed_id END]) FROM trigger WHERE workspace_id = $1 AND id = $2))`;
const LIVE = `s.workspace_id = $1 AND s.status NOT IN ('removing', 'removed') AND s.feed_id IN (${FEEDS})`;

/** `$4` now, `$5` and `$6` services and trigger types that show what they hold. In one order for all who lock several. */
const CHECK_NOW = `
  UPDATE subscription SET
    check_at = CASE WHEN external_id IS NOT NULL AND (service, trigger_type) IN (SELECT * FROM unnest($5::text[], $6::text[])) THEN $4 ELSE check_at END,
    log_at = CASE WHEN log_at IS NULL THEN NULL ELSE $4 END,
    renew_at = LEAST(renew_at, CASE WHEN expires_at <= $4 THEN $4 END),
    next_attempt_at = CASE WHEN status = 'auth_required' THEN next_attempt_at WHEN next_attempt_at IS NULL THEN NULL ELSE LEAST(next_attempt_at, $4) END
  WHERE id IN (SELECT s.id FROM subscription s WHERE ${LIVE} ORDER BY s.id FOR UPDATE)`;
const PULL_NOW = `
  UPDATE feed_pull SET wanted = wanted + 1, due_at = $4
  WHERE feed_id IN (SELECT p.feed_id FROM feed_pull p WHERE p.workspace_id = $1 AND p.due_at IS NOT NULL AND p.feed_id IN (${FEEDS}) ORDER BY p.feed_id FOR UPDATE)`;

/** `$4` when it was asked for, `$5` now. What could not be done is due again later, and counts as done: it is among the findings. */
const PROGRESS = `
  SELECT count(*) AS total, count(*) FILTER (WHERE done) AS done FROM (
    SELECT coalesce(s.checked_at >= $4, false) OR s.check_at > $5 AS done FROM subscription s WHERE ${LIVE} AND s.check_at IS NOT NULL
    UNION ALL
    SELECT coalesce(p.pulled_at >= $4, false) OR p.due_at > $5 FROM feed_pull p WHERE p.workspace_id = $1 AND p.due_at IS NOT NULL AND p.feed_id IN (${FEEDS})
  ) AS parts`;
const FINDINGS = `
  SELECT * FROM (
    SELECT s.id, s.service, s.resource, s.status, s.drift, s.reason_code, s.reason_message, s.check_at,
      s.check_at > $5 AND coalesce(s.checked_at < $4, true) AND s.created_at < $4 AS unseen
    FROM subscription s WHERE ${LIVE}
  ) AS seen WHERE status NOT IN ('active', 'renewing') OR drift IS NOT NULL OR unseen ORDER BY id LIMIT ${MOST_FINDINGS}`;

/** Requests to compare with the services now. They only make due what becomes due anyway, and say how far that is. */
export class Syncs {
  constructor(
    private readonly database: Database,
    private readonly orphans: OrphanFinder,
    private readonly adapters: AdapterRegistry,
    private readonly clock: Clock,
  ) {}

  /** @throws VaneError `not_found` */
  async start(input: InputOf<typeof startSync>): Promise<SyncView> {
    const { workspace } = input;
    const [trigger, connection] = [input.trigger ?? null, input.connection ?? null];
    await this.requireOwn(workspace, trigger, connection);
    const now = this.clock.now();
    const id = newId('sync', now);
    const visible = this.adapters.all().flatMap(({ id: service, triggerTypes }) =>
      Object.entries(triggerTypes).filter(([, { remote }]) => remote?.get).map(([type]) => ({ service, type })),
    );
    await this.database.transaction(async (tx) => {
      await tx.query(
        `INSERT INTO sync_request (id, workspace_id, trigger_id, connection_id, requested_at, due_at, orphans) VALUES ($1, $2, $3, $4, $5, $5, '{}')`,
        [id, workspace, trigger, connection, now],
      );
      const scope = [workspace, trigger, connection, now];
      await tx.query(CHECK_NOW, [...scope, visible.map(({ service }) => service), visible.map(({ type }) => type)]);
      await tx.query(PULL_NOW, scope);
    });
    return this.get(workspace, id);
  }

  /** @throws VaneError `not_found` */
  async get(workspace: string, id: string): Promise<SyncView> {
    const { rows } = await this.database.pool.query<Request>('SELECT * FROM sync_request WHERE workspace_id = $1 AND id = $2', [workspace, id]);
    const request = rows[0];
    if (!request) throw new VaneError('not_found', `There is no sync ${id} in this workspace. Syncs are forgotten after seven days.`);
    const values = [workspace, request.trigger_id, request.connection_id, request.requested_at, this.clock.now()];
    const parts = await this.database.pool.query<{ total: string; done: string }>(PROGRESS, values);
    const progress = { total: Number(parts.rows[0]!.total), done: Number(parts.rows[0]!.done) };
    const found = await this.database.pool.query<Finding>(FINDINGS, values);
    return {
      id, triggerId: request.trigger_id, connectionId: request.connection_id, requestedAt: request.requested_at.toISOString(), progress,
      state: progress.done === progress.total && request.due_at === null ? 'done' : 'running',
      orphans: request.due_at === null ? Object.values(request.orphans).reduce((sum, one) => sum + one, 0) : null,
      findings: found.rows.map(findingOf),
    };
  }

  dueCounts(limit: number): Promise<string[]> {
    return idsFrom(this.database, DUE_COUNTS, [this.clock.now(), limit]);
  }

  /** Counts the orphans of one connection more; false when another is at it, or none is left. */
  async count(id: string, call: CallContext): Promise<boolean> {
    const { rows } = await this.database.pool.query<Request>('UPDATE sync_request SET due_at = $3 WHERE id = $1 AND due_at <= $2 RETURNING *', [
      id, this.clock.now(), this.clock.in(TAKEOVER_MS),
    ]);
    const request = rows[0];
    if (!request) return false;
    const connection = await this.uncounted(request);
    if (connection === null) {
      await this.database.pool.query('UPDATE sync_request SET due_at = NULL WHERE id = $1', [id]);
      return false;
    }
    const { items } = await this.orphans.find(request.workspace_id, connection, call);
    await this.database.pool.query('UPDATE sync_request SET orphans = orphans || jsonb_build_object($2::text, $3::int), due_at = $4 WHERE id = $1', [
      id, connection, items.length, this.clock.now(),
    ]);
    return true;
  }

  /** Forgets old requests. */
  async forget(): Promise<void> {
    await this.database.pool.query('DELETE FROM sync_request WHERE id < $1', [firstIdAt('sync', this.clock.in(-KEPT_MS))]);
  }

  /** Connections that no call may be made with, or need not, are left out. */
  private async uncounted({ workspace_id: workspace, trigger_id: trigger, connection_id: connection, orphans }: Request): Promise<string | null> {
    const { rows } = await this.database.pool.query<{ id: string }>(
      `SELECT c.id FROM connection c WHERE c.workspace_id = $1 AND c.status NOT IN ('auth_required', 'disconnecting') AND c.id <> ALL($4)
         AND c.id IN (SELECT f.connection_id FROM feed f WHERE f.id IN (${FEEDS})) ORDER BY c.id LIMIT 1`,
      [workspace, trigger, connection, Object.keys(orphans)],
    );
    return rows[0]?.id ?? null;
  }

  private async requireOwn(workspace: string, trigger: string | null, connection: string | null): Promise<void> {
    const scoped = this.database.forWorkspace(workspace);
    if (trigger !== null && (await scoped.trigger.count({ where: { id: trigger } })) === 0) throw new VaneError('not_found', `There is no trigger ${trigger} in this workspace.`);
    if (connection !== null && (await scoped.connection.count({ where: { id: connection } })) === 0) {
      throw new VaneError('not_found', `There is no connection ${connection} in this workspace.`);
    }
  }
}

/** `$1` now, `$2` how many. */
const DUE_COUNTS = 'SELECT id FROM sync_request WHERE due_at <= $1 ORDER BY due_at LIMIT $2';

function findingOf({ id, service, resource, status, drift, reason_code: code, reason_message: message, unseen, check_at: checkAt }: Finding): SyncView['findings'][number] {
  const notAsked = { code: 'not_checked', message: `The service could not be asked; it will be asked again at ${checkAt?.toISOString()}.` };
  const reason = code === null || (unseen && status === 'active') ? null : { code, message: message ?? '' };
  return { subscriptionId: id, service, resource, status, drift, reason: reason ?? (unseen ? notAsked : null) };
}

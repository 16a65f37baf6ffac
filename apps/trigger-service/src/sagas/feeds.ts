import { randomBytes } from 'node:crypto';
import { newId, type Vault } from '@vane/db';
import { newSecretOf, type JsonObject, type TriggerType } from '@vane/kit';
import type { Clock, HookKeys } from '@vane/runtime';
import type { PoolClient } from 'pg';
import { applyChange, type SubscriptionRow } from './subscription-rows.js';

export type FeedTarget = {
  workspaceId: string;
  service: string;
  triggerType: string;
  connectionId: string | null;
  resource: string;
};

/** Feeds and what their triggers want of the service, changed only under the feed's row lock. */
export class Feeds {
  constructor(
    private readonly vault: Vault,
    private readonly keys: HookKeys,
    private readonly clock: Clock,
  ) {}

  /** Call before a transaction that may insert a subscription: what it encrypts with is fetched outside. */
  prepare(workspaceId: string): Promise<void> {
    return this.vault.prepare(workspaceId);
  }

  /** Finds or makes the feed and locks its row for the rest of the transaction. */
  async lock(tx: PoolClient, target: FeedTarget): Promise<string> {
    const now = this.clock.now();
    const identity = [target.workspaceId, target.connectionId ?? '', target.service, target.triggerType, target.resource];
    await tx.query(
      `INSERT INTO feed (id, workspace_id, connection_id, service, trigger_type, resource, created_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (workspace_id, connection_id, service, trigger_type, resource) DO NOTHING`,
      [newId('feed', now), ...identity, now],
    );
    const { rows } = await tx.query<{ id: string }>(
      `SELECT id FROM feed WHERE workspace_id = $1 AND connection_id = $2 AND service = $3 AND trigger_type = $4 AND resource = $5
       FOR UPDATE`,
      identity,
    );
    return rows[0]!.id;
  }

  async lockById(tx: PoolClient, feedId: string): Promise<void> {
    await tx.query('SELECT id FROM feed WHERE id = $1 FOR UPDATE', [feedId]);
  }

  /** The subscription that serves a feed, if there is one that is not on its way out. */
  async live(tx: PoolClient, feedId: string): Promise<SubscriptionRow | null> {
    const { rows } = await tx.query<SubscriptionRow>(
      `SELECT * FROM subscription WHERE feed_id = $1 AND status NOT IN ('removing', 'removed') ORDER BY id DESC LIMIT 1 FOR UPDATE`,
      [feedId],
    );
    return rows[0] ?? null;
  }

  /**
   * Commits the pending row, its key and its secret before the service is called, so that handshakes and early messages
   * find it. Returns the secret so that it can be shown once where a person must enter it.
   */
  async insertPending(
    tx: PoolClient,
    target: FeedTarget & { feedId: string; type: TriggerType; want: JsonObject; secret?: string },
  ): Promise<{ subscription: SubscriptionRow; secret: string }> {
    const now = this.clock.now();
    const id = newId('subscription', now);
    const secret = target.secret ?? newSecretOf(target.type, target.want, randomBytes);
    const where = { table: 'subscription', row: id, column: 'secrets_enc', workspaceId: target.workspaceId };
    const remote = target.type.remote !== undefined;
    const { rows } = await tx.query<SubscriptionRow>(
      `INSERT INTO subscription (id, workspace_id, feed_id, service, trigger_type, connection_id, resource, key, secrets_enc,
         want, applied, status, status_since, attempts, next_attempt_at, version, created_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, $14, 1, $13) RETURNING *`,
      [
        id, target.workspaceId, target.feedId, target.service, target.triggerType, target.connectionId, target.resource,
        this.keys.mint(), await this.vault.encrypt(JSON.stringify([secret]), where), JSON.stringify(target.want),
        remote ? null : JSON.stringify(target.want), remote ? 'pending' : 'active', now, remote ? now : null,
      ],
    );
    await tx.query(
      'INSERT INTO subscription_history (workspace_id, subscription_id, at, status) VALUES ($1, $2, $3, $4)',
      [target.workspaceId, id, now, rows[0]!.status],
    );
    return { subscription: rows[0]!, secret };
  }

  /** Newest first; all of them are accepted from senders. */
  async secrets(row: SubscriptionRow): Promise<string[]> {
    const where = { table: 'subscription', row: row.id, column: 'secrets_enc', workspaceId: row.workspace_id };
    return JSON.parse(await this.vault.decrypt(row.secrets_enc, where)) as string[];
  }

  /**
   * Makes the subscription want what the feed's triggers together want now: the union, or its removal when none is left.
   * The settler does the rest. Call with the feed locked. Returns the subscription whose want changed or that must go.
   */
  async recompute(tx: PoolClient, feedId: string, type: TriggerType): Promise<SubscriptionRow | null> {
    const live = await this.live(tx, feedId);
    if (!live) return null;
    const { rows } = await tx.query<{ want: JsonObject }>('SELECT want FROM trigger WHERE feed_id = $1 ORDER BY id', [feedId]);
    const now = this.clock.now();
    if (rows.length === 0) {
      const gone = type.remote === undefined;
      const change = { status: gone ? 'removed' : 'removing', reason: null, attempts: triesAfresh(live), nextAttemptAt: gone ? null : now } as const;
      return applyChange(tx, live, change, this.clock);
    }
    const want = unionOf(type, rows.map((row) => row.want));
    if (sameJson(want, live.want)) return live;
    const change = type.remote ? { want, attempts: triesAfresh(live), nextAttemptAt: now } : { want, applied: want };
    return applyChange(tx, live, change, this.clock);
  }
}

/**
 * Tries are counted afresh for a new wish, unless nothing is known to be there: then a try may have got through without
 * our hearing of it, and the count is what says so.
 */
export function triesAfresh(row: SubscriptionRow): number {
  return row.external_id === null ? row.attempts : 0;
}

export function unionOf(type: TriggerType, wants: JsonObject[]): JsonObject {
  return type.union && wants.length > 1 ? type.union(wants) : wants.at(-1)!;
}

/** Equality of JSON values, whatever the order of members. */
export function sameJson(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

import { randomBytes } from 'node:crypto';
import { newId, type Vault } from '@vane/db';
import { newSecretOf, type JsonObject, type TriggerType } from '@vane/kit';
import type { Clock, HookKeys } from '@vane/runtime';
import type { PoolClient } from 'pg';
import type { FeedPulls } from '../pulls/feed-pulls.js';
import { applyChange, type SubscriptionRow } from './subscription-rows.js';

export type FeedTarget = {
  workspaceId: string;
  service: string;
  triggerType: string;
  connectionId: string | null;
  resource: string;
};

/** What became of a feed's subscription; `secret` is that of a new one, to be shown once where a person must enter it. */
export type Recomputed = { subscription: SubscriptionRow | null; secret: string | null };

/** Feeds and what their triggers want of the service, changed only under the feed's row lock. */
export class Feeds {
  constructor(
    private readonly vault: Vault,
    private readonly keys: HookKeys,
    private readonly clock: Clock,
    private readonly pulls: FeedPulls,
  ) {}

  /** Call before a transaction that may insert a subscription: what it encrypts with is fetched outside. */
  prepare(workspaceId: string): Promise<void> {
    return this.vault.prepare(workspaceId);
  }

  /** A hash of an input that may hold the secret of a subscription, keyed, so that nobody can try secrets against it. */
  digest(hash: string, workspaceId: string): Promise<string> {
    return this.vault.digest(hash, workspaceId);
  }

  /** Finds or makes the feed and locks its row for the rest of the transaction. */
  async lock(tx: PoolClient, target: FeedTarget): Promise<string> {
    const id = await this.ensure(tx, target);
    await this.lockById(tx, id);
    return id;
  }

  /** Finds or makes the feed without a lock. */
  async ensure(tx: PoolClient, target: FeedTarget): Promise<string> {
    const now = this.clock.now();
    const identity = [target.workspaceId, target.connectionId ?? '', target.service, target.triggerType, target.resource];
    await tx.query(
      `INSERT INTO feed (id, workspace_id, connection_id, service, trigger_type, resource, created_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (workspace_id, connection_id, service, trigger_type, resource) DO NOTHING`,
      [newId('feed', now), ...identity, now],
    );
    const { rows } = await tx.query<{ id: string }>(
      'SELECT id FROM feed WHERE workspace_id = $1 AND connection_id = $2 AND service = $3 AND trigger_type = $4 AND resource = $5',
      identity,
    );
    return rows[0]!.id;
  }

  async lockById(tx: PoolClient, feedId: string): Promise<void> {
    await tx.query('SELECT id FROM feed WHERE id = $1 FOR UPDATE', [feedId]);
  }

  /** In one order for all, so that two moves cannot wait for each other. */
  async lockAll(tx: PoolClient, feedIds: (string | null)[]): Promise<void> {
    for (const feedId of [...new Set(feedIds)].sort()) if (feedId !== null) await this.lockById(tx, feedId);
  }

  /** A subscription with its row locked. */
  async lockSubscription(tx: PoolClient, workspaceId: string, id: string): Promise<SubscriptionRow | null> {
    const { rows } = await tx.query<SubscriptionRow>('SELECT * FROM subscription WHERE id = $1 AND workspace_id = $2 FOR UPDATE', [id, workspaceId]);
    return rows[0] ?? null;
  }

  /** Owes the service nothing any more; its object may still be there. */
  giveUp(tx: PoolClient, row: SubscriptionRow): Promise<SubscriptionRow> {
    const reason = { code: 'forced', message: 'Removed here without asking the service; its hook may still be there.' };
    return applyChange(tx, row, { status: 'removed', reason, nextAttemptAt: null }, this.clock);
  }

  /** The same for every removal that is owed of its feed: one that was being renewed has left two. */
  async giveUpAll(tx: PoolClient, row: SubscriptionRow): Promise<SubscriptionRow> {
    const { rows } = await tx.query<SubscriptionRow>(`SELECT * FROM subscription WHERE feed_id = $1 AND status = 'removing' AND id <> $2 ORDER BY id FOR UPDATE`, [
      row.feed_id, row.id,
    ]);
    for (const other of rows) await this.giveUp(tx, other);
    return this.giveUp(tx, row);
  }

  /** The subscriptions of a feed that are not on their way out: the one to come before the one it replaces. */
  private async live(tx: PoolClient, feedId: string): Promise<SubscriptionRow[]> {
    const { rows } = await tx.query<SubscriptionRow>(
      `SELECT * FROM subscription WHERE feed_id = $1 AND status NOT IN ('removing', 'removed') ORDER BY replaces_id IS NULL, id DESC FOR UPDATE`,
      [feedId],
    );
    return rows;
  }

  /** What is to take the place of a subscription, its row locked. */
  async replacementOf(tx: PoolClient, { id, feed_id: feedId }: SubscriptionRow): Promise<SubscriptionRow | null> {
    return (await this.live(tx, feedId)).find(({ replaces_id: replaces }) => replaces === id) ?? null;
  }

  /** A pending subscription that is to take the place of one that works, for all that this one's triggers want. */
  async insertReplacement(tx: PoolClient, old: SubscriptionRow, type: TriggerType): Promise<SubscriptionRow> {
    const { subscription } = await this.insertPending(tx, { feedId: old.feed_id, type, want: old.want, replacesId: old.id });
    // What arrives at the old one is still what it was registered for.
    if (old.applied && !sameJson(old.applied, old.want)) await applyChange(tx, old, { want: old.applied }, this.clock);
    return subscription;
  }

  /** A pending subscription in the place of one that was given up before it was registered; it counts that one's tries on. */
  async insertInstead(tx: PoolClient, old: SubscriptionRow, type: TriggerType): Promise<SubscriptionRow> {
    const { subscription } = await this.insertPending(tx, { feedId: old.feed_id, type, want: old.want, replacesId: old.replaces_id });
    const reason = old.reason_code === null ? null : { code: old.reason_code, message: old.reason_message ?? '' };
    // The attempt that has found it out has asked nothing.
    return applyChange(tx, subscription, { attempts: Math.max(0, old.attempts - 1), reason }, this.clock);
  }

  /**
   * Commits the pending row, its key and its secret before the service is called, so that handshakes and early messages
   * find it. Returns the secret so that it can be shown once where a person must enter it.
   */
  async insertPending(
    tx: PoolClient,
    wanted: { feedId: string; type: TriggerType; want: JsonObject; secret?: string | undefined; replacesId?: string | null },
  ): Promise<{ subscription: SubscriptionRow; secret: string }> {
    const target = { ...(await this.target(tx, wanted.feedId)), ...wanted };
    const now = this.clock.now();
    const id = newId('subscription', now);
    const secret = target.secret ?? newSecretOf(target.type, target.want, randomBytes);
    const where = { table: 'subscription', row: id, column: 'secrets_enc', workspaceId: target.workspaceId };
    const remote = target.type.remote !== undefined;
    const { rows } = await tx.query<SubscriptionRow>(
      `INSERT INTO subscription (id, workspace_id, feed_id, service, trigger_type, connection_id, resource, key, secrets_enc,
         want, applied, status, status_since, attempts, next_attempt_at, version, created_at, secret_version, applied_secret, replaces_id, connection_since)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, $14, 1, $13, 1, $15, $16,
         (SELECT status_since FROM connection WHERE workspace_id = $2 AND id = $6)) RETURNING *`,
      [
        id, target.workspaceId, target.feedId, target.service, target.triggerType, target.connectionId, target.resource,
        this.keys.mint(), await this.vault.encrypt(JSON.stringify([secret]), where), JSON.stringify(target.want),
        remote ? null : JSON.stringify(target.want), remote ? 'pending' : 'active', now, remote ? now : null, remote ? null : 1, target.replacesId ?? null,
      ],
    );
    await tx.query(
      'INSERT INTO subscription_history (workspace_id, subscription_id, at, status) VALUES ($1, $2, $3, $4)',
      [target.workspaceId, id, now, rows[0]!.status],
    );
    return { subscription: rows[0]!, secret };
  }

  private async target(tx: PoolClient, feedId: string): Promise<FeedTarget> {
    const { rows } = await tx.query<{ workspace_id: string; service: string; trigger_type: string; connection_id: string; resource: string }>(
      'SELECT workspace_id, service, trigger_type, connection_id, resource FROM feed WHERE id = $1',
      [feedId],
    );
    const feed = rows[0]!;
    const connectionId = feed.connection_id === '' ? null : feed.connection_id;
    return { workspaceId: feed.workspace_id, service: feed.service, triggerType: feed.trigger_type, connectionId, resource: feed.resource };
  }

  /** Newest first; all of them are accepted from senders. */
  async secrets(row: SubscriptionRow): Promise<string[]> {
    const where = { table: 'subscription', row: row.id, column: 'secrets_enc', workspaceId: row.workspace_id };
    return JSON.parse(await this.vault.decrypt(row.secrets_enc, where)) as string[];
  }

  /**
   * Makes the feed's subscription want what its triggers together want now: the union, its removal when none is left, a
   * new one when there is none. The one place that keeps triggers and subscriptions in step; the settler does the rest.
   * Call with the feed locked. `type` is undefined when its adapter is not installed any more.
   */
  async recompute(tx: PoolClient, feedId: string, type: TriggerType | undefined, secret?: string): Promise<Recomputed> {
    const [live, ...replaced] = await this.live(tx, feedId);
    const { rows } = await tx.query<{ want: JsonObject; here: boolean }>(
      `SELECT want, feed_id = $1 AS here FROM trigger WHERE feed_id = $1 OR (old_feed_id = $1 AND old_feed_until IS NULL) ORDER BY id`,
      [feedId],
    );
    const wants = rows.filter(({ here }) => here).map(({ want }) => want);
    // Triggers that are moving away want what is there until they are gone; their own want is that of another resource by now.
    if (live && wants.length < rows.length) wants.push(live.want);
    if (!live && (wants.length === 0 || !type)) return { subscription: null, secret: null };
    if (!live) return this.insertPending(tx, { feedId, type: type!, want: unionOf(type!, wants), secret });
    const subscription = await this.rewant(tx, live, type, wants);
    if (wants.length > 0) return { subscription: this.working(subscription, replaced), secret: null };
    const left = [subscription];
    for (const old of replaced) left.push(await this.rewant(tx, old, type, wants));
    await this.pulls.stop(tx, feedId);
    return { subscription: left.at(-1)!, secret: null };
  }

  /** Whoever wants nothing else than what is there does not wait for its replacement. */
  private working(coming: SubscriptionRow, replaced: SubscriptionRow[]): SubscriptionRow {
    const old = replaced.find(({ id, status }) => id === coming.replaces_id && (status === 'renewing' || status === 'active'));
    return old && sameJson(old.applied, coming.want) ? old : coming;
  }

  /** Moves a live subscription to what is wanted of it now. */
  async rewant(tx: PoolClient, live: SubscriptionRow, type: TriggerType | undefined, wants: JsonObject[]): Promise<SubscriptionRow> {
    const now = this.clock.now();
    if (wants.length === 0) {
      const gone = type !== undefined && type.remote === undefined;
      const change = { status: gone ? 'removed' : 'removing', reason: null, attempts: triesAfresh(live), nextAttemptAt: gone ? null : now } as const;
      return applyChange(tx, live, change, this.clock);
    }
    if (!type) return live;
    const want = unionOf(type, wants);
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

import type { OpaqueRemote, TriggerType } from '@vane/kit';
import type { Database } from '@vane/db';
import type { Clock } from '@vane/runtime';
import type { PoolClient } from 'pg';
import type { FeedPulls } from '../pulls/feed-pulls.js';
import type { Feeds } from './feeds.js';
import { applyChange, isLeaving, type Change, type SubscriptionRow, type SubscriptionRows } from './subscription-rows.js';

/** What is noted of a feed beside the states of its subscription. */
const FEED_NOTES = ['gap_closed', 'cursor_stale', 'event_unreadable', 'deliveries_recovered'];

/** They are read with whichever subscription serves the feed, so they go over to the next one; the newest of them. */
const TAKE_NOTES = `
  INSERT INTO subscription_history (workspace_id, subscription_id, at, status, reason_code, reason_message)
  SELECT workspace_id, $2, at, status, reason_code, reason_message FROM (
    SELECT * FROM subscription_history WHERE subscription_id = $1 AND reason_code = ANY($3) ORDER BY at DESC, id DESC LIMIT 20) AS newest
  ORDER BY at, id`;

/** How long a replacement that was made late has before people are told that there is trouble. */
const FIRST_TRIES_MS = 60_000;

/** Codes of `degraded` that a replacement which is on its way has an answer to; what else is wrong stays as it is shown. */
const OURS: readonly (string | null)[] = [null, 'renewal_failing', 'authorised'];

/**
 * Puts a new subscription in the place of another, the new before the old: the old one stays as it is until the new one is
 * active. Both are of one feed, so what both report is one event. All of it under the feed's lock and the lease of the row.
 */
export class Replacements {
  constructor(
    private readonly database: Database,
    private readonly rows: SubscriptionRows,
    private readonly feeds: Feeds,
    private readonly pulls: FeedPulls,
    private readonly clock: Clock,
  ) {}

  /**
   * Makes the replacement if there is none, and gives the row the state that follows from the time it has left.
   *
   * @returns the row and what was made, null where there was one; or null when the lease was lost or the row is leaving
   */
  async begin(row: SubscriptionRow, owner: string, type: TriggerType): Promise<{ row: SubscriptionRow; made: SubscriptionRow | null } | null> {
    await this.feeds.prepare(row.workspace_id);
    return this.database.transaction(async (tx) => {
      const current = await this.lock(tx, row, owner);
      return current && !isLeaving(current) ? this.beginLocked(tx, current, type) : null;
    });
  }

  /** The same for a row that is locked, with its feed, and not on its way out: nothing is asked of the service. */
  async beginLocked(tx: PoolClient, row: SubscriptionRow, type: TriggerType): Promise<{ row: SubscriptionRow; made: SubscriptionRow | null }> {
    const there = await this.feeds.replacementOf(tx, row);
    const made = there ? null : await this.feeds.insertReplacement(tx, row, type);
    const state = this.stateOf(row, there);
    if (state.status === 'missing') await this.pulls.gap(tx, row.feed_id, row.expires_at!);
    return { row: await applyChange(tx, row, { ...state, attempts: 0, nextAttemptAt: null }, this.clock), made };
  }

  /** What follows from the time that a subscription has left whose replacement is not there yet; null: one that is made now. */
  private stateOf(row: SubscriptionRow, replacement: SubscriptionRow | null): Change {
    const { expires_at: expiresAt, alarm_at: alarmAt } = row;
    const now = this.clock.now();
    const why = replacement?.reason_message ?? 'The service has not confirmed a new one yet.';
    if (expiresAt && expiresAt <= now) {
      const message = `It ended at ${expiresAt.toISOString()}, and no new one is there yet. ${why}`;
      return { status: 'missing', reason: { code: 'expired', message }, renewAt: null };
    }
    if (alarmAt && alarmAt <= now && replacement) {
      const message = `It ends at ${expiresAt!.toISOString()} and could not be renewed yet. ${why}`;
      return { status: 'degraded', reason: { code: 'renewal_failing', message }, renewAt: expiresAt };
    }
    const late = alarmAt && alarmAt <= now ? this.clock.in(FIRST_TRIES_MS) : alarmAt;
    const renewAt = late && expiresAt && late > expiresAt ? expiresAt : late;
    const otherTrouble = row.status === 'degraded' && !OURS.includes(row.reason_code);
    return otherTrouble ? { renewAt } : { status: 'renewing', reason: null, renewAt };
  }

  /**
   * Commits that a row is registered. What it replaces is removed from then on, what happened meanwhile is fetched, and
   * removals that waited for what the service answered go on.
   *
   * @returns the row, null when the lease was lost, and the one it has replaced
   */
  async registered(
    row: SubscriptionRow, owner: string, change: (current: SubscriptionRow) => Change,
  ): Promise<{ row: SubscriptionRow; replaced: SubscriptionRow | null } | null> {
    return this.database.transaction(async (tx) => {
      const current = await this.lock(tx, row, owner);
      if (!current) return null;
      const done = await applyChange(tx, current, { ...change(current), replacesId: null }, this.clock);
      if (done.aux) await this.wakeRemovals(tx, done);
      if (isLeaving(done)) return { row: done, replaced: null };
      const replaced = current.replaces_id === null ? null : await this.retire(tx, current.replaces_id, done);
      await this.pulls.want(tx, [done.feed_id]);
      return { row: done, replaced };
    });
  }

  private async retire(tx: PoolClient, id: string, by: SubscriptionRow): Promise<SubscriptionRow | null> {
    const old = await this.feeds.lockSubscription(tx, by.workspace_id, id);
    if (!old || isLeaving(old)) return null;
    if (old.expires_at && old.expires_at <= this.clock.now()) await this.pulls.gap(tx, old.feed_id, old.expires_at);
    const reason = { code: 'replaced', message: `${by.id} has taken its place.` };
    // What people were told of the old one is over with the new one, which tells them so.
    if (old.told_status !== null) await tx.query('UPDATE subscription SET told_status = $2, notice_at = $3 WHERE id = $1', [by.id, old.told_status, this.clock.now()]);
    await tx.query(TAKE_NOTES, [old.id, by.id, FEED_NOTES]);
    return applyChange(tx, old, { status: 'removing', reason, attempts: 0, nextAttemptAt: this.clock.now() }, this.clock);
  }

  private async wakeRemovals(tx: PoolClient, { feed_id: feedId, id }: SubscriptionRow): Promise<void> {
    await tx.query(`UPDATE subscription SET next_attempt_at = $3 WHERE feed_id = $1 AND id <> $2 AND status = 'removing' AND reason_code = 'aux_unknown'`, [
      feedId, id, this.clock.now(),
    ]);
  }

  /**
   * Gives up a row of which nobody knows whether the service has it: what may be there is removed, and a fresh one takes its
   * place, which counts its tries on. Its key is accepted until then.
   *
   * @returns the fresh one; null when the lease was lost or the row is leaving
   */
  async giveUp(row: SubscriptionRow, owner: string, type: TriggerType, { longestLifetimeMs }: OpaqueRemote): Promise<SubscriptionRow | null> {
    await this.feeds.prepare(row.workspace_id);
    return this.database.transaction(async (tx) => {
      const current = await this.lock(tx, row, owner);
      if (!current || isLeaving(current)) return null;
      const reason = { code: 'unheard', message: 'Its registration was not answered, so it is removed, and another one is registered in its place.' };
      const expiresAt = longestLifetimeMs === undefined ? null : this.clock.in(longestLifetimeMs);
      await applyChange(tx, current, { status: 'removing', reason, expiresAt, attempts: 0, nextAttemptAt: this.clock.now() }, this.clock);
      return this.feeds.insertInstead(tx, current, type);
    });
  }

  private async lock(tx: PoolClient, row: SubscriptionRow, owner: string): Promise<SubscriptionRow | null> {
    await this.feeds.lockById(tx, row.feed_id);
    return this.rows.lockLeased(tx, row.id, owner);
  }
}

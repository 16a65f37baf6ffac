import { randomUUID } from 'node:crypto';
import type { AdapterRegistry } from '@vane/adapters';
import { postNotification, systemCall } from '@vane/contracts';
import type { Database } from '@vane/db';
import type { Bus, Clock } from '@vane/runtime';
import type { FeedPulls } from '../pulls/feed-pulls.js';
import { idsFrom, type Work } from '../work-desk.js';
import { hintOf } from './hints.js';
import type { SubscriptionFact } from './health-facts.js';
import { serving } from './judge.js';
import { cut, triggerLink } from './notice-parts.js';
import { LEARNT_FROM, limitOf, proves, saidOf, type Limit, type Look } from './silence-rules.js';

/** A round whose process died is begun again after this. */
const TAKEOVER_MS = 60_000;
/** How soon to look whether the service has answered, and how long it has for that. */
const LOOK_AGAIN_MS = 15_000;
const ANSWER_MS = 10 * 60_000;
/** How soon to look whether a silence is over, and whether other troubles are, which are told by themselves. */
const SILENT_MS = 5 * 60_000;
const TROUBLED_MS = 10 * 60_000;
/** How soon to look whether a rhythm can be learnt. */
const UNLEARNT_MS = 6 * 3_600_000;
/** Ever more seldom, so that what is idle for weeks costs next to nothing. */
const LONGEST_UNLEARNT_MS = 7 * 86_400_000;

type Trigger = {
  id: string; workspace_id: string; feed_id: string; name: string; service: string; connection_id: string | null; status: string;
  expect_every_seconds: number | null; silence_at: Date; silence_asked_at: Date | null; silent_since: Date | null; updated_at: Date;
};
type Subscription = Pick<SubscriptionFact, 'id' | 'status' | 'replaces_id'> & {
  check_at: Date | null; checked_at: Date | null; log_at: Date | null; log_read_until: Date | null; connection_status: string | null;
};
type Pull = { due_at: Date | null; pulled_at: Date | null; reason_message: string | null };
/** What a round comes to. */
type Outcome = { at: Date | null; askedAt?: Date | null; silentSince?: Date | null };

const DUE = 'SELECT id FROM trigger WHERE silence_at <= $1 ORDER BY silence_at LIMIT $2';
const CLAIM = `
  UPDATE trigger SET silence_at = $3 WHERE id = $1 AND silence_at <= $2
  RETURNING id, workspace_id, feed_id, name, service, connection_id, status, expect_every_seconds, silence_at, silence_asked_at, silent_since, updated_at`;
/** Not LEAST, which would make due what never is. */
const soonest = (column: string) => `CASE WHEN ${column} > $2 THEN $2 ELSE ${column} END`;
const SUBSCRIPTIONS = `
  SELECT s.id, s.status, s.replaces_id, s.check_at, s.checked_at, s.log_at, s.log_read_until, c.status AS connection_status
  FROM subscription s LEFT JOIN connection c ON c.workspace_id = s.workspace_id AND c.id = s.connection_id
  WHERE s.workspace_id = $1 AND s.feed_id = $2 AND s.status NOT IN ('removing', 'removed') ORDER BY s.id DESC`;

/**
 * Looks after triggers that hear nothing for longer than is normal. What was missed is looked for first: the service is asked
 * for it, and a later round sees what came of that. One round per trigger at a time; nothing is written when an event comes.
 */
export class SilenceWatch implements Work {
  readonly kind = 'silence';

  constructor(
    private readonly database: Database,
    private readonly adapters: AdapterRegistry,
    private readonly pulls: FeedPulls,
    private readonly bus: Bus,
    private readonly clock: Clock,
    private readonly apiUrl: string | undefined,
  ) {}

  readonly due = (limit: number): Promise<string[]> => idsFrom(this.database, DUE, [this.clock.now(), limit]);

  async do(id: string): Promise<boolean> {
    const { rows } = await this.database.pool.query<Trigger>(CLAIM, [id, this.clock.now(), this.clock.in(TAKEOVER_MS)]);
    const trigger = rows[0];
    if (!trigger) return false;
    const outcome = await this.round(trigger);
    // A change of the trigger meanwhile makes it due anew, and that stands.
    await this.database.pool.query(
      'UPDATE trigger SET silence_at = $3, silence_asked_at = $4, silent_since = $5 WHERE id = $1 AND silence_at = $2',
      [id, trigger.silence_at, outcome.at, outcome.askedAt ?? null, outcome.silentSince ?? null],
    );
    return true;
  }

  private async round(trigger: Trigger): Promise<Outcome> {
    if (trigger.status !== 'enabled') return { at: null };
    const heard = await this.heard(trigger);
    const limit = limitOf(trigger.expect_every_seconds, heard);
    const [newest] = heard;
    if (trigger.silent_since && newest && newest > trigger.silent_since) await this.tellOver(trigger, newest);
    const age = this.clock.now().getTime() - trigger.updated_at.getTime();
    if (!limit) return { at: this.clock.in(Math.min(LONGEST_UNLEARNT_MS, Math.max(UNLEARNT_MS, age))) };
    const base = newest && newest > trigger.updated_at ? newest : trigger.updated_at;
    const quietAt = new Date(base.getTime() + limit.ms);
    if (quietAt > this.clock.now()) return { at: quietAt };
    if (trigger.silent_since) return { at: this.clock.in(SILENT_MS), silentSince: trigger.silent_since };
    return this.quiet(trigger, limit, base);
  }

  /** When the newest events of the feed came. */
  private async heard({ workspace_id: workspaceId, feed_id: feedId }: Trigger): Promise<Date[]> {
    const { rows } = await this.database.pool.query<{ received_at: Date }>(
      `SELECT received_at FROM event WHERE feed_id = $2 AND workspace_id = $1 ORDER BY id DESC LIMIT ${LEARNT_FROM + 1}`, [workspaceId, feedId],
    );
    return rows.map(({ received_at: at }) => at);
  }

  /** It is too quiet: the service is asked, and what it says decides. */
  private async quiet(trigger: Trigger, limit: NonNullable<Limit>, base: Date): Promise<Outcome> {
    const { rows } = await this.database.pool.query<Subscription>(SUBSCRIPTIONS, [trigger.workspace_id, trigger.feed_id]);
    const subscription = serving(rows);
    const works = subscription?.status === 'active' || subscription?.status === 'renewing';
    const usable = trigger.connection_id === null || subscription?.connection_status === 'active';
    if (!subscription || !works || !usable) return { at: this.clock.in(TROUBLED_MS) };
    const askedAt = trigger.silence_asked_at;
    if (!askedAt) return this.ask(trigger, subscription);
    const looks = await this.looks(trigger, subscription, askedAt);
    const open = looks.some(({ answered }) => !answered) && askedAt > this.clock.in(-ANSWER_MS);
    if (open) return { at: this.clock.in(LOOK_AGAIN_MS), askedAt };
    if (limit.by === 'rhythm' && proves(looks)) return { at: this.clock.in(limit.ms) };
    await this.tellSilent(trigger, limit, base, looks);
    return { at: this.clock.in(SILENT_MS), silentSince: base };
  }

  /** Makes every look due that there is: others make them, each under its own lease. */
  private async ask({ feed_id: feedId }: Trigger, { id }: Subscription): Promise<Outcome> {
    const now = this.clock.now();
    await this.database.transaction(async (tx) => {
      await tx.query(`UPDATE subscription SET check_at = ${soonest('check_at')}, log_at = ${soonest('log_at')} WHERE id = $1`, [id, now]);
      await this.pulls.want(tx, [feedId]);
    });
    return { at: this.clock.in(LOOK_AGAIN_MS), askedAt: now };
  }

  private async looks({ feed_id: feedId }: Trigger, subscription: Subscription, askedAt: Date): Promise<Look[]> {
    const { rows } = await this.database.pool.query<Pull>('SELECT due_at, pulled_at, reason_message FROM feed_pull WHERE feed_id = $1', [feedId]);
    const pull = rows[0];
    const since = (at: Date | null) => at !== null && at >= askedAt;
    return [
      ...(pull?.due_at ? [{ by: 'pull' as const, answered: since(pull.pulled_at), why: pull.reason_message }] : []),
      ...(subscription.log_at ? [{ by: 'log' as const, answered: since(subscription.log_read_until), why: null }] : []),
      ...(subscription.check_at ? [{ by: 'check' as const, answered: since(subscription.checked_at), why: null }] : []),
    ];
  }

  private async tellSilent(trigger: Trigger, limit: NonNullable<Limit>, since: Date, looks: Look[]): Promise<void> {
    const label = this.adapters.get(trigger.service)?.label ?? trigger.service;
    const who = limit.by === 'owner' ? 'its owner expects at least one' : 'is normal by the events so far: one';
    const text = [
      `Nothing has come for the trigger "${cut(trigger.name, 100)}" since ${since.toISOString()}; ${who} every ${duration(limit.ms)}.`,
      cut(saidOf(label, looks), 2_000),
      hintOf('ingress', 'silent'),
    ].join('\n\n');
    const occasion = { kind: 'trigger.silent', severity: 'warning' as const, title: `No event for "${cut(trigger.name, 150)}"`, text, of: `silent:${since.toISOString()}` };
    await this.post(trigger, occasion, { since: since.toISOString(), limitMs: limit.ms, expectedBy: limit.by, confirmed: proves(looks) });
  }

  private tellOver(trigger: Trigger, heardAt: Date): Promise<void> {
    const silentSince = trigger.silent_since!.toISOString();
    const text = `An event has come for the trigger "${cut(trigger.name, 100)}" at ${heardAt.toISOString()}, the first since ${silentSince}.`;
    const occasion = { kind: 'trigger.recovered', severity: 'info' as const, title: `Events come again for "${cut(trigger.name, 150)}"`, text, of: `heard:${silentSince}` };
    return this.post(trigger, occasion, { since: silentSince, heardAt: heardAt.toISOString() });
  }

  /** Throws when people could not be told: the round then begins again, and the dedupe key keeps them from being told twice. */
  private async post(
    { id, workspace_id: workspace, name }: Trigger, { of, ...said }: { kind: string; severity: 'warning' | 'info'; title: string; text: string; of: string }, facts: Record<string, string | number | boolean>,
  ): Promise<void> {
    const link = triggerLink(this.apiUrl, workspace, id);
    const input = { workspace, ...said, dedupeKey: `trigger:${id}:${of}`, link, facts: { ...facts, triggers: [{ id, name }] } };
    await this.bus.ask(postNotification, input, systemCall('trigger-service', randomUUID()));
  }
}

function duration(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  if (minutes < 120) return `${minutes} ${minutes === 1 ? 'minute' : 'minutes'}`;
  const hours = Math.round(minutes / 60);
  return hours < 72 ? `${hours} hours` : `${Math.round(hours / 24)} days`;
}

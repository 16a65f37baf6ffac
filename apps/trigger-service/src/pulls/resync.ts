import type { Database } from '@vane/db';
import { ServiceError, type PullSpec, type PullTarget, type ServiceHttp, type StaleCursor } from '@vane/kit';
import type { Clock } from '@vane/runtime';
import type { FeedHistory } from './feed-history.js';
import type { ClaimedPull, Position, PullRows } from './pull-rows.js';

/** A turn whose cursor the service does not know any more. */
export type LostTurn = {
  claimed: ClaimedPull; owner: string; spec: PullSpec; http: ServiceHttp; target: PullTarget; gapFrom: Date | null; at: Position; recovered: number;
};

/**
 * What follows when the service has forgotten a cursor: what the feed's triggers say, the strongest wish first. Either way
 * the history of the subscription says what was done and since when something may be missing.
 */
export class Resync {
  constructor(
    private readonly database: Database,
    private readonly rows: PullRows,
    private readonly history: FeedHistory,
    private readonly clock: Clock,
  ) {}

  /** Commits where the turn goes on, and moves it there. */
  async goOn(turn: LostTurn, stale: StaleCursor): Promise<void> {
    if (turn.at.replaySince) return this.replayAnew(turn, stale);
    const { replayAll, fromNow } = await this.rows.policies(turn.claimed.feed_id);
    if (replayAll) await this.replay(turn, stale, fromNow);
    else await this.beginNow(turn, stale);
  }

  private async replayAnew(turn: LostTurn, stale: StaleCursor): Promise<void> {
    if (turn.at.cursor === null) throw new ServiceError('garbage', stale.message, { cause: stale });
    const to = { ...turn.at, cursor: null };
    await this.rows.advance(this.database.pool, turn.claimed.feed_id, turn.owner, turn.at, to, { gapFrom: turn.gapFrom, recovered: 0 });
    turn.at = to;
  }

  private async replay(turn: LostTurn, stale: StaleCursor, fromNow: boolean): Promise<void> {
    const now = this.clock.now();
    const others = fromNow ? ` Triggers that begin at this moment instead (resync: from_now) may have missed what happened from ${since(turn)} to ${now.toISOString()}.` : '';
    const done = `Everything that is there now is fetched again, and what has not started a run yet starts one (resync: replay_all); what was deleted since ${since(turn)} leaves no event.`;
    await this.move(turn, { cursor: null, replaySince: now }, `${sentence(stale)} ${done}${others}`);
  }

  private async beginNow(turn: LostTurn, stale: StaleCursor): Promise<void> {
    const cursor = await turn.spec.begin(turn.http, turn.target);
    const done = `Fetching begins at this moment (resync: from_now): what happened from ${since(turn)} to ${this.clock.now().toISOString()} may have been missed.`;
    await this.move(turn, { cursor, replaySince: null }, `${sentence(stale)} ${done}`);
  }

  private async move(turn: LostTurn, to: Position, message: string): Promise<void> {
    const { claimed, owner, at } = turn;
    const replays = to.replaySince !== null;
    await this.database.transaction(async (tx) => {
      await this.rows.advance(tx, claimed.feed_id, owner, at, to, { gapFrom: turn.gapFrom, recovered: 0 });
      // The line says what was in the gap: nothing of it comes any more.
      if (!replays) await this.rows.beginsNow(tx, claimed.feed_id);
      await this.history.note(tx, claimed.feed_id, 'cursor_stale', message);
    });
    turn.at = to;
    if (!replays) [turn.gapFrom, turn.recovered] = [null, 0];
  }
}

const since = ({ gapFrom, claimed }: LostTurn): string => (gapFrom ?? claimed.pulled_at ?? claimed.created_at).toISOString();

const sentence = ({ message }: StaleCursor): string => (/[.!?]$/.test(message) ? message : `${message}.`);

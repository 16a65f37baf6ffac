import { createHash, randomUUID } from 'node:crypto';
import type { AdapterRegistry } from '@vane/adapters';
import type { CallContext } from '@vane/contracts';
import type { Database } from '@vane/db';
import { ServiceError, StaleCursor, type PulledPage, type PullSpec, type PullTarget, type ServiceHttp } from '@vane/kit';
import type { Clock, Logger, Metrics } from '@vane/runtime';
import type { PoolClient } from 'pg';
import { isOurFault, toServiceError, type Connections } from '../connections.js';
import type { Added, EventRows, NewEvent, Starts } from '../intake/event-rows.js';
import { readied } from '../intake/normalise.js';
import { isAboutContent, reasonOf } from '../intake/refused-content.js';
import { unionOf } from '../sagas/feeds.js';
import { spread } from '../sagas/schedule.js';
import { CLOCK_SKEW_MS, LEASE_MS } from '../sagas/subscription-rows.js';
import { waitAfter } from '../waits.js';
import type { Work } from '../work-desk.js';
import { FeedHistory, PULL_FAILING } from './feed-history.js';
import type { FeedPulls } from './feed-pulls.js';
import { PullLost, type ClaimedPull, type Position, type Progress, type PullRows } from './pull-rows.js';
import { Resync } from './resync.js';

/** A feed with more than this has its next turn at once, so that no turn outlasts what asked for it (`work.do`). */
const PAGES_A_TURN = 50;
const TURN_MS = 30_000;
/** How old a lease gets before it is extended: what is left is longer than one call. */
const EXTEND_AFTER_MS = LEASE_MS / 3;
/** Nobody has listened when the last pull is longer ago than this many times the interval. */
const GAP_INTERVALS = 3;
/** A connection that cannot work is looked at again after this, unless it is said before that it works. */
const DEAD_LOOK_SECONDS = 300;
/** Failures in a row from which on the subscription says so. */
const FAILING_FROM = 3;

/** One turn at one feed: what was claimed, in whose name it commits, and what it has got to. */
type Turn = {
  claimed: ClaimedPull; owner: string; spec: PullSpec; http: ServiceHttp; target: PullTarget; correlationId: string;
  gapFrom: Date | null; at: Position; recovered: number; events: number; runs: number; pages: number; resynced: boolean; until: Date;
};

export type PullerParts = {
  database: Database; rows: PullRows; feeds: FeedPulls; events: EventRows; connections: Connections; adapters: AdapterRegistry; clock: Clock; logger: Logger;
};

/**
 * Fetches what happened behind a feed's cursor, page after page. A page's events, its runs and its cursor are one commit that
 * compares the cursor, so whatever cuts a pull off, each event comes into being once and the next pull goes on at the last
 * page. Done is what was wanted before the first page: a message that comes meanwhile makes the feed due again.
 */
export class Puller implements Work {
  readonly kind = 'pull' as const;
  private readonly history: FeedHistory;
  private readonly outcomes;

  constructor(
    private readonly parts: PullerParts,
    private readonly everySeconds: number,
    metrics: Metrics,
  ) {
    this.history = new FeedHistory(parts.clock);
    this.outcomes = metrics.counter('vane_pulls_total', 'Turns at feeds by what became of them', ['service', 'outcome']);
  }

  readonly due = (limit: number): Promise<string[]> => this.parts.rows.due(limit);

  async do(feedId: string, call: CallContext): Promise<boolean> {
    const owner = randomUUID();
    const claimed = await this.parts.rows.claim(feedId, owner);
    if (!claimed) return false;
    const outcome = await this.turn(claimed, owner, call);
    this.outcomes.inc({ service: claimed.service, outcome });
    return outcome === 'done';
  }

  private async turn(claimed: ClaimedPull, owner: string, call: CallContext): Promise<'done' | 'more' | 'idle' | 'lost' | 'failed'> {
    if (claimed.live.length === 0) return this.stop(claimed, owner);
    if (!canWork(claimed)) {
      await this.parts.rows.postpone(claimed.feed_id, owner, spread(this.parts.clock, Math.min(DEAD_LOOK_SECONDS, this.everySeconds)));
      return 'idle';
    }
    try {
      const turn = await this.begin(claimed, owner, call);
      return (await this.toTheEnd(turn)) ? 'done' : 'more';
    } catch (error) {
      if (error instanceof PullLost) return 'lost';
      await this.fail(claimed, owner, error, call);
      return 'failed';
    }
  }

  private async begin(claimed: ClaimedPull, owner: string, call: CallContext): Promise<Turn> {
    const adapter = this.parts.adapters.get(claimed.service);
    const type = adapter?.triggerTypes[claimed.trigger_type];
    if (!adapter || !type?.pull) throw new ServiceError('unavailable', `No adapter that fetches ${claimed.service}/${claimed.trigger_type} is installed. Install it.`);
    const http = this.leased(await this.parts.connections.http(adapter, claimed.workspace_id, claimed.connection_id, call), claimed.feed_id, owner);
    const target = { resource: claimed.resource, want: unionOf(type, claimed.live.map(({ want }) => want)) };
    return {
      claimed, owner, spec: type.pull, http, target, correlationId: call.correlationId, gapFrom: this.gapOf(claimed),
      at: { cursor: claimed.replaying ? claimed.replay_cursor : claimed.cursor, replaySince: claimed.replay_since },
      recovered: claimed.recovered, events: 0, runs: 0, pages: 0, resynced: false, until: this.parts.clock.in(TURN_MS),
    };
  }

  /** A page may take many calls: the lease is extended between them, and none is made for a feed that another has taken over. */
  private leased(http: ServiceHttp, feedId: string, owner: string): ServiceHttp {
    const { clock, rows } = this.parts;
    let extended = clock.now();
    return {
      hostUrl: (host) => http.hostUrl(host),
      request: async (request) => {
        if (extended < clock.in(-EXTEND_AFTER_MS)) {
          await rows.extend(feedId, owner);
          extended = clock.now();
        }
        return http.request(request);
      },
    };
  }

  /** Since when nobody listened, as somebody said, or because the last pull is too long ago. */
  private gapOf({ gap_from: told, pulled_at: pulledAt }: ClaimedPull): Date | null {
    const silent = pulledAt !== null && pulledAt < this.parts.clock.in(-GAP_INTERVALS * this.everySeconds * 1000);
    if (!silent) return told;
    return told !== null && told < pulledAt ? told : pulledAt;
  }

  /** False when there is more than one turn takes. */
  private async toTheEnd(turn: Turn): Promise<boolean> {
    for (;;) {
      const page = await this.fetch(turn);
      if (!page) continue;
      const last = await this.commit(turn, page);
      if (last) return true;
      turn.pages += 1;
      if (turn.pages >= PAGES_A_TURN || this.parts.clock.now() > turn.until) {
        await this.parts.rows.postpone(turn.claimed.feed_id, turn.owner, this.parts.clock.now());
        return false;
      }
    }
  }

  /** Null when the cursor was lost: the turn then stands where the triggers want it to go on. */
  private async fetch(turn: Turn): Promise<PulledPage | null> {
    const { spec, http, target, at } = turn;
    try {
      const page = at.replaySince ? await spec.replay(http, target, at.cursor) : await spec.page(http, target, at.cursor!);
      if (page.more && page.cursor === at.cursor) throw new ServiceError('garbage', 'The service gives the same page again and again.');
      return page;
    } catch (error) {
      if (!(error instanceof StaleCursor)) throw error;
      // A service that forgets the cursor it has just given is left alone for a while.
      if (turn.resynced) throw new ServiceError('garbage', error.message, { cause: error });
      turn.resynced = true;
      await new Resync(this.parts.database, this.parts.rows, this.history, this.parts.clock).goOn(turn, error);
      return null;
    }
  }

  /** Returns whether this was the end. */
  private async commit(turn: Turn, page: PulledPage): Promise<boolean> {
    try {
      return await this.commitPage(turn, page);
    } catch (error) {
      if (!isAboutContent(error)) throw error;
      // One event that can never be stored must not keep all that follow from coming.
      for (const event of page.events) await this.commitAlone(turn, event);
      return this.commitPage(turn, { ...page, events: [] });
    }
  }

  private async commitPage(turn: Turn, page: PulledPage): Promise<boolean> {
    const { claimed, at } = turn;
    const to: Position = { cursor: page.cursor, replaySince: page.more ? at.replaySince : null };
    const last = !page.more && at.replaySince === null;
    const tells = last && (turn.gapFrom !== null || claimed.live.some(({ reason_code: code }) => code === PULL_FAILING));
    const write = async (tx: Pick<PoolClient, 'query'>, added: Added): Promise<boolean> => {
      const progress: Progress = { gapFrom: turn.gapFrom, recovered: turn.gapFrom ? added.events : 0 };
      if (!last) await this.parts.rows.advance(tx, claimed.feed_id, turn.owner, at, to, progress);
      else return (await this.finish(tx, turn, to, progress)).closed;
      return false;
    };
    // With nothing to commit together, one statement is all.
    if (page.events.length === 0 && !tells) await write(this.parts.database.pool, NOTHING);
    else await this.committing(turn, newEventsOf(turn, page.events, this.parts.clock), async (tx, added) => {
      const closed = await write(tx, added);
      if (tells) await this.tell(tx, turn, closed, added.events);
    });
    turn.at = to;
    if (last) this.report(turn);
    return last;
  }

  private finish(tx: Pick<PoolClient, 'query'>, turn: Turn, to: Position, progress: Progress): Promise<{ closed: boolean }> {
    const { claimed, owner, at } = turn;
    const closes = turn.gapFrom !== null && claimed.live.some(({ listening }) => listening);
    return this.parts.rows.finish(tx, claimed, owner, at, to, { ...progress, closes, next: spread(this.parts.clock, this.everySeconds) });
  }

  /** Events and where the feed is, in one transaction; runs are handed over after it. */
  private async committing(turn: Turn, events: NewEvent[], write: (tx: PoolClient, added: Added) => Promise<void>): Promise<void> {
    const added = await this.parts.database.transaction(async (tx) => {
      const made = events.length === 0 ? NOTHING : await this.parts.events.add(tx, events, startsOf(turn.at));
      await write(tx, made);
      return made;
    });
    turn.events += added.events;
    turn.runs += added.runs;
    if (turn.gapFrom) turn.recovered += added.events;
    await this.parts.events.enqueue(added.queued);
  }

  private async commitAlone(turn: Turn, event: PulledPage['events'][number]): Promise<void> {
    const { claimed, owner, at } = turn;
    try {
      await this.committing(turn, newEventsOf(turn, [event], this.parts.clock), (tx, added) =>
        this.parts.rows.advance(tx, claimed.feed_id, owner, at, at, { gapFrom: turn.gapFrom, recovered: turn.gapFrom ? added.events : 0 }));
    } catch (error) {
      if (!isAboutContent(error)) throw error;
      this.parts.logger.error({ err: error, feedId: claimed.feed_id, correlationId: turn.correlationId }, 'a fetched event cannot be stored');
      const message = `An event of type ${event.type} could not be stored and starts nothing: ${reasonOf(error)}`;
      await this.parts.database.transaction((tx) => this.history.note(tx, claimed.feed_id, 'event_unreadable', message));
    }
  }

  private async tell(tx: PoolClient, turn: Turn, closed: boolean, fresh: number): Promise<void> {
    const { feed_id: feedId } = turn.claimed;
    if (turn.claimed.live.some(({ reason_code: code }) => code === PULL_FAILING)) await this.history.recovered(tx, feedId);
    if (!closed || !turn.gapFrom) return;
    const count = turn.recovered + fresh;
    const recovered = count === 1 ? '1 event recovered' : `${count} events recovered`;
    await this.history.note(tx, feedId, 'gap_closed', `Not listening from ${turn.gapFrom.toISOString()} to ${this.parts.clock.now().toISOString()}; ${recovered}.`);
  }

  private async stop({ feed_id: feedId }: ClaimedPull, owner: string): Promise<'idle'> {
    await this.parts.database.transaction((tx) => this.parts.feeds.stop(tx, feedId));
    // Where a subscription has come meanwhile.
    await this.parts.rows.postpone(feedId, owner, this.parts.clock.now());
    return 'idle';
  }

  private async fail(claimed: ClaimedPull, owner: string, cause: unknown, call: CallContext): Promise<void> {
    const { feed_id: feedId } = claimed;
    if (isOurFault(cause)) this.parts.logger.error({ err: cause, feedId, correlationId: call.correlationId }, 'pulling failed by our own fault');
    const error = toServiceError(cause);
    const failures = claimed.failures + 1;
    const reason = { code: error.kind, message: reasonOf(error) };
    if (!(await this.parts.rows.failed(feedId, owner, reason, this.parts.clock.in(waitAfter(error, failures))))) return;
    this.parts.logger.warn({ feedId, service: claimed.service, kind: error.kind, failures, correlationId: call.correlationId, problem: error.message }, 'feed cannot be fetched');
    if (failures < FAILING_FROM) return;
    await this.parts.database.transaction((tx) => this.history.failing(tx, feedId, `Its events cannot be fetched: ${error.message}`));
  }

  private report({ claimed, correlationId, events, runs, pages }: Turn): void {
    const fields = { feedId: claimed.feed_id, correlationId, events, runs, pages: pages + 1 };
    if (events > 0) this.parts.logger.info(fields, 'feed pulled');
    else this.parts.logger.debug(fields, 'feed pulled, nothing was new');
  }
}

const NOTHING: Added = { events: 0, runs: 0, queued: [], refused: {} };

/** Connections are what oauth-service says; a feed without one has an empty id. */
function canWork({ connection_id: connectionId, connection_status: status }: ClaimedPull): boolean {
  return connectionId === '' || status === 'active';
}

function newEventsOf({ claimed, at, correlationId }: Turn, events: PulledPage['events'], clock: Clock): NewEvent[] {
  const origin = {
    workspaceId: claimed.workspace_id, feedId: claimed.feed_id, service: claimed.service, receivedAt: clock.now().toISOString(), deliveryId: null, correlationId,
  };
  // Where the service gives an event no identity, its place behind the cursor is one: the same page read again is the same events.
  const source = createHash('sha256').update(at.cursor ?? '').digest('hex');
  return events.map((event, index) => ({ event: readied(event, source, index), origin }));
}

/** A replay is for triggers that want one; what happened since it began is for all, because its identity is taken by it. */
function startsOf({ replaySince }: Position): Starts {
  if (!replaySince) return () => true;
  const since = replaySince.getTime() - CLOCK_SKEW_MS;
  return ({ resync }, { occurredAt }) => resync === 'replay_all' || (occurredAt !== null && Date.parse(occurredAt) >= since);
}

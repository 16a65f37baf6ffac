import { shuffled } from '../chaos/random.js';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** What a feed of the simulation listens to. */
export type FeedKind = 'calendar' | 'drive' | 'file';

/** A change of the object `object` of the feed `feed`, at a moment after the beginning. */
export type Change = { atMs: number; feed: number; object: number; kind: 'create' | 'update' | 'delete' };

/** A moment at which one process is told to die, at one of its next awaits. */
export type Kill = { atMs: number; app: 'trigger-service' | 'oauth-service' | 'webhook-ingress'; afterAwaits: number };

export type Span = { fromMs: number; toMs: number };

export type Plan = {
  feeds: FeedKind[];
  accounts: number;
  lengthMs: number;
  /** After the last change: what was dropped is found by then. */
  tailMs: number;
  stepMs: number;
  changes: Change[];
  kills: Kill[];
  /** No process of Vane runs. */
  vaneDown: Span;
  /** The services answer 503 to everything. */
  providerDown: Span;
  /** What is in hand, and Redis, is lost. */
  schedulerLost: number[];
};

export type PlanSize = { days: number; feeds: number; accounts: number; changes: number; kills: number };

export const MONTH: PlanSize = { days: 30, feeds: 1_000, accounts: 10, changes: 20_500, kills: 108 };
/** With its tail long enough that every channel is renewed, and an outage of a day fits in. */
export const SHORT: PlanSize = { days: 5, feeds: 60, accounts: 3, changes: 900, kills: 12 };

const STEP_MS = 20 * MINUTE;
/** Of the changes, those that come right after one another, so that a service collapses them. */
const BURSTS = 0.15;

/** One plan per seed: what happens when, decided before anything runs. */
export function makePlan(size: PlanSize, random: () => number): Plan {
  const lengthMs = size.days * DAY;
  const feeds = Array.from({ length: size.feeds }, (_, index): FeedKind => {
    if (index < size.accounts) return 'drive';
    return index < size.accounts * 4 ? 'file' : 'calendar';
  });
  const outage = lengthMs * 0.4;
  const failure = lengthMs * 0.7;
  return {
    feeds, accounts: size.accounts, lengthMs, tailMs: 4 * DAY, stepMs: STEP_MS,
    changes: planChanges(feeds, size.changes, lengthMs, random),
    kills: planKills(size.kills, lengthMs, { fromMs: outage, toMs: outage + DAY }, random),
    vaneDown: { fromMs: outage, toMs: outage + DAY },
    providerDown: { fromMs: failure, toMs: failure + HOUR },
    schedulerLost: [lengthMs * 0.25, lengthMs * 0.85],
  };
}

function planChanges(feeds: FeedKind[], count: number, lengthMs: number, random: () => number): Change[] {
  const moments: { atMs: number; feed: number }[] = [];
  while (moments.length < count) {
    const atMs = random() * lengthMs;
    const feed = Math.floor(random() * feeds.length);
    const burst = random() < BURSTS ? 2 + Math.floor(random() * 4) : 1;
    for (let index = 0; index < burst; index += 1) moments.push({ atMs, feed });
  }
  moments.sort((a, b) => a.atMs - b.atMs);
  const alive = feeds.map((): number[] => []);
  const made = feeds.map(() => 0);
  return moments.map(({ atMs, feed }) => {
    const objects = alive[feed]!;
    const chosen = objects[Math.floor(random() * objects.length)];
    const dice = random();
    // A feed of one file has that file from the beginning, and it stays.
    if (feeds[feed] === 'file') return { atMs, feed, object: 0, kind: 'update' };
    if (chosen === undefined || dice < 0.3) {
      objects.push(made[feed]!);
      made[feed]! += 1;
      return { atMs, feed, object: objects.at(-1)!, kind: 'create' };
    }
    if (dice > 0.95) {
      objects.splice(objects.indexOf(chosen), 1);
      return { atMs, feed, object: chosen, kind: 'delete' };
    }
    return { atMs, feed, object: chosen, kind: 'update' };
  });
}

/** Most of them of the app that does most; none while nothing runs. */
function planKills(count: number, lengthMs: number, none: Span, random: () => number): Kill[] {
  const apps = Array.from({ length: count }, (_, index): Kill['app'] => {
    if (index % 6 === 4) return 'oauth-service';
    return index % 6 === 5 ? 'webhook-ingress' : 'trigger-service';
  });
  const slotMs = (lengthMs - (none.toMs - none.fromMs)) / count;
  return shuffled(apps, random).map((app, slot) => {
    const atMs = (slot + random()) * slotMs;
    return { app, atMs: atMs < none.fromMs ? atMs : atMs + (none.toMs - none.fromMs), afterAwaits: Math.floor(random() ** 2 * 400) };
  });
}

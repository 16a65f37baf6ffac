import type { Fact } from '../../../libs/adapters/src/google/fake/state.js';
import { HOUR, type Plan } from './plan.js';
import type { House } from './sim-house.js';
import type { World } from './world.js';

/**
 * `changes`: states of objects that some feed listens to. `collapsed`: those that were over before anybody could fetch them.
 * `runs`: how many there are. `duplicates`: states with more than one run of one trigger. `lost`: objects whose last state has
 * none. `lapsed`: times at which nothing was registered for a feed while Vane ran. `orphans`: channels that live at the end
 * and that no subscription names.
 */
export type Verdict = { changes: number; collapsed: number; runs: number; duplicates: number; lost: number; lapsed: number; orphans: number };

export type Case = { house: House; plan: Plan; world: World; triggers: string[]; firstFact: number; from: number };

/** After an outage, what expired meanwhile is registered again within this. */
const CATCH_UP_MS = HOUR;

export async function judge(one: Case): Promise<Verdict> {
  const states = judgeStates(one, await runsByTrigger(one));
  return { ...states, lapsed: lapses(one), orphans: await orphansOf(one) };
}

/** How often each state was run, by trigger: of a file its version, of an event its etag; of what is gone, that it is. */
async function runsByTrigger({ house }: Case): Promise<Map<string, Map<string, number>>> {
  const { rows } = await house.database.pool.query<{ trigger_id: string; state: string; runs: string }>(`
    SELECT r.trigger_id, coalesce(
      (e.payload->'event'->>'etag') || ' ' || (e.payload->'event'->>'id'),
      (e.payload->>'fileId') || ' ' || CASE WHEN (e.payload->>'removed')::boolean THEN 'gone' ELSE e.payload->'file'->>'version' END) AS state, count(*) AS runs
    FROM run r JOIN event e ON e.id = r.event_id WHERE r.replay = 0 GROUP BY 1, 2`);
  const byTrigger = new Map<string, Map<string, number>>();
  for (const { trigger_id, state, runs } of rows) {
    const counts = byTrigger.get(trigger_id) ?? new Map<string, number>();
    counts.set(state, Number(runs));
    byTrigger.set(trigger_id, counts);
  }
  return byTrigger;
}

const stateOf = ({ kind, id, version, what }: Fact): string => {
  if (kind === 'event') return `${version} ${id}`;
  return `${id} ${what === 'delete' ? 'gone' : version}`;
};

function judgeStates({ house, plan, world, triggers, firstFact }: Case, runs: Map<string, Map<string, number>>) {
  const facts = house.google.state.facts.slice(firstFact);
  const verdict = { changes: 0, collapsed: 0, runs: 0, duplicates: 0, lost: 0 };
  const byPlace = groupBy(facts, ({ kind, in: place }) => `${kind} ${place}`);
  for (const feed of plan.feeds.keys()) {
    const { kind, place, id: only } = world.scopeOf(feed);
    const mine = (byPlace.get(`${kind} ${place}`) ?? []).filter(({ id }) => only === undefined || id === only);
    const counts = runs.get(triggers[feed]!) ?? new Map<string, number>();
    for (const states of groupBy(mine, ({ id }) => id).values()) {
      verdict.changes += states.length;
      verdict.collapsed += states.filter((state) => !counts.has(stateOf(state))).length;
      if (!counts.has(stateOf(states.at(-1)!))) verdict.lost += 1;
    }
    for (const count of counts.values()) {
      verdict.runs += count;
      if (count > 1) verdict.duplicates += 1;
    }
  }
  verdict.collapsed -= verdict.lost;
  return verdict;
}

/** Moments at which the last channel of a resource ended before the next one began. */
function lapses({ house, plan, from }: Case): number {
  const end = house.google.state.simulatedNow!;
  const excused = { fromMs: from + plan.vaneDown.fromMs, toMs: from + plan.vaneDown.toMs + CATCH_UP_MS };
  let lapsed = 0;
  for (const channels of groupBy(house.google.state.channels.values(), ({ resource }) => resource).values()) {
    const lives = channels.map(({ createdAt, expiresAt, endedAt }) => ({ fromMs: createdAt, toMs: endedAt ?? expiresAt })).sort((a, b) => a.fromMs - b.fromMs);
    let until = lives[0]!.toMs;
    for (const { fromMs, toMs } of [...lives.slice(1), { fromMs: end, toMs: end }]) {
      if (fromMs > until && !(until >= excused.fromMs && fromMs <= excused.toMs)) lapsed += 1;
      until = Math.max(until, toMs);
    }
  }
  return lapsed;
}

async function orphansOf({ house }: Case): Promise<number> {
  const { rows } = await house.database.pool.query<{ external_id: string }>(`SELECT external_id FROM subscription WHERE status = 'active'`);
  const known = new Set(rows.map(({ external_id }) => external_id));
  const now = house.google.state.simulatedNow!;
  return [...house.google.state.channels.values()].filter(({ id, end, expiresAt }) => end === null && expiresAt > now && !known.has(id)).length;
}

function groupBy<T>(items: Iterable<T>, keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}

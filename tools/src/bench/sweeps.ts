import { randomUUID } from 'node:crypto';
import { systemCall, type CallContext } from '@vane/contracts';
import { createLogger, JobQueues, type Bus } from '@vane/runtime';
import { Redis } from 'ioredis';
import { Problem } from '../../launch/index.mjs';
import type { Ground } from '../chaos/own-ground.js';
import { builtFile } from './child-process.js';
import type { Searched } from './counted-app.js';
import { insertSubscriptions } from './many-subscriptions.js';
import { median, round } from './figures.js';
import { Site, type Servers } from './sync-house.js';

/** Times in milliseconds. `search_ms`: the part of a sweep that asks what is due; the rest puts it into the queue. */
export type SweepFigures = {
  ratio: number;
  sweep_ms: { large: number; small: number };
  search_ms: { large: number; small: number };
  queries_per_sweep: { large: number; small: number };
};

/** What sync-worker does at a tick of `work.due`. */
type Spread = (parts: { bus: Pick<Bus, 'ask'>; queues: JobQueues }, call: CallContext) => Promise<{ done: number }>;
type Sweep = { sweepMs: number; searchMs: number; queries: number };

const DUE = 1_000;
const SMALL = 2_000;
const WARM_UPS = 5;

/**
 * What finding and spreading 1,000 due subscriptions costs among many and among 2,000: sync-worker's own code, against a
 * trigger-service and a database for each. Throws a Problem when a sweep did not find exactly what is due.
 */
export async function measureSweeps(ground: Ground, servers: Servers, { short, say }: { short: boolean; say: (line: string) => void }): Promise<SweepFigures> {
  const many = short ? 10_000 : 100_000;
  const { WORK } = (await import(builtFile('apps/sync-worker/dist/work.js'))) as { WORK: Record<'work.due', Spread> };
  const large = await Side.open(ground, servers, WORK['work.due'], { name: 'large', count: many, say });
  const small = await Side.open(ground, servers, WORK['work.due'], { name: 'small', count: SMALL, say });
  const rounds = short ? 12 : 40;
  for (let index = -WARM_UPS; index < rounds; index += 1) {
    // Who comes first alternates, too.
    for (const side of index % 2 === 0 ? [large, small] : [small, large]) await side.sweep({ counts: index >= 0 });
    if (index > 0 && (index + 1) % (rounds / 4) === 0) say(`sweep ${index + 1}  ${many}: ${large.medianOf('sweepMs')} ms  ${SMALL}: ${small.medianOf('sweepMs')} ms`);
  }
  await Promise.all([large.close(), small.close()]);
  const both = (name: keyof Sweep) => ({ large: large.medianOf(name), small: small.medianOf(name) });
  const sweeps = both('sweepMs');
  return { ratio: round(sweeps.large / sweeps.small, 3), sweep_ms: sweeps, search_ms: both('searchMs'), queries_per_sweep: { large: large.queries(), small: small.queries() } };
}

/** A Vane with so many subscriptions. */
class Side {
  private readonly sweeps: Sweep[] = [];

  private constructor(
    private readonly site: Site,
    private readonly spread: Spread,
    private readonly queues: JobQueues,
    private readonly redis: Redis,
    private readonly searches: Searched[],
    private readonly stop: () => Promise<void>,
  ) {}

  static async open(
    ground: Ground, servers: Servers, spread: Spread, { name, count, say }: { name: string; count: number; say: (line: string) => void },
  ): Promise<Side> {
    say(`inserting ${count} subscriptions, ${DUE} of which are due`);
    const site = await Site.open(ground, servers, name);
    await insertSubscriptions(site.database, { count, due: DUE });
    const searches: Searched[] = [];
    const program = 'tools/dist/bench/counted-app.js';
    const server = await site.start('trigger-service', { program, onMessage: (message) => void searches.push(message as Searched) });
    const queues = new JobQueues({ url: servers.redis, prefix: site.prefix, logger: createLogger({ app: 'bench', level: 'silent' }) });
    ground.closers.push(() => queues.close());
    const redis = new Redis(servers.redis);
    ground.closers.push(async () => redis.disconnect());
    return new Side(site, spread, queues, redis, searches, () => server.stop());
  }

  /** One tick, and an empty queue after it. */
  async sweep({ counts }: { counts: boolean }): Promise<void> {
    const { site, queues, searches } = this;
    let searchMs = 0;
    const ask: Bus['ask'] = async (...args) => {
      const began = performance.now();
      const output = await site.bus.ask(...args);
      searchMs += performance.now() - began;
      return output;
    };
    const before = searches.length;
    const began = performance.now();
    const { done } = await this.spread({ bus: { ask }, queues }, systemCall('sync-worker', randomUUID()));
    const sweepMs = performance.now() - began;
    if (done !== DUE) throw new Problem(`A sweep found ${done} due subscriptions of ${DUE}, so its time means nothing.`);
    await this.redis.flushall();
    while (searches.length === before) await new Promise((next) => setTimeout(next, 1));
    if (counts) this.sweeps.push({ sweepMs, searchMs, queries: searches.at(-1)!.queries });
  }

  medianOf(name: keyof Sweep): number {
    return round(median(this.sweeps.map((sweep) => sweep[name])), 1);
  }

  /** The same at every sweep, or the most there were. */
  queries(): number {
    return Math.max(...this.sweeps.map(({ queries }) => queries));
  }

  close(): Promise<void> {
    return this.stop();
  }
}

import { onOwnGround } from '../chaos/own-ground.js';
import { seededRandom } from '../chaos/random.js';
import { judge, type Verdict } from './judge.js';
import { DAY, makePlan, MONTH, SHORT, type Plan } from './plan.js';
import { openHouse, type House } from './sim-house.js';
import { settleIn } from './tenants.js';
import { Ticker } from './ticker.js';
import { accountsOf, World } from './world.js';

export type MonthResult = Verdict & { kills: number; days: number; seconds: number; seed: number; ok: boolean };

type Say = (line: string) => void;

const BEGIN = new Date('2026-01-05T08:00:00Z');
const SEED_FAULTS = 7;
/** Ticks of the sweeps come at every step; partitions are made ahead once a day. */
const PARTITIONS_EVERY = 72;

/**
 * A month in simulated time, with everything that goes wrong in a month. What became of it is judged by the log of the
 * service's stand-in, and by the runs in the database, never by what Vane says of itself.
 */
export async function simulateMonth({ short, seed, say }: { short: boolean; seed: number; say: Say }): Promise<MonthResult> {
  const began = performance.now();
  return onOwnGround(say, async ({ dir, closers }) => {
    const plan = makePlan(short ? SHORT : MONTH, seededRandom(seed));
    const house = await openHouse({ dir, now: BEGIN, seed, accounts: accountsOf(plan), closers, say });
    const world = new World(house.google, plan);
    world.furnish();
    const triggers = await settleIn(house, plan, world, BEGIN, say);
    const firstFact = house.google.state.facts.length;
    const from = house.google.state.simulatedNow ?? BEGIN.getTime();
    await new Month(house, plan, world, from, say, began).live();
    const verdict = await judge({ house, plan, world, triggers, firstFact, from });
    const kills = house.processes.reduce((sum, process) => sum + process.kills, 0);
    const ok = verdict.lost === 0 && verdict.duplicates === 0 && verdict.lapsed === 0 && verdict.orphans === 0;
    const seconds = Math.round((performance.now() - began) / 1000);
    return { ...verdict, kills, days: Math.round(plan.lengthMs / DAY), seconds, seed, ok };
  });
}

/** Walks through the plan step by step. */
class Month {
  private readonly ticker: Ticker;
  private readonly changes: Plan['changes'];
  private readonly kills: Plan['kills'];
  private readonly losses: number[];
  private providerFault: string[] = [];

  constructor(
    private readonly house: House,
    private readonly plan: Plan,
    private readonly world: World,
    private readonly from: number,
    private readonly say: Say,
    private readonly began: number,
  ) {
    this.ticker = new Ticker(house.bus);
    this.changes = [...plan.changes];
    this.kills = [...plan.kills];
    this.losses = [...plan.schedulerLost];
  }

  async live(): Promise<void> {
    const { plan, house } = this;
    house.google.faults.set([
      { kind: 'ping-drop', share: 0.05, times: 0, seed: SEED_FAULTS },
      { kind: 'ping-duplicate', share: 0.01, times: 0, seed: SEED_FAULTS + 1 },
    ]);
    const end = plan.lengthMs + plan.tailMs;
    for (let at = 0, step = 0; at <= end; at += plan.stepMs, step += 1) {
      await this.step(at, step);
      if (at % (2 * DAY) === 0 || at + plan.stepMs > end) this.tell(at);
    }
  }

  private async step(at: number, step: number): Promise<void> {
    const { plan, house } = this;
    const now = new Date(this.from + at);
    await house.setClock(now);
    await this.failProvider(at);
    while (this.changes[0] && this.changes[0].atMs <= at) this.world.apply(this.changes.shift()!);
    if (within(at, plan.vaneDown)) {
      for (const process of house.processes) if (process.alive) await process.kill();
      await house.google.deliver();
      return;
    }
    await this.restart(now);
    await this.planDeath(at);
    await house.google.deliver();
    await house.google.idle();
    const drop = this.losses[0] !== undefined && this.losses[0] <= at;
    if (drop) {
      this.losses.shift();
      await house.redis.flushall();
    }
    await this.ticker.tick({ drop, partitions: step % PARTITIONS_EVERY === 0 });
  }

  /** What was killed comes back while the others go on; time waits only for an app of which nothing is left. */
  private async restart(now: Date): Promise<void> {
    const { processes } = this.house;
    const starts = new Map(processes.filter((process) => !process.alive).map((process) => [process, process.start(now)]));
    for (const [process, started] of starts) {
      started.catch(() => undefined);
      const others = processes.some((other) => other !== process && other.app === process.app && other.alive && !starts.has(other));
      if (!others) await started;
    }
  }

  private async planDeath(at: number): Promise<void> {
    while (this.kills[0] && this.kills[0].atMs <= at) {
      const { app, afterAwaits } = this.kills.shift()!;
      const victim = this.house.processes.filter((process) => process.app === app && process.alive)[afterAwaits % 2] ?? this.house.processes.find((process) => process.app === app && process.alive);
      if (!victim) continue;
      victim.onDeath(() => this.ticker.somebodyDied());
      await victim.dieAfter(afterAwaits);
    }
  }

  private async failProvider(at: number): Promise<void> {
    const { faults } = this.house.google;
    const failing = within(at, this.plan.providerDown);
    if (failing && this.providerFault.length === 0) this.providerFault = faults.set({ kind: 'status', status: 503, times: 0 });
    if (!failing) for (const id of this.providerFault.splice(0)) faults.clear(id);
  }

  private tell(at: number): void {
    const { google, processes } = this.house;
    const live = [...google.state.channels.values()].filter((channel) => channel.end === null).length;
    const seconds = ((performance.now() - this.began) / 1000).toFixed(0).padStart(4);
    const kills = processes.reduce((sum, process) => sum + process.kills, 0);
    const { done, failed, lost } = this.ticker.counts;
    this.say(`${seconds} s  day ${(at / DAY).toFixed(0).padStart(2)}  ${live} channels, ${this.plan.changes.length - this.changes.length} changes, ${done} done (${Object.entries(this.ticker.kinds).map(([kind, count]) => `${kind} ${count}`).join(', ')}), ${failed + lost} without an answer, ${kills} kills`);
  }
}

const within = (at: number, { fromMs, toMs }: { fromMs: number; toMs: number }): boolean => at >= fromMs && at < toMs;

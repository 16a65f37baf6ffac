import { eventually } from '@vane/testing';
import { killApp, Problem, type AppName } from '../../launch/index.mjs';
import { shuffled } from './random.js';

export type Kill = { atMs: number; app: AppName };

const APPS: AppName[] = ['webhook-ingress', 'trigger-service', 'run-worker', 'sync-worker', 'api-gateway', 'oauth-service'];
/** A run-worker with less in hand would prove little. */
const RUNS_IN_HAND = 5;
/** The parts of the load before the first and after the last kill. */
const CALM_SHARE = 0.1;
const DEADLINE_MS = 60_000;

/** Every app `times` times, in random order, each at a random moment of a slot of its own, so that they are spread. */
export function planKills(times: number, loadMs: number, random: () => number): Kill[] {
  const order = shuffled(Array.from({ length: times }, () => APPS).flat(), random);
  const slotMs = (loadMs * (1 - 2 * CALM_SHARE)) / order.length;
  return order.map((app, slot) => ({ app, atMs: Math.round(loadMs * CALM_SHARE + (slot + random()) * slotMs) }));
}

/** Sends SIGKILL as planned, to run-workers only when they have runs in hand, and returns how often it did. */
export async function killAll(options: {
  dir: string; plan: Kill[]; unfinished: () => Promise<number>; inHand: (since: Date) => Promise<number>; say: (line: string) => void;
}): Promise<number> {
  const startedAt = performance.now();
  /** What a killed worker had in hand stays in its name until the lease is over, and does not count for the next. */
  let workersSince = new Date(0);
  for (const { app, atMs } of options.plan) {
    const wait = startedAt + atMs - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    if (app === 'run-worker') {
      await eventually(`${RUNS_IN_HAND} runs in hand`, async () => (await options.inHand(workersSince)) >= RUNS_IN_HAND, { timeoutMs: DEADLINE_MS, everyMs: 20 });
    }
    const pid = await eventually(`${app} to run again`, async () => tryKill(options.dir, app), { timeoutMs: DEADLINE_MS });
    if (app === 'run-worker') workersSince = new Date();
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    options.say(`${seconds.padStart(5)} s  kill -9 ${app} (pid ${pid}), ${await options.unfinished()} runs unfinished`);
  }
  return options.plan.length;
}

/** Undefined while it is dead from the kill before. */
function tryKill(dir: string, app: AppName): number | undefined {
  try {
    return killApp(dir, app);
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
}

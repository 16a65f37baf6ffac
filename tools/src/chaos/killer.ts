import { eventually } from '@vane/testing';
import { Redis } from 'ioredis';
import { killApp, killServer, Problem, readState, startOwnServers, type AppName, type ServerName } from '../../launch/index.mjs';
import { shuffled } from './random.js';

/** What is killed; `flush` empties Redis and lets it live. */
export type Victim = AppName | ServerName | 'flush';
export type Kill = { atMs: number; victim: Victim };

export const APPS: readonly AppName[] = ['webhook-ingress', 'trigger-service', 'run-worker', 'sync-worker', 'api-gateway', 'oauth-service'];
export const SERVERS: readonly ServerName[] = ['postgres', 'redis', 'nats'];
/** A run-worker with less in hand would prove little. */
const RUNS_IN_HAND = 5;
/** The parts of the load before the first and after the last kill. */
const CALM_SHARE = 0.1;
const DEADLINE_MS = 60_000;

/** Every victim `times` times, in random order, each at a random moment of a slot of its own, so that they are spread. */
export function planKills(victims: readonly Victim[], times: number, loadMs: number, random: () => number): Kill[] {
  const order = shuffled(Array.from({ length: times }, () => victims).flat(), random);
  const slotMs = (loadMs * (1 - 2 * CALM_SHARE)) / order.length;
  return order.map((victim, slot) => ({ victim, atMs: Math.round(loadMs * CALM_SHARE + (slot + random()) * slotMs) }));
}

/**
 * Sends SIGKILL as planned, to run-workers only when they have runs in hand, and returns how often it did. A server is started
 * again at once, on its port and with its data, as whoever operates it would; the supervisor does so for apps.
 */
export async function killAll(options: {
  dir: string; plan: Kill[]; unfinished: () => Promise<number>; inHand: (since: Date) => Promise<number>; say: (line: string) => void;
}): Promise<number> {
  const { dir, say } = options;
  const startedAt = performance.now();
  /** What a killed worker had in hand stays in its name until the lease is over, and does not count for the next. */
  let workersSince = new Date(0);
  for (const { victim, atMs } of options.plan) {
    const wait = startedAt + atMs - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    if (victim === 'run-worker') {
      await eventually(`${RUNS_IN_HAND} runs in hand`, async () => (await options.inHand(workersSince)) >= RUNS_IN_HAND, { timeoutMs: DEADLINE_MS, everyMs: 20 });
    }
    const before = await options.unfinished().catch(() => undefined);
    const what = await strike(dir, victim);
    if (victim === 'run-worker') workersSince = new Date();
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    say(`${seconds.padStart(5)} s  ${what}, ${before ?? 'nobody can say how many'} runs unfinished`);
  }
  return options.plan.length;
}

/** Says what was done. */
async function strike(dir: string, victim: Victim): Promise<string> {
  if (victim === 'flush') {
    await flush(readState(dir).servers?.redis?.url);
    return 'redis flushed';
  }
  if (isServer(victim)) {
    const pid = await killServer(dir, victim);
    await startOwnServers({ dir, [victim]: true });
    return `kill -9 ${victim} (pid ${pid}), up again`;
  }
  const pid = await eventually(`${victim} to run again`, async () => tryKill(dir, victim), { timeoutMs: DEADLINE_MS });
  return `kill -9 ${victim} (pid ${pid})`;
}

const isServer = (victim: Victim): victim is ServerName => (SERVERS as readonly string[]).includes(victim);

async function flush(url: string | undefined): Promise<void> {
  if (!url) throw new Problem('There is no Redis of our own to flush.');
  const redis = new Redis(url);
  try {
    await redis.flushall();
  } finally {
    redis.disconnect();
  }
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

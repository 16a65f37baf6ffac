import { eventually } from '@vane/testing';
import { stopInstance, waitReady } from '../../launch/index.mjs';
import { createPath, PREFIX, startHouse } from './kill-house.js';
import { APPS, killAll, planKills, SERVERS, type Kill } from './killer.js';
import { openLedger, type Ledger } from './ledger.js';
import { onOwnGround } from './own-ground.js';
import { seededRandom } from './random.js';
import { Sender } from './sender.js';
import { startTarget, type Target } from './target.js';

export type KillOptions = { short: boolean; seed: number; say: (line: string) => void };
export type PipelineOptions = { minutes: number; seed: number; say: (line: string) => void };

/** Ids are the sender's: `accepted` were answered 2xx, `received` of them reached the target. `extra` calls repeat a key. */
export type KillResult = {
  accepted: number; received: number; lost: number; extra: number; interrupted: number; unfinished: number; kills: number; ok: boolean;
};

const PER_SECOND = 50;
const SETTLE_MS = 120_000;

/** Kills every app with SIGKILL while signed events arrive, see `trial`. */
export function chaosKill({ short, seed, say }: KillOptions): Promise<KillResult> {
  const seconds = short ? 20 : 60;
  return trial({ seconds, plan: planKills(APPS, short ? 1 : 2, seconds * 1000, seededRandom(seed)), seed, say });
}

/** Kills every app, Postgres, Redis and NATS with SIGKILL and flushes Redis, each once in half a minute, see `trial`. */
export function chaosPipeline({ minutes, seed, say }: PipelineOptions): Promise<KillResult> {
  const seconds = Math.round(minutes * 60);
  const times = Math.max(1, Math.floor(minutes * 2));
  return trial({ seconds, plan: planKills([...APPS, ...SERVERS, 'flush'], times, seconds * 1000, seededRandom(seed)), seed, say });
}

/**
 * Kills as planned while signed events arrive, then counts at the target: every accepted event must have come under one
 * idempotency key, and be repeated at most as often as attempts were cut off.
 */
function trial({ seconds, plan, seed, say }: { seconds: number; plan: Kill[]; seed: number; say: (line: string) => void }): Promise<KillResult> {
  return onOwnGround(say, async ({ dir, closers }) => {
    closers.push(() => stopInstance({ dir, removeData: true }));
    const target = await startTarget();
    closers.push(target.close);
    const instance = await startHouse(dir, target, say);
    const path = await createPath(instance, target);
    const ledger = await openLedger(instance.urls, PREFIX);
    closers.push(ledger.close);

    const sender = new Sender({ ...path, perSecond: PER_SECOND, seconds, prefix: `chaos_${seed}` });
    say(`sending ${PER_SECOND} events a second for ${seconds} s; ${plan.length} kills, seed ${seed}`);
    const [kills] = await Promise.all([killAll({ dir, plan, unfinished: ledger.unfinished, inHand: ledger.inHand, say }), sender.run()]);
    say(`sent ${sender.sent} events, ${sender.accepted.size} accepted after ${sender.repeats} repeats`);
    await waitReady(dir);
    await settle(sender, target, ledger, say);
    return count(sender, target, ledger, kills, plan.some(({ victim }) => victim === 'run-worker'), say);
  });
}

/** Until nothing is under way any more, two minutes at most; what is missing then is counted as it is. */
async function settle(sender: Sender, target: Target, ledger: Ledger, say: (line: string) => void): Promise<void> {
  const startedAt = performance.now();
  const isSettled = async () => {
    const events = new Set(target.calls.map((call) => call.event));
    const { stream, inbox } = await ledger.waiting();
    const left = { notReceived: sender.accepted.size - events.size, stream, inbox, unfinished: await ledger.unfinished() };
    if (Object.values(left).some((count) => count > 0)) throw new Error(JSON.stringify(left));
    return true;
  };
  await eventually('The end of all runs', isSettled, { timeoutMs: SETTLE_MS, everyMs: 200 }).catch((error: Error) => say(error.message));
  say(`settled ${((performance.now() - startedAt) / 1000).toFixed(1)} s after the load`);
}

async function count(
  sender: Sender, target: Target, ledger: Ledger, kills: number, cutsOff: boolean, say: (line: string) => void,
): Promise<KillResult> {
  const events = new Set(target.calls.map((call) => call.event));
  const keys = new Set(target.calls.map((call) => call.key)).size;
  const accepted = sender.accepted.size;
  const received = [...sender.accepted].filter((id) => events.has(id)).length;
  const lost = accepted - received;
  const extra = target.calls.length - keys;
  const [interrupted, unfinished, statuses] = await Promise.all([ledger.interrupted(), ledger.unfinished(), ledger.statuses()]);
  say(`target: ${target.calls.length} calls, ${events.size} events, ${keys} idempotency keys, ${target.forged} with a wrong signature`);
  say(`runs: ${Object.entries(statuses).map(([status, runs]) => `${runs} ${status}`).join(', ')}; ${interrupted} attempts interrupted`);
  const rules: [boolean, string][] = [
    [accepted === sender.sent, `${sender.sent - accepted} events were never answered 2xx.`],
    [lost === 0, `${lost} accepted events did not reach the target, such as ${[...sender.accepted].find((id) => !events.has(id))}.`],
    [keys === accepted, `The target saw ${keys} idempotency keys for ${accepted} accepted events.`],
    [extra <= interrupted, `The target was called ${extra} times too often, but only ${interrupted} attempts were cut off.`],
    [!cutsOff || interrupted >= 1, 'A run-worker was killed with runs in hand, but no attempt is recorded as cut off.'],
    [unfinished === 0, `${unfinished} runs are still queued or running.`],
    [(statuses['succeeded'] ?? 0) === keys, `${keys} keys were seen but ${statuses['succeeded'] ?? 0} runs succeeded.`],
    [target.forged === 0, `${target.forged} calls had a wrong signature.`],
  ];
  for (const [holds, sentence] of rules) if (!holds) say(sentence);
  return { accepted, received, lost, extra, interrupted, unfinished, kills, ok: rules.every(([holds]) => holds) };
}

import { onOwnGround } from '../chaos/own-ground.js';
import { round } from './figures.js';
import { PipelineHouse } from './pipeline-house.js';

/** Runs finished per second by 1, 2 and 4 run-workers, and the share of what one does times as many. */
export type ScaleResult = { per_second: Record<string, number>; linear: Record<string, number>; of_slots: Record<string, number>; ok: boolean };

const WORKERS = [1, 2, 4];
const SLOTS = 8;
const TARGET_MS = 50;

/**
 * How much more is done by more run-workers, where the target is what takes the time: 50 ms for each call, eight of them at
 * once per run-worker. Each count of run-workers has apps and servers of its own. `floor`: the share of linear to reach.
 */
export async function benchScale({ short, floor, say }: { short: boolean; floor: number; say: (line: string) => void }): Promise<ScaleResult> {
  const perSecond: Record<string, number> = {};
  for (const workers of WORKERS) {
    const slotsAllow = (workers * SLOTS * 1000) / TARGET_MS;
    const { rate } = await onOwnGround(say, async (ground) => {
      const env = { VANE_SCALE: `run-worker=${workers}`, VANE_RUN_CONCURRENCY: String(SLOTS) };
      const house = await PipelineHouse.open(ground, say, { answerAfterMs: TARGET_MS, env });
      await house.workedOff(slotsAllow / 2, 4); // warms up
      const { perSecond: rate, cpu } = await house.workedOff(500, (slotsAllow * (short ? 6 : 20)) / 500);
      for (const [name, ms] of Object.entries(cpu)) say(`${name.padEnd(16)} ${ms.toFixed(3)} ms of a processor per event`);
      return { rate, ok: true };
    });
    perSecond[workers] = round(rate, 1);
    say(`${workers} run-worker${workers === 1 ? '' : 's'} of ${SLOTS} slots: ${perSecond[workers]} a second of the ${slotsAllow} that the slots allow`);
  }
  const one = perSecond[1]!;
  const linear = Object.fromEntries(WORKERS.slice(1).map((workers) => [workers, round(perSecond[workers]! / (one * workers), 3)]));
  const ofSlots = Object.fromEntries(WORKERS.map((workers) => [workers, round((perSecond[workers]! * TARGET_MS) / (workers * SLOTS * 1000), 3)]));
  const tooLittle = Object.entries(linear).filter(([, share]) => share < floor);
  for (const [workers, share] of tooLittle) say(`${workers} run-workers reach ${share} of ${workers} times one, less than ${floor}.`);
  return { per_second: perSecond, linear, of_slots: ofSlots, ok: tooLittle.length === 0 };
}

import { onOwnGround } from '../chaos/own-ground.js';
import { PipelineHouse, type Measured } from './pipeline-house.js';

/** `floor`: events a second that have to be sustained instead of what is required, and nothing else: for machines whose speed is not known. */
export type PipelineOptions = { short: boolean; floor?: number; say: (line: string) => void };

/**
 * Events a second from post to finished run of an HTTP target and of a script, milliseconds from the post to the call of the
 * target at 200 a second, and what processes spend on an event of an HTTP target, in milliseconds of a processor.
 */
export type PipelineResult = {
  sustained_eps: number; p50_ms: number; p99_ms: number; script_eps: number; cpu_ms_per_event: Record<string, number>; ok: boolean;
};

const REQUIRED = { eps: 1_000, p50: 15, p99: 100, script: 500 };
const QUIET_PER_SECOND = 200;
const SCRIPTS_PER_SECOND = 20;

/**
 * Finds the highest rate at which no lag builds up, from a sender to a receiver of its own. Throws when an event that was
 * answered 200 does not become a finished run.
 */
export function benchPipeline({ short, floor, say }: PipelineOptions): Promise<PipelineResult> {
  return onOwnGround(say, async (ground) => {
    const house = await PipelineHouse.open(ground, say);
    const required = floor === undefined ? REQUIRED : { eps: floor, p50: Infinity, p99: Infinity, script: 0 };
    say('warming up');
    for (const rate of [QUIET_PER_SECOND, required.eps / 2, required.eps]) await house.http(rate, 4);
    const quiet = await house.http(QUIET_PER_SECOND, short ? 5 : 20);
    const http = await highest(short ? [required.eps] : [REQUIRED.eps, 1_250, 1_500, 1_750, 2_000, 2_500], (rate) => house.http(rate, short ? 6 : 20));
    await house.script(SCRIPTS_PER_SECOND, 4);
    const script = await highest(short ? [SCRIPTS_PER_SECOND] : [50, 100, 200, REQUIRED.script, 750], (rate) => house.script(rate, short ? 4 : 10));
    const cpu = http.best?.cpu ?? http.last.cpu;
    say('');
    for (const [name, ms] of Object.entries(cpu)) say(`${name.padEnd(16)} ${ms.toFixed(3)} ms of a processor per event`);
    const result = { sustained_eps: http.best?.rate ?? 0, p50_ms: quiet.p50Ms, p99_ms: quiet.p99Ms, script_eps: script.best?.rate ?? 0, cpu_ms_per_event: cpu };
    const rules: [boolean, string][] = [
      [result.sustained_eps >= required.eps, `${required.eps} events a second were not sustained.`],
      [result.p50_ms < required.p50, `At ${QUIET_PER_SECOND} a second half of the runs start more than ${required.p50} ms after the post.`],
      [result.p99_ms < required.p99, `At ${QUIET_PER_SECOND} a second one run of a hundred starts more than ${required.p99} ms after the post.`],
      [result.script_eps >= required.script, `${required.script} runs of a script a second were not sustained.`],
    ];
    for (const [holds, sentence] of rules) if (!holds) say(sentence);
    return { ...result, ok: rules.every(([holds]) => holds) };
  });
}

/** Of growing rates the last that was sustained, and the last that was tried. */
async function highest(rates: [number, ...number[]], measure: (rate: number) => Promise<Measured>): Promise<{ best?: Measured; last: Measured }> {
  const [first, ...others] = rates;
  let last = await measure(first);
  let best = last.sustained ? last : undefined;
  for (const rate of others) {
    if (!last.sustained) break;
    last = await measure(rate);
    if (last.sustained) best = last;
  }
  return { ...(best ? { best } : {}), last };
}

import { Problem } from '../../launch/index.mjs';
import { onOwnGround } from '../chaos/own-ground.js';
import { round } from './figures.js';
import { PipelineHouse } from './pipeline-house.js';

/**
 * Events a second that are worked off when none arrive, and that were sent, what became of them, and seconds from the end of the load until
 * all that was accepted had run. `died`: apps that ended meanwhile.
 */
export type OverloadResult = {
  sustained_eps: number; offered_eps: number; accepted: number; refused: number; unanswered: number; lost: number; died: string[]; recovery_s: number; ok: boolean;
};

/** More than any machine of two cores works off, to find out how much this one does. */
const FLOOD_PER_SECOND = 3_000;
const TIMES = 2;
/** An open-loop sender on a machine that is short of time sends a little less than it was told; the short form runs anywhere. */
const OFFERED_SHARE = { full: 0.95, short: 0.75 };

/**
 * Sends twice what can be worked off for a minute, without waiting for answers: what is refused is refused at once, and what
 * is accepted runs.
 */
export function benchOverload({ short, say }: { short: boolean; say: (line: string) => void }): Promise<OverloadResult> {
  return onOwnGround(say, async (ground) => {
    const house = await PipelineHouse.open(ground, say);
    say('warming up');
    await house.http(200, 4);
    const backlog = await house.flooded(FLOOD_PER_SECOND, 6);
    if (backlog.lag === 0) throw new Problem(`${FLOOD_PER_SECOND} events a second are no overload on this machine.`);
    const sustained = Math.round((backlog.lag * 1000) / backlog.settledMs);
    const rate = sustained * TIMES;
    const before = house.apps();
    say(`${sustained} events a second are worked off; now ${rate} a second`);
    const flood = await house.flooded(rate, short ? 10 : 60);
    const after = house.apps();
    const died = Object.keys(before).filter((app) => before[app] !== after[app]);
    const lost = flood.missing.length;
    const rules: [boolean, string][] = [
      [lost === 0, `${lost} events that were accepted never ran.`],
      [died.length === 0, `These apps ended under the load: ${died.join(', ')}.`],
      [flood.offered >= sustained * TIMES * OFFERED_SHARE[short ? 'short' : 'full'], `The sender reached only ${flood.offered} a second, so this was no overload.`],
      [flood.lag > 0, 'All was worked off while it came, so this was no overload.'],
    ];
    for (const [holds, sentence] of rules) if (!holds) say(sentence);
    return {
      sustained_eps: sustained, offered_eps: flood.offered, accepted: flood.accepted, refused: flood.refused, unanswered: flood.broken, lost, died,
      recovery_s: round(flood.settledMs / 1000, 1), ok: rules.every(([holds]) => holds),
    };
  });
}

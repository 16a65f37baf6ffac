import { onOwnGround } from '../chaos/own-ground.js';
import { round } from './figures.js';
import { PipelineHouse } from './pipeline-house.js';

/** See `benchRecovery`. */
export type RecoveryResult = {
  recovery_ms: Record<string, number>; waiting: number; catch_up_eps: number; mb_per_1000_waiting: number; ok: boolean;
};

const APPS = ['webhook-ingress', 'trigger-service', 'run-worker'] as const;

/**
 * Milliseconds from a SIGKILL of each app on an event's way, at 200 events a second, until events run as before; and, after
 * trigger-service stood still for a while, how many of the waiting events a second are worked off and what memory they took.
 * Throws when an accepted event never runs.
 */
export function benchRecovery({ short, say }: { short: boolean; say: (line: string) => void }): Promise<RecoveryResult> {
  return onOwnGround(say, async (ground) => {
    const house = await PipelineHouse.open(ground, say);
    say('warming up');
    await house.http(200, 4);
    await house.http(500, 4);
    const { waiting, perSecond, mbPer1000 } = await house.backlog(500, short ? 10 : 40);
    say(`${waiting} events waited and were worked off at ${Math.round(perSecond)} a second`);
    const recovery: Record<string, number> = {};
    for (const app of APPS) {
      recovery[app] = Math.round(await house.killed(app, { perSecond: 200, seconds: short ? 8 : 15 }));
      say(`kill -9 ${app}: all as before after ${recovery[app]} ms`);
    }
    const ok = Object.values(recovery).every(Number.isFinite);
    return { recovery_ms: recovery, waiting, catch_up_eps: Math.round(perSecond), mb_per_1000_waiting: round(mbPer1000, 2), ok };
  });
}

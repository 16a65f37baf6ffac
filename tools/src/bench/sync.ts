import { onOwnGround } from '../chaos/own-ground.js';
import { Renewals, type Renewed } from './renewals.js';
import { openServers } from './sync-house.js';
import { measureSweeps, type SweepFigures } from './sweeps.js';

export type SyncBenchOptions = { short: boolean; triggerServices: number; say: (line: string) => void };
export type SyncBenchResult = SweepFigures & { renewals_per_s: { one: number; three: number }; ok: boolean };
export type ExactlyOnceResult = Omit<Renewed, 'perSecond'> & { renewals_per_s: number; ok: boolean };

/** A sweep among many may take so much longer than one among few. */
const MOST_RATIO = 1.3;

/**
 * What finding due work costs among many subscriptions and among few, and how many subscriptions are renewed per second by one
 * sync-worker and by three.
 */
export function benchSync({ short, triggerServices, say }: SyncBenchOptions): Promise<SyncBenchResult> {
  return onOwnGround(say, async (ground) => {
    say('starting Postgres, Redis and NATS');
    const servers = await openServers(ground);
    const sweeps = await measureSweeps(ground, servers, { short, say });
    const renewals = await Renewals.open(ground, servers, { channels: short ? 150 : 600, triggerServices, say });
    const perSecond: number[] = [];
    for (const workers of [1, 3]) {
      const renewed = await renewals.renew(workers);
      perSecond.push(renewed.perSecond);
      say(`${workers} sync-worker${workers === 1 ? ' ' : 's'} and ${triggerServices} trigger-service: ${renewed.renewed} renewed, ${renewed.perSecond} a second`);
    }
    const [one = 0, three = 0] = perSecond;
    const { ratio, queries_per_sweep: queries } = sweeps;
    if (ratio > MOST_RATIO) say(`A sweep among many takes ${ratio} times as long as one among few, more than ${MOST_RATIO}.`);
    if (queries.large !== queries.small) say(`A sweep among many sends ${queries.large} statements, one among few ${queries.small}.`);
    return { ...sweeps, renewals_per_s: { one, three }, ok: ratio <= MOST_RATIO && queries.large === queries.small };
  });
}

/** Many subscriptions due at once, four sync-workers, and the count of the service: each is to be renewed exactly once. */
export function proveExactlyOnce({ short, triggerServices, say }: SyncBenchOptions): Promise<ExactlyOnceResult> {
  return onOwnGround(say, async (ground) => {
    say('starting Postgres, Redis and NATS');
    const renewals = await Renewals.open(ground, await openServers(ground), { channels: short ? 300 : 5_000, triggerServices, say });
    const { perSecond, ...counts } = await renewals.renew(4);
    return { ...counts, renewals_per_s: perSecond, ok: counts.renewed === counts.due && counts.more_than_once === 0 };
  });
}

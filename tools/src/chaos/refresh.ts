import { onOwnGround } from './own-ground.js';
import { openRefreshHouse, type RefreshHouse } from './refresh-house.js';
import { calmRound, killRound, losesTokens, STEPS, type Round } from './refresh-rounds.js';

/**
 * `refreshes` are the provider's count over the calm `rounds`, `reuses` its count of refresh tokens that came twice over all
 * rounds, `stuck` the rounds after a kill that did not end as they should. `failed_callers` were refused by a process that
 * lives, be it at first only; `retried_callers` asked again after a kill, as they also may when a busy machine left them
 * without an answer until the deadline.
 */
export type RefreshResult = {
  rounds: number; refreshes: number; failed_callers: number; retried_callers: number; kill_rounds: number; reuses: number; stuck: number; ok: boolean;
};

type Say = (line: string) => void;

/**
 * Ten processes of oauth-service refresh one connection whose refresh tokens work once: first together at every expiry,
 * then with a kill -9 of the one that refreshes, at each step of the way.
 */
export function chaosRefresh({ short, say }: { short: boolean; say: Say }): Promise<RefreshResult> {
  return onOwnGround(say, async ({ dir, closers }) => {
    const house = await openRefreshHouse({ dir, closers, say });
    const calm = await calmRounds(house, short ? 20 : 200, say);
    const killed = await killRounds(house, { times: short ? 2 : 25, patient: !short, say });
    return count(calm, killed);
  });
}

async function calmRounds(house: RefreshHouse, times: number, say: Say): Promise<Round[]> {
  const rounds: Round[] = [];
  const began = performance.now();
  for (let index = 1; index <= times; index += 1) {
    const round = await calmRound(house);
    rounds.push(round);
    for (const complaint of round.complaints) say(`round ${index}: ${complaint}`);
    if (index % 50 === 0 || index === times) {
      say(`${seconds(began)}  ${index} rounds with ${house.members.length} processes at once, ${sum(rounds, 'refreshes')} refresh requests`);
    }
  }
  return rounds;
}

/** The rounds of each step, and how many of them may cost the provider's patience. `patient`: one per step waits for its lease to end. */
async function killRounds(house: RefreshHouse, { times, patient, say }: { times: number; patient: boolean; say: Say }): Promise<{ rounds: Round[]; mayReuse: number }> {
  const rounds: Round[] = [];
  const began = performance.now();
  for (const step of STEPS) {
    const reusesBefore = sum(rounds, 'reuses');
    for (let index = 0; index < times; index += 1) {
      const round = await killRound(house, step, index % house.members.length, { odd: index % 2 === 1, patient: patient && index === 0 });
      rounds.push(round);
      for (const complaint of round.complaints) say(`kill ${index + 1} ${step}: ${complaint}`);
    }
    say(`${seconds(began)}  ${times} kills ${step}, ${sum(rounds, 'reuses') - reusesBefore} refresh tokens sent again; the connection is ${(await house.row()).status}`);
  }
  return { rounds, mayReuse: times * STEPS.filter(losesTokens).length };
}

function count(calm: Round[], { rounds, mayReuse }: { rounds: Round[]; mayReuse: number }): RefreshResult {
  const result = {
    rounds: calm.length,
    refreshes: sum(calm, 'refreshes'),
    failed_callers: sum(calm, 'failedCallers') + sum(rounds, 'failedCallers'),
    retried_callers: sum(rounds, 'retriedCallers'),
    kill_rounds: rounds.length,
    reuses: sum(calm, 'reuses') + sum(rounds, 'reuses'),
    stuck: rounds.filter(({ complaints }) => complaints.length > 0).length,
  };
  const ok = calm.every(({ complaints }) => complaints.length === 0) && result.failed_callers === 0 && result.stuck === 0
    && sum(calm, 'reuses') === 0 && result.reuses <= mayReuse;
  return { ...result, ok };
}

const sum = (rounds: Round[], of: 'refreshes' | 'failedCallers' | 'retriedCallers' | 'reuses'): number => rounds.reduce((total, round) => total + round[of], 0);

const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1).padStart(6)} s`;

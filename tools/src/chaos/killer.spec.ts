import { describe, expect, it } from '@jest/globals';
import { APPS, planKills, SERVERS, type Victim } from './killer.js';
import { seededRandom } from './random.js';

describe('the plan of kills', () => {
  const victims: Victim[] = [...APPS, ...SERVERS, 'flush'];

  it('is the same for the same seed and another for another', () => {
    const plan = (seed: number) => planKills(victims, 2, 60_000, seededRandom(seed));
    expect(plan(7)).toEqual(plan(7));
    expect(plan(7)).not.toEqual(plan(8));
  });

  it('kills every victim as often as asked, in order of time, and leaves the beginning and the end alone', () => {
    for (let seed = 0; seed < 50; seed += 1) {
      const plan = planKills(victims, 2, 60_000, seededRandom(seed));
      const times = plan.map(({ atMs }) => atMs);
      expect(times).toEqual([...times].sort((a, b) => a - b));
      expect(Math.min(...times)).toBeGreaterThanOrEqual(6_000);
      expect(Math.max(...times)).toBeLessThanOrEqual(54_000);
      const kills = new Map<string, number>();
      for (const { victim } of plan) kills.set(victim, (kills.get(victim) ?? 0) + 1);
      expect(Object.fromEntries(kills)).toEqual(Object.fromEntries(victims.map((victim) => [victim, 2])));
    }
  });
});

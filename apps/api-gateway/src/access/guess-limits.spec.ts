import { describe, expect, test } from '@jest/globals';
import { VaneError, type ErrorCode } from '@vane/contracts';
import { GuessLimits } from './guess-limits.js';

const failing = (code: ErrorCode) => async (): Promise<never> => {
  throw new VaneError(code, 'No.');
};
const codeOf = async (work: Promise<unknown>) => work.then(() => 'done', (error: unknown) => (error as VaneError).code);

async function fail(limits: GuessLimits, times: number, { address = '192.0.2.1', subject }: { address?: string; subject?: string } = {}): Promise<string[]> {
  const codes: string[] = [];
  for (let round = 0; round < times; round += 1) codes.push(await codeOf(limits.count(address, subject, failing('sign_in_refused'))));
  return codes;
}

describe('guesses', () => {
  test('at one subject are limited from wherever they come', async () => {
    const limits = new GuessLimits();
    for (let from = 0; from < 10; from += 1) expect(await fail(limits, 1, { address: `192.0.2.${from}`, subject: 'a' })).toEqual(['sign_in_refused']);
    let asked = false;
    await expect(limits.count('198.51.100.1', 'a', async () => void (asked = true))).rejects.toMatchObject({ code: 'rate_limited', retryAfterMs: expect.any(Number) });
    expect(asked).toBe(false);
    expect(await fail(limits, 1, { subject: 'b' })).toEqual(['sign_in_refused']);
  });

  test('from one address are limited whatever they are at; an IPv6 address stands for its network', async () => {
    for (const [one, same, another] of [['192.0.2.1', '::ffff:192.0.2.1', '192.0.2.2'], ['2001:db8::1', '2001:db8::ffff:1', '2001:db8:0:1::1']] as const) {
      const limits = new GuessLimits();
      expect(new Set(await fail(limits, 100, { address: one }))).toEqual(new Set(['sign_in_refused']));
      expect(await fail(limits, 1, { address: same })).toEqual(['rate_limited']);
      expect(await fail(limits, 1, { address: another })).toEqual(['sign_in_refused']);
    }
  });

  test('are only what was refused: no success, and nothing that could not be judged', async () => {
    const limits = new GuessLimits();
    for (let round = 0; round < 150; round += 1) {
      expect(await limits.count('192.0.2.1', 'a', async () => round)).toBe(round);
      expect(await codeOf(limits.count('192.0.2.1', 'a', failing('unavailable')))).toBe('unavailable');
    }
    expect(await fail(limits, 11, { subject: 'a' })).toEqual([...Array.from({ length: 10 }, () => 'sign_in_refused'), 'rate_limited']);
  });

  test('made at once are counted before they are judged', async () => {
    const limits = new GuessLimits();
    const slow = () => new Promise<never>((_resolve, reject) => setImmediate(() => reject(new VaneError('sign_in_refused', 'No.'))));
    const codes = await Promise.all(Array.from({ length: 30 }, () => codeOf(limits.count('192.0.2.1', 'a', slow))));
    expect(codes.filter((code) => code === 'sign_in_refused')).toHaveLength(10);
  });
});

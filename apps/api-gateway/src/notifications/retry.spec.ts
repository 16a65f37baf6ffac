import { expect, test } from '@jest/globals';
import { afterFailure, GIVE_UP_MS } from './retry.js';

const createdAt = new Date('2026-05-01T12:00:00Z');
const wait = (attempt: number, random: number, change: { now?: Date; retryAfterMs?: number } = {}) => {
  const now = change.now ?? createdAt;
  const next = afterFailure({ attempt, createdAt, now, retryAfterMs: change.retryAfterMs }, random);
  return next && next.getTime() - now.getTime();
};

test('the wait doubles from five seconds to an hour, and half of it is jitter', () => {
  expect([1, 2, 3].map((attempt) => wait(attempt, 0.999999))).toEqual([4_999, 9_999, 19_999]);
  expect([1, 2, 3].map((attempt) => wait(attempt, 0))).toEqual([2_500, 5_000, 10_000]);
  expect(wait(30, 0)).toBe(1_800_000);
});

test('a receiver that asks for a longer pause gets it', () => {
  expect(wait(1, 0, { retryAfterMs: 60_000 })).toBe(60_000);
  expect(wait(1, 0, { retryAfterMs: 1 })).toBe(2_500);
});

test('what would be a day old is not tried again', () => {
  const late = new Date(createdAt.getTime() + GIVE_UP_MS - 2_500);
  expect(wait(1, 0, { now: late })).toBe(2_500);
  expect(wait(1, 0.01, { now: late })).toBeUndefined();
});

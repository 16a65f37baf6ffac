import { expect, test } from '@jest/globals';
import { failed } from './outcome.js';
import { afterFailure, afterInterruption, backoff, INTERRUPTIONS_ALLOWED } from './retry.js';

const policy = { maxAttempts: 4, backoffMs: 1000, atMostOnce: false };
const failure = (more: object = {}) => failed({ fault: 'target', code: 'http_500', message: 'No.', retry: true, ...more });

test('backoff doubles with every failure', () => {
  expect([1, 2, 3, 4].map((failures) => backoff(policy, failures, 0.9999999))).toEqual([999, 1999, 3999, 7999]);
});

test('backoff is anything from nothing to its bound', () => {
  expect([0, 0.25, 0.5].map((random) => backoff(policy, 3, random))).toEqual([0, 1000, 2000]);
});

test('backoff is an hour at most, however often a run failed', () => {
  expect(backoff({ ...policy, backoffMs: 3_600_000 }, 20, 0.9999999999)).toBe(3_599_999);
});

const tried = (attempt: number, uncounted = 0) => ({ attempt, uncounted });

test('a failure that trying again cannot help ends the run at once', () => {
  expect(afterFailure(failure({ retry: false }), policy, tried(1), 0.5)).toEqual({ status: 'failed' });
});

test('the last attempt allowed makes a run dead', () => {
  expect(afterFailure(failure(), policy, tried(3), 0.5)).toEqual({ status: 'queued', delayMs: 2000 });
  expect(afterFailure(failure(), policy, tried(4), 0.5)).toEqual({ status: 'dead' });
});

test('attempts that failed by our own fault or were cut off leave the others their number', () => {
  expect(afterFailure(failure(), policy, tried(9, 6), 0.5)).toEqual({ status: 'queued', delayMs: 2000 });
  expect(afterFailure(failure(), policy, tried(10, 6), 0.5)).toEqual({ status: 'dead' });
  const ours = failure({ fault: 'ours' });
  expect(afterFailure(ours, policy, tried(4), 0.5)).toMatchObject({ status: 'queued' });
  expect(afterFailure(ours, policy, tried(4 + INTERRUPTIONS_ALLOWED - 1, 20), 0.5)).toMatchObject({ status: 'queued' });
  expect(afterFailure(ours, policy, tried(4 + INTERRUPTIONS_ALLOWED, 20), 0.5)).toEqual({ status: 'dead' });
});

test('a target that asks for more time than the backoff gets it, an hour at most', () => {
  expect(afterFailure(failure({ retryAfterMs: 30_000 }), policy, tried(1), 0.5)).toEqual({ status: 'queued', delayMs: 30_000 });
  expect(afterFailure(failure({ retryAfterMs: 10 }), policy, tried(1), 0.5)).toEqual({ status: 'queued', delayMs: 500 });
  expect(afterFailure(failure({ retryAfterMs: 9e9 }), policy, tried(1), 0.5)).toEqual({ status: 'queued', delayMs: 3_600_000 });
});

test('an interrupted run goes on, unless it may run only once or brings its workers down', () => {
  expect(afterInterruption(policy, 4)).toBe('queued');
  expect(afterInterruption(policy, 4 + INTERRUPTIONS_ALLOWED - 1)).toBe('queued');
  expect(afterInterruption(policy, 4 + INTERRUPTIONS_ALLOWED)).toBe('dead');
  expect(afterInterruption({ ...policy, atMostOnce: true }, 1)).toBe('interrupted');
});

import type { RetryPolicy } from '@vane/contracts';
import { MAX_DELAY_MS, type Failed } from './outcome.js';

/**
 * Attempts that a kill cut off, or that failed by our own fault, do not count against `maxAttempts`; this many of them end
 * the run all the same.
 */
export const INTERRUPTIONS_ALLOWED = 20;

/** The number of the attempt that just failed, and how many before it do not count. */
export type Tried = { attempt: number; uncounted: number };

/** Before another attempt of a run that failed: how long to wait, or that there is none, and what the run then is. */
export type AfterFailure = { status: 'queued'; delayMs: number } | { status: 'failed' | 'dead' };

/**
 * Doubling backoff with full jitter: anything from nothing to `backoffMs * 2 ** (failures - 1)`, capped at an hour, so that
 * runs that failed together do not come back together.
 * See https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 *
 * @param random 0 (inclusive) to 1 (exclusive)
 */
export function backoff(policy: RetryPolicy, failures: number, random: number): number {
  return Math.floor(random * Math.min(MAX_DELAY_MS, policy.backoffMs * 2 ** (failures - 1)));
}

/**
 * What becomes of a run after a failed attempt. An outage of ours must not use up the attempts that its owner meant for
 * the target and the script.
 */
export function afterFailure(failure: Failed, policy: RetryPolicy, { attempt, uncounted }: Tried, random: number): AfterFailure {
  if (!failure.retry) return { status: 'failed' };
  const ours = failure.fault === 'ours';
  const failures = ours ? uncounted + 1 : attempt - uncounted;
  const last = ours ? attempt >= policy.maxAttempts + INTERRUPTIONS_ALLOWED : failures >= policy.maxAttempts;
  if (last) return { status: 'dead' };
  const asked = Math.min(failure.retryAfterMs ?? 0, MAX_DELAY_MS);
  return { status: 'queued', delayMs: Math.max(asked, backoff(policy, failures, random)) };
}

/** Whether a run that was cut off may be tried again, and if not, what it ends as. */
export function afterInterruption(policy: RetryPolicy, attempts: number): 'queued' | 'interrupted' | 'dead' {
  if (policy.atMostOnce) return 'interrupted';
  return attempts >= policy.maxAttempts + INTERRUPTIONS_ALLOWED ? 'dead' : 'queued';
}

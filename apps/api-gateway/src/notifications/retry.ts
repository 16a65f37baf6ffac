const FIRST_MS = 5_000;
const LONGEST_MS = 3_600_000;
/** After this a notification is old news. */
export const GIVE_UP_MS = 24 * 3_600_000;

export type FailedTry = { attempt: number; createdAt: Date; now: Date; retryAfterMs: number | undefined };

/**
 * When to try again, or undefined when it would be too late: the wait doubles from 5 s to an hour, half of it jitter, so
 * that what failed together does not come back together.
 *
 * @param random 0 (inclusive) to 1 (exclusive)
 */
export function afterFailure({ attempt, createdAt, now, retryAfterMs = 0 }: FailedTry, random: number): Date | undefined {
  const backoff = Math.min(LONGEST_MS, FIRST_MS * 2 ** (attempt - 1));
  const next = new Date(now.getTime() + Math.max(retryAfterMs, Math.floor(backoff * (0.5 + random / 2))));
  return next.getTime() > createdAt.getTime() + GIVE_UP_MS ? undefined : next;
}

import type { ServiceError } from '@vane/kit';

const FIRST_MS = 2_000;
const LONGEST_MS = 600_000;
/** A refusal needs a person; it is still tried again, slowly, because rights are often granted later. */
const REFUSED_MS = 300_000;
const LONGEST_REFUSED_MS = 3_600_000;

/** Milliseconds until a service is asked again after so many tries in a row that failed: never sooner than it has said, and not all together. */
export function waitAfter({ transient, details }: ServiceError, tries: number): number {
  if (transient && details.retryAfterMs !== undefined) return details.retryAfterMs * (1 + Math.random() * 0.1);
  const bound = transient ? Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(tries - 1, 16)) : Math.min(LONGEST_REFUSED_MS, REFUSED_MS * tries);
  return bound * (0.5 + Math.random() * 0.5);
}

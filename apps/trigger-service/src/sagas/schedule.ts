import type { Clock } from '@vane/runtime';

/** As long as `seconds`, a tenth more or less: what was made in one moment does not come due in one moment for ever. */
export function spread(clock: Clock, seconds: number): Date {
  return clock.in(Math.round(seconds * 1000 * (0.9 + Math.random() * 0.2)));
}

/** When a subscription that was just found or made right is compared with the service again (`VANE_CHECK_EVERY_SECONDS`). */
export const nextCheck = (clock: Clock, everySeconds: number): Date => spread(clock, everySeconds);

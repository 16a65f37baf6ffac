import type { Canary, RemoteApi } from '@vane/kit';
import type { Clock } from '@vane/runtime';

/** As long as `seconds`, a tenth more or less: what was made in one moment does not come due in one moment for ever. */
export function spread(clock: Clock, seconds: number): Date {
  return clock.in(Math.round(seconds * 1000 * (0.9 + Math.random() * 0.2)));
}

/** When a subscription that was just found or made right is compared with the service again (`VANE_CHECK_EVERY_SECONDS`). */
export const nextCheck = (clock: Clock, everySeconds: number): Date => spread(clock, everySeconds);

/** Within which time after its registration the service's log is read first, and it is tried first whether what it sends arrives. */
const FIRST_LOG_SECONDS = 300;
const FIRST_CANARY_SECONDS = 24 * 3600;

/** Where a renewal is the canary, the registration was one already; else any time will do, so that not all come at once. */
const firstCanary = ({ by }: Canary, clock: Clock): Date => (by === 'renewal' ? spread(clock, FIRST_CANARY_SECONDS) : clock.in(Math.random() * FIRST_CANARY_SECONDS * 1000));

/** When what was just registered is looked at for the first time, for what its service can show; who looks says when to look again. */
export function firstLooks(remote: RemoteApi, clock: Clock, checkEverySeconds: number): { checkAt: Date | null; logAt: Date | null; canaryAt: Date | null } {
  return {
    checkAt: remote.get ? nextCheck(clock, checkEverySeconds) : null,
    logAt: remote.deliveryLog ? spread(clock, FIRST_LOG_SECONDS) : null,
    canaryAt: remote.canary ? firstCanary(remote.canary, clock) : null,
  };
}

/** Renewed after this part of the lifetime that was really given, sooner by up to `EARLIER` of it, so that not all come at once. */
const RENEWED_AFTER = 0.75;
const EARLIER = 0.1;
/** A service whose clock is ahead of ours must not be asked without pause. */
const SOONEST_MS = 5_000;

/**
 * When something with an end is replaced ahead of it, and when people are told that this has not worked: at half of what is left
 * then. Nulls where it has no end.
 */
export function lifetime(now: Date, expiresAt: Date | null): { expiresAt: Date | null; renewAt: Date | null; alarmAt: Date | null } {
  if (!expiresAt) return { expiresAt, renewAt: null, alarmAt: null };
  const whole = Math.max(0, expiresAt.getTime() - now.getTime());
  const renewAt = now.getTime() + Math.max(SOONEST_MS, whole * (RENEWED_AFTER - Math.random() * EARLIER));
  return { expiresAt, renewAt: new Date(renewAt), alarmAt: new Date((renewAt + expiresAt.getTime()) / 2) };
}

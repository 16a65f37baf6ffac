import type { DriftKind } from '@vane/contracts';
import type { JsonObject, RemoteSubscription } from '@vane/kit';
import type { Clock } from '@vane/runtime';
import { sameJson } from '../sagas/feeds.js';
import type { Change } from '../sagas/subscription-rows.js';

/** How the object at the service is not as we want it, both versions as far as the service shows them. */
export type Difference = { kind: DriftKind; ours: JsonObject; theirs: JsonObject | null };

/**
 * Compares the object at the service, null when it is not there, with what we want of it: by the keys of `want` that the
 * service shows. `callbackUrls` are those under which this subscription is reached. Of another URL the host alone is
 * told: the rest may be somebody's secret. @returns null where nothing differs
 */
export function differenceOf(want: JsonObject, callbackUrls: readonly string[], there: RemoteSubscription | null): Difference | null {
  if (there === null) return { kind: 'missing', ours: want, theirs: null };
  const shown = Object.keys(want).filter((key) => there.fields[key] !== undefined);
  const ours = pick(want, shown);
  const theirs = pick(there.fields, shown);
  const { callbackUrl, active } = there;
  if (callbackUrl !== null && !callbackUrls.includes(callbackUrl)) {
    return { kind: 'url_changed', ours: { ...ours, callbackHost: hostOf(callbackUrls[0]!) }, theirs: { ...theirs, callbackHost: hostOf(callbackUrl) } };
  }
  if (active === false) return { kind: 'disabled', ours: { ...ours, active: true }, theirs: { ...theirs, active: false } };
  return shown.every((key) => sameJson(unset(want[key]), unset(there.fields[key]))) ? null : { kind: 'changed', ours, theirs };
}

/** What lets the settler make it again, or make it as we want it. Without an id it looks for an object with our URL first. */
export function restoring(kind: DriftKind, clock: Clock): Change {
  const again = { applied: null, drift: null, driftKept: null, nextAttemptAt: clock.now() };
  return kind === 'missing' ? { ...again, externalId: null, attempts: 1 } : { ...again, attempts: 0 };
}

const pick = (from: JsonObject, keys: readonly string[]): JsonObject => Object.fromEntries(keys.map((key) => [key, from[key]!]));

/** Services hand nothing at all back as an empty list, map or text, or not. */
function unset(value: JsonObject[string] | undefined): JsonObject[string] {
  if (value === undefined || value === null || value === '') return null;
  return typeof value === 'object' && Object.keys(value).length === 0 ? null : value;
}

const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).host : 'no address');

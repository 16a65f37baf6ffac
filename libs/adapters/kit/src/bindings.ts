import type { HeaderBinding } from './adapter.js';
import type { JsonObject } from './json.js';
import type { RawRequest } from './request.js';
import type { Verifier } from './verify.js';

/** What is known of the subscription: its id, and what `register` answered, null before that. */
export type BoundFacts = { id: string; aux: JsonObject | null };

/**
 * A verifier that also refuses, as `wrong_binding`, what says in its headers that it was made for another subscription:
 * looked at after the secret, so whoever does not have that learns nothing. The ids are no secrets.
 */
export function boundVerifier(verify: Verifier, bindings: readonly HeaderBinding[], facts: BoundFacts): Verifier {
  const due = bindings.flatMap(({ header, to }) => {
    const value = to === 'id' ? facts.id : facts.aux?.[to.aux];
    return value === undefined || value === null ? [] : [{ header: header.toLowerCase(), value: String(value) }];
  });
  if (due.length === 0) return verify;
  return (request, now) => {
    const verdict = verify(request, now);
    if (!verdict.ok) return verdict;
    return due.every(({ header, value }) => says(request, header, value)) ? verdict : { ok: false, reason: 'wrong_binding' };
  };
}

/** A repeated header says two things, and neither is believed. */
function says({ headers }: RawRequest, name: string, value: string): boolean {
  return Object.hasOwn(headers, name) && headers[name] === value;
}

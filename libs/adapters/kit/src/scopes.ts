import type { OAuthProfile } from './adapter.js';

/** The needed scopes that are neither granted nor included in a granted one. */
export function missingScopes({ impliedScopes = {} }: Pick<OAuthProfile, 'impliedScopes'>, granted: readonly string[], needed: readonly string[]): string[] {
  const held = new Set(granted);
  // A set takes in what is added while it is walked, so what is included through several steps is reached too.
  for (const scope of held) if (Object.hasOwn(impliedScopes, scope)) for (const included of impliedScopes[scope]!) held.add(included);
  return [...new Set(needed)].filter((scope) => !held.has(scope));
}

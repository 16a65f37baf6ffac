import type { RawRequest } from './request.js';
import { credentialHeaders, type VerificationScheme } from './scheme.js';

const ALWAYS_KEPT = ['content-type', 'user-agent'];
const NEVER_KEPT = ['authorization', 'proxy-authorization', 'cookie', 'set-cookie'];

/** Names (lower case) of the headers that are stored with a delivery: never one that carries a credential. */
export function storedHeaderNames(keepHeaders: readonly string[], scheme: VerificationScheme): string[] {
  const forbidden = new Set([...NEVER_KEPT, ...credentialHeaders(scheme)]);
  const wanted = [...ALWAYS_KEPT, ...keepHeaders].map((name) => name.toLowerCase());
  return [...new Set(wanted)].filter((name) => !forbidden.has(name));
}

/** The named headers a request has; the values of a repeated one are joined as RFC 9110 section 5.3 joins them. */
export function pickHeaders(names: readonly string[], headers: RawRequest['headers']): Record<string, string> {
  const picked: [string, string][] = [];
  for (const name of names) {
    const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
    if (value !== undefined) picked.push([name, typeof value === 'string' ? value : value.join(', ')]);
  }
  return Object.fromEntries(picked);
}

import { createHash } from 'node:crypto';

type CookieOptions = { state: string; maxAgeSeconds: number; https: boolean };

/**
 * The cookie that binds an authorisation to the browser that opened its start URL. Every authorisation has its own, named
 * after its state, so that two in one browser do not end each other. `__Host-`, which asks for the path `/`, keeps it from
 * being set over plain http, and by other hosts of the domain
 * (https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-4.1.3.2).
 */
export const cookieName = ({ state, https }: Pick<CookieOptions, 'state' | 'https'>): string =>
  `${https ? '__Host-' : ''}vane_oauth_${createHash('sha256').update(state).digest('hex').slice(0, 16)}`;

/**
 * The Set-Cookie header (RFC 6265). Lax, because the callback is a navigation that comes from the service's site, which
 * Strict would leave without the cookie.
 */
export const setCookie = (value: string, { state, maxAgeSeconds, https }: CookieOptions): string =>
  [
    `${cookieName({ state, https })}=${encodeURIComponent(value)}`,
    `Path=${https ? '/' : '/oauth'}`,
    `Max-Age=${maxAgeSeconds}`,
    'HttpOnly',
    'SameSite=Lax',
    ...(https ? ['Secure'] : []),
  ].join('; ');

export const clearedCookie = (options: Pick<CookieOptions, 'state' | 'https'>): string => setCookie('', { ...options, maxAgeSeconds: 0 });

/** The value of a cookie in a Cookie header; null when it is not there, empty or not readable. */
export function readCookie(header: string | undefined, name: string): string | null {
  for (const pair of header?.split(';') ?? []) {
    const at = pair.indexOf('=');
    if (at < 0 || pair.slice(0, at).trim() !== name) continue;
    try {
      return decodeURIComponent(pair.slice(at + 1).trim()) || null;
    } catch {
      return null;
    }
  }
  return null;
}

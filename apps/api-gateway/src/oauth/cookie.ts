/** Binds an authorisation to the browser that opened its start URL. */
export const BROWSER_COOKIE = 'vane_oauth';

type CookieOptions = { maxAgeSeconds: number; https: boolean };

/**
 * The Set-Cookie header (RFC 6265). Lax, because the callback is a navigation that comes from the service's site, which
 * Strict would leave without the cookie.
 */
export const setCookie = (value: string, { maxAgeSeconds, https }: CookieOptions): string =>
  [
    `${BROWSER_COOKIE}=${encodeURIComponent(value)}`,
    'Path=/oauth',
    `Max-Age=${maxAgeSeconds}`,
    'HttpOnly',
    'SameSite=Lax',
    ...(https ? ['Secure'] : []),
  ].join('; ');

export const clearedCookie = (https: boolean): string => setCookie('', { maxAgeSeconds: 0, https });

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

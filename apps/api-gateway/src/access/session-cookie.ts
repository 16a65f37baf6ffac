import { readCookie } from '../oauth/cookie.js';
import { SESSION_DAYS, SESSION_TOKEN_PATTERN } from './sessions.js';

/**
 * The cookie of a session. Over https it is bound to this very host by its name
 * (https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-4.1.3.2); plain http knows no such prefix.
 */
export class SessionCookie {
  /** Origin (RFC 6454) of the pages that may use the session. */
  readonly origin: string;
  private readonly https: boolean;

  /** `apiUrl` is the address under which browsers reach the gateway. */
  constructor(apiUrl: string) {
    this.origin = new URL(apiUrl).origin;
    this.https = this.origin.startsWith('https:');
  }

  get name(): string {
    return this.https ? '__Host-vane_session' : 'vane_session';
  }

  /** The session's token in a Cookie header; null when there is none of that form. */
  read(header: string | undefined): string | null {
    const value = readCookie(header, this.name);
    return value !== null && SESSION_TOKEN_PATTERN.test(value) ? value : null;
  }

  /** A Set-Cookie header. The server ends idle sessions; the browser keeps the cookie as long as one can last at most. */
  set(token: string): string {
    return this.header(token, SESSION_DAYS * 86_400);
  }

  /** A Set-Cookie header that removes the cookie. */
  clear(): string {
    return this.header('', 0);
  }

  private header(value: string, maxAgeSeconds: number): string {
    return [`${this.name}=${value}`, 'Path=/', `Max-Age=${maxAgeSeconds}`, 'HttpOnly', 'SameSite=Lax', ...(this.https ? ['Secure'] : [])].join('; ');
  }
}

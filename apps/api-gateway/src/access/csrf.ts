import { createHash, timingSafeEqual } from 'node:crypto';
import { VaneError } from '@vane/contracts';

export const CSRF_HEADER = 'x-csrf-token';
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Methods that change nothing (RFC 9110 section 9.2.1) need no proof of where the request comes from. */
export const changesSomething = (method: string): boolean => !SAFE.has(method);

/** What a page sends besides the cookie: made of the hash of the session's token, so that whoever knows the session can tell it. */
export const csrfTokenOf = (sessionHash: string): string => createHash('sha256').update(`vane csrf ${sessionHash}`).digest('base64url');

/** Throws `csrf_refused` unless the header holds the token of this session. */
export function checkCsrfToken(header: string | string[] | undefined, sessionHash: string): void {
  const given = Buffer.from(typeof header === 'string' ? header : '');
  const right = Buffer.from(csrfTokenOf(sessionHash));
  if (given.length === right.length && timingSafeEqual(given, right)) return;
  throw new VaneError('csrf_refused', `Send the session's csrfToken as ${CSRF_HEADER}; GET /api/v1/session tells it.`);
}

/** Throws `csrf_refused` for a request that a page of another origin made; clients that are no browsers name none. */
export function checkOrigin(header: string | string[] | undefined, origin: string): void {
  if (header === undefined || header === origin) return;
  throw new VaneError('csrf_refused', `This came from a page of another origin. Sessions work on ${origin} alone, the origin of VANE_API_URL.`);
}

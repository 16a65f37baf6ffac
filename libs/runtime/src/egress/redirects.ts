import { EgressBlocked, EgressError } from './errors.js';
import type { EgressPolicy } from './policy.js';
import { inspectUrl } from './url.js';

/** One request of a call: the first one, or what a redirect made of it. Header names are lower case. */
export type Hop = {
  readonly url: URL;
  readonly method: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body?: Buffer;
};

/** Never repeated to another origin than the one the caller addressed. */
const CREDENTIAL_HEADERS = ['authorization', 'cookie', 'proxy-authorization'];

/** Describe a body, and go with it: https://fetch.spec.whatwg.org/#request-body-header-name */
const BODY_HEADERS = ['content-encoding', 'content-language', 'content-location', 'content-type'];

/** Whether an answer asks to go elsewhere: https://fetch.spec.whatwg.org/#redirect-status */
export function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

/**
 * Makes the next request out of a redirect, as https://fetch.spec.whatwg.org/#http-redirect-fetch
 * has it, and checks its URL like a new one. A step from https down to http is refused.
 *
 * @param sensitive names of further headers that stay at the origin they were meant for, lower case
 * @throws EgressBlocked, EgressError `redirect_refused`
 */
export function nextHop(hop: Hop, answer: { status: number; location: string }, policy: EgressPolicy, sensitive: readonly string[]): Hop {
  if (!URL.canParse(answer.location, hop.url.href)) {
    throw new EgressError('redirect_refused', hop.url.host, `${hop.url.host} redirects to something that is not a URL.`);
  }
  const url = inspectUrl(new URL(answer.location, hop.url), policy);
  if (hop.url.protocol === 'https:' && url.protocol === 'http:') {
    const message = `${hop.url.host} redirects from https down to http at ${url.host}, which is blocked. Use the final URL.`;
    throw new EgressBlocked('downgrade', url.host, message);
  }
  const becomesGet = answer.status === 303 ? !['GET', 'HEAD'].includes(hop.method) : answer.status <= 302 && hop.method === 'POST';
  const dropped = new Set([
    ...(url.origin === hop.url.origin ? [] : [...CREDENTIAL_HEADERS, ...sensitive]),
    ...(becomesGet ? BODY_HEADERS : []),
  ]);
  const headers = new Map([...hop.headers].filter(([name]) => !dropped.has(name)));
  return becomesGet ? { url, method: 'GET', headers } : { ...hop, url, headers };
}

import type { RawEgressResponse, EgressRequest } from './client.js';
import { EgressError } from './errors.js';

/** Limits of every call through one `fetch`, in milliseconds and bytes. */
export type FetchLimits = { readonly timeoutMs: number; readonly maxResponseBytes: number };

type Exchange = { exchange(url: string | URL, init: EgressRequest): Promise<RawEgressResponse> };

/**
 * Puts the WHATWG `fetch` shape around a guarded client: https://fetch.spec.whatwg.org/
 * Differences: the body is read before the promise resolves, so the limits cover it;
 * `redirect: 'manual'` returns the 3xx response itself; failures reject with {@link EgressError}.
 */
export function fetchThrough(client: Exchange, limits: FetchLimits): typeof globalThis.fetch {
  return async (input, init) => {
    // Guarded as written: Request would already have normalised the string, and rejects some of what is blocked.
    const given = input instanceof Request ? input : undefined;
    const url = given ? new URL(given.url) : (input as string | URL);
    const request = new Request(given ?? 'http://request.invalid/', init);
    const body = request.body === null ? undefined : new Uint8Array(await request.arrayBuffer());
    const signal = init?.signal ?? given?.signal;
    const answer = await client.exchange(url, {
      ...limits,
      method: request.method,
      headers: Object.fromEntries(request.headers),
      ...(body ? { body } : {}),
      redirect: request.redirect,
      // Not request.signal: it follows the caller's only as long as the request is not garbage collected.
      ...(signal ? { signal } : {}),
    });
    return toResponse(answer);
  };
}

function toResponse({ status, statusText, headers, body, url, redirected }: RawEgressResponse): Response {
  if (status > 599) {
    throw new EgressError('bad_response', new URL(url).host, `The response has the status ${status}, which HTTP does not have.`);
  }
  const empty = [204, 205, 304].includes(status);
  const response = new Response(empty ? null : new Uint8Array(body), { status, statusText, headers });
  return Object.defineProperties(response, { url: { value: url }, redirected: { value: redirected } });
}

import type { LookupFunction } from 'node:net';
import { Agent, Pool, errors, type Dispatcher } from 'undici';
import { readLimited } from './body.js';
import { guardedConnector } from './connect.js';
import { Deadline } from './deadline.js';
import { EgressError } from './errors.js';
import { fetchThrough, type FetchLimits } from './fetch.js';
import type { EgressPolicy } from './policy.js';
import { isRedirect, nextHop, type Hop } from './redirects.js';
import { inspectUrl } from './url.js';

/** Settings of an {@link EgressClient}. */
export type EgressClientOptions = {
  readonly policy: EgressPolicy;
  /** The resolver, `dns.lookup` unless given. What it answers is checked before anything connects to it. */
  readonly lookup?: LookupFunction;
  /** Redirects followed per call; 5 unless given. */
  readonly maxRedirects?: number;
  /** PEM certificates trusted beside the public ones, for services behind a private authority. */
  readonly ca?: readonly string[];
};

/** One call. `timeoutMs` spans all of it: resolving, connecting, every redirect, the end of the body. */
export type EgressRequest = {
  readonly method?: string;
  /**
   * Header names in any case. Those that belong to the connection (Host, Content-Length,
   * Connection and the like) are set by the client; given here, they are ignored.
   */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly timeoutMs: number;
  /** Limit of the decoded body, in bytes. */
  readonly maxResponseBytes: number;
  /** What a longer body leads to: `response_too_large` (the default), or its beginning with `truncated: true`. */
  readonly onTooLarge?: 'error' | 'truncate';
  /**
   * `follow` unless given. `same-origin` follows within the origin that was addressed and fails with `redirect_refused`
   * beyond it; `manual` returns the redirect as the response; `error` fails with `redirect_refused`.
   */
  readonly redirect?: 'follow' | 'same-origin' | 'manual' | 'error';
  /** Refuse plain http for this call even where the policy does not, except to what its `allow` names. */
  readonly requireHttps?: boolean;
  /** Headers that, like Authorization and Cookie, must not follow a redirect to another origin. */
  readonly sensitiveHeaders?: readonly string[];
  readonly signal?: AbortSignal;
};

/** The answer to one call. Header names are lower case, repeated headers joined with ", "; `url` is the one that answered. */
export type EgressResponse = {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
  readonly url: string;
  readonly truncated: boolean;
};

/** An answer with its headers in the order and number they came in. */
export type RawEgressResponse = Omit<EgressResponse, 'headers'> & {
  readonly headers: [string, string][];
  readonly statusText: string;
  readonly redirected: boolean;
};

/** Connections per origin; further calls wait their turn within their own time limit. */
const CONNECTIONS_PER_ORIGIN = 64;
const MAX_TIMEOUT_MS = 2 ** 31 - 1;
const FETCH_LIMITS: FetchLimits = { timeoutMs: 10_000, maxResponseBytes: 5 * 1024 * 1024 };

/** Belong to one connection or follow from the URL and body: RFC 9110, sections 7.2, 7.6.1 and 8.6. */
const CONNECTION_HEADERS = new Set([
  'host', 'content-length', 'connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'te', 'trailer', 'upgrade', 'expect',
]);

/**
 * The one way out of Vane to URLs that a user chose. Refuses everything that is not public
 * internet, unless the operator's allow list names it, judging the very address it connects to;
 * every redirect is judged anew. Connections are kept alive and shared between calls. Proxies named
 * in the environment are not used.
 */
export class EgressClient {
  /** `fetch` behind the same guard, with 10 s and 5 MiB per call. Failures reject with {@link EgressError}. */
  readonly fetch: typeof globalThis.fetch = this.fetchWith(FETCH_LIMITS);
  readonly #policy: EgressPolicy;
  readonly #maxRedirects: number;
  readonly #agent: Agent;
  readonly #active = new Set<Promise<unknown>>();

  constructor(options: EgressClientOptions) {
    this.#policy = options.policy;
    this.#maxRedirects = options.maxRedirects ?? 5;
    this.#agent = new Agent({
      // The call's own deadline is the only clock.
      headersTimeout: 0,
      bodyTimeout: 0,
      factory: (origin, poolOptions) =>
        new Pool(origin, {
          ...poolOptions,
          connections: CONNECTIONS_PER_ORIGIN,
          connect: guardedConnector(new URL(origin), options),
        }),
    });
  }

  /**
   * Checks a URL as far as it can be without DNS, for early answers in forms and APIs. A call
   * checks again, so this is never a permission.
   *
   * @throws EgressBlocked
   */
  checkUrl(url: string): void {
    inspectUrl(url, this.#policy);
  }

  /**
   * Makes one call and reads the whole answer. Any HTTP status is an answer, not an error.
   *
   * @throws EgressBlocked, or EgressError with the code that says how far the call got; the reason of `signal` if it was aborted
   */
  async request(url: string | URL, init: EgressRequest): Promise<EgressResponse> {
    const { status, headers, body, url: finalUrl, truncated } = await this.exchange(url, init);
    const joined = new Map<string, string>();
    for (const [name, value] of headers) joined.set(name, joined.has(name) ? `${joined.get(name)}, ${value}` : value);
    return { status, headers: Object.fromEntries(joined), body, url: finalUrl, truncated };
  }

  /** A `fetch` with other limits than the default ones. */
  fetchWith(limits: FetchLimits): typeof globalThis.fetch {
    return fetchThrough(this, limits);
  }

  /** Like {@link request}, with the headers as they came. */
  async exchange(url: string | URL, init: EgressRequest): Promise<RawEgressResponse> {
    const policy = init.requireHttps ? { ...this.#policy, requireHttps: true } : this.#policy;
    const first = firstHop(inspectUrl(url, policy), init);
    const host = first.url.host;
    const deadline = new Deadline(init.timeoutMs, () => timeoutError(host, init.timeoutMs), init.signal);
    const call = this.#follow(first, { init, policy, deadline }).finally(() => deadline.stop());
    this.#active.add(call);
    try {
      return await call;
    } finally {
      this.#active.delete(call);
    }
  }

  /** Waits for the calls under way, then closes every connection. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#active);
    await this.#agent.destroy();
  }

  async #follow(first: Hop, { init, policy, deadline }: Call): Promise<RawEgressResponse> {
    const sensitive = (init.sensitiveHeaders ?? []).map((name) => name.toLowerCase());
    let hop = first;
    for (let redirects = 0; ; redirects += 1) {
      const answer = await this.#send(hop, deadline);
      const location = isRedirect(answer.statusCode) ? headerOf(answer, 'location') : undefined;
      if (location === undefined || init.redirect === 'manual') return this.#read(hop, answer, init, deadline, redirects > 0);
      discard(answer);
      if (init.redirect === 'error') throw redirectRefused(hop, 'redirects, which this call does not accept');
      if (redirects >= this.#maxRedirects) throw redirectRefused(hop, `redirects more than ${this.#maxRedirects} times`);
      const next = nextHop(hop, { status: answer.statusCode, location }, policy, sensitive);
      if (init.redirect === 'same-origin' && next.url.origin !== hop.url.origin) {
        throw redirectRefused(hop, `redirects to ${next.url.origin}, where this call must not go`);
      }
      hop = next;
    }
  }

  async #send(hop: Hop, deadline: Deadline): Promise<Answer> {
    const { url, method, headers, body } = hop;
    try {
      const sent = this.#agent.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method,
        headers: Object.fromEntries(headers),
        body: body ?? null,
        signal: deadline.signal,
        responseHeaders: 'raw',
      });
      // An answer that arrives after the deadline has nobody to read it.
      sent.then(
        (late) => (deadline.signal.aborted ? discard(late) : undefined),
        () => undefined,
      );
      const answer = await deadline.race(sent);
      // A body destroyed half-way says so with an event, wherever its reader is by then.
      answer.body.on('error', () => undefined);
      return { ...answer, headers: pairs(answer.headers as unknown as string[]) };
    } catch (error) {
      throw deadline.signal.aborted ? deadline.signal.reason : sendError(error, url.host);
    }
  }

  async #read(hop: Hop, answer: Answer, init: EgressRequest, deadline: Deadline, redirected: boolean): Promise<RawEgressResponse> {
    const { statusCode: status, statusText, body } = answer;
    const max = init.maxResponseBytes;
    const empty = hop.method === 'HEAD' || status === 204 || status === 304;
    try {
      if (!empty && init.onTooLarge !== 'truncate' && Number(headerOf(answer, 'content-length') ?? 0) > max) throw tooLarge(hop, max);
      const codings = answer.headers.filter(([name]) => name === 'content-encoding').map(([, value]) => value);
      const coding = empty || codings.length === 0 ? undefined : codings.join(', ');
      const read = await deadline.race(readLimited(body, max, coding));
      if (read.tooLarge && init.onTooLarge !== 'truncate') throw tooLarge(hop, max);
      const stale = read.decoded ? ['content-encoding', 'content-length'] : [];
      const headers = answer.headers.filter(([name]) => !stale.includes(name));
      return { status, statusText, headers, body: read.bytes, url: hop.url.href, truncated: read.tooLarge, redirected };
    } catch (error) {
      discard(answer);
      throw deadline.signal.aborted ? deadline.signal.reason : sendError(error, hop.url.host);
    }
  }
}

type Call = { readonly init: EgressRequest; readonly policy: EgressPolicy; readonly deadline: Deadline };

type Answer = Omit<Dispatcher.ResponseData, 'headers'> & { readonly headers: [string, string][] };

function firstHop(url: URL, init: EgressRequest): Hop {
  const method = (init.method ?? 'GET').toUpperCase();
  const invalid = (message: string) => new EgressError('invalid_request', url.host, message);
  if (['CONNECT', 'TRACE', 'TRACK'].includes(method)) throw invalid(`The method ${method} cannot be used. Use GET, POST or another plain method.`);
  if (!(init.timeoutMs > 0 && init.timeoutMs <= MAX_TIMEOUT_MS)) throw invalid('timeoutMs must be a positive number of milliseconds.');
  if (!(init.maxResponseBytes >= 0)) throw invalid('maxResponseBytes must be zero or a positive number of bytes.');
  const headers = new Map([
    ['user-agent', 'vane'],
    // Uncompressed answers cost bytes, but what is not compressed cannot be a decompression bomb.
    ['accept-encoding', 'identity'],
  ]);
  for (const [name, value] of Object.entries(init.headers ?? {})) {
    if (!CONNECTION_HEADERS.has(name.toLowerCase())) headers.set(name.toLowerCase(), value);
  }
  if (init.body === undefined) return { url, method, headers };
  return { url, method, headers, body: typeof init.body === 'string' ? Buffer.from(init.body) : Buffer.from(init.body) };
}

function pairs(raw: readonly string[]): [string, string][] {
  const headers: [string, string][] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) headers.push([raw[at]!.toLowerCase(), raw[at + 1]!]);
  return headers;
}

function headerOf(answer: Answer, name: string): string | undefined {
  return answer.headers.find(([key]) => key === name)?.[1];
}

/** Lets go of a body nobody reads. This closes its connection, which may be the only way to make the sender stop. */
function discard(answer: { readonly body: Dispatcher.ResponseData['body'] }): void {
  answer.body.on('error', () => undefined).destroy();
}

function timeoutError(host: string, timeoutMs: number): EgressError {
  return new EgressError('timeout', host, `The call to ${host} took longer than its limit of ${timeoutMs} ms.`);
}

function tooLarge(hop: Hop, max: number): EgressError {
  return new EgressError('response_too_large', hop.url.host, `The response of ${hop.url.host} is larger than its limit of ${max} bytes.`);
}

function redirectRefused(hop: Hop, what: string): EgressError {
  return new EgressError('redirect_refused', hop.url.host, `${hop.url.host} ${what}. Use the final URL.`);
}

function sendError(error: unknown, host: string): EgressError {
  if (error instanceof EgressError) return error;
  const { code = error instanceof errors.HTTPParserError ? 'HPE_INVALID' : 'unknown' } = error as NodeJS.ErrnoException;
  const options = { cause: error };
  if (/^UND_ERR_(INVALID_ARG|NOT_SUPPORTED|REQ_CONTENT_LENGTH_MISMATCH|DESTROYED|CLOSED)$/.test(code)) {
    return new EgressError('invalid_request', host, `The call to ${host} could not be sent (${code}). Check its method and headers.`, options);
  }
  // With TLS 1.3 a server that wants a client certificate says so after the handshake.
  if (/^ERR_(SSL|TLS)_/.test(code)) {
    return new EgressError('tls_failed', host, `The TLS connection to ${host} failed (${code}).`, options);
  }
  if (/^(HPE_|Z_|ERR_(?!STREAM_)|UND_ERR_HEADERS_OVERFLOW|UND_ERR_RES)/.test(code)) {
    return new EgressError('bad_response', host, `The response of ${host} could not be read (${code}).`, options);
  }
  return new EgressError('connection_lost', host, `The connection to ${host} broke before the response was complete (${code}).`, options);
}

import type { Adapter, ServiceErrorKind, ServiceHttp, ServiceRequest, ServiceResponse } from '@vane/kit';
import { ServiceError } from '@vane/kit';
import { EgressError, type EgressClient, type EgressErrorCode, type EgressResponse } from './egress/index.js';
import type { Clock } from './clock.js';
import { CallRefused, type GuardedCall, type OriginGuard } from './origin-guard.js';

/** An access token with the generation it was saved under; `scheme` is how it is sent, `Bearer` when left out. */
export type AuthorisedToken = { accessToken: string; tokenType: string; generation: number; scheme?: 'Basic' };

export type ServiceHttpOptions = {
  adapter: Pick<Adapter, 'id' | 'label' | 'hosts' | 'errorMessage' | 'isRateLimit'>;
  /** The integration's overrides of the profile's hosts. */
  hosts: Record<string, string>;
  egress: EgressClient;
  clock: Clock;
  /** Called for every call; with the generation the service just refused, a newer token or an error must come. */
  token: (rejectedGeneration?: number) => Promise<AuthorisedToken>;
  timeoutMs?: number;
  /** Shared by all calls of the process, with whom this one is made for: left out, every call is made. */
  guard?: { origins: OriginGuard; party: string };
};

const MAX_RESPONSE_BYTES = 5_000_000;

/** Base URL of a named host, overrides first. Throws a sentence when a self-hosted service was given none. */
export function hostUrl(adapter: Pick<Adapter, 'label' | 'hosts'>, overrides: Record<string, string>, host: string): string {
  const url = overrides[host] ?? adapter.hosts[host];
  if (!url) throw new ServiceError('invalid', `The integration must give the URL of ${adapter.label} as hosts.${host}.`);
  return url.replace(/\/+$/, '');
}

/**
 * The adapter's way to its service: authorised, guarded, with deadline, one renewed try after a 401. A second 401 is told to
 * `token` and asked no further.
 */
export function createServiceHttp(options: ServiceHttpOptions): ServiceHttp {
  const { adapter, hosts } = options;
  const send = async (request: ServiceRequest, rejected?: number) => {
    const token = await options.token(rejected).catch(unsent);
    return { token, response: await exchange(options, request, token) };
  };
  return {
    hostUrl: (host) => hostUrl(adapter, hosts, host),
    async request(request) {
      let { token, response } = await send(request);
      if (response.status === 401) {
        ({ token, response } = await send(request, token.generation));
        // Told, so that a token that was fetched to see whether the grant lives is not fetched again and again.
        if (response.status === 401) await options.token(token.generation);
      }
      return judge(options, request, response);
    },
  };
}

async function exchange(options: ServiceHttpOptions, request: ServiceRequest, token: AuthorisedToken): Promise<EgressResponse> {
  const url = new URL(hostUrl(options.adapter, options.hosts, request.host) + request.path);
  for (const [name, value] of Object.entries(request.query ?? {})) if (value !== undefined) url.searchParams.set(name, String(value));
  const send = () =>
    options.egress.request(url, {
      method: request.method,
      headers: {
        accept: 'application/json',
        'user-agent': 'Vane',
        ...(request.json === undefined ? {} : { 'content-type': 'application/json' }),
        ...request.headers,
        authorization: `${token.scheme ?? 'Bearer'} ${token.accessToken}`,
      },
      body: request.json === undefined ? undefined : JSON.stringify(request.json),
      timeoutMs: options.timeoutMs ?? 10_000,
      maxResponseBytes: MAX_RESPONSE_BYTES,
      // A body may hold the secret of a hook, which 307 and 308 would repeat to whomever they name.
      redirect: 'same-origin',
      requireHttps: true,
    });
  try {
    return await (options.guard ? options.guard.origins.call(guardedCall(options, url.origin), send) : send());
  } catch (error) {
    if (error instanceof CallRefused) {
      throw new ServiceError(error.why === 'limited' ? 'rate_limited' : 'unavailable', error.message, { cause: error, retryAfterMs: error.retryAfterMs, unsent: true });
    }
    if (!(error instanceof EgressError)) throw error;
    const kind = error.code === 'egress_blocked' || error.code === 'redirect_refused' ? 'invalid' : 'unavailable';
    const nothingSent = UNSENT.includes(error.code) ? { unsent: true as const } : {};
    throw new ServiceError(kind, `${options.adapter.label} could not be asked: ${error.message}`, { cause: error, ...nothingSent });
  }
}

/** No request was sent with these; one that was redirected had come to nothing before. */
const UNSENT: readonly EgressErrorCode[] = ['egress_blocked', 'dns_failed', 'connect_failed', 'tls_failed', 'invalid_request', 'redirect_refused'];

/** Without a token nothing is sent, and a request that was refused for its token has come to nothing. */
function unsent(error: unknown): never {
  throw error instanceof ServiceError ? new ServiceError(error.kind, error.message, { ...error.details, unsent: true }) : error;
}

const guardedCall = ({ adapter, guard }: ServiceHttpOptions, origin: string): GuardedCall => ({
  origin, service: adapter.id, label: adapter.label, party: guard?.party,
});

function judge(options: ServiceHttpOptions, request: ServiceRequest, response: EgressResponse): ServiceResponse {
  const ok = (response.status >= 200 && response.status < 300) || request.accept?.includes(response.status);
  const json = parse(response.body);
  if (ok) {
    if (json === NOT_JSON) {
      throw new ServiceError('garbage', `${options.adapter.label} answered ${response.status} with something that is not JSON.`, {
        status: response.status,
      });
    }
    return { status: response.status, headers: response.headers, json };
  }
  const told = json === NOT_JSON ? undefined : json;
  const said = told === undefined ? undefined : options.adapter.errorMessage?.(told);
  const kind = options.adapter.isRateLimit?.(response.status, told) ? 'rate_limited' : kindOf(response);
  const retryAfterMs = retryAfter(response, options.clock);
  if (kind === 'rate_limited' && retryAfterMs !== undefined) {
    const { origin } = new URL(hostUrl(options.adapter, options.hosts, request.host));
    options.guard?.origins.pause(guardedCall(options, origin), retryAfterMs);
  }
  throw new ServiceError(kind, sentence(options.adapter.label, response.status, kind, said), { status: response.status, retryAfterMs });
}

const NOT_JSON = Symbol('not json');

function parse(body: Buffer): unknown {
  if (body.length === 0) return undefined;
  try {
    return JSON.parse(keepingLongIntegers(body.toString('utf8')));
  } catch {
    return NOT_JSON;
  }
}

/** A JavaScript number would round them, and an id that is rounded is another id. */
function keepingLongIntegers(text: string): string {
  if (!/\d{16}/.test(text)) return text;
  return text.replace(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (token) =>
    /^-?\d{16,}$/.test(token) && !Number.isSafeInteger(Number(token)) ? `"${token}"` : token,
  );
}

function kindOf(response: EgressResponse): ServiceErrorKind {
  const { status, headers } = response;
  if (status === 429 || (status === 403 && (headers['retry-after'] !== undefined || headers['x-ratelimit-remaining'] === '0'))) {
    return 'rate_limited';
  }
  if (status === 401) return 'unauthorised';
  if (status === 403) return 'forbidden';
  if (status === 404 || status === 410) return 'not_found';
  if (status === 409) return 'conflict';
  if (status >= 400 && status < 500 && status !== 408 && status !== 425) return 'invalid';
  return status >= 500 || status === 408 || status === 425 ? 'unavailable' : 'garbage';
}

function sentence(label: string, status: number, kind: ServiceErrorKind, said: string | undefined): string {
  const what: Record<ServiceErrorKind, string> = {
    unauthorised: 'does not accept the token of this connection; authorise it again',
    forbidden: 'refuses this to the connected account; check its rights and the granted scopes',
    not_found: 'does not know this resource, or hides it from the connected account',
    invalid: 'rejected the request',
    conflict: 'says it is there already',
    rate_limited: 'asks us to slow down; it will be tried again',
    unavailable: 'has a problem of its own; it will be tried again',
    garbage: 'answered something unexpected; it will be tried again',
  };
  return `${label} ${what[kind]} (HTTP ${status}${said ? `: ${said.slice(0, 500)}` : ''}).`;
}

/** A longer wait is taken for this one: a clock in the wrong unit must not stop a connection for years. */
const LONGEST_WAIT_MS = 24 * 60 * 60 * 1000;

/**
 * Milliseconds to wait, a day at most, from Retry-After (RFC 9110 section 10.2.3) or the widespread x-ratelimit-reset in
 * epoch seconds; undefined where they hold neither a number nor a date.
 */
function retryAfter(response: EgressResponse, clock: Clock): number | undefined {
  const header = response.headers['retry-after']?.trim();
  const within = (ms: number) => (Number.isFinite(ms) ? Math.min(Math.max(0, ms), LONGEST_WAIT_MS) : undefined);
  if (header) {
    const seconds = Number(header);
    return within(Number.isNaN(seconds) ? Date.parse(header) - clock.now().getTime() : seconds * 1000);
  }
  const reset = response.headers['x-ratelimit-reset'];
  if (response.headers['x-ratelimit-remaining'] !== '0' || !reset) return undefined;
  return within(Number(reset) * 1000 - clock.now().getTime());
}

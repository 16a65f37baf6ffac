import type { Adapter, OAuthProfile } from '@vane/kit';
import { cleanWords } from './secrets.js';
import { TokenFailure } from './token-failure.js';

type Judge = { adapter: Pick<Adapter, 'label' | 'errorMessage'>; profile: OAuthProfile; now: Date; secrets: readonly string[] };

/**
 * Brings what a token endpoint answered into the form that RFC 6749 section 5 prescribes, so that the library can judge it:
 * errors that came with status 200 get status 400, null members and the ID token go (whose account it is, the identity probe
 * asks). @throws TokenFailure for answers that are in no such form.
 */
export async function conformingAnswer(response: Response, judge: Judge): Promise<Response> {
  const { label } = judge.adapter;
  const { status } = response;
  if (status === 429) {
    const retryAfterMs = retryAfter(response.headers.get('retry-after'), judge.now);
    throw new TokenFailure('rate_limited', `${label} accepts no more token requests for now (HTTP 429).`, { retryAfterMs });
  }
  const json = await readJson(response);
  if (status >= 500 || status === 408 || status === 425) {
    const retryAfterMs = retryAfter(response.headers.get('retry-after'), judge.now);
    throw new TokenFailure('unavailable', `The token endpoint of ${label} has a problem of its own (HTTP ${status}${said(json, judge)}).`, {
      uncertain: true,
      retryAfterMs,
    });
  }
  if (status >= 300 && status < 400) {
    throw new TokenFailure('refused', `${label} redirects token requests to another address (HTTP ${status}). Correct the hosts of the integration.`);
  }
  if (!isObject(json)) throw unreadable(json, status, label);
  const isError = status >= 400 || (judge.profile.errorLocation === '200-body' && typeof json.error === 'string' && json.error !== '');
  if (isError && !(typeof json.error === 'string' && json.error !== '')) {
    throw new TokenFailure(status === 401 ? 'refused' : 'garbage', `${label} refused to issue a token without naming a reason (HTTP ${status}${said(json, judge)}).`);
  }
  const members = Object.entries(json).filter(([name, value]) => value !== null && name !== 'id_token');
  return new Response(JSON.stringify(Object.fromEntries(members)), {
    status: isError ? Math.max(status, 400) : status,
    headers: { 'content-type': 'application/json' },
  });
}

const EMPTY = Symbol('empty');
const NOT_JSON = Symbol('not json');

async function readJson(response: Response): Promise<unknown> {
  const text = await response.text();
  if (text.trim() === '') return EMPTY;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return NOT_JSON;
  }
}

function unreadable(json: unknown, status: number, label: string): TokenFailure {
  const what = json === EMPTY ? 'an empty body' : json === NOT_JSON ? 'something that is not JSON' : 'JSON that is no object';
  const kind = status === 401 || status === 403 || status === 404 ? 'refused' : 'garbage';
  const advice = kind === 'refused' ? ' Check the hosts, the client id and the client secret of the integration.' : '';
  return new TokenFailure(kind, `The token endpoint of ${label} answered HTTP ${status} with ${what}.${advice}`, { uncertain: status < 300 });
}

function said(json: unknown, { adapter, secrets }: Judge): string {
  if (!isObject(json)) return '';
  const standard = [json.error_description, json.error].find((value) => typeof value === 'string');
  const words = cleanWords(adapter.errorMessage?.(json) ?? (standard as string | undefined), secrets);
  return words === undefined ? '' : `: ${words}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const DAY_MS = 24 * 60 * 60_000;

/** Milliseconds out of Retry-After, seconds or a date (RFC 9110 section 10.2.3); a day at most. */
function retryAfter(header: string | null, now: Date): number | undefined {
  if (header === null || header.trim() === '') return undefined;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - now.getTime();
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), DAY_MS) : undefined;
}

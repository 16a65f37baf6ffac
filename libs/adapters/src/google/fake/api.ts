import type { Fault } from './faults.js';
import { nowOf } from './state.js';
import type { AccessToken, Account, State } from './state.js';
import { json } from './wire.js';
import type { Answer, Request } from './wire.js';

/** A call whose token and scopes are good. `parameters` are the parts of the path. */
export type Call = { state: State; request: Request; parameters: Record<string, string>; token: AccessToken; account: Account };

/** Further words of an error: where it lies, and of what domain it is. */
type Where = { domain?: string; location?: string; locationType?: string };

/** An error in the shape of https://developers.google.com/workspace/drive/api/guides/handle-errors. */
export function failure(status: number, reason: string, message: string, where: Where = {}, headers: Record<string, string> = {}): Answer {
  const { domain = 'global', ...place } = where;
  return json(status, { error: { errors: [{ domain, reason, message, ...place }], code: status, message } }, headers);
}

/** 400 for one bad parameter. */
export const badParameter = (location: string, message = 'Invalid Value', reason = 'invalid'): Answer =>
  failure(400, reason, message, { location, locationType: 'parameter' });

const reasons: Record<number, [string, string]> = {
  400: ['badRequest', 'Bad Request'],
  401: ['authError', 'Invalid Credentials'],
  403: ['rateLimitExceeded', 'Rate Limit Exceeded'],
  404: ['notFound', 'Not Found'],
  410: ['fullSyncRequired', 'Sync token is no longer valid, a full sync is required.'],
  429: ['rateLimitExceeded', 'Rate Limit Exceeded'],
  500: ['backendError', 'Backend Error'],
  503: ['backendError', 'The service is currently unavailable.'],
};

/** The answer of a `status` or `rate-limit` fault. */
export function statusAnswer(fault: Fault): Answer {
  const limit = fault.kind === 'rate-limit';
  const status = fault.status ?? (limit ? 403 : 500);
  const headers = { ...fault.headers, ...(fault.retryAfterSeconds === undefined ? {} : { 'retry-after': String(fault.retryAfterSeconds) }) };
  if (fault.body !== undefined) return { status, headers, body: fault.body };
  const [reason, message] = reasons[status] ?? ['backendError', 'Backend Error'];
  const domain = status === 429 || (status === 403 && fault.reason === undefined) ? 'usageLimits' : 'global';
  return failure(status, fault.reason ?? reason, fault.message ?? message, { domain }, headers);
}

const unauthenticated = (): Answer => {
  const message = 'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.';
  const error = { domain: 'global', reason: 'authError', message: 'Invalid Credentials', locationType: 'header', location: 'Authorization' };
  return json(401, { error: { code: 401, message, errors: [error], status: 'UNAUTHENTICATED' } }, { 'www-authenticate': 'Bearer realm="https://accounts.google.com/", error="invalid_token"' });
};

const insufficient = (scopes: readonly string[]): Answer => {
  const error = { domain: 'global', reason: 'insufficientPermissions', message: 'Insufficient Permission' };
  const detail = { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'ACCESS_TOKEN_SCOPE_INSUFFICIENT', domain: 'googleapis.com' };
  return json(
    403,
    { error: { code: 403, message: 'Request had insufficient authentication scopes.', errors: [error], status: 'PERMISSION_DENIED', details: [detail] } },
    { 'www-authenticate': `Bearer realm="https://accounts.google.com/", error="insufficient_scope", scope="${scopes.join(' ')}"` },
  );
};

/** The live access token of a request, or null. */
export function tokenOf(state: State, request: Request): AccessToken | null {
  const text = /^bearer\s+(\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
  const token = state.accessTokens.get(text);
  return token && token.expiresAt > nowOf(state) ? token : null;
}

/** Checks the token and that it carries one of `scopes`; answers the call or the refusal. */
export function admit(state: State, request: Request, parameters: Record<string, string>, scopes: readonly string[]): Call | Answer {
  const token = tokenOf(state, request);
  const account = state.accounts.get(token?.account ?? '');
  if (!token || !account) return unauthenticated();
  Object.assign(request.record, { account: account.email, clientId: token.clientId });
  return token.scopes.some((scope) => scopes.includes(scope)) ? { state, request, parameters, token, account } : insufficient(scopes);
}

/** A whole number of a query, or the fallback when absent; null when it is none or out of range. */
export function wholeNumber(query: URLSearchParams, name: string, fallback: number, most: number): number | null {
  const text = query.get(name);
  if (text === null) return fallback;
  const value = Number(text);
  return Number.isInteger(value) && value >= 1 ? Math.min(value, most) : null;
}

/** Whether a flag of a query is set, null when absent. */
export function flag(query: URLSearchParams, name: string): boolean | null {
  const text = query.get(name);
  return text === null ? null : text === 'true' || text === '1';
}

/** A position packed into a token that says nothing to a client. */
export const pack = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** What `pack` packed, or null. */
export function unpack(token: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

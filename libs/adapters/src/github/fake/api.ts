import type { Fault } from './faults.js';
import { nowOf } from './state.js';
import type { Repo, State, Token, User } from './state.js';
import { json } from './wire.js';
import type { Answer, Request } from './wire.js';

const documentation = 'https://docs.github.com/rest';

/** An error in GitHub's shape. */
export function failure(status: number, message: string, more: Record<string, unknown> = {}, headers: Record<string, string> = {}): Answer {
  return json(status, { message, ...more, documentation_url: documentation, status: String(status) }, headers);
}

/** The 404 that also stands for "you may not know". */
export const notFound = (): Answer => failure(404, 'Not Found');

/** 422 with one error entry. */
export function invalid(resource: string, error: { field?: string; code?: string; message?: string }): Answer {
  return failure(422, 'Validation Failed', { errors: [{ resource, code: 'custom', ...error }] });
}

const messages: Record<number, string> = {
  401: 'Bad credentials',
  403: 'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.',
  404: 'Not Found',
  422: 'Validation Failed',
  429: 'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.',
  500: 'Server Error',
  503: 'Service unavailable',
};

/** The answer of a `status` fault. */
export function statusAnswer(fault: Fault): Answer {
  const status = fault.status ?? 500;
  const headers = { ...fault.headers, ...(fault.retryAfterSeconds === undefined ? {} : { 'retry-after': String(fault.retryAfterSeconds) }) };
  if (fault.body !== undefined) return { status, headers, body: fault.body };
  return failure(status, messages[status] ?? 'Error', {}, headers);
}

/** Who is calling, or the answer that refuses the call. */
export type Caller = { token: Token; user: User; rateHeaders: Record<string, string> };

const used = new WeakMap<Token, number>();

function rateHeaders(state: State, token: Token): Record<string, string> {
  const count = (used.get(token) ?? 0) + 1;
  used.set(token, count);
  const remaining = state.settings.rateLimitRemaining ?? Math.max(0, 5000 - count);
  return {
    'x-ratelimit-limit': '5000',
    'x-ratelimit-remaining': String(remaining),
    'x-ratelimit-used': String(5000 - remaining),
    'x-ratelimit-reset': String(Math.floor(nowOf(state).getTime() / 1000) + 3600),
    'x-ratelimit-resource': 'core',
  };
}

/** Checks the token, the User-Agent rule and the primary rate limit. */
export function authenticate(state: State, request: Request): Caller | Answer {
  if (!request.headers['user-agent']) {
    return { status: 403, headers: { 'content-type': 'text/html' }, body: 'Request forbidden by administrative rules. Please make sure your request has a User-Agent header.' };
  }
  const header = request.headers.authorization;
  if (header === undefined) return failure(401, 'Requires authentication');
  const token = state.tokens.get(/^(?:bearer|token)\s+(\S+)$/i.exec(header)?.[1] ?? '');
  const expired = token !== undefined && token.expiresAt !== null && token.expiresAt <= nowOf(state).getTime();
  const user = state.users.find((candidate) => candidate.login === token?.login);
  if (!token || expired || !user) return failure(401, 'Bad credentials');
  const headers = rateHeaders(state, token);
  if (state.settings.rateLimitRemaining !== null) {
    if (state.settings.rateLimitRemaining <= 0) return failure(403, `API rate limit exceeded for user ID ${user.id}.`, {}, headers);
    state.settings.rateLimitRemaining -= 1;
    headers['x-ratelimit-remaining'] = String(state.settings.rateLimitRemaining);
  }
  return { token, user, rateHeaders: headers };
}

/** Adds to an answer what GitHub says about the token on every call. */
export function withTokenHeaders(caller: Caller, answer: Answer, accepted: string): Answer {
  const scopes: Record<string, string> = caller.token.kind === 'oauth' ? { 'x-oauth-scopes': caller.token.scopes.join(', '), 'x-accepted-oauth-scopes': accepted } : {};
  return { ...answer, headers: { 'x-github-media-type': 'github.v3; format=json', ...scopes, ...caller.rateHeaders, ...answer.headers } };
}

/** One page of `items` with GitHub's Link header; `per_page` is 30 when absent and at most 100. */
export function paged(request: Request, items: unknown[]): Answer {
  const size = Math.min(100, Math.max(1, Number(request.query.get('per_page')) || 30));
  const page = Math.max(1, Number(request.query.get('page')) || 1);
  const last = Math.max(1, Math.ceil(items.length / size));
  const link = (number: number, rel: string) => {
    const url = new URL(request.origin + request.prefix + request.path);
    for (const [name, value] of request.query) url.searchParams.set(name, value);
    url.searchParams.set('page', String(number));
    return `<${url.href}>; rel="${rel}"`;
  };
  const links = [
    ...(page > 1 ? [link(page - 1, 'prev')] : []),
    ...(page < last ? [link(page + 1, 'next'), link(last, 'last')] : []),
    ...(page > 1 ? [link(1, 'first')] : []),
  ];
  return json(200, items.slice((page - 1) * size, page * size), links.length > 0 ? { link: links.join(', ') } : {});
}

/** The base of links in answers: the API root the caller used. */
export const apiBase = (request: Request): string => request.origin + request.prefix;

function userView(user: User, base: string): Record<string, unknown> {
  return { login: user.login, id: user.id, node_id: `U_${user.id}`, type: 'User', site_admin: false, name: user.name, email: user.email, url: `${base}/users/${user.login}` };
}

/** A repository as the API and event payloads show it. */
export function repoView(repo: Repo, base: string): Record<string, unknown> {
  const fullName = `${repo.owner}/${repo.name}`;
  return {
    id: repo.id,
    node_id: `R_${repo.id}`,
    name: repo.name,
    full_name: fullName,
    private: repo.private,
    visibility: repo.private ? 'private' : 'public',
    owner: { login: repo.owner, id: 1, type: 'User' },
    html_url: `https://github.com/${fullName}`,
    url: `${base}/repos/${fullName}`,
    hooks_url: `${base}/repos/${fullName}/hooks`,
    default_branch: 'main',
    permissions: { admin: repo.admin, maintain: repo.admin, push: true, triage: true, pull: true },
  };
}

/** Private repositories show only with the scope `repo`. */
function seesPrivate(token: Token): boolean {
  return token.kind === 'app-user' || token.scopes.includes('repo');
}

/** `GET /user`, `GET /user/repos` and `GET /repos/{owner}/{repo}`; null for other paths. */
export function accountRoute(state: State, request: Request, caller: Caller): Answer | null {
  if (request.method !== 'GET') return null;
  const base = apiBase(request);
  if (request.path === '/user') return withTokenHeaders(caller, json(200, userView(caller.user, base)), '');
  if (request.path === '/user/repos') {
    const repos = [...state.repos.values()].filter((repo) => !repo.private || seesPrivate(caller.token));
    return withTokenHeaders(caller, paged(request, repos.map((repo) => repoView(repo, base))), '');
  }
  const match = /^\/repos\/([^/]+\/[^/]+)$/.exec(request.path);
  if (!match) return null;
  const repo = state.repos.get((match[1] ?? '').toLowerCase());
  const visible = repo !== undefined && (!repo.private || seesPrivate(caller.token));
  return withTokenHeaders(caller, visible ? json(200, repoView(repo, base)) : notFound(), 'repo');
}

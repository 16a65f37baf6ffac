import { createHash } from 'node:crypto';
import { nowOf, randomText } from './state.js';
import type { App, Code, State, Token } from './state.js';
import { basicCredentials, bodyParameters, escapeMarkup, html, json, jsonObject } from './wire.js';
import type { Answer, Request } from './wire.js';

const codeLifeMs = 10 * 60_000;
const accessLifeSeconds = 8 * 3600;
const refreshLifeSeconds = 15_897_600;
/** Of one user, app and set of scopes, the eleventh token revokes the oldest. */
const tokensPerGrant = 10;

/** Scopes that a wider scope contains; GitHub drops them from the granted list. */
const contained: Record<string, string[]> = {
  repo: ['repo:status', 'repo_deployment', 'public_repo', 'repo:invite', 'security_events'],
  'admin:repo_hook': ['write:repo_hook', 'read:repo_hook'],
  'write:repo_hook': ['read:repo_hook'],
  'admin:org': ['write:org', 'read:org'],
  'write:org': ['read:org'],
  user: ['read:user', 'user:email', 'user:follow'],
};

function normalised(scopes: string[]): string[] {
  const unique = [...new Set(scopes)];
  return unique.filter((scope) => !unique.some((other) => contained[other]?.includes(scope)));
}

/** GitHub's rule: same host and port (any port on loopback), and a path below the registered one. */
function redirectAllowed(app: App, uri: string): boolean {
  if (!URL.canParse(uri)) return false;
  if (app.callbackUrl === null) return true;
  const [asked, registered] = [new URL(uri), new URL(app.callbackUrl)];
  const loopback = ['127.0.0.1', '[::1]'].includes(registered.hostname);
  const sameHost = loopback ? asked.hostname === registered.hostname : asked.host === registered.host;
  const base = registered.pathname.replace(/\/$/, '');
  return asked.protocol === registered.protocol && sameHost && (asked.pathname === registered.pathname || asked.pathname.startsWith(`${base}/`));
}

function redirect(target: string, parameters: Record<string, string | null>): Answer {
  const url = new URL(target);
  for (const [name, value] of Object.entries(parameters)) if (value !== null) url.searchParams.set(name, value);
  return { status: 302, headers: { location: url.href }, body: '' };
}

/**
 * `GET` and `POST /login/oauth/authorize`.
 * https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps
 */
export function authorize(state: State, request: Request): Answer {
  const asked = request.method === 'POST' ? new URLSearchParams(bodyParameters(request)) : request.query;
  const app = state.apps.find((candidate) => candidate.clientId === asked.get('client_id'));
  if (!app) return html(404, '<html><title>Page not found</title></html>');
  const redirectUri = asked.get('redirect_uri') ?? app.callbackUrl;
  const echo = asked.get('state');
  if (redirectUri === null || !redirectAllowed(app, redirectUri)) {
    if (app.callbackUrl === null) return html(422, '<html><title>No usable redirect_uri</title></html>');
    return redirect(app.callbackUrl, {
      error: 'redirect_uri_mismatch',
      error_description: 'The redirect_uri MUST match the registered callback URL for this application.',
      state: echo,
    });
  }
  const challenge = asked.get('code_challenge');
  if (challenge !== null && asked.get('code_challenge_method') !== 'S256') {
    return redirect(redirectUri, { error: 'invalid_request', error_description: 'The code_challenge_method must be S256.', state: echo });
  }
  const login = asked.get('login') ?? state.settings.currentLogin;
  if (!state.users.some((user) => user.login === login)) return html(404, '<html><title>No such user</title></html>');
  if (asked.get('decision') === 'deny' || state.settings.autoDeny) {
    return redirect(redirectUri, { error: 'access_denied', error_description: 'The user has denied your application access.', state: echo });
  }
  const approved = asked.get('decision') === 'approve' || asked.get('auto') === '1' || state.settings.autoApprove;
  if (!approved) return consentPage(asked, login);
  const scopes = normalised(state.settings.grantScopes ?? (asked.get('scope') ?? '').split(/[\s,]+/).filter(Boolean));
  const code = randomText(20).toLowerCase();
  state.codes.set(code, {
    clientId: app.clientId,
    login,
    scopes,
    redirectUri: asked.get('redirect_uri'),
    challenge,
    issuedAt: nowOf(state).getTime(),
    used: false,
  });
  return redirect(redirectUri, { code, state: echo });
}

function consentPage(asked: URLSearchParams, login: string): Answer {
  const hidden = [...asked].map(([name, value]) => `<input type="hidden" name="${escapeMarkup(name)}" value="${escapeMarkup(value)}">`).join('');
  return html(
    200,
    `<!doctype html><title>Authorize application</title><h1>Authorize application</h1>
<p>Signed in as <b>${escapeMarkup(login)}</b>. It asks for: <code>${escapeMarkup(asked.get('scope') ?? 'no scope')}</code></p>
<form method="post" action="/login/oauth/authorize">${hidden}
<button name="decision" value="approve">Authorize</button> <button name="decision" value="deny">Cancel</button></form>`,
  );
}

const descriptions = {
  incorrect_client_credentials: 'The client_id and/or client_secret passed are incorrect.',
  redirect_uri_mismatch: 'The redirect_uri MUST match the registered callback URL for this application.',
  bad_verification_code: 'The code passed is incorrect or expired.',
  bad_refresh_token: 'The refresh token passed is incorrect or expired.',
  unsupported_grant_type: 'The grant_type is not supported.',
};
type TokenError = keyof typeof descriptions;

function encode(request: Request, values: Record<string, string | number>): Answer {
  const accept = request.headers.accept ?? '';
  if (accept.includes('application/json')) return json(200, values);
  if (accept.includes('application/xml')) {
    const fields = Object.entries(values).map(([name, value]) => `<${name}>${escapeMarkup(String(value))}</${name}>`);
    return { status: 200, headers: { 'content-type': 'application/xml; charset=utf-8' }, body: `<OAuth>${fields.join('')}</OAuth>` };
  }
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) form.set(name, String(value));
  return { status: 200, headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' }, body: form.toString() };
}

/** `POST /login/oauth/access_token`. Errors are HTTP 200 with an `error` field. */
export function accessToken(state: State, request: Request): Answer {
  state.counters.tokenRequests += 1;
  const sent = { ...Object.fromEntries(request.query), ...bodyParameters(request) };
  const refuse = (error: TokenError): Answer => {
    state.counters.tokenErrors += 1;
    const page = `https://docs.github.com/apps/managing-oauth-apps/troubleshooting-oauth-app-access-token-request-errors/#${error.replaceAll('_', '-')}`;
    return encode(request, { error, error_description: descriptions[error], error_uri: page });
  };
  const app = state.apps.find(({ clientId, clientSecret }) => clientId === sent['client_id'] && clientSecret === sent['client_secret']);
  if (!app) return refuse('incorrect_client_credentials');
  if (sent['grant_type'] === 'refresh_token') {
    const pair = refresh(state, app, sent['refresh_token'] ?? '');
    return pair === null ? refuse('bad_refresh_token') : encode(request, pair);
  }
  if (sent['grant_type'] !== undefined && sent['grant_type'] !== 'authorization_code') return refuse('unsupported_grant_type');
  const code = state.codes.get(sent['code'] ?? '');
  if (!code || !redeemable(state, app, code)) return refuse('bad_verification_code');
  if (sent['redirect_uri'] !== undefined && sent['redirect_uri'] !== (code.redirectUri ?? app.callbackUrl)) return refuse('redirect_uri_mismatch');
  code.used = true;
  if (!verifierFits(code, sent['code_verifier'])) return refuse('bad_verification_code');
  state.counters.codeExchanges += 1;
  return encode(request, grant(state, app, code.login, code.scopes));
}

function redeemable(state: State, app: App, code: Code): boolean {
  return code.clientId === app.clientId && !code.used && nowOf(state).getTime() - code.issuedAt <= codeLifeMs;
}

function verifierFits(code: Code, verifier: string | undefined): boolean {
  if (code.challenge === null) return true;
  return verifier !== undefined && createHash('sha256').update(verifier).digest('base64url') === code.challenge;
}

function grant(state: State, app: App, login: string, scopes: string[]): Record<string, string | number> {
  if (!state.settings.expiringTokens) {
    const token = issueToken(state, { login, scopes, clientId: app.clientId });
    return { access_token: token.token, token_type: 'bearer', scope: scopes.join(',') };
  }
  const now = nowOf(state).getTime();
  const token = issueToken(state, { login, scopes: [], clientId: app.clientId, kind: 'app-user' });
  const refreshToken = `ghr_${randomText(76)}`;
  state.issued('refresh token', refreshToken);
  state.refreshTokens.set(refreshToken, { clientId: app.clientId, login, accessToken: token.token, expiresAt: now + refreshLifeSeconds * 1000 });
  return {
    access_token: token.token,
    expires_in: accessLifeSeconds,
    refresh_token: refreshToken,
    refresh_token_expires_in: refreshLifeSeconds,
    token_type: 'bearer',
    scope: '',
  };
}

/** Both old tokens die with the refresh. */
function refresh(state: State, app: App, refreshToken: string): Record<string, string | number> | null {
  const held = state.refreshTokens.get(refreshToken);
  if (!held || held.clientId !== app.clientId || held.expiresAt <= nowOf(state).getTime()) return null;
  state.refreshTokens.delete(refreshToken);
  state.tokens.delete(held.accessToken);
  state.counters.refreshes += 1;
  return grant(state, app, held.login, []);
}

/** Issues an access token as the flow would. */
export function issueToken(state: State, wanted: { login?: string; scopes?: string[]; clientId?: string; kind?: Token['kind'] } = {}): Token {
  const now = nowOf(state).getTime();
  const kind = wanted.kind ?? 'oauth';
  const token: Token = {
    token: (kind === 'oauth' ? 'gho_' : 'ghu_') + randomText(36),
    kind,
    login: wanted.login ?? state.settings.currentLogin,
    clientId: wanted.clientId ?? state.apps[0]?.clientId ?? '',
    scopes: wanted.scopes ?? ['repo', 'admin:repo_hook'],
    issuedAt: now,
    expiresAt: kind === 'oauth' ? null : now + accessLifeSeconds * 1000,
  };
  const siblings = [...state.tokens.values()].filter(
    (other) => other.kind === kind && other.login === token.login && other.clientId === token.clientId && other.scopes.join() === token.scopes.join(),
  );
  for (const oldest of siblings.slice(0, Math.max(0, siblings.length - tokensPerGrant + 1))) state.tokens.delete(oldest.token);
  state.tokens.set(token.token, token);
  state.issued('access token', token.token);
  return token;
}

/** `DELETE /applications/{client_id}/token` (one token) and `/grant` (all of that user), with the app's Basic credentials. */
export function revoke(state: State, request: Request, clientId: string, what: 'token' | 'grant'): Answer {
  const basic = basicCredentials(request.headers.authorization);
  const app = state.apps.find((candidate) => candidate.clientId === clientId && candidate.clientId === basic?.user && candidate.clientSecret === basic.password);
  if (!app) return json(404, { message: 'Not Found', documentation_url: 'https://docs.github.com/rest', status: '404' });
  const token = state.tokens.get(String(jsonObject(request.raw)?.['access_token'] ?? ''));
  if (!token || token.clientId !== app.clientId) return json(422, { message: 'Validation Failed', documentation_url: 'https://docs.github.com/rest', status: '422' });
  forget(state, (other) => other.token === token.token || (what === 'grant' && other.login === token.login && other.clientId === app.clientId));
  return { status: 204 };
}

/** Kills the tokens that `doomed` names, with their refresh tokens; returns how many. */
export function forget(state: State, doomed: (token: Token) => boolean): number {
  const dead = [...state.tokens.values()].filter(doomed);
  for (const { token } of dead) {
    state.tokens.delete(token);
    for (const [refreshToken, held] of state.refreshTokens) if (held.accessToken === token) state.refreshTokens.delete(refreshToken);
  }
  return dead.length;
}

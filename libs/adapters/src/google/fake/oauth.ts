import { createHash } from 'node:crypto';
import { tokenOf } from './api.js';
import { grantKey, issueAccess, issueRefresh, normalised, revokeGrants } from './grants.js';
import { randomText } from './random.js';
import { accountOf, nowOf } from './state.js';
import type { Client, Code, State } from './state.js';
import { basicCredentials, bodyParameters, escapeMarkup, html, json } from './wire.js';
import type { Answer, Request } from './wire.js';

const codeLifeMs = 10 * 60_000;

function redirect(target: string, parameters: Record<string, string | null>): Answer {
  const url = new URL(target);
  for (const [name, value] of Object.entries(parameters)) if (value !== null) url.searchParams.set(name, value);
  return { status: 302, headers: { location: url.href }, body: '' };
}

const errorPage = (status: number, error: string, words: string): Answer =>
  html(status, `<!doctype html><title>Error ${status}</title><h1>Access blocked: Authorization Error</h1><p>${escapeMarkup(words)}</p><p>Error ${status}: ${error}</p>`);

function consentPage(asked: URLSearchParams, account: string, scopes: string[]): Answer {
  const hidden = [...asked].map(([name, value]) => `<input type="hidden" name="${escapeMarkup(name)}" value="${escapeMarkup(value)}">`).join('');
  return html(
    200,
    `<!doctype html><title>Sign in - Google Accounts</title><h1>The application wants access to your Google Account</h1>
<p>Signed in as <b>${escapeMarkup(account)}</b>. It asks for:</p><ul>${scopes.map((scope) => `<li><code>${escapeMarkup(scope)}</code></li>`).join('')}</ul>
<form method="post" action="/o/oauth2/v2/auth">${hidden}
<button name="decision" value="deny">Cancel</button> <button name="decision" value="approve">Allow</button></form>`,
  );
}

/** A challenge as RFC 7636 has it, null for none, or an error for what it does not allow. */
function challengeOf(asked: URLSearchParams): { challenge: string | null; plain: boolean } | 'invalid' {
  const [challenge, method] = [asked.get('code_challenge'), asked.get('code_challenge_method') ?? 'plain'];
  if (challenge === null) return { challenge: null, plain: false };
  return ['plain', 'S256'].includes(method) && /^[A-Za-z0-9._~-]{43,128}$/.test(challenge) ? { challenge, plain: method === 'plain' } : 'invalid';
}

/**
 * `GET` and `POST /o/oauth2/v2/auth`. The page approves by itself with `auto=1` or the setting `autoApprove`;
 * `login` or `login_hint` names the account that is signed in.
 * https://developers.google.com/identity/protocols/oauth2/web-server#creatingclient
 */
export function authorize(state: State, request: Request): Answer {
  const asked = request.method === 'POST' ? new URLSearchParams(bodyParameters(request)) : request.query;
  const client = state.clients.find(({ clientId }) => clientId === asked.get('client_id'));
  if (!client) return errorPage(401, 'invalid_client', 'The OAuth client was not found.');
  const redirectUri = asked.get('redirect_uri') ?? '';
  const registered = client.redirectUris?.includes(redirectUri) ?? URL.canParse(redirectUri);
  if (!registered) return errorPage(400, 'redirect_uri_mismatch', 'You can\'t sign in because the application sent an invalid request.');
  if (asked.get('response_type') !== 'code') return errorPage(400, 'invalid_request', 'Required parameter is missing: response_type');
  const scopes = normalised((asked.get('scope') ?? '').split(/\s+/));
  if (scopes.length === 0) return errorPage(400, 'invalid_request', 'Missing required parameter: scope');
  const proof = challengeOf(asked);
  if (proof === 'invalid') return errorPage(400, 'invalid_request', 'The code challenge or its method is invalid.');
  const hint = asked.get('login') ?? asked.get('login_hint');
  const account = state.accounts.get(hint ?? '') ?? accountOf(state, undefined);
  const echo = asked.get('state');
  if (asked.get('decision') === 'deny' || state.settings.autoDeny) return redirect(redirectUri, { error: 'access_denied', state: echo });
  if (asked.get('decision') !== 'approve' && asked.get('auto') !== '1' && !state.settings.autoApprove) return consentPage(asked, account.email, scopes);
  const before = state.grants.get(grantKey(client.clientId, account.email));
  const granted = normalised(state.settings.grantScopes ?? scopes);
  const all = asked.get('include_granted_scopes') === 'true' ? normalised([...granted, ...(before ?? [])]) : granted;
  const consents = (asked.get('prompt') ?? '').split(/\s+/).includes('consent');
  const code = `4/0A${randomText(70)}`;
  state.codes.set(code, {
    clientId: client.clientId, account: account.email, scopes: all, redirectUri, ...proof,
    // A refresh token is given on the first consent, and after it only when consent is asked for again.
    offline: asked.get('access_type') === 'offline' && (consents || before === undefined),
    issuedAt: nowOf(state),
  });
  return redirect(redirectUri, { state: echo, code, scope: all.join(' '), authuser: '0', prompt: consents ? 'consent' : 'none' });
}

const refuse = (error: string, error_description: string, status = 400): Answer => json(status, { error, error_description });
const deadGrant = (): Answer => refuse('invalid_grant', 'Token has been expired or revoked.');

function clientOf(state: State, request: Request, sent: Record<string, string>): Client | undefined {
  const basic = basicCredentials(request.headers.authorization);
  const [id, secret] = basic ? [decodeURIComponent(basic.user), decodeURIComponent(basic.password)] : [sent['client_id'], sent['client_secret']];
  return state.clients.find(({ clientId, clientSecret }) => clientId === id && clientSecret === secret);
}

function verifierFits(code: Code, verifier: string | undefined): boolean {
  if (code.challenge === null) return true;
  return verifier !== undefined && (code.plain ? verifier : createHash('sha256').update(verifier).digest('base64url')) === code.challenge;
}

function redeem(state: State, client: Client, sent: Record<string, string>): Answer {
  const code = state.codes.get(sent['code'] ?? '');
  if (!code || code.clientId !== client.clientId || nowOf(state) - code.issuedAt > codeLifeMs) return refuse('invalid_grant', 'Malformed auth code.');
  if (sent['redirect_uri'] !== code.redirectUri) return refuse('redirect_uri_mismatch', 'Bad Request');
  if (code.challenge !== null && sent['code_verifier'] === undefined) return refuse('invalid_grant', 'Missing code verifier.');
  state.codes.delete(sent['code'] ?? '');
  if (!verifierFits(code, sent['code_verifier'])) return refuse('invalid_grant', 'Invalid code verifier.');
  const wanted = { account: code.account, clientId: client.clientId, scopes: code.scopes };
  const access = issueAccess(state, wanted);
  const refresh = code.offline ? issueRefresh(state, wanted) : null;
  const life = state.settings.refreshTokenLifeSeconds;
  return json(200, {
    access_token: access.token, expires_in: state.settings.accessTokenLifeSeconds,
    ...(refresh === null ? {} : { refresh_token: refresh.token, ...(life === null ? {} : { refresh_token_expires_in: life }) }),
    scope: access.scopes.join(' '), token_type: 'Bearer',
  });
}

/** The refresh token stays what it was. */
function refreshed(state: State, client: Client, text: string): Answer {
  const held = state.refreshTokens.get(text);
  if (!held || held.clientId !== client.clientId) return deadGrant();
  if (held.expiresAt !== null && held.expiresAt <= nowOf(state)) {
    state.refreshTokens.delete(text);
    return deadGrant();
  }
  const access = issueAccess(state, { account: held.account, clientId: held.clientId, scopes: held.scopes });
  return json(200, { access_token: access.token, expires_in: state.settings.accessTokenLifeSeconds, scope: access.scopes.join(' '), token_type: 'Bearer' });
}

/** `POST /token` */
export function token(state: State, request: Request): Answer {
  const sent = { ...Object.fromEntries(request.query), ...bodyParameters(request) };
  const client = clientOf(state, request, sent);
  if (!client) return refuse('invalid_client', state.clients.some(({ clientId }) => clientId === sent['client_id']) ? 'Unauthorized' : 'The OAuth client was not found.', 401);
  request.record.clientId = client.clientId;
  if (sent['grant_type'] === 'authorization_code') return redeem(state, client, sent);
  if (sent['grant_type'] === 'refresh_token') {
    request.record.account = state.refreshTokens.get(sent['refresh_token'] ?? '')?.account ?? null;
    return sent['refresh_token'] ? refreshed(state, client, sent['refresh_token']) : refuse('invalid_request', 'Missing required parameter: refresh_token');
  }
  return refuse('unsupported_grant_type', `Invalid grant_type: ${sent['grant_type'] ?? ''}`);
}

/** `POST /revoke?token=`: an access or a refresh token takes the whole grant with it. */
export function revoke(state: State, request: Request): Answer {
  const text = request.query.get('token') ?? bodyParameters(request)['token'] ?? '';
  const held = state.refreshTokens.get(text) ?? state.accessTokens.get(text);
  if (!held || (held.expiresAt !== null && held.expiresAt <= nowOf(state))) return refuse('invalid_token', 'Token expired or revoked');
  Object.assign(request.record, { account: held.account, clientId: held.clientId });
  revokeGrants(state, (clientId, account) => clientId === held.clientId && account === held.account);
  return json(200, {});
}

/** `GET /oauth2/v3/userinfo` and `/v1/userinfo`: `sub` for `openid`, the rest as far as the scopes reach. */
export function userinfo(state: State, request: Request): Answer {
  const held = tokenOf(state, request);
  const account = state.accounts.get(held?.account ?? '');
  const has = (name: string) => held?.scopes.some((scope) => scope === name || scope.endsWith(`/auth/userinfo.${name}`)) ?? false;
  if (!held || !account || !(has('openid') || has('email') || has('profile'))) return refuse('invalid_request', 'Invalid Credentials', 401);
  Object.assign(request.record, { account: account.email, clientId: held.clientId });
  return json(200, {
    sub: account.sub,
    ...(has('email') ? { email: account.email, email_verified: true } : {}),
    ...(has('profile') ? { name: account.name, picture: 'https://lh3.googleusercontent.com/a/default-user' } : {}),
  });
}

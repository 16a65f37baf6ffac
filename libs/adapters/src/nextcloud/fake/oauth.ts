import { ocs } from './ocs.js';
import { nowOf, randomText } from './state.js';
import type { Client, Grant, State } from './state.js';
import { basicCredentials, escapeMarkup, html, json, parameters } from './wire.js';
import type { Answer, Request } from './wire.js';

const codeLifeMs = 10 * 60_000;
const accessLifeSeconds = 3600;
const throttleWindowMs = 12 * 3600_000;

const redirect = (location: string): Answer => ({ status: 303, headers: { location }, body: '' });
const page = (status: number, title: string, body = '') => html(status, `<!doctype html><html><head><title>${title}</title></head><body>${body}</body></html>`);

function back(client: Client, query: Record<string, string>): Answer {
  const separator = client.redirectUri.includes('?') ? '&' : '?';
  return redirect(`${client.redirectUri}${separator}${new URLSearchParams(query)}`);
}

function approve(state: State, client: Client, uid: string, oauthState: string): Answer {
  const code = randomText(128);
  state.issued('code', code);
  state.codes.set(code, { clientId: client.clientId, uid, issuedAt: nowOf(state).getTime() });
  return back(client, { state: oauthState, code });
}

/**
 * `GET /apps/oauth2/authorize`. `redirect_uri`, `scope` and PKCE are ignored, and `state` may be missing. With autoApprove
 * or `?auto=1` it redirects straight back (`?user=` says who approved); otherwise it leads to the login flow.
 */
export function authorize(state: State, request: Request): Answer {
  const { query, prefix } = request;
  const client = state.clients.find((candidate) => candidate.clientId === query.get('client_id'));
  if (!client) return page(200, 'Page not found', 'Your client is not authorized to connect.');
  const oauthState = query.get('state') ?? '';
  if (query.get('response_type') !== 'code') return back(client, { error: 'unsupported_response_type', state: oauthState });
  if (state.settings.autoApprove || query.get('auto') === '1') return approve(state, client, query.get('user') ?? state.settings.currentUser, oauthState);
  const flow = randomText(64);
  state.loginFlows.set(flow, { clientId: client.clientId, oauthState });
  return redirect(`${prefix}/login/flow?${new URLSearchParams({ clientIdentifier: client.clientId, providedRedirectUri: '', fakeSession: flow })}`);
}

const initialState = (app: string, value: unknown) =>
  `<input type="hidden" id="initial-state-core-${app}" value="${Buffer.from(JSON.stringify(value)).toString('base64')}">`;

function flowPage(name: string, value: unknown, flow: string): Answer {
  const head = `<head data-requesttoken="${escapeMarkup(flow)}"><title>Nextcloud</title></head>`;
  return html(200, `<!doctype html><html>${head}<body>${initialState(name, value)}</body></html>`);
}

/** The pages between authorize and the redirect back: data in initial-state inputs, no form. null for other paths. */
export function loginFlow(state: State, request: Request): Answer | null {
  const { method, path, query, prefix } = request;
  if (path !== '/login/flow' && path !== '/login/flow/grant') return null;
  if (!(request.headers.accept ?? '').includes('text/html')) return json(401, { message: 'Current user is not logged in' });
  const sent = parameters(request) ?? {};
  const flow = String(sent['stateToken'] ?? query.get('fakeSession') ?? '');
  const open = state.loginFlows.get(flow);
  const client = state.clients.find((candidate) => candidate.clientId === open?.clientId);
  if (!open || !client) return page(403, 'State token does not match');
  const common = { clientIdentifier: client.clientId, stateToken: flow, oauthState: open.oauthState, providedRedirectUri: '' };
  if (method === 'GET' && path === '/login/flow') {
    const loginRedirectUrl = `${prefix}/login/flow/grant?${new URLSearchParams({ stateToken: flow, clientIdentifier: client.clientId })}`;
    return flowPage('loginFlowAuth', { ...common, loginRedirectUrl }, flow);
  }
  if (method === 'GET') return flowPage('loginFlowGrant', { ...common, actionUrl: `${prefix}/login/flow` }, flow);
  if (method !== 'POST' || sent['requesttoken'] !== flow) return json(412, { message: 'CSRF check failed' });
  state.loginFlows.delete(flow);
  return approve(state, client, state.settings.currentUser, open.oauthState);
}

function recentFailures(state: State, ip: string): number[] {
  const since = nowOf(state).getTime() - throttleWindowMs;
  return (state.failures.get(ip) ?? []).filter((at) => at > since);
}

/** `POST /apps/oauth2/api/v1/token`. Ten failures from one IP lock the endpoint, for valid requests as well. */
export function token(state: State, request: Request): Answer {
  state.counters.tokenRequests += 1;
  if (recentFailures(state, request.ip).length >= state.settings.maxAttempts) {
    state.counters.throttled += 1;
    return page(429, 'Too many requests', 'There were too many requests from your network. Retry later or contact your administrator if this is an error.');
  }
  const fail = (error: 'invalid_grant' | 'invalid_request' | 'invalid_client'): Answer => {
    state.counters.tokenErrors += 1;
    state.failures.set(request.ip, [...recentFailures(state, request.ip), nowOf(state).getTime()]);
    return json(400, { error });
  };
  const sent = parameters(request) ?? {};
  const basic = basicCredentials(request.headers.authorization);
  const grantType = sent['grant_type'];
  if (typeof grantType !== 'string') return { status: 400, headers: { 'content-type': 'text/html; charset=UTF-8' }, body: '' };
  if (grantType !== 'authorization_code' && grantType !== 'refresh_token') return fail('invalid_grant');
  const value = sent[grantType === 'refresh_token' ? 'refresh_token' : 'code'];
  const clientId = basic?.user ?? sent['client_id'];
  const clientSecret = basic?.password ?? sent['client_secret'];
  if (typeof value !== 'string' || typeof clientSecret !== 'string') return page(500, 'Internal Server Error', 'The server was unable to complete your request.');

  if (grantType === 'refresh_token') {
    if (state.sentRefreshTokens.has(value)) state.counters.reusedRefreshTokens += 1;
    state.sentRefreshTokens.add(value);
  }
  const held = grantType === 'refresh_token' ? state.grants.get(value) : state.codes.get(value);
  if (!held) return fail('invalid_request');
  const client = state.clients.find((candidate) => candidate.clientId === held.clientId);
  if (!client || client.clientId !== clientId || client.clientSecret !== clientSecret) return fail('invalid_client');
  if ('issuedAt' in held) {
    state.codes.delete(value);
    if (nowOf(state).getTime() - held.issuedAt > codeLifeMs) return fail('invalid_request');
    state.counters.codeExchanges += 1;
  } else {
    state.grants.delete(value);
    state.counters.refreshes += 1;
  }
  return json(200, pairView(issueGrant(state, held.uid, client.clientId)), { 'cache-control': 'no-store' });
}

function pairView(grant: Grant): Record<string, unknown> {
  return { access_token: grant.accessToken, token_type: 'Bearer', expires_in: accessLifeSeconds, refresh_token: grant.refreshToken, user_id: grant.uid };
}

/** A new live pair, as a completed flow would leave it. */
export function issueGrant(state: State, uid: string, clientId = state.clients[0]?.clientId ?? ''): Grant {
  const grant: Grant = { clientId, uid, accessToken: randomText(72), refreshToken: randomText(128), expiresAt: nowOf(state).getTime() + accessLifeSeconds * 1000 };
  state.grants.set(grant.refreshToken, grant);
  state.issued('access token', grant.accessToken);
  state.issued('refresh token', grant.refreshToken);
  return grant;
}

/** `POST /apps/oauth2/clients` and `DELETE /apps/oauth2/clients/{id}`, for a signed-in admin. The secret is shown this once. */
export function clientsRoute(state: State, request: Request): Answer | null {
  if (request.path === '/apps/oauth2/clients' && request.method === 'POST') {
    const sent = parameters(request) ?? {};
    const [name, redirectUri] = [sent['name'], sent['redirectUri']];
    if (typeof name !== 'string' || typeof redirectUri !== 'string' || !URL.canParse(redirectUri)) {
      return json(400, { message: 'Your redirect URL needs to be a full URL for example: https://yourdomain.com/path' });
    }
    const client: Client = { id: state.nextId++, name, redirectUri, clientId: randomText(64), clientSecret: randomText(64) };
    state.clients.push(client);
    return json(200, client);
  }
  const id = /^\/apps\/oauth2\/clients\/(\d+)$/.exec(request.path)?.[1];
  if (id === undefined || request.method !== 'DELETE') return null;
  const doomed = state.clients.find((client) => client.id === Number(id));
  state.clients = state.clients.filter((client) => client !== doomed);
  for (const [refreshToken, grant] of state.grants) if (grant.clientId === doomed?.clientId) state.grants.delete(refreshToken);
  return json(200, []);
}

/**
 * `DELETE /ocs/v2.php/core/apppassword`: forgets the token that the request is made with, and what was granted with it.
 * https://docs.nextcloud.com/server/latest/developer_manual/client_apis/LoginFlow/index.html#deleting-an-app-password
 */
export function deleteAppPassword(state: State, request: Request): Answer {
  const header = request.headers.authorization;
  const sent = /^bearer\s+(\S+)$/i.exec(header ?? '')?.[1] ?? basicCredentials(header)?.password;
  const held = [...state.grants].find(([, grant]) => grant.accessToken === sent);
  if (!held) return ocs(request, 403, [], 'no app password in use');
  state.grants.delete(held[0]);
  return ocs(request, 200, []);
}

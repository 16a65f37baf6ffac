import { emit, writeFile } from './deliveries.js';
import type { Sender } from './deliveries.js';
import type { Fault } from './faults.js';
import { issueGrant } from './oauth.js';
import { addListener, nowOf } from './state.js';
import type { Delivery, Listener, State } from './state.js';
import { listenerView } from './webhooks.js';
import { json, jsonObject } from './wire.js';
import type { Answer, Request } from './wire.js';

/** What the control routes act on. */
export type Controls = Sender & { reset(): void };

/** The state without tokens and secrets, for assertions from another process. */
export function dump(state: State): Record<string, unknown> {
  return {
    settings: state.settings,
    counters: state.counters,
    now: nowOf(state).toISOString(),
    users: state.users.map(({ uid, displayName, admin }) => ({ uid, displayName, admin })),
    clients: state.clients.map(({ id, name, redirectUri, clientId }) => ({ id, name, redirectUri, clientId })),
    grants: [...state.grants.values()].map(({ uid, clientId, expiresAt }) => ({ uid, clientId, expiresAt })),
    hooks: state.listeners.map((listener) => ({ ...listenerView(listener), authHeaders: Object.keys(listener.authData ?? {}) })),
    failures: Object.fromEntries([...state.failures].map(([ip, times]) => [ip, times.length])),
    deliveries: state.deliveries.length,
    requests: state.requests.length,
  };
}

/** Kills the grants and account tokens of a user, or all; returns how many grants. */
export function revokeGrants(state: State, uid?: string): number {
  const dead = [...state.grants.values()].filter((grant) => uid === undefined || grant.uid === uid);
  for (const grant of dead) state.grants.delete(grant.refreshToken);
  for (const [token, held] of state.accountTokens) if (uid === undefined || held.uid === uid) state.accountTokens.delete(token);
  return dead.length;
}

/** Headers and account tokens stay out. */
function deliverySummary({ headers, body, ...rest }: Delivery): Record<string, unknown> {
  return { ...rest, headerNames: Object.keys(headers), body: body.replace(/"token":"[^"]*"/g, '"token":"***"') };
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

async function deliverNow(sender: Controls, path: string, body: Record<string, unknown>): Promise<Answer> {
  const uid = body['user'] === null ? null : (text(body['user']) ?? 'admin');
  const sent =
    path === '/__fake/emit'
      ? await emit(sender, String(body['eventClass']), body['event'] as Record<string, unknown> | undefined, uid)
      : await writeFile(sender, String(body['path']), uid ?? 'admin', Number(body['fileId'] ?? 97), body['overwrite'] === true);
  return json(200, { deliveries: sent.map(deliverySummary) });
}

async function post(controls: Controls, path: string, body: Record<string, unknown>): Promise<Answer> {
  const { state, faults } = controls;
  switch (path) {
    case '/__fake/faults':
      return json(200, { ids: faults.set((Array.isArray(body['faults']) ? body['faults'] : body) as Fault | Fault[]) });
    case '/__fake/emit':
    case '/__fake/write-file':
      return deliverNow(controls, path, body);
    case '/__fake/reset':
      controls.reset();
      return json(200, {});
    case '/__fake/reset-throttle':
      state.failures.clear();
      return json(200, {});
    case '/__fake/settings':
      Object.assign(state.settings, body);
      return json(200, state.settings);
    case '/__fake/advance':
      state.clockOffsetMs += Number(body['seconds'] ?? 0) * 1000;
      return json(200, { now: nowOf(state).toISOString() });
    case '/__fake/client':
      Object.assign(state.clients[0] ?? {}, body);
      return json(200, {});
    case '/__fake/grants': {
      const { accessToken, refreshToken } = issueGrant(state, text(body['user']) ?? 'admin');
      return json(201, { accessToken, refreshToken });
    }
    case '/__fake/revoke':
      return json(200, { revoked: revokeGrants(state, text(body['user'])) });
    case '/__fake/hooks':
      return json(201, listenerView(addListener(state, body as Partial<Listener>)));
    case '/__fake/hooks/delete':
      state.listeners = state.listeners.filter(({ id }) => id !== Number(body['id']));
      return json(200, {});
    case '/__fake/hooks/edit':
      Object.assign(state.listeners.find(({ id }) => id === Number(body['id'])) ?? {}, body['set']);
      return json(200, {});
    default:
      return json(404, { error: `There is no control ${path}.` });
  }
}

/**
 * Control over HTTP, below `/__fake/`.
 *
 * - GET `state`, `requests`, `deliveries`, `counts`, `faults`
 * - POST `faults` (one, or `{faults: []}`), DELETE `faults?id=`
 * - POST `emit {eventClass, event, user}`, `write-file {path, user, fileId, overwrite}`, `reset`, `reset-throttle`, `settings`,
 *   `advance {seconds}`, `client`, `grants {user}`, `revoke {user}`, `hooks` (a foreign one), `hooks/delete {id}`, `hooks/edit {id, set}`
 */
export async function controlRoute(controls: Controls, request: Request): Promise<Answer> {
  const { state, faults } = controls;
  const body = jsonObject(request.raw);
  if (body === null) return json(400, { error: 'The body must be a JSON object.' });
  try {
    if (request.method === 'POST') return await post(controls, request.path, body);
  } catch (error) {
    return json(400, { error: error instanceof Error ? error.message : String(error) });
  }
  if (request.path === '/__fake/faults' && request.method === 'DELETE') {
    faults.clear(request.query.get('id') ?? undefined);
    return json(200, {});
  }
  const views: Record<string, () => unknown> = {
    '/__fake/state': () => dump(state),
    '/__fake/requests': () => state.requests,
    '/__fake/deliveries': () => state.deliveries.map(deliverySummary),
    '/__fake/counts': () => state.counters,
    '/__fake/faults': () => faults.list(),
  };
  const view = request.method === 'GET' ? views[request.path] : undefined;
  return view ? json(200, view()) : json(404, { error: `There is no control ${request.method} ${request.path}.` });
}

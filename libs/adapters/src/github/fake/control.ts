import type { Fault, Faults } from './faults.js';
import { configView } from './hooks.js';
import { push } from './deliveries.js';
import { forget, issueToken } from './oauth.js';
import { addRepo, nowOf } from './state.js';
import type { Delivery, Repo, Settings, State, Token } from './state.js';
import { json, jsonObject } from './wire.js';
import type { Answer, Request } from './wire.js';

/** What the control routes act on. */
export type Controls = { state: State; faults: Faults; reset(): void };

/** The state without tokens and secrets, for assertions from another process. */
export function dump(state: State): Record<string, unknown> {
  return {
    settings: state.settings,
    counters: state.counters,
    now: nowOf(state).toISOString(),
    users: state.users,
    apps: state.apps.map(({ clientId, callbackUrl }) => ({ clientId, callbackUrl })),
    tokens: [...state.tokens.values()].map(({ token, ...rest }) => ({ ...rest, prefix: token.slice(0, 4) })),
    repos: [...state.repos.values()].map((repo) => ({
      ...repo,
      hooks: repo.hooks.map((hook) => ({ ...hook, config: configView(hook.config), secretSet: hook.config.secret !== undefined })),
    })),
    deliveries: state.deliveries.length,
    requests: state.requests.length,
  };
}

function deliverySummary(delivery: Delivery): Record<string, unknown> {
  const { requestHeaders: _headers, payload: _payload, ...rest } = delivery;
  return rest;
}

function findHook(state: State, id: unknown): { repo: Repo; index: number } {
  for (const repo of state.repos.values()) {
    const index = repo.hooks.findIndex((hook) => hook.id === Number(id));
    if (index >= 0) return { repo, index };
  }
  throw new Error(`There is no hook ${String(id)}.`);
}

function editHook(state: State, body: Record<string, unknown>): Answer {
  const { repo, index } = findHook(state, body['id']);
  const hook = repo.hooks[index];
  if (!hook) return json(404, {});
  const { config, ...rest } = (body['set'] ?? {}) as { config?: object };
  Object.assign(hook.config, config);
  Object.assign(hook, rest);
  return json(200, {});
}

async function post({ state, faults, reset }: Controls, path: string, body: Record<string, unknown>): Promise<Answer> {
  switch (path) {
    case '/__fake/faults':
      return json(200, { ids: faults.set((Array.isArray(body['faults']) ? body['faults'] : body) as Fault | Fault[]) });
    case '/__fake/push': {
      const sent = await push({ state, faults }, String(body['repo']), String(body['event'] ?? 'push'), body['payload'] as Record<string, unknown> | undefined);
      return json(200, { deliveries: sent.map(deliverySummary) });
    }
    case '/__fake/reset':
      reset();
      return json(200, {});
    case '/__fake/settings':
      Object.assign(state.settings, body as Partial<Settings>);
      return json(200, state.settings);
    case '/__fake/advance':
      state.clockOffsetMs += Number(body['seconds'] ?? 0) * 1000;
      return json(200, { now: nowOf(state).toISOString() });
    case '/__fake/app':
      Object.assign(state.apps[0] ?? {}, body);
      return json(200, {});
    case '/__fake/repos':
      return json(201, { id: addRepo(state, body as { fullName: string }).id });
    case '/__fake/tokens':
      return json(201, { token: issueToken(state, body as { login?: string; scopes?: string[]; kind?: Token['kind'] }).token });
    case '/__fake/revoke':
      return json(200, { revoked: forget(state, ({ token, login }) => body['login'] === undefined ? body['token'] === undefined || body['token'] === token : body['login'] === login) });
    case '/__fake/hooks/delete': {
      const { repo, index } = findHook(state, body['id']);
      repo.hooks.splice(index, 1);
      return json(200, {});
    }
    case '/__fake/hooks/edit':
      return editHook(state, body);
    default:
      return json(404, { error: `There is no control ${path}.` });
  }
}

/**
 * Control over HTTP, below `/__fake/`.
 *
 * - GET `state`, `requests`, `deliveries`, `counts`, `faults`
 * - POST `faults` (one, or `{faults: []}`), DELETE `faults?id=`
 * - POST `push {repo, event, payload}`, `reset`, `settings`, `advance {seconds}`, `app`, `repos {fullName, private, admin}`,
 *   `tokens {login, scopes, kind}`, `revoke {token | login}`, `hooks/delete {id}`, `hooks/edit {id, set}`
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

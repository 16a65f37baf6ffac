import { acceptedScopes, mayTouchHooks, neighbourProblem, readConfig, readEvents } from './hook-rules.js';
import { apiBase, failure, invalid, notFound, paged, withTokenHeaders } from './api.js';
import type { Caller } from './api.js';
import { deliveryView, deliver, pingPayload, redeliver, samplePayload } from './deliveries.js';
import type { Sender } from './deliveries.js';
import { nowOf } from './state.js';
import type { Hook, HookConfig, Repo, State } from './state.js';
import { json, jsonObject } from './wire.js';
import type { Answer, Request } from './wire.js';

type Call = { state: State; sender: Sender; request: Request; repo: Repo; body: Record<string, unknown> };

const isAnswer = (value: object): value is Answer => 'status' in value && typeof value.status === 'number';

/** The config as answers show it: the secret is masked, and absent when there is none. */
export function configView(config: HookConfig): Record<string, string> {
  const { secret, ...rest } = config;
  return secret === undefined ? rest : { ...rest, secret: '********' };
}

/** A hook as the API shows it. */
export function hookView(hook: Hook, repo: Repo, base: string): Record<string, unknown> {
  const url = `${base}/repos/${repo.owner}/${repo.name}/hooks/${hook.id}`;
  return {
    type: 'Repository',
    id: hook.id,
    name: 'web',
    active: hook.active,
    events: hook.events,
    config: configView(hook.config),
    updated_at: hook.updatedAt,
    created_at: hook.createdAt,
    url,
    test_url: `${url}/test`,
    ping_url: `${url}/pings`,
    deliveries_url: `${url}/deliveries`,
    last_response: hook.lastResponse,
  };
}

const stamp = (state: State) => `${nowOf(state).toISOString().slice(0, 19)}Z`;

function create(call: Call): Answer {
  const { state, repo, body, request, sender } = call;
  if (body['name'] !== undefined && body['name'] !== 'web') return invalid('Hook', { field: 'name', message: 'name must be web' });
  const config = readConfig(state, body['config']);
  if (isAnswer(config)) return config;
  const events = readEvents(body['events'] ?? ['push']);
  if (!Array.isArray(events)) return events;
  const problem = neighbourProblem(repo, { id: null, config, events });
  if (problem) return problem;
  const at = stamp(state);
  const hook: Hook = {
    id: state.nextId++,
    active: body['active'] !== false,
    events,
    config,
    createdAt: at,
    updatedAt: at,
    lastResponse: { code: null, status: 'unused', message: null },
  };
  repo.hooks.push(hook);
  const view = hookView(hook, repo, apiBase(request));
  return {
    ...json(201, view, { location: String(view['url']) }),
    after: () => deliver(sender, repo, hook, 'ping', pingPayload(hook.id, view)),
  };
}

function update(call: Call, hook: Hook): Answer {
  const { state, repo, body, request } = call;
  const config = body['config'] === undefined ? hook.config : readConfig(state, body['config']);
  if (isAnswer(config)) return config;
  const events = patchedEvents(hook.events, body);
  if (!Array.isArray(events)) return events;
  const problem = neighbourProblem(repo, { id: hook.id, config, events });
  if (problem) return problem;
  Object.assign(hook, { config, events, active: typeof body['active'] === 'boolean' ? body['active'] : hook.active, updatedAt: stamp(state) });
  return json(200, hookView(hook, repo, apiBase(request)));
}

function patchedEvents(current: string[], body: Record<string, unknown>): string[] | Answer {
  const added = Array.isArray(body['add_events']) ? (body['add_events'] as string[]) : [];
  const removed = Array.isArray(body['remove_events']) ? (body['remove_events'] as string[]) : [];
  if (body['events'] === undefined && added.length === 0 && removed.length === 0) return current;
  const base = body['events'] === undefined ? current : readEvents(body['events']);
  if (!Array.isArray(base)) return base;
  return readEvents([...base, ...added].filter((name) => !removed.includes(name)));
}

/** `PATCH .../config` changes only what is sent, so a secret that is not sent stays. */
function updateConfig(call: Call, hook: Hook): Answer {
  const config = readConfig(call.state, { ...hook.config, ...call.body });
  if (isAnswer(config)) return config;
  const problem = neighbourProblem(call.repo, { id: hook.id, config, events: hook.events });
  if (problem) return problem;
  Object.assign(hook, { config, updatedAt: stamp(call.state) });
  return json(200, configView(config));
}

/** What the log of a hook still has, the oldest first. */
function logOf({ state }: Call, hook: Hook): State['deliveries'] {
  const oldest = nowOf(state).getTime() - state.settings.deliveriesKeptMs;
  return state.deliveries.filter((delivery) => delivery.hookId === hook.id && Date.parse(delivery.deliveredAt) >= oldest);
}

function listDeliveries(call: Call, hook: Hook): Answer {
  const all = logOf(call, hook).reverse();
  const size = Math.min(100, Math.max(1, Number(call.request.query.get('per_page')) || 30));
  const cursor = call.request.query.get('cursor');
  const start = cursor === null ? 0 : all.findIndex((delivery) => `v1_${delivery.id}` === cursor);
  if (start < 0) return failure(422, 'Validation Failed');
  const next = all[start + size];
  const url = `${apiBase(call.request)}${call.request.path}?per_page=${size}&cursor=v1_${next?.id}`;
  return json(200, all.slice(start, start + size).map((delivery) => deliveryView(delivery, call.repo, false)), next ? { link: `<${url}>; rel="next"` } : {});
}

function deliveryRoute(call: Call, hook: Hook, id: string, attempt: boolean): Answer | null {
  const delivery = logOf(call, hook).find((candidate) => String(candidate.id) === id);
  if (!delivery) return notFound();
  if (!attempt) return call.request.method === 'GET' ? json(200, deliveryView(delivery, call.repo, true)) : null;
  if (call.request.method !== 'POST') return null;
  return { ...json(202, {}), after: () => redeliver(call.sender, call.repo, hook, delivery) };
}

function oneHook(call: Call, hook: Hook, rest: string): Answer | null {
  const { request, repo, sender } = call;
  const base = apiBase(request);
  const delivery = /^\/deliveries\/(\d+)(\/attempts)?$/.exec(rest);
  if (delivery) return deliveryRoute(call, hook, delivery[1] ?? '', delivery[2] !== undefined);
  switch (`${request.method} ${rest}`) {
    case 'GET ':
      return json(200, hookView(hook, repo, base));
    case 'PATCH ':
      return update(call, hook);
    case 'DELETE ':
      repo.hooks.splice(repo.hooks.indexOf(hook), 1);
      return { status: 204 };
    case 'GET /config':
      return json(200, configView(hook.config));
    case 'PATCH /config':
      return updateConfig(call, hook);
    case 'POST /pings':
      return { status: 204, after: () => deliver(sender, repo, hook, 'ping', pingPayload(hook.id, hookView(hook, repo, base))) };
    case 'POST /tests':
      if (!hook.events.includes('push') && !hook.events.includes('*')) return { status: 204 };
      return { status: 204, after: () => deliver(sender, repo, hook, 'push', samplePayload('push')) };
    case 'GET /deliveries':
      return listDeliveries(call, hook);
    default:
      return null;
  }
}

/**
 * Everything below `/repos/{owner}/{repo}/hooks`; null for other paths.
 * https://docs.github.com/en/rest/repos/webhooks
 */
export function hooksRoute(state: State, sender: Sender, request: Request, caller: Caller): Answer | null {
  const match = /^\/repos\/([^/]+\/[^/]+)\/hooks(?:\/(\d+)(\/.*)?)?$/.exec(request.path);
  if (!match) return null;
  const need = request.method === 'GET' ? 'read' : request.method === 'DELETE' ? 'admin' : 'write';
  const finish = (answer: Answer) => withTokenHeaders(caller, answer, acceptedScopes(need));
  const repo = state.repos.get((match[1] ?? '').toLowerCase());
  if (!repo || !repo.admin || !mayTouchHooks(caller.token, need)) return finish(notFound());
  const body = ['POST', 'PATCH'].includes(request.method) ? jsonObject(request.raw) : {};
  if (body === null) return finish(failure(400, 'Problems parsing JSON'));
  const call: Call = { state, sender, request, repo, body };
  if (match[2] === undefined) {
    if (request.method === 'POST') return finish(create(call));
    return finish(request.method === 'GET' ? paged(request, repo.hooks.map((hook) => hookView(hook, repo, apiBase(request)))) : notFound());
  }
  const hook = repo.hooks.find((candidate) => candidate.id === Number(match[2]));
  return finish((hook && oneHook(call, hook, match[3] ?? '')) ?? notFound());
}

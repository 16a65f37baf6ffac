import { channelView, end, isLive, resourcesView } from './channels.js';
import { makeStale, objectActions } from './control-objects.js';
import type { Fault, Faults } from './faults.js';
import { issueAccess, issueRefresh, revokeGrants } from './grants.js';
import type { Wanted } from './grants.js';
import { deliverDue, pingsIdle, schedule } from './pings.js';
import { addAccount, iso, nowOf } from './state.js';
import type { Client, Settings, State } from './state.js';
import { json, jsonObject } from './wire.js';
import type { Answer, Request } from './wire.js';

/** What the control routes act on. */
export type Controls = { state: State; faults: Faults; reset(): void };

type Body = Record<string, unknown>;

/** Settings change by name; of those by kind of resource, only the kinds that are named. */
export function applySettings(state: State, { maxLifetimeSeconds, defaultLifetimeSeconds, ...plain }: Partial<Settings>): Settings {
  const { settings } = state;
  Object.assign(settings, plain);
  Object.assign(settings.maxLifetimeSeconds, maxLifetimeSeconds);
  Object.assign(settings.defaultLifetimeSeconds, defaultLifetimeSeconds);
  schedule(state);
  return settings;
}

/** Sets the time, or makes the clock real again with null. */
export function setClock(state: State, now: string | null): string {
  const time = now === null ? null : Date.parse(now);
  if (Number.isNaN(time)) throw new Error(`"${String(now)}" is no time in ISO form.`);
  Object.assign(state, { simulatedNow: time, clockOffsetMs: 0 });
  schedule(state);
  return iso(nowOf(state));
}

/** Moves the time forward, whichever clock it is. */
export function advance(state: State, seconds: number): string {
  if (state.simulatedNow === null) state.clockOffsetMs += seconds * 1000;
  else state.simulatedNow += seconds * 1000;
  schedule(state);
  return iso(nowOf(state));
}

function expire(state: State, { id, resource, account }: Body): Record<string, unknown> {
  const doomed = [...state.channels.values()].filter(
    (channel) => isLive(state, channel) && (id === undefined || channel.id === id) && (resource === undefined || channel.resource === resource) && (account === undefined || channel.account === account),
  );
  for (const channel of doomed) {
    channel.expiresAt = nowOf(state);
    end(state, channel, 'expired');
  }
  return { expired: doomed.map((channel) => channel.id) };
}

function revoke(state: State, { account, clientId, token }: Body): Record<string, unknown> {
  if (token !== undefined) return { revoked: Number(state.accessTokens.delete(String(token))) + Number(state.refreshTokens.delete(String(token))) };
  return { revoked: revokeGrants(state, (client, email) => (account === undefined || account === email) && (clientId === undefined || clientId === client)) };
}

function addClient(state: State, body: Body): Record<string, unknown> {
  const client = { redirectUris: null, ...body } as Client;
  state.clients = [...state.clients.filter(({ clientId }) => clientId !== client.clientId), client];
  return { clientId: client.clientId };
}

function tokens(state: State, body: Wanted): Record<string, unknown> {
  const { token, scopes, account } = issueAccess(state, body);
  return { accessToken: token, refreshToken: issueRefresh(state, body).token, scopes, account };
}

const actions: Record<string, (controls: Controls, body: Body) => unknown> = {
  faults: ({ faults }, body) => ({ ids: faults.set((Array.isArray(body['faults']) ? body['faults'] : body) as Fault | Fault[]) }),
  reset: ({ reset }) => reset(),
  settings: ({ state }, body) => applySettings(state, body),
  clock: ({ state }, { now }) => ({ now: setClock(state, now === undefined || now === null ? null : String(now)) }),
  advance: ({ state }, { seconds }) => ({ now: advance(state, Number(seconds ?? 0)) }),
  deliver: async ({ state }, { all }) => ({ messages: await deliverDue(state, all === true) }),
  idle: async ({ state }) => void (await pingsIdle(state)),
  accounts: ({ state }, { email, name }) => {
    const { sub, rootId } = addAccount(state, String(email), name === undefined ? undefined : String(name));
    return { email, sub, rootId };
  },
  clients: ({ state }, body) => addClient(state, body),
  tokens: ({ state }, body) => tokens(state, body),
  revoke: ({ state }, body) => revoke(state, body),
  'channels/expire': ({ state }, body) => expire(state, body),
  stale: ({ state }, body) => ({ stale: makeStale(state, body) }),
};

async function act(controls: Controls, name: string, body: Body): Promise<unknown> {
  const object = objectActions[name];
  if (object) return object(controls.state, body);
  const action = actions[name];
  if (!action) throw new Error(`There is no control POST ${name}.`);
  return action(controls, body);
}

async function batch(controls: Controls, operations: unknown): Promise<unknown> {
  if (!Array.isArray(operations)) throw new Error('A batch needs operations: [{path, body}].');
  const results: unknown[] = [];
  for (const { path, body } of operations as { path: string; body?: Body }[]) results.push((await act(controls, path, body ?? {})) ?? {});
  return { results };
}

function counts(state: State): Record<string, unknown> {
  const operations: Record<string, { requests: number; statuses: Record<string, number> }> = {};
  for (const { operation, status } of state.requests) {
    const entry = (operations[operation] ??= { requests: 0, statuses: {} });
    entry.requests += 1;
    entry.statuses[status ?? 'none'] = (entry.statuses[status ?? 'none'] ?? 0) + 1;
  }
  const outcomes: Record<string, number> = {};
  for (const { outcome } of state.messages) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  const channels = [...state.channels.values()];
  const live = channels.filter((channel) => isLive(state, channel)).length;
  return { now: iso(nowOf(state)), operations, messages: { total: state.messages.length, ...outcomes }, channels: { total: channels.length, live } };
}

/** Keeps what agrees with every parameter that names one of its members; `since` is the first number wanted. */
function filtered<T extends object>(items: T[], query: URLSearchParams): T[] {
  const since = Number(query.get('since') ?? 0);
  const wanted = [...query].filter(([name]) => name !== 'since' && name !== 'by');
  const from = since > 0 ? items.slice(since) : items;
  return wanted.length === 0 ? from : from.filter((item) => wanted.every(([name, value]) => String((item as Record<string, unknown>)[name]) === value));
}

function factsByObject(state: State, query: URLSearchParams): unknown {
  const objects: Record<string, unknown[]> = {};
  for (const fact of filtered(state.facts, query)) (objects[`${fact.kind} ${fact.kind === 'event' ? `${fact.in ?? ''} ` : ''}${fact.id}`] ??= []).push(fact);
  return objects;
}

const views: Record<string, (controls: Controls, query: URLSearchParams) => unknown> = {
  state: ({ state }) => ({
    now: iso(nowOf(state)), settings: state.settings, clients: state.clients.map(({ clientId, redirectUris }) => ({ clientId, redirectUris })),
    accounts: [...state.accounts.values()].map(({ email, name, sub, rootId }) => ({ email, name, sub, rootId })),
    grants: [...state.grants].map(([key, scopes]) => ({ grant: key, scopes: [...scopes] })),
    files: state.files.size, drives: [...state.drives.keys()], calendars: [...state.calendars.keys()], waiting: state.waiting.size,
  }),
  counts: ({ state }) => counts(state),
  faults: ({ faults }) => faults.list(),
  requests: ({ state }, query) => filtered(state.requests, query),
  channels: ({ state }, query) => filtered([...state.channels.values()].map((channel) => channelView(state, channel)), query),
  resources: ({ state }, query) => filtered(resourcesView(state), query),
  messages: ({ state }, query) => filtered(state.messages, query),
  log: ({ state }, query) => (query.get('by') === 'object' ? factsByObject(state, query) : filtered(state.facts, query)),
};

/**
 * Control over HTTP, below `/__fake/`. Bodies and answers are JSON; what cannot be done is 400 `{error}`.
 *
 * GET (each list takes `?since=<seq>` and any member as a filter, as in `requests?operation=drive.changes.list&channelId=c1`):
 * - `state`, `faults`; `counts`: requests by operation and status, messages by outcome, channels
 * - `requests`: the journal {seq, at, operation, account, clientId, channelId, status, fault, ...}
 * - `channels`: every channel there ever was {id, kind, resource, resourceId, live, createdAt, expiresAt, endedAt, end, ...}
 * - `resources`: for each watched resource {live, most, channels, history: [{at, live}]}
 * - `messages`: every notification {seq, channelId, number, state, attempts, outcome, fault}
 * - `log`: every state of every object {seq, at, kind, id, in, what, version, name, parents}; `log?by=object` by object
 *
 * POST:
 * - `faults` (one, or `{faults: []}`; kinds in faults.ts), DELETE `faults?id=`
 * - `clock {now: ISO | null}` sets the time or makes it real, `advance {seconds}`
 * - `deliver {all?}` attempts what is due (with `all` everything that waits), `idle` waits for attempts under way
 * - `settings {...}` (names in state.ts), `reset`
 * - `accounts {email, name?}`, `clients {clientId, clientSecret, redirectUris?}`, `tokens {account?, clientId?, scopes?}`,
 *   `revoke {account?, clientId?}` a grant with its channels, or `revoke {token}` one token
 * - `files {account? | driveId?, id?, name, mimeType?, parents?, sharedWith?, content?}`, `files/update {id, ...}`,
 *   `files/move {id, parent}`, `files/delete {id}`; `trashed` is set by `files/update`
 * - `drives {id?, name, members}`, `drives/update {id, name?, members?}`, `drives/delete {id}`
 * - `calendars {id?, account?, summary, access?: {email: role}}`, `calendars/update {id, summary?, access?}`, `calendars/delete {id}`
 * - `events {calendarId?, account?, id?, summary, start?, end?, ...}`, `events/update {calendarId, id, ...}`,
 *   `events/move {calendarId, id, destination}`, `events/delete {calendarId, id}`
 * - `channels/expire {id?, resource?, account?}` at once and silently
 * - `stale {kind: changes | events | calendarList, account?, driveId?, calendarId?}`
 * - `batch {operations: [{path, body}]}` does several of these in one request
 */
export async function controlRoute(controls: Controls, request: Request): Promise<Answer> {
  const name = request.path.slice('/__fake/'.length);
  const body = jsonObject(request.raw);
  if (body === null) return json(400, { error: 'The body must be a JSON object.' });
  if (request.method === 'GET') {
    const view = views[name];
    return view ? json(200, view(controls, request.query)) : json(404, { error: `There is no control GET ${name}.` });
  }
  if (request.method === 'DELETE' && name === 'faults') {
    controls.faults.clear(request.query.get('id') ?? undefined);
    return json(200, {});
  }
  try {
    const result = name === 'batch' ? await batch(controls, body['operations']) : await act(controls, name, body);
    return json(200, result ?? {});
  } catch (error) {
    return json(400, { error: error instanceof Error ? error.message : String(error) });
  }
}

import { ocs, unknownRoute } from './ocs.js';
import { cipherText } from './state.js';
import type { Listener, State, TokenNeeded, User } from './state.js';
import { parameters } from './wire.js';
import type { Answer, Request } from './wire.js';

const root = '/ocs/v2.php/apps/webhook_listeners/api/v1/webhooks';

type Fields = Omit<Listener, 'id' | 'appId' | 'userId'>;

/** PHP knows one kind of empty array, so `{}` comes back as `[]`. */
function phpArray(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(phpArray);
  const entries = Object.entries(value);
  return entries.length === 0 ? [] : Object.fromEntries(entries.map(([name, item]) => [name, phpArray(item)]));
}

/** A hook as answers show it: unset fields as `[]`, `""` or null, `authData` as ciphertext. */
export function listenerView(listener: Listener): Record<string, unknown> {
  return {
    id: listener.id,
    appId: listener.appId,
    userId: listener.userId,
    httpMethod: listener.httpMethod,
    uri: listener.uri,
    event: listener.event,
    eventFilter: phpArray(listener.eventFilter),
    userIdFilter: listener.userIdFilter,
    headers: phpArray(listener.headers),
    authMethod: listener.authMethod,
    authData: listener.authCipher,
    tokenNeeded: phpArray(listener.tokenNeeded ?? []),
  };
}

const isMap = (value: unknown) => typeof value === 'object' && value !== null;

/** The dispatcher refuses what is missing or of another type before the controller runs: 400 without a body. */
function mistyped(sent: Record<string, unknown>): boolean {
  const strings = ['httpMethod', 'uri', 'event'].some((name) => typeof sent[name] !== 'string');
  const texts = ['userIdFilter', 'authMethod'].some((name) => sent[name] != null && typeof sent[name] !== 'string');
  const maps = ['eventFilter', 'headers', 'authData', 'tokenNeeded'].some((name) => sent[name] != null && !isMap(sent[name]));
  return strings || texts || maps;
}

function readFields(state: State, request: Request): Fields | Answer {
  const sent = parameters(request);
  if (sent === null || mistyped(sent)) return { status: 400, headers: { 'content-type': 'text/html; charset=UTF-8' }, body: '' };
  const authMethod = sent['authMethod'] ?? 'none';
  if (authMethod !== 'none' && authMethod !== 'header') return ocs(request, 400, [], 'This auth method does not exist');
  const event = String(sent['event']).replace(/^\\+/, '');
  if (!state.eventClasses.has(event)) return ocs(request, 400, [], `${event} is not an event class compatible with webhooks`);
  const authData = (sent['authData'] ?? null) as Record<string, string> | null;
  if (authMethod === 'header' && authData === null) return ocs(request, 400, [], 'Header auth method needs an associative array of headers as auth data');
  return {
    httpMethod: String(sent['httpMethod']),
    uri: String(sent['uri']),
    event,
    eventFilter: (sent['eventFilter'] ?? []) as Listener['eventFilter'],
    userIdFilter: String(sent['userIdFilter'] ?? ''),
    headers: (sent['headers'] ?? null) as Record<string, string> | null,
    authMethod,
    authData,
    authCipher: authData === null ? null : cipherText(),
    tokenNeeded: (sent['tokenNeeded'] ?? null) as TokenNeeded | null,
  };
}

function store(state: State, request: Request, user: User, id: number | null): Answer {
  const fields = readFields(state, request);
  if ('status' in fields) return fields;
  // The cache forgets only what the new hook's own user filter names.
  state.eventCache.delete(fields.userIdFilter);
  const listener: Listener = { ...fields, id: id ?? state.nextId++, appId: null, userId: user.uid };
  if (id === null) state.listeners.push(listener);
  else {
    const index = state.listeners.findIndex((other) => other.id === id);
    // An update of nothing changes no row and is echoed all the same.
    if (index >= 0) state.listeners[index] = listener;
  }
  return ocs(request, 200, listenerView(listener));
}

function show(state: State, request: Request, id: number): Answer {
  const listener = state.listeners.find((candidate) => candidate.id === id);
  if (listener) return ocs(request, 200, listenerView(listener));
  const query = 'SELECT * FROM `*PREFIX*webhook_listeners` WHERE `id` = :dcValue1';
  return ocs(request, 404, [], `Did expect one result but found none when executing: query "${query}"`);
}

function remove(state: State, doomed: (listener: Listener) => boolean): number {
  const before = state.listeners.length;
  state.listeners = state.listeners.filter((listener) => !doomed(listener));
  return before - state.listeners.length;
}

/** The API of the app webhook_listeners; null for other paths. https://docs.nextcloud.com/server/latest/admin_manual/webhook_listeners/index.html */
export function webhooksRoute(state: State, request: Request, user: User): Answer | null {
  const { method, path } = request;
  if (path !== root && !path.startsWith(`${root}/`)) return null;
  if (!state.settings.webhooksEnabled) return unknownRoute(request);
  const rest = path.slice(root.length + 1);
  const verbs = rest === '' ? ['GET', 'POST'] : rest.startsWith('byappid/') ? ['DELETE'] : ['GET', 'POST', 'DELETE'];
  if (!verbs.includes(method)) return { status: 405, headers: { 'content-type': 'text/xml; charset=UTF-8' }, body: '' };
  if (!user.admin) return ocs(request, 403, [], 'Logged in account must be an admin, a sub admin or gotten special right to access this setting');
  if (rest.startsWith('byappid/')) {
    const appId = decodeURIComponent(rest.slice('byappid/'.length));
    return ocs(request, 200, remove(state, (listener) => listener.appId === appId));
  }
  const id = rest === '' ? null : Math.trunc(Number(rest)) || 0;
  if (method === 'POST') return store(state, request, user, id);
  if (id === null) {
    const uri = request.query.get('uri');
    return ocs(request, 200, state.listeners.filter((listener) => uri === null || listener.uri === uri).map(listenerView));
  }
  return method === 'GET' ? show(state, request, id) : ocs(request, 200, remove(state, (listener) => listener.id === id) > 0);
}

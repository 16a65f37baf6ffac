import { request as httpRequest } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { setTimeout as pause } from 'node:timers/promises';
import type { Faults } from './faults.js';
import { matchesFilter } from './mongo.js';
import { nowOf, randomText } from './state.js';
import type { Delivery, Listener, State } from './state.js';
import { phpJson, readAll } from './wire.js';

/** What sending needs; `baseUrl` is what the fake calls itself. */
export type Sender = { state: State; faults: Faults; baseUrl(): string };

const accountTokenLifeMs = 3600_000;
const cacheLifeMs = 5 * 60_000;
const maxRedirects = 5;
/** A background job takes no longer argument; Nextcloud 33 throws in the middle of the user's action. */
const longestJobArgument = 32_000;

/** A file event's content. Nextcloud gives no `id` to nodes that do not exist (any more). */
export function sampleEvent(): Record<string, unknown> {
  return { node: { id: 97, path: '/admin/files/a.txt' } };
}

function accountToken(sender: Sender, uid: string): Record<string, string> {
  const token = Array.from({ length: 5 }, () => randomText(5)).join('-');
  sender.state.issued('account token', token);
  sender.state.accountTokens.set(token, { uid, expiresAt: nowOf(sender.state).getTime() + accountTokenLifeMs });
  return { userId: uid, token, baseUrl: sender.baseUrl() };
}

/** The field `authentication`: `[]`, or live tokens for the accounts the hook asked for. */
function authentication(sender: Sender, listener: Listener, trigger: string | null): unknown {
  const { user_ids: uids = [], user_roles: roles = [] } = listener.tokenNeeded ?? {};
  if (uids.length === 0 && roles.length === 0) return [];
  return {
    user_ids: uids.length === 0 ? [] : Object.fromEntries(uids.map((uid) => [uid, accountToken(sender, uid)])),
    ...(roles.includes('owner') && listener.userId !== null ? { owner: accountToken(sender, listener.userId) } : {}),
    ...(roles.includes('trigger') && trigger !== null ? { trigger: accountToken(sender, trigger) } : {}),
  };
}

/** Header names as given; a later one replaces an earlier one whatever its case. */
function mergeHeaders(...sources: (Record<string, string> | null)[]): Record<string, string> {
  const merged = new Map<string, [string, string]>();
  for (const source of sources) for (const [name, value] of Object.entries(source ?? {})) merged.set(name.toLowerCase(), [name, String(value)]);
  return Object.fromEntries(merged.values());
}

function sendOnce(method: string, url: URL, headers: Record<string, string>, body: string | null, timeoutMs: number): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const length: Record<string, string> = body === null ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
    const outgoing: ClientRequest = request(url, { method, headers: { ...headers, ...length }, agent: false, signal: AbortSignal.timeout(timeoutMs) });
    outgoing.removeHeader('Connection');
    outgoing.once('error', reject);
    outgoing.once('response', resolve);
    outgoing.end(body ?? '');
  });
}

const isPrivate = (url: URL) => /^(localhost|127\.|10\.|192\.168\.|\[::1\])/.test(url.hostname);

/** One request and what its redirects lead to: 301 to 303 become a GET without the body, 307 and 308 keep both. */
async function attempt(state: State, listener: Listener, headers: Record<string, string>, body: string): Promise<Pick<Delivery, 'status' | 'error' | 'redirects'>> {
  const redirects: string[] = [];
  let url = new URL(listener.uri);
  let method = listener.httpMethod.toUpperCase();
  let content: string | null = body;
  try {
    for (;;) {
      if (isPrivate(url) && !state.settings.allowLocalRemoteServers) return { status: null, error: 'Host violates local access rules', redirects };
      const response = await sendOnce(method, url, headers, content, state.settings.deliveryTimeoutMs);
      await readAll(response);
      const status = response.statusCode ?? 0;
      const { location } = response.headers;
      if (![301, 302, 303, 307, 308].includes(status) || location === undefined || redirects.length >= maxRedirects) return { status, error: null, redirects };
      if (status < 307) [method, content] = ['GET', null];
      url = new URL(location, url);
      redirects.push(url.href);
    }
  } catch (error) {
    return { status: null, error: /abort|timeout/i.test((error as Error).name) ? 'timed out' : 'connection failed', redirects };
  }
}

async function deliver(sender: Sender, listener: Listener, data: Record<string, unknown>, trigger: string | null): Promise<Delivery[]> {
  const { state, faults } = sender;
  const body = phpJson({ ...data, authentication: authentication(sender, listener, trigger) });
  const agent = { 'User-Agent': 'Nextcloud-Server-Crawler/33.0.3', 'Accept-Encoding': 'gzip' };
  const headers = mergeHeaders(agent, listener.headers, listener.authMethod === 'header' ? listener.authData : null);
  const played = faults.takeForDelivery(listener.uri, listener.event);
  const has = (kind: string) => played.some((fault) => fault.kind === kind);
  for (const fault of played) if (fault.kind === 'delivery-delay') await pause(fault.delayMs ?? 0, undefined, { ref: false });
  const sent = has('delivery-tamper') ? body.replace('"time":', '"tampered":true,"time":') : body;
  const lost = has('delivery-drop')
    ? 'dropped by a fault'
    : phpJson([data, listener.id]).length > longestJobArgument
      ? 'the job argument is too long'
      : URL.canParse(listener.uri)
        ? null
        : 'the uri is not a URL';

  const attempts: Delivery[] = [];
  for (let turn = 0; turn < (has('delivery-duplicate') ? 2 : 1); turn += 1) {
    const at = nowOf(state).toISOString();
    const outcome = lost === null ? await attempt(state, listener, headers, sent) : { status: null, error: lost, redirects: [] };
    const delivery: Delivery = { hookId: listener.id, event: listener.event, method: listener.httpMethod, url: listener.uri, headers, body: sent, at, ...outcome };
    state.deliveries.push(delivery);
    attempts.push(delivery);
  }
  return attempts;
}

/** With a memcache, the events that had a hook when this user was last looked up decide, not the table. */
function knownToCache(state: State, eventClass: string, uid: string): boolean {
  if (!state.settings.memcache) return true;
  const now = nowOf(state).getTime();
  let cached = state.eventCache.get(uid);
  if (!cached || cached.until <= now) {
    const events = state.listeners.filter(({ userIdFilter }) => userIdFilter === '' || userIdFilter === uid).map(({ event }) => event);
    cached = { events: new Set(events), until: now + cacheLifeMs };
    state.eventCache.set(uid, cached);
  }
  return cached.events.has(eventClass);
}

function passes(listener: Listener, data: Record<string, unknown>): boolean {
  try {
    return matchesFilter(listener.eventFilter, data);
  } catch {
    // Nextcloud logs a filter it cannot evaluate and does not call the hook.
    return false;
  }
}

/**
 * Something happened: calls every hook of that class whose filters let it pass, once each.
 *
 * @param event what the event serialises to, without `class`
 * @param uid whose session it was, null for none
 */
export async function emit(sender: Sender, eventClass: string, event: Record<string, unknown> = sampleEvent(), uid: string | null = 'admin'): Promise<Delivery[]> {
  const { state } = sender;
  const user = state.users.find((candidate) => candidate.uid === uid);
  if (uid !== null && !user) throw new Error(`There is no user ${uid}.`);
  const data = {
    event: { ...event, class: eventClass },
    user: user ? { uid: user.uid, displayName: user.displayName } : null,
    time: Math.floor(nowOf(state).getTime() / 1000),
  };
  if (!knownToCache(state, eventClass, uid ?? '')) return [];
  const called = state.listeners.filter(
    (listener) => listener.event === eventClass && (listener.userIdFilter === '' || listener.userIdFilter === uid) && passes(listener, data),
  );
  return (await Promise.all(called.map((listener) => deliver(sender, listener, data, uid)))).flat();
}

/** A file is saved: a new one sends Created and Written, an overwrite only Written. */
export async function writeFile(sender: Sender, path: string, uid: string, fileId: number, overwrite: boolean): Promise<Delivery[]> {
  const kinds = overwrite ? ['NodeWritten'] : ['NodeCreated', 'NodeWritten'];
  const sent = await Promise.all(kinds.map((kind) => emit(sender, `OCP\\Files\\Events\\Node\\${kind}Event`, { node: { id: fileId, path } }, uid)));
  return sent.flat();
}

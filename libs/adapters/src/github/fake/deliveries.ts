import { createHmac, randomUUID } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { setTimeout as pause } from 'node:timers/promises';
import { repoView } from './api.js';
import type { Faults } from './faults.js';
import { nowOf } from './state.js';
import type { Delivery, Hook, Repo, State } from './state.js';
import { readAll } from './wire.js';

/** What sending needs. */
export type Sender = { state: State; faults: Faults };

type Outcome = Pick<Delivery, 'status' | 'statusCode' | 'responseHeaders' | 'responseBody'>;

/** GitHub sends nothing larger. */
const largestPayloadBytes = 25 * 1024 * 1024;

/** The payload of the `ping` that follows a creation. */
export function pingPayload(hookId: number, hook: Record<string, unknown>): Record<string, unknown> {
  return { zen: 'Non-blocking is better than blocking.', hook_id: hookId, hook };
}

/** A small payload for an event whose content does not matter. */
export function samplePayload(event: string): Record<string, unknown> {
  if (event !== 'push') return { action: 'opened' };
  const commit = { id: 'b'.repeat(40), message: 'Say hello', timestamp: '2026-01-05T10:00:00Z', added: ['hello.txt'], removed: [], modified: [] };
  return { ref: 'refs/heads/main', before: 'a'.repeat(40), after: 'b'.repeat(40), created: false, deleted: false, forced: false, commits: [commit], head_commit: commit };
}

/** The bytes of a delivery and its headers; a `form` hook signs the form-encoded bytes. */
function compose(hook: Hook, repo: Repo, guid: string, event: string, payload: Record<string, unknown>): { body: string; headers: Record<string, string> } {
  const text = JSON.stringify(payload);
  const body = hook.config.content_type === 'json' ? text : new URLSearchParams({ payload: text }).toString();
  const { secret } = hook.config;
  const digest = (algorithm: string) => `${algorithm}=${createHmac(algorithm, secret ?? '').update(body).digest('hex')}`;
  const headers: Record<string, string> = {
    Accept: '*/*',
    'Content-Type': hook.config.content_type === 'json' ? 'application/json' : 'application/x-www-form-urlencoded',
    'User-Agent': 'GitHub-Hookshot/0fa4e5c',
    'X-GitHub-Delivery': guid,
    'X-GitHub-Event': event,
    'X-GitHub-Hook-ID': String(hook.id),
    'X-GitHub-Hook-Installation-Target-ID': String(repo.id),
    'X-GitHub-Hook-Installation-Target-Type': 'repository',
  };
  if (secret !== undefined) Object.assign(headers, { 'X-Hub-Signature': digest('sha1'), 'X-Hub-Signature-256': digest('sha256') });
  return { body, headers };
}

function post(hook: Hook, headers: Record<string, string>, body: string, timeoutMs: number): Promise<Outcome> {
  const url = new URL(hook.config.url);
  const failed = (status: string): Outcome => ({ status, statusCode: 0, responseHeaders: {}, responseBody: '' });
  return new Promise((resolve) => {
    const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const outgoing = request(url, {
      method: 'POST',
      headers: { ...headers, 'Content-Length': String(Buffer.byteLength(body)) },
      agent: false,
      rejectUnauthorized: hook.config.insecure_ssl === '0',
      signal: AbortSignal.timeout(timeoutMs),
    });
    outgoing.once('error', (error) => resolve(failed(error.name === 'AbortError' || error.name === 'TimeoutError' ? 'timed out' : 'failed to connect to host')));
    outgoing.once('response', (response) => {
      readAll(response).then(
        (answer) =>
          resolve({
            status: response.statusMessage ?? '',
            statusCode: response.statusCode ?? 0,
            responseHeaders: Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, String(value)])),
            responseBody: answer.toString('utf8'),
          }),
        () => resolve(failed('timed out')),
      );
    });
    outgoing.end(body);
  });
}

function judge(outcome: Outcome): Hook['lastResponse'] {
  if (outcome.statusCode === 0) return { code: 502, status: outcome.status === 'timed out' ? 'timeout' : 'connection_error', message: outcome.status };
  if (outcome.statusCode < 300) return { code: outcome.statusCode, status: 'active', message: 'OK' };
  return { code: outcome.statusCode, status: 'misconfigured', message: `Invalid HTTP Response: ${outcome.statusCode}` };
}

/** Sends one event to one hook: one attempt (two under a duplicate fault), never a retry, redirects not followed. */
export async function deliver(
  { state, faults }: Sender,
  repo: Repo,
  hook: Hook,
  event: string,
  payload: Record<string, unknown>,
  again?: Delivery,
): Promise<Delivery[]> {
  const guid = again?.guid ?? randomUUID();
  const full: Record<string, unknown> = { repository: repoView(repo, 'https://api.github.com'), sender: { login: repo.owner, id: 1, type: 'User' }, ...payload };
  const { body, headers } = compose(hook, repo, guid, event, full);
  const played = faults.takeForDelivery(hook.config.url, event);
  const has = (kind: string) => played.some((fault) => fault.kind === kind);
  for (const fault of played) if (fault.kind === 'delivery-delay') await pause(fault.delayMs ?? 0, undefined, { ref: false });
  const sent = has('delivery-tamper') ? body.slice(0, -1) + (body.endsWith('}') ? ' }' : '+') : body;
  const silent = has('delivery-drop') ? 'dropped by a fault' : Buffer.byteLength(body) > largestPayloadBytes ? 'payload too large' : null;

  const attempts: Delivery[] = [];
  for (let turn = 0; turn < (has('delivery-duplicate') ? 2 : 1); turn += 1) {
    const started = nowOf(state);
    const outcome = silent === null ? await post(hook, headers, sent, state.settings.deliveryTimeoutMs) : { status: silent, statusCode: 0, responseHeaders: {}, responseBody: '' };
    const delivery: Delivery = {
      id: state.nextId++,
      guid,
      hookId: hook.id,
      repo: `${repo.owner}/${repo.name}`,
      event,
      action: typeof full['action'] === 'string' ? full['action'] : null,
      url: hook.config.url,
      requestHeaders: headers,
      body: sent,
      payload: full,
      deliveredAt: started.toISOString(),
      duration: (nowOf(state).getTime() - started.getTime()) / 1000,
      redelivery: again !== undefined || turn > 0,
      ...outcome,
    };
    state.deliveries.push(delivery);
    if (silent === null) hook.lastResponse = judge(outcome);
    attempts.push(delivery);
  }
  return attempts;
}

/** Sends a past delivery once more, under the same GUID. */
export function redeliver(sender: Sender, repo: Repo, hook: Hook, past: Delivery): Promise<Delivery[]> {
  return deliver(sender, repo, hook, past.event, past.payload, past);
}

/** Sends an event to every active hook of the repository that subscribed to it. */
export async function push(sender: Sender, fullName: string, event: string, payload: Record<string, unknown> = samplePayload(event)): Promise<Delivery[]> {
  const repo = sender.state.repos.get(fullName.toLowerCase());
  if (!repo) throw new Error(`There is no repository ${fullName}; add it first.`);
  const hooks = repo.hooks.filter((hook) => hook.active && (hook.events.includes(event) || hook.events.includes('*')));
  const attempts = await Promise.all(hooks.map((hook) => deliver(sender, repo, hook, event, payload)));
  return attempts.flat();
}

/** A delivery as the API shows it; `full` adds the request and the response. */
export function deliveryView(delivery: Delivery, repo: Repo, full: boolean): Record<string, unknown> {
  const summary = {
    id: delivery.id,
    guid: delivery.guid,
    delivered_at: delivery.deliveredAt,
    redelivery: delivery.redelivery,
    duration: delivery.duration,
    status: delivery.status,
    status_code: delivery.statusCode,
    event: delivery.event,
    action: delivery.action,
    installation_id: null,
    repository_id: repo.id,
    throttled_at: null,
  };
  if (!full) return summary;
  return {
    ...summary,
    url: delivery.url,
    request: { headers: delivery.requestHeaders, payload: delivery.payload },
    response: { headers: delivery.responseHeaders, payload: delivery.responseBody },
  };
}

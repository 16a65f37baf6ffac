import { controlRoute, revokeGrants } from './control.js';
import { emit, writeFile } from './deliveries.js';
import type { Sender } from './deliveries.js';
import { createFaults } from './faults.js';
import type { Fault, Faults } from './faults.js';
import { filesRoute } from './files.js';
import { listen } from './listener.js';
import { authorize, clientsRoute, deleteAppPassword, issueGrant, loginFlow, token } from './oauth.js';
import { authenticate, capabilities, identity, ocs, statusPage, unauthorised, unknownRoute } from './ocs.js';
import { addListener, initialState, nowOf } from './state.js';
import type { Delivery, Grant, Listener, NextcloudFakeOptions, State } from './state.js';
import { webhooksRoute } from './webhooks.js';
import { html, json, jsonObject } from './wire.js';
import type { Answer, Request } from './wire.js';

/** A running fake of Nextcloud 33.0.3; every path answers with and without `/index.php`. */
export type NextcloudFake = {
  url: string;
  /** Live state, secrets included; `state.requests` is the request journal and `state.deliveries` the deliveries log. */
  state: State;
  faults: Faults;
  /** Calls every hook of that event class whose filters pass; `uid` is whose session it was (`admin` when absent, null for none). */
  emit(eventClass: string, event?: Record<string, unknown>, uid?: string | null): Promise<Delivery[]>;
  /** Emits what saving a file emits: Created and Written, or only Written for an overwrite. */
  writeFile(path: string, options?: { uid?: string; fileId?: number; overwrite?: boolean }): Promise<Delivery[]>;
  /** Registers a hook as somebody else. */
  addListener(listener: Partial<Listener>): Listener;
  /** Issues a live pair without the flow. */
  issueGrant(uid?: string): Grant;
  /** Kills the grants of a user, or all of them; returns how many. */
  revokeGrants(uid?: string): number;
  /** Unlocks the token endpoint. */
  resetThrottle(): void;
  /** Moves the fake's clock forward. */
  advance(seconds: number): void;
  /** Back to the first state, without faults. */
  reset(): void;
  /** Resolves when nothing that follows an answer is under way. */
  idle(): Promise<void>;
  close(): Promise<void>;
};

function route(sender: Sender, request: Request): Answer {
  const { state } = sender;
  const { method, path } = request;
  if (path === '/status.php') return statusPage();
  if (path === '/apps/oauth2/authorize' && method === 'GET') return authorize(state, request);
  if (path === '/apps/oauth2/api/v1/token' && method === 'POST') return token(state, request);
  const page = loginFlow(state, request);
  if (page) return page;
  if (path === '/ocs/v2.php/cloud/capabilities') return capabilities(request);
  const caller = authenticate(state, request);
  if ('status' in caller) return caller;
  if (path === '/ocs/v2.php/cloud/user' && method === 'GET') return identity(request, caller);
  if (path === '/ocs/v2.php/core/apppassword' && method === 'DELETE') return deleteAppPassword(state, request);
  if (path.startsWith('/apps/oauth2/clients')) {
    if (!caller.admin) return json(403, { message: 'Logged in account must be an admin' });
    return clientsRoute(state, request) ?? html(404, '<html><title>Page not found</title></html>');
  }
  const file = filesRoute(sender, request, caller);
  if (file) return file;
  return webhooksRoute(state, request, caller) ?? (path.startsWith('/ocs/') ? unknownRoute(request) : html(404, '<html><title>Page not found</title></html>'));
}

/** The answer of a `status` fault: an OCS failure on OCS routes for what Nextcloud itself decides, a page for the rest. */
function statusAnswer(fault: Fault, request: Request): Answer {
  const status = fault.status ?? 500;
  const headers = { ...fault.headers, ...(fault.retryAfterSeconds === undefined ? {} : { 'retry-after': String(fault.retryAfterSeconds) }) };
  if (fault.body !== undefined) return { status, headers, body: fault.body };
  if (request.path.startsWith('/ocs/') && [401, 403, 404, 422].includes(status)) {
    const answer = status === 401 ? unauthorised(request) : ocs(request, status, [], 'Refused');
    return { ...answer, headers: { ...answer.headers, ...headers } };
  }
  return html(status, `<!doctype html><html><head><title>${status}</title></head><body></body></html>`, headers);
}

/**
 * Starts a fake Nextcloud on 127.0.0.1, written from
 * https://docs.nextcloud.com/server/latest/admin_manual/webhook_listeners/index.html,
 * https://docs.nextcloud.com/server/latest/admin_manual/configuration_server/oauth2.html and the answers of a running 33.0.3.
 */
export async function startNextcloudFake(options: NextcloudFakeOptions = {}): Promise<NextcloudFake> {
  const state = initialState(options);
  const faults = createFaults();
  let url = '';
  const sender: Sender = { state, faults, baseUrl: () => url };
  const reset = () => {
    Object.assign(state, initialState(options));
    faults.clear();
  };
  const listener = await listen(
    {
      faults,
      journal: () => state.requests,
      now: () => nowOf(state),
      prefix: '/index.php',
      route: (request) => route(sender, request),
      control: (request) => controlRoute({ ...sender, reset }, request),
      statusAnswer,
      early: async (fault, request) => {
        const eventClass = fault.emit?.eventClass ?? String(jsonObject(request.raw)?.['event'] ?? '').replace(/^\\+/, '');
        await emit(sender, eventClass, fault.emit?.event, fault.emit === undefined ? 'admin' : fault.emit.user);
      },
    },
    options.port ?? 0,
  );
  url = listener.url;
  return {
    url,
    state,
    faults,
    emit: (eventClass, event, uid) => emit(sender, eventClass, event, uid),
    writeFile: (path, { uid = 'admin', fileId = 97, overwrite = false } = {}) => writeFile(sender, path, uid, fileId, overwrite),
    addListener: (added) => addListener(state, added),
    issueGrant: (uid = 'admin') => issueGrant(state, uid),
    revokeGrants: (uid) => revokeGrants(state, uid),
    resetThrottle: () => state.failures.clear(),
    advance: (seconds) => void (state.clockOffsetMs += seconds * 1000),
    reset,
    idle: listener.idle,
    close: listener.close,
  };
}

import { accountRoute, authenticate, notFound, statusAnswer } from './api.js';
import { controlRoute } from './control.js';
import { push } from './deliveries.js';
import { createFaults } from './faults.js';
import type { Faults } from './faults.js';
import { hooksRoute } from './hooks.js';
import { listen } from './listener.js';
import { accessToken, authorize, forget, issueToken, revoke } from './oauth.js';
import { addRepo, initialState, nowOf } from './state.js';
import type { Delivery, GithubFakeOptions, Repo, State, Token } from './state.js';
import type { Answer, Request } from './wire.js';

/** A running fake of GitHub. The API answers at `url` and at `url/api/v3`, OAuth at `url/login/oauth/...`. */
export type GithubFake = {
  url: string;
  /** Live state, secrets included; `state.requests` is the request journal and `state.deliveries` the deliveries log. */
  state: State;
  faults: Faults;
  /** Delivers an event to every active hook of `repo` (`owner/name`) subscribed to it or to `*`. */
  push(repo: string, event: string, payload?: Record<string, unknown>): Promise<Delivery[]>;
  addRepo(repo: NonNullable<GithubFakeOptions['repos']>[number]): Repo;
  /** Issues an access token without the flow. */
  issueToken(wanted?: { login?: string; scopes?: string[]; clientId?: string; kind?: Token['kind'] }): string;
  /** Revokes the tokens of a user, or all of them; returns how many. */
  revokeTokens(login?: string): number;
  /** Moves the fake's clock forward. */
  advance(seconds: number): void;
  /** Back to the first state, without faults. */
  reset(): void;
  /** Resolves when every delivery under way has ended. */
  idle(): Promise<void>;
  close(): Promise<void>;
};

function route(state: State, faults: Faults, request: Request): Answer {
  const { method, path } = request;
  if (path === '/login/oauth/authorize' && (method === 'GET' || method === 'POST')) return authorize(state, request);
  if (path === '/login/oauth/access_token') return method === 'POST' ? accessToken(state, request) : notFound();
  const revocation = /^\/applications\/([^/]+)\/(token|grant)$/.exec(path);
  if (revocation && method === 'DELETE') return revoke(state, request, revocation[1] ?? '', revocation[2] === 'grant' ? 'grant' : 'token');
  const caller = authenticate(state, request);
  if ('status' in caller) return caller;
  return hooksRoute(state, { state, faults }, request, caller) ?? accountRoute(state, request, caller) ?? notFound();
}

/**
 * Starts a fake GitHub on 127.0.0.1, written from https://docs.github.com/en/rest and
 * https://docs.github.com/en/webhooks; where the documents leave a choice it takes the stricter reading.
 */
export async function startGithubFake(options: GithubFakeOptions = {}): Promise<GithubFake> {
  const state = initialState(options);
  const faults = createFaults();
  const reset = () => {
    Object.assign(state, initialState(options));
    faults.clear();
  };
  const listener = await listen(
    {
      faults,
      journal: () => state.requests,
      now: () => nowOf(state),
      prefix: '/api/v3',
      route: (request) => route(state, faults, request),
      control: (request) => controlRoute({ state, faults, reset }, request),
      statusAnswer,
      early: async (fault, request) => {
        const repo = /^\/repos\/([^/]+\/[^/]+)\/hooks/.exec(request.path)?.[1];
        if (fault.push && repo) await push({ state, faults }, repo, fault.push.event, fault.push.payload);
      },
    },
    options.port ?? 0,
  );
  return {
    url: listener.url,
    state,
    faults,
    push: (repo, event, payload) => push({ state, faults }, repo, event, payload),
    addRepo: (repo) => addRepo(state, repo),
    issueToken: (wanted) => issueToken(state, wanted).token,
    revokeTokens: (login) => forget(state, (token) => login === undefined || token.login === login),
    advance: (seconds) => void (state.clockOffsetMs += seconds * 1000),
    reset,
    idle: listener.idle,
    close: listener.close,
  };
}

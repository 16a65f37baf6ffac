import { randomBytes } from 'node:crypto';
import type { RequestRecord } from './wire.js';

export type User = { id: number; login: string; name: string; email: string };

/** An OAuth App. Without `callbackUrl` every redirect_uri is accepted. */
export type App = { clientId: string; clientSecret: string; callbackUrl: string | null };

export type HookConfig = { url: string; content_type: 'json' | 'form'; insecure_ssl: '0' | '1'; secret?: string };

export type Hook = {
  id: number;
  active: boolean;
  events: string[];
  config: HookConfig;
  createdAt: string;
  updatedAt: string;
  lastResponse: { code: number | null; status: string; message: string | null };
};

export type Repo = { id: number; owner: string; name: string; private: boolean; admin: boolean; hooks: Hook[] };

/** `kind` oauth is a lasting `gho_` token with scopes, app-user an expiring `ghu_` token whose rights come from the app. */
export type Token = {
  token: string;
  kind: 'oauth' | 'app-user';
  login: string;
  clientId: string;
  scopes: string[];
  issuedAt: number;
  /** Milliseconds since the epoch, null for never. */
  expiresAt: number | null;
};

export type Code = {
  clientId: string;
  login: string;
  scopes: string[];
  redirectUri: string | null;
  challenge: string | null;
  issuedAt: number;
  used: boolean;
};

export type RefreshToken = { clientId: string; login: string; accessToken: string; expiresAt: number };

/** One attempt to deliver, as the deliveries log keeps it. */
export type Delivery = {
  id: number;
  guid: string;
  hookId: number;
  repo: string;
  event: string;
  action: string | null;
  url: string;
  requestHeaders: Record<string, string>;
  /** What was sent, byte for byte. */
  body: string;
  payload: Record<string, unknown>;
  deliveredAt: string;
  /** Seconds. */
  duration: number;
  redelivery: boolean;
  /** `OK`, a status text, or why nothing was answered. */
  status: string;
  /** 0 when nothing was answered. */
  statusCode: number;
  responseHeaders: Record<string, string>;
  responseBody: string;
};

/** What can be changed while the fake runs. */
export type Settings = {
  /** Redirect back from the authorize page at once. */
  autoApprove: boolean;
  /** Redirect back with `access_denied` at once. */
  autoDeny: boolean;
  /** Who is signed in when the request names no `login`. */
  currentLogin: string;
  /** Scopes granted whatever was asked; null grants what was asked. */
  grantScopes: string[] | null;
  /** Issue expiring `ghu_`/`ghr_` pairs instead of `gho_` tokens. */
  expiringTokens: boolean;
  /** Refuse hook URLs on localhost with 422, as github.com does. */
  refuseLocalhost: boolean;
  /** Requests left before 403, per token; null does not count. */
  rateLimitRemaining: number | null;
  /** How long a delivery may take. */
  deliveryTimeoutMs: number;
  /** How long the log of deliveries reaches back. */
  deliveriesKeptMs: number;
};

export type Counters = { tokenRequests: number; codeExchanges: number; refreshes: number; tokenErrors: number };

export type State = {
  settings: Settings;
  apps: App[];
  users: User[];
  /** By lower-case `owner/name`. */
  repos: Map<string, Repo>;
  codes: Map<string, Code>;
  tokens: Map<string, Token>;
  refreshTokens: Map<string, RefreshToken>;
  deliveries: Delivery[];
  requests: RequestRecord[];
  counters: Counters;
  /** How far the fake's clock runs ahead of the real one. */
  clockOffsetMs: number;
  nextId: number;
  issued: (what: string, secret: string) => void;
};

/** How a fake starts; everything has a usable default. */
export type GithubFakeOptions = {
  /** 0 or absent picks a free port. */
  port?: number;
  app?: Partial<App>;
  users?: User[];
  /** Repositories as `owner/name` or in full; by default two of the first user. */
  repos?: (string | { fullName: string; private?: boolean; admin?: boolean })[];
  settings?: Partial<Settings>;
  /** Told every secret that the fake hands out, by what it is, so that a test can look for it where it must not be. */
  issued?: (what: string, secret: string) => void;
};

const defaultUser: User = { id: 583231, login: 'octocat', name: 'The Octocat', email: 'octocat@example.test' };

/** The state a fake starts with, and returns to on reset. */
export function initialState(options: GithubFakeOptions): State {
  const users = options.users ?? [defaultUser, { id: 583232, login: 'hubot', name: 'Hubot', email: 'hubot@example.test' }];
  const first = users[0] ?? defaultUser;
  const state: State = {
    settings: {
      autoApprove: false,
      autoDeny: false,
      currentLogin: first.login,
      grantScopes: null,
      expiringTokens: false,
      refuseLocalhost: false,
      rateLimitRemaining: null,
      deliveryTimeoutMs: 10_000,
      deliveriesKeptMs: 3 * 24 * 3600_000,
      ...options.settings,
    },
    apps: [{ clientId: 'fake-github-client', clientSecret: 'fake-github-secret', callbackUrl: null, ...options.app }],
    users,
    repos: new Map(),
    codes: new Map(),
    tokens: new Map(),
    refreshTokens: new Map(),
    deliveries: [],
    requests: [],
    counters: { tokenRequests: 0, codeExchanges: 0, refreshes: 0, tokenErrors: 0 },
    clockOffsetMs: 0,
    nextId: 1000,
    issued: options.issued ?? (() => undefined),
  };
  for (const repo of options.repos ?? [`${first.login}/hello-world`, { fullName: `${first.login}/secret-plans`, private: true }]) addRepo(state, repo);
  return state;
}

/** Adds a repository; an existing one of that name is replaced. */
export function addRepo(state: State, repo: NonNullable<GithubFakeOptions['repos']>[number]): Repo {
  const { fullName, private: isPrivate = false, admin = true } = typeof repo === 'string' ? { fullName: repo } : repo;
  const [owner, name] = fullName.split('/');
  if (!owner || !name) throw new Error(`A repository is named owner/name, not "${fullName}".`);
  const added: Repo = { id: state.nextId++, owner, name, private: isPrivate, admin, hooks: [] };
  state.repos.set(fullName.toLowerCase(), added);
  return added;
}

/** The fake's own time. */
export function nowOf(state: State): Date {
  return new Date(Date.now() + state.clockOffsetMs);
}

/** Random letters and digits. */
export function randomText(length: number): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
  return [...randomBytes(length)].map((byte) => letters[byte % letters.length]).join('');
}

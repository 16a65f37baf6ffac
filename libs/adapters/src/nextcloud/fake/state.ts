import { randomBytes } from 'node:crypto';
import type { RequestRecord } from './wire.js';

export type User = { uid: string; displayName: string; password: string; admin: boolean };

export type Client = { id: number; name: string; redirectUri: string; clientId: string; clientSecret: string };

export type TokenNeeded = { user_ids?: string[]; user_roles?: string[] };

/** A row of the webhook table. `authData` is kept in clear here, answers show only `authCipher`. */
export type Listener = {
  id: number;
  appId: string | null;
  userId: string | null;
  httpMethod: string;
  uri: string;
  event: string;
  eventFilter: Record<string, unknown> | unknown[];
  userIdFilter: string;
  headers: Record<string, string> | null;
  authMethod: 'none' | 'header';
  authData: Record<string, string> | null;
  authCipher: string | null;
  tokenNeeded: TokenNeeded | null;
};

export type Code = { clientId: string; uid: string; issuedAt: number };

/** One grant: exactly one live pair. */
export type Grant = { clientId: string; uid: string; accessToken: string; refreshToken: string; expiresAt: number };

/** A token handed out inside a delivery; it opens the whole account for an hour. */
export type AccountToken = { uid: string; expiresAt: number };

/** One HTTP attempt of a delivery. */
export type Delivery = {
  hookId: number;
  event: string;
  method: string;
  url: string;
  headers: Record<string, string>;
  /** What was sent, byte for byte. */
  body: string;
  at: string;
  /** null when nothing was answered. */
  status: number | null;
  /** Why nothing was sent or answered. */
  error: string | null;
  /** The URLs a redirect led to. */
  redirects: string[];
};

/** What can be changed while the fake runs. */
export type Settings = {
  /** Redirect back from the authorize page at once. */
  autoApprove: boolean;
  /** The uid that is signed in on the grant pages. */
  currentUser: string;
  /** Whether the app webhook_listeners is enabled; without it its routes are unknown. */
  webhooksEnabled: boolean;
  /** Failures per IP after which the token endpoint answers 429, for twelve hours. */
  maxAttempts: number;
  /** Like a distributed memcache: which events have hooks is remembered five minutes for each user. */
  memcache: boolean;
  /** false refuses deliveries to private addresses, Nextcloud's default. */
  allowLocalRemoteServers: boolean;
  /** How long a delivery may take. */
  deliveryTimeoutMs: number;
};

/** `reusedRefreshTokens`: requests with a refresh token that had been sent before. */
export type Counters = {
  tokenRequests: number; codeExchanges: number; refreshes: number; reusedRefreshTokens: number; tokenErrors: number; throttled: number;
};

export type State = {
  settings: Settings;
  users: User[];
  clients: Client[];
  listeners: Listener[];
  codes: Map<string, Code>;
  /** By refresh token. */
  grants: Map<string, Grant>;
  /** Every refresh token that was ever sent, live or not. */
  sentRefreshTokens: Set<string>;
  accountTokens: Map<string, AccountToken>;
  /** Times of failed token requests, by IP. */
  failures: Map<string, number[]>;
  /** State tokens of open grant pages. */
  loginFlows: Map<string, { clientId: string; oauthState: string }>;
  /** For each user, the events known to have hooks and until when. */
  eventCache: Map<string, { events: Set<string>; until: number }>;
  eventClasses: Set<string>;
  /** Ids of the files that were put here, by path. */
  files: Map<string, number>;
  deliveries: Delivery[];
  requests: RequestRecord[];
  counters: Counters;
  clockOffsetMs: number;
  nextId: number;
  issued: (what: string, secret: string) => void;
};

/** How a fake starts; everything has a usable default. */
export type NextcloudFakeOptions = {
  /** 0 or absent picks a free port. */
  port?: number;
  client?: Partial<Client>;
  /** By default `admin` and the ordinary user `alice`. */
  users?: User[];
  /** Event classes of further apps, such as `OCA\Forms\Events\FormSubmittedEvent`. */
  eventClasses?: string[];
  /** Hooks of others; by default one of another admin and one of an app. */
  listeners?: Partial<Listener>[];
  settings?: Partial<Settings>;
  /** Told every secret that the fake hands out, by what it is, so that a test can look for it where it must not be. */
  issued?: (what: string, secret: string) => void;
};

const node = 'OCP\\Files\\Events\\Node\\';
const names = (prefix: string, list: string) => list.split(' ').map((name) => `${prefix}${name}Event`);

/** The classes Nextcloud 33.0.3 takes; the abstract ones register too but never fire. */
export const eventClasses33: readonly string[] = [
  ...names(node, 'NodeCreated NodeTouched NodeWritten NodeDeleted NodeCopied NodeRenamed AbstractNode AbstractNodes'),
  ...names(`${node}Before`, 'NodeCreated NodeTouched NodeWritten NodeDeleted NodeCopied NodeRenamed NodeRead'),
  ...names('OCA\\Files_Trashbin\\Events\\', 'BeforeNodeRestored NodeRestored'),
  ...names('OCP\\Calendar\\Events\\CalendarObject', 'Created Deleted MovedToTrash Restored Updated Moved'),
  ...names('OCP\\SystemTag\\', 'TagAssigned TagUnassigned Mapper'),
];

const foreignListeners: Partial<Listener>[] = [
  { userId: 'other-admin', uri: 'https://elsewhere.example/hook', event: `${node}NodeWrittenEvent` },
  { userId: null, appId: 'flow', uri: 'https://flow.example/hook', event: `${node}NodeCreatedEvent`, authMethod: 'header', authData: { 'X-Foreign': 'foreign' } },
];

/** The state a fake starts with, and returns to on reset. */
export function initialState(options: NextcloudFakeOptions): State {
  const users = options.users ?? [
    { uid: 'admin', displayName: 'admin', password: 'admin', admin: true },
    { uid: 'alice', displayName: 'Alice', password: 'alice', admin: false },
  ];
  const state: State = {
    settings: {
      autoApprove: false,
      currentUser: users[0]?.uid ?? 'admin',
      webhooksEnabled: true,
      maxAttempts: 10,
      memcache: false,
      allowLocalRemoteServers: true,
      deliveryTimeoutMs: 30_000,
      ...options.settings,
    },
    users,
    clients: [{ id: 1, name: 'vane', redirectUri: 'http://127.0.0.1:4000/callback', clientId: 'fake-nextcloud-client', clientSecret: 'fake-nextcloud-secret', ...options.client }],
    listeners: [],
    codes: new Map(),
    grants: new Map(),
    sentRefreshTokens: new Set(),
    accountTokens: new Map(),
    failures: new Map(),
    loginFlows: new Map(),
    eventCache: new Map(),
    eventClasses: new Set([...eventClasses33, ...(options.eventClasses ?? [])]),
    files: new Map(),
    deliveries: [],
    requests: [],
    counters: { tokenRequests: 0, codeExchanges: 0, refreshes: 0, reusedRefreshTokens: 0, tokenErrors: 0, throttled: 0 },
    clockOffsetMs: 0,
    nextId: 1,
    issued: options.issued ?? (() => undefined),
  };
  for (const listener of options.listeners ?? foreignListeners) addListener(state, listener);
  return state;
}

/** Stores a hook as if somebody else had registered it. */
export function addListener(state: State, listener: Partial<Listener>): Listener {
  const added: Listener = {
    appId: null,
    userId: 'admin',
    httpMethod: 'POST',
    uri: 'https://elsewhere.example/hook',
    event: `${node}NodeCreatedEvent`,
    eventFilter: [],
    userIdFilter: '',
    headers: null,
    authMethod: 'none',
    authData: null,
    authCipher: listener.authData ? cipherText() : null,
    tokenNeeded: null,
    ...listener,
    id: state.nextId++,
  };
  state.listeners.push(added);
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

/** Looks like what Nextcloud's ICrypto leaves in the database; differs each time, so it can never be compared. */
export function cipherText(): string {
  return [48, 16, 64].map((bytes) => randomBytes(bytes).toString('hex')).join('|') + '|3';
}

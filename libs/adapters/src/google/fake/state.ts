import type { calendar_v3 } from '@googleapis/calendar';
import { createChangeLog } from './change-log.js';
import type { ChangeLog } from './change-log.js';
import type { Channel, Message } from './channels.js';
import type { Faults } from './faults.js';
import { opaque, randomText, seeded } from './random.js';
import type { RequestRecord } from './wire.js';

/** Somebody with an account. `files` logs what changes in the files they see, `calendarList` what changes in their list of calendars. */
export type Account = { email: string; name: string; sub: string; rootId: string; files: ChangeLog; visible: Set<string>; calendarList: ChangeLog; calendars: Set<string> };

/** An OAuth client. Without `redirectUris` every one is accepted. */
export type Client = { clientId: string; clientSecret: string; redirectUris: string[] | null };

export type AccessToken = { token: string; account: string; clientId: string; scopes: string[]; expiresAt: number };
export type RefreshToken = { token: string; account: string; clientId: string; scopes: string[]; expiresAt: number | null };
export type Code = { clientId: string; account: string; scopes: string[]; redirectUri: string; challenge: string | null; plain: boolean; offline: boolean; issuedAt: number };

/** A file or folder. Times are milliseconds since the epoch; `clientId` is the OAuth client that created it, null for a person. */
export type DriveFile = {
  id: string;
  name: string;
  mimeType: string;
  parents: string[];
  owner: string | null;
  driveId: string | null;
  /** Readers by e-mail address, with the time since when. */
  sharedWith: Map<string, number>;
  trashed: boolean;
  explicitlyTrashed: boolean;
  description: string | null;
  starred: boolean;
  properties: Record<string, string>;
  appProperties: Record<string, string>;
  content: string;
  version: number;
  createdAt: number;
  modifiedAt: number;
  modifiedBy: string;
  clientId: string | null;
};

export type SharedDrive = { id: string; name: string; members: Set<string>; createdAt: number; log: ChangeLog; files: Set<string> };

export type StoredEvent = calendar_v3.Schema$Event & { id: string; etag: string; status: string };

/** A calendar. `access` gives the role of everybody who has it in their list. */
export type Calendar = { id: string; summary: string; description: string | null; timeZone: string; access: Map<string, string>; events: Map<string, StoredEvent>; log: ChangeLog };

/** Kinds of resources that can be watched. */
export type WatchKind = 'files' | 'changes' | 'events' | 'calendarList';

/** What can be changed while the fake runs. */
export type Settings = {
  /** Redirect back from the consent page at once. */
  autoApprove: boolean;
  /** Redirect back with `access_denied` at once. */
  autoDeny: boolean;
  /** Who is signed in when the request names nobody. */
  currentAccount: string;
  /** Scopes granted whatever was asked; null grants what was asked. */
  grantScopes: string[] | null;
  accessTokenLifeSeconds: number;
  /** null for ever; 604,800 is what a consent screen in testing gives. */
  refreshTokenLifeSeconds: number | null;
  /** Accept channel addresses that are not https. */
  allowHttp: boolean;
  /** The longest life of a channel, by what it watches. */
  maxLifetimeSeconds: Record<WatchKind, number>;
  /** Its life when none is asked. */
  defaultLifetimeSeconds: Record<WatchKind, number>;
  /** The share of watches whose sync message arrives before their answer. */
  earlySyncShare: number;
  /** How long a channel that was stopped goes on sending. */
  stopTakesSeconds: number;
  /** First attempts wait for `deliver` as well, so that nothing is sent by itself. */
  hold: boolean;
  /** The first retry comes after this long, each further one after twice as long. */
  retryBaseSeconds: number;
  /** Attempts for one message, the first included. */
  attempts: number;
  /** Retry also when no answer came at all. */
  retryUnreachable: boolean;
  /** How long an attempt may take. */
  deliveryTimeoutMs: number;
  /** After this long a sync token answers 410; null never. */
  syncTokenLifeSeconds: number | null;
  /** What a page token of changes.list that was made stale answers. */
  staleChangesStatus: 400 | 404 | 410;
};

/** One state of one object, as the judge of a simulation needs it. */
export type Fact = {
  seq: number;
  /** ISO time. */
  at: string;
  kind: 'file' | 'event' | 'calendar' | 'drive';
  id: string;
  /** Where it is: of a file its shared drive or owner, of an event its calendar. */
  in: string | null;
  /** What happened: create, update, trash, untrash, delete, move, share. */
  what: string;
  /** Of a file its version, of an event its etag. */
  version: string | null;
  name: string | null;
  parents?: string[];
};

export type State = {
  settings: Settings;
  faults: Faults;
  clients: Client[];
  accounts: Map<string, Account>;
  codes: Map<string, Code>;
  accessTokens: Map<string, AccessToken>;
  refreshTokens: Map<string, RefreshToken>;
  /** What each account has granted to each client, by `grantKey`. */
  grants: Map<string, Set<string>>;
  drives: Map<string, SharedDrive>;
  files: Map<string, DriveFile>;
  children: Map<string, Set<string>>;
  calendars: Map<string, Calendar>;
  /** Every channel there ever was, by id. */
  channels: Map<string, Channel>;
  /** The channels that may still live, by resource. */
  watchers: Map<string, Set<Channel>>;
  messages: Message[];
  /** Messages still to be sent or sent again. */
  waiting: Set<Message>;
  /** Of these the ones that a fault puts behind the next one, by channel. */
  heldBack: Map<string, Message[]>;
  facts: Fact[];
  requests: RequestRecord[];
  /** A time that was set (milliseconds), or null when the clock is real. */
  simulatedNow: number | null;
  /** How far a real clock runs ahead. */
  clockOffsetMs: number;
  random: () => number;
  lastEtag: number;
  issued: (what: string, secret: string) => void;
};

/** How a fake starts; everything has a usable default. */
export type GoogleFakeOptions = {
  /** 0 or absent picks a free port. */
  port?: number;
  client?: Partial<Client>;
  accounts?: { email: string; name?: string }[];
  settings?: Partial<Settings>;
  /** Of everything left to chance. */
  seed?: number;
  /** A time to start at instead of the real one. */
  now?: string;
  /** Told every secret that the fake hands out, by what it is, so that a test can look for it where it must not be. */
  issued?: (what: string, secret: string) => void;
};

const week = 604_800;

function startingSettings(currentAccount: string, { maxLifetimeSeconds, defaultLifetimeSeconds, ...given }: Partial<Settings> = {}): Settings {
  return {
    autoApprove: false,
    autoDeny: false,
    currentAccount,
    grantScopes: null,
    accessTokenLifeSeconds: 3599,
    refreshTokenLifeSeconds: null,
    allowHttp: false,
    maxLifetimeSeconds: { files: 86_400, changes: week, events: week, calendarList: week, ...maxLifetimeSeconds },
    defaultLifetimeSeconds: { files: 3600, changes: 3600, events: week, calendarList: week, ...defaultLifetimeSeconds },
    earlySyncShare: 0.2,
    stopTakesSeconds: 0,
    hold: false,
    retryBaseSeconds: 1,
    attempts: 8,
    retryUnreachable: false,
    deliveryTimeoutMs: 10_000,
    syncTokenLifeSeconds: null,
    staleChangesStatus: 410,
    ...given,
  };
}

/** The state a fake starts with, and returns to on reset. */
export function initialState(options: GoogleFakeOptions, faults: Faults): State {
  const accounts = options.accounts ?? [{ email: 'ada@example.test', name: 'Ada' }, { email: 'ben@example.test', name: 'Ben' }];
  const state: State = {
    settings: startingSettings(accounts[0]?.email ?? '', options.settings),
    faults,
    clients: [{ clientId: 'fake-google-client.apps.googleusercontent.com', clientSecret: 'fake-google-secret', redirectUris: null, ...options.client }],
    accounts: new Map(),
    codes: new Map(),
    accessTokens: new Map(),
    refreshTokens: new Map(),
    grants: new Map(),
    drives: new Map(),
    files: new Map(),
    children: new Map(),
    calendars: new Map(),
    channels: new Map(),
    watchers: new Map(),
    messages: [],
    waiting: new Set(),
    heldBack: new Map(),
    facts: [],
    requests: [],
    simulatedNow: options.now === undefined ? null : Date.parse(options.now),
    clockOffsetMs: 0,
    random: seeded(options.seed ?? 1),
    lastEtag: 0,
    issued: options.issued ?? (() => undefined),
  };
  for (const account of accounts) addAccount(state, account.email, account.name);
  return state;
}

/** Adds an account with an empty My Drive and a primary calendar, or answers the one there is. */
export function addAccount(state: State, email: string, name = email): Account {
  const present = state.accounts.get(email);
  if (present) return present;
  const number = state.accounts.size + 1;
  const account: Account = {
    email,
    name,
    sub: String(100_000_000_000_000_000_000n + BigInt(number)),
    rootId: `0A${opaque(`root of ${email}`).slice(0, 15)}PVA`,
    files: createChangeLog(1000 * number),
    visible: new Set(),
    calendarList: createChangeLog(),
    calendars: new Set([email]),
  };
  state.accounts.set(email, account);
  state.files.set(account.rootId, rootFolder(state, account.rootId, 'My Drive', email, null));
  state.calendars.set(email, { id: email, summary: email, description: null, timeZone: 'Europe/Berlin', access: new Map([[email, 'owner']]), events: new Map(), log: createChangeLog() });
  account.calendarList.append(email, nowOf(state));
  return account;
}

/** The folder that a My Drive or a shared drive begins with; it shows by its id only, never in lists. */
export function rootFolder(state: State, id: string, name: string, owner: string | null, driveId: string | null): DriveFile {
  const now = nowOf(state);
  return {
    id, name, mimeType: 'application/vnd.google-apps.folder', parents: [], owner, driveId, sharedWith: new Map(), trashed: false, explicitlyTrashed: false,
    description: null, starred: false, properties: {}, appProperties: {}, content: '', version: 1, createdAt: now, modifiedAt: now,
    modifiedBy: owner ?? '', clientId: null,
  };
}

/** The account of that address, or a sentence thrown. */
export function accountOf(state: State, email: unknown): Account {
  const account = state.accounts.get(String(email ?? state.settings.currentAccount));
  if (!account) throw new Error(`There is no account ${String(email)}; add it first.`);
  return account;
}

/** The fake's own time, in milliseconds. */
export function nowOf(state: State): number {
  return state.simulatedNow ?? Date.now() + state.clockOffsetMs;
}

/** A time as Google writes it. */
export const iso = (milliseconds: number): string => new Date(milliseconds).toISOString();

/** A new etag, larger than every one before. */
export function newEtag(state: State): string {
  state.lastEtag = Math.max(state.lastEtag + 1, nowOf(state) * 1000);
  return `"${state.lastEtag}"`;
}

/** Keeps what happened to an object. */
export function remember(state: State, fact: Omit<Fact, 'seq' | 'at'>): void {
  state.facts.push({ seq: state.facts.length, at: iso(nowOf(state)), ...fact });
}

/** A new id in the form of Drive's. */
export const newFileId = (): string => `1${randomText(32)}`;

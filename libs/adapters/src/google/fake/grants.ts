import { end } from './channels.js';
import { randomText } from './random.js';
import { accountOf, nowOf } from './state.js';
import type { AccessToken, RefreshToken, State } from './state.js';

/** Of one account and client, the hundred-and-first refresh token makes the oldest die without a word. */
const refreshTokensPerGrant = 100;

/** Short names of scopes, for tests. */
export const scopeName = (scope: string): string => (/^(openid|email|profile)$|^https:/.test(scope) ? scope : `https://www.googleapis.com/auth/${scope}`);

/** `email` and `profile` are granted under their long names. */
const longNames: Record<string, string> = {
  email: 'https://www.googleapis.com/auth/userinfo.email',
  profile: 'https://www.googleapis.com/auth/userinfo.profile',
};

/** Scopes as tokens carry them. */
export const normalised = (scopes: string[]): string[] => [...new Set(scopes.filter(Boolean).map((scope) => longNames[scope] ?? scope))];

export const grantKey = (clientId: string, account: string): string => `${clientId} ${account}`;

/** Who a token is for, and what it may do; the first client, the current account and all of Drive and Calendar when absent. */
export type Wanted = { account?: string; clientId?: string; scopes?: string[] };

const everything = ['openid', 'email', 'drive', 'calendar'];

function complete(state: State, wanted: Wanted): Required<Wanted> {
  return {
    account: accountOf(state, wanted.account).email,
    clientId: wanted.clientId ?? state.clients[0]?.clientId ?? '',
    scopes: normalised((wanted.scopes ?? everything).map(scopeName)),
  };
}

/** Issues an access token as the flow would. */
export function issueAccess(state: State, wanted: Wanted = {}): AccessToken {
  const token = { token: `ya29.${randomText(120)}`, ...complete(state, wanted), expiresAt: nowOf(state) + state.settings.accessTokenLifeSeconds * 1000 };
  remember(state, token);
  state.accessTokens.set(token.token, token);
  state.issued('access token', token.token);
  return token;
}

/** Issues a refresh token as the flow would. */
export function issueRefresh(state: State, wanted: Wanted = {}): RefreshToken {
  const life = state.settings.refreshTokenLifeSeconds;
  const token = { token: `1//${randomText(90)}`, ...complete(state, wanted), expiresAt: life === null ? null : nowOf(state) + life * 1000 };
  remember(state, token);
  const siblings = [...state.refreshTokens.values()].filter((other) => other.account === token.account && other.clientId === token.clientId);
  for (const oldest of siblings.slice(0, Math.max(0, siblings.length - refreshTokensPerGrant + 1))) state.refreshTokens.delete(oldest.token);
  state.refreshTokens.set(token.token, token);
  state.issued('refresh token', token.token);
  return token;
}

function remember(state: State, { clientId, account, scopes }: Required<Wanted>): void {
  const key = grantKey(clientId, account);
  state.grants.set(key, new Set([...(state.grants.get(key) ?? []), ...scopes]));
}

/** Takes back what an account granted to a client: every token of both dies, and so does every channel. Returns how many grants. */
export function revokeGrants(state: State, doomed: (clientId: string, account: string) => boolean): number {
  for (const tokens of [state.accessTokens, state.refreshTokens]) {
    for (const [text, token] of tokens) if (doomed(token.clientId, token.account)) tokens.delete(text);
  }
  for (const channel of state.channels.values()) if (doomed(channel.clientId, channel.account)) end(state, channel, 'revoked');
  const keys = [...state.grants.keys()].filter((key) => doomed(...(key.split(' ') as [string, string])));
  for (const key of keys) state.grants.delete(key);
  return keys.length;
}

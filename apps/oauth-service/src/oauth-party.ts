import type { Adapter, OAuthProfile } from '@vane/kit';
import type { ClientCredentials } from './client-secrets.js';

/** One OAuth client at one service: an integration with its secrets in clear. */
export type OAuthParty = {
  adapter: Adapter;
  profile: OAuthProfile;
  hosts: Record<string, string>;
  clientId: string;
  credentials: ClientCredentials;
};

/** `refreshToken`, `expiresInSeconds` and `scopes` are null where the service named none. */
export type IssuedTokens = {
  accessToken: string;
  refreshToken: string | null;
  tokenType: string;
  expiresInSeconds: number | null;
  scopes: string[] | null;
};

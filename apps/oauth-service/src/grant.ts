import type { IssuedTokens } from './oauth-party.js';

/** What a service granted, to whose account, and through which client: enough to store it later, after a person has decided. */
export type Grant = {
  service: string;
  /** The client that got it: tokens of another client or of other hosts are worth nothing here. */
  clientId: string;
  hosts: Record<string, string>;
  accountId: string;
  accountLabel: string;
  scopes: string[];
  tokens: IssuedTokens;
};

import type { OpenIdProvider } from '@vane/testing';
import type { GithubFake } from '../../libs/adapters/src/github/fake/server.js';
import type { GoogleFake } from '../../libs/adapters/src/google/fake/server.js';
import type { NextcloudFake } from '../../libs/adapters/src/nextcloud/fake/server.js';
import type { OAuthParty } from './connections.js';

/** The OAuth client that a fake GitHub knows. */
export const githubParty = ({ url, state }: Pick<GithubFake, 'url' | 'state'>): OAuthParty => ({
  service: 'github', hosts: { web: url, api: `${url}/api/v3` }, clientId: 'fake-github-client', clientSecret: state.apps[0]!.clientSecret,
});

/** The OAuth client that a fake Nextcloud knows. */
export const nextcloudParty = ({ url, state }: Pick<NextcloudFake, 'url' | 'state'>): OAuthParty => ({
  service: 'nextcloud', hosts: { base: url }, clientId: 'fake-nextcloud-client', clientSecret: state.clients[0]!.clientSecret,
});

/** The OAuth client that a fake Google knows, which answers for all of Google's hosts. */
export const googleParty = ({ url, state }: Pick<GoogleFake, 'url' | 'state'>): OAuthParty => ({
  service: 'google', hosts: { accounts: url, oauth2: url, openid: url, api: url }, clientId: state.clients[0]!.clientId, clientSecret: state.clients[0]!.clientSecret,
});

/** The OAuth client that an OpenID provider knows, for a probe of the test adapters. */
export const partyAt = ({ url, clientId, clientSecret }: Pick<OpenIdProvider, 'url' | 'clientId' | 'clientSecret'>, service: string): OAuthParty => ({
  service, hosts: { base: url }, clientId, clientSecret,
});

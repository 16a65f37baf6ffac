import type { OpenIdProvider } from '@vane/testing';
import type { GithubFake } from '../../libs/adapters/src/github/fake/server.js';
import type { NextcloudFake } from '../../libs/adapters/src/nextcloud/fake/server.js';
import type { OAuthParty } from './connections.js';

/** The OAuth client that a fake GitHub knows. */
export const githubParty = ({ url }: Pick<GithubFake, 'url'>): OAuthParty => ({
  service: 'github', hosts: { web: url, api: `${url}/api/v3` }, clientId: 'fake-github-client', clientSecret: 'fake-github-secret',
});

/** The OAuth client that a fake Nextcloud knows. */
export const nextcloudParty = ({ url }: Pick<NextcloudFake, 'url'>): OAuthParty => ({
  service: 'nextcloud', hosts: { base: url }, clientId: 'fake-nextcloud-client', clientSecret: 'fake-nextcloud-secret',
});

/** The OAuth client that an OpenID provider knows, for a probe of the test adapters. */
export const partyAt = ({ url, clientId, clientSecret }: Pick<OpenIdProvider, 'url' | 'clientId' | 'clientSecret'>, service: string): OAuthParty => ({
  service, hosts: { base: url }, clientId, clientSecret,
});

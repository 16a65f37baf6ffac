import type { OAuthProfile } from '@vane/kit';
import { readAs, request, user } from './answers.js';

/** https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps */
export const oauth: OAuthProfile = {
  authorize: { host: 'web', path: '/login/oauth/authorize' },
  token: { host: 'web', path: '/login/oauth/access_token' },
  clientAuth: 'body',
  baseScopes: [],
  // https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps#available-scopes
  impliedScopes: {
    repo: ['repo:status', 'repo_deployment', 'public_repo', 'repo:invite', 'security_events', 'admin:repo_hook'],
    'admin:repo_hook': ['write:repo_hook', 'read:repo_hook'],
    'write:repo_hook': ['read:repo_hook'],
    'admin:org': ['write:org', 'read:org'],
    'write:org': ['read:org'],
    user: ['read:user', 'user:email', 'user:follow'],
  },
  grantedScopeSeparator: ',',
  errorLocation: '200-body',
  // Tokens of an OAuth App last and come without a refresh token; those of a GitHub App come with one that is used once.
  refresh: 'rotating',
  // https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/refreshing-user-access-tokens
  deadGrantCodes: ['bad_refresh_token'],
  // https://docs.github.com/en/apps/oauth-apps/maintaining-oauth-apps/troubleshooting-oauth-app-access-token-request-errors
  clientRefusedCodes: ['incorrect_client_credentials'],
  revoke: {
    // The token alone; DELETE /applications/{client_id}/grant would end those of every other connection to the account too.
    ends: 'tokens',
    // https://docs.github.com/en/rest/apps/oauth-applications#delete-an-app-token
    async call({ client }, { accessToken, clientId }) {
      await request(client, { method: 'DELETE', path: `/applications/${encodeURIComponent(clientId)}/token`, json: { access_token: accessToken } });
    },
  },
  async identity(http) {
    const answer = await request(http, { method: 'GET', path: '/user' });
    const { id, login } = readAs(user, answer.json, 'an account');
    const scopes = answer.headers['x-oauth-scopes'];
    return {
      accountId: String(id),
      accountLabel: login,
      // The header is missing for tokens of a GitHub App: what they may do is not said in scopes.
      ...(scopes === undefined ? {} : { scopes: scopes.split(',').map((scope) => scope.trim()).filter((scope) => scope !== '') }),
    };
  },
};

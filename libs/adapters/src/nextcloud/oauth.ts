import type { OAuthProfile } from '@vane/kit';
import { call, readAs, user } from './ocs.js';

/** https://docs.nextcloud.com/server/latest/admin_manual/configuration_server/oauth2.html */
export const oauth: OAuthProfile = {
  authorize: { host: 'base', path: '/index.php/apps/oauth2/authorize' },
  token: { host: 'base', path: '/index.php/apps/oauth2/api/v1/token' },
  clientAuth: 'body',
  // There are no scopes: a token is the whole account.
  baseScopes: [],
  grantedScopeSeparator: ' ',
  errorLocation: 'status',
  refresh: 'rotating',
  // What it calls a refresh token that is unknown, expired or used; its `invalid_grant` is an unknown grant type
  // (https://github.com/nextcloud/server/blob/master/apps/oauth2/lib/Controller/OauthApiController.php).
  deadGrantCodes: ['invalid_request'],
  // Ten refused requests from one address within twelve hours, of whatever account, and it answers 429 to all from there
  // (https://docs.nextcloud.com/server/latest/admin_manual/configuration_server/bruteforce_configuration.html).
  tokenLimits: 'address',
  revoke: {
    ends: 'tokens',
    // Its access tokens are app passwords, which their holder may delete
    // (https://docs.nextcloud.com/server/latest/developer_manual/client_apis/LoginFlow/index.html#deleting-an-app-password);
    // the refresh token that belongs to one is refused once it is gone.
    async call({ account }) {
      await call(account, { method: 'DELETE', path: '/ocs/v2.php/core/apppassword' });
    },
  },
  async identity(http) {
    const { data } = await call(http, { method: 'GET', path: '/ocs/v2.php/cloud/user' });
    const { id, displayname } = readAs(user, data, 'an account');
    return { accountId: id, accountLabel: displayname || id };
  },
};

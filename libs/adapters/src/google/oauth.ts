import type { OAuthProfile } from '@vane/kit';
import { z } from 'zod';
import { readAs } from './answers.js';

/** The full name of a scope: https://developers.google.com/identity/protocols/oauth2/scopes */
export const scope = (name: string): string => `https://www.googleapis.com/auth/${name}`;

const includes = (wider: string, ...narrower: string[]): [string, string[]] => [scope(wider), narrower.map(scope)];

const user = z.object({ sub: z.string().min(1), email: z.string().min(1).optional() });

/** https://developers.google.com/identity/protocols/oauth2/web-server */
export const oauth: OAuthProfile = {
  authorize: { host: 'accounts', path: '/o/oauth2/v2/auth' },
  token: { host: 'oauth2', path: '/token' },
  clientAuth: 'body',
  baseScopes: ['openid', 'email'],
  impliedScopes: {
    // Google calls them by these names in what it says it granted.
    [scope('userinfo.email')]: ['email'],
    [scope('userinfo.profile')]: ['profile'],
    ...Object.fromEntries([
      includes('drive', 'drive.readonly', 'drive.metadata', 'drive.file'),
      includes('drive.readonly', 'drive.metadata.readonly'),
      includes('drive.metadata', 'drive.metadata.readonly'),
      includes('calendar', 'calendar.readonly', 'calendar.events', 'calendar.calendarlist'),
      includes('calendar.readonly', 'calendar.events.readonly', 'calendar.calendarlist.readonly'),
      includes('calendar.events', 'calendar.events.readonly'),
      includes('calendar.calendarlist', 'calendar.calendarlist.readonly'),
    ]),
  },
  grantedScopeSeparator: ' ',
  // Without `offline` there is no refresh token, and without `consent` there is one on the first authorisation only.
  authorizeParams: { access_type: 'offline', prompt: 'consent', include_granted_scopes: 'true' },
  errorLocation: 'status',
  refresh: 'static',
  deadGrantCodes: ['invalid_grant'],
  // Ends all that the account granted to the client: https://developers.google.com/identity/protocols/oauth2/web-server#tokenrevoke
  revoke: { ends: 'grants', endpoint: { host: 'oauth2', path: '/revoke' }, token: 'refresh_token' },
  // https://developers.google.com/identity/openid-connect/openid-connect#obtaininguserprofileinformation
  async identity(http) {
    const { json } = await http.request({ method: 'GET', host: 'openid', path: '/v1/userinfo' });
    const { sub, email } = readAs(user, json, 'an account');
    return { accountId: sub, accountLabel: email ?? sub };
  },
};

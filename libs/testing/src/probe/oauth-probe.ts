import { defineAdapter, defineTriggerType, ServiceError } from '@vane/kit';
import { z } from 'zod';
import { messageOf } from './message.js';

/**
 * An adapter for any OpenID provider with its endpoints at the root, as `oidc-provider` has them: OAuth with everything a
 * careful service demands (PKCE, client secret in the header, rotating refresh tokens) and as little else as an adapter
 * may have. Loaded by path through VANE_EXTRA_ADAPTERS.
 */
export const adapter = defineAdapter({
  id: 'oauth-probe',
  label: 'OAuth probe',
  docsUrl: 'https://openid.net/specs/openid-connect-core-1_0.html',
  icon: '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7"/></svg>',
  hosts: { base: null },
  setupSteps: ['Register a client at {hosts.base} with the redirect URI {redirectUri}.'],
  oauth: {
    authorize: { host: 'base', path: '/auth' },
    token: { host: 'base', path: '/token' },
    clientAuth: 'basic',
    baseScopes: ['openid', 'offline_access'],
    grantedScopeSeparator: ' ',
    // OpenID Connect Core section 11: offline_access is only granted with consent.
    authorizeParams: { prompt: 'consent' },
    errorLocation: 'status',
    refresh: 'rotating',
    deadGrantCodes: ['invalid_grant'],
    // oidc-provider ends everything that it granted in one session of the browser (RFC 7009 section 2.1).
    revoke: { ends: 'grants', endpoint: { host: 'base', path: '/token/revocation' }, token: 'refresh_token' },
    async identity(http) {
      const { json } = await http.request({ method: 'GET', host: 'base', path: '/me' });
      const claims = z.object({ sub: z.string().min(1), name: z.string().optional() }).safeParse(json);
      if (!claims.success) throw new ServiceError('garbage', 'The OpenID provider named no subject.');
      return { accountId: claims.data.sub, accountLabel: claims.data.name ?? claims.data.sub };
    },
  },
  triggerTypes: {
    ping: defineTriggerType({
      label: 'Ping',
      description: 'Anything posted with the shared secret.',
      config: z.strictObject({}),
      summary: () => 'Ping',
      starterScript: 'export async function main(event) { return event.payload; }\n',
      scopes: [],
      sharing: 'trigger',
      plan: () => ({ resource: 'ping', want: {} }),
      webhook: {
        verification: { kind: 'shared-secret', header: 'x-probe-secret' },
        methods: ['POST'],
        ackDeadlineMs: 5_000,
        retries: false,
        keepHeaders: [],
        normalise: ({ body }) => [
          { type: 'ping', dedupeKey: null, occurredAt: null, payload: messageOf(body) },
        ],
      },
    }),
  },
});

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Provider from 'oidc-provider';
import type { OAuthParty } from './connections.js';

/** One request at the token endpoint, by grant type, and whether it was granted. */
export type TokenRequest = { type: string; ok: boolean };

export type OpenIdProvider = { url: string; tokenRequests: TokenRequest[]; party(service: string): OAuthParty; close(): Promise<void> };

/** A certified OpenID provider: PKCE demanded, refresh tokens rotated, and a used one that comes again ends the grant. */
export async function startOpenIdProvider(redirectUri: string, accessTokenSeconds = 3600): Promise<OpenIdProvider> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = {
    client_id: 'vane',
    client_secret: 'vane-secret',
    redirect_uris: [redirectUri],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code' as const],
    token_endpoint_auth_method: 'client_secret_basic' as const,
  };
  const provider = new Provider(url, {
    clients: [client],
    pkce: { required: () => true },
    rotateRefreshToken: true,
    cookies: { keys: ['only for this test'] },
    findAccount: (_context, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
    ttl: { AccessToken: accessTokenSeconds, RefreshToken: 86_400, Session: 3600, Grant: 86_400, Interaction: 600, IdToken: 600, AuthorizationCode: 60 },
  });
  const tokenRequests: TokenRequest[] = [];
  const typeOf = (context: { oidc: { params?: Record<string, unknown> } }) => String(context.oidc.params?.['grant_type']);
  provider.on('grant.success', (context) => tokenRequests.push({ type: typeOf(context), ok: true }));
  provider.on('grant.error', (context) => tokenRequests.push({ type: typeOf(context), ok: false }));
  server.on('request', provider.callback());
  return {
    url,
    tokenRequests,
    party: (service) => ({ service, hosts: { base: url }, clientId: client.client_id, clientSecret: client.client_secret }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

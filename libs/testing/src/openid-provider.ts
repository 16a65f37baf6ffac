import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { keepSecret, newSecret } from './secrets/registry.js';

/** One request at the token endpoint, by grant type, and whether it was granted. */
export type TokenRequest = { type: string; ok: boolean };

export type OpenIdProvider = {
  url: string;
  clientId: string;
  clientSecret: string;
  tokenRequests: TokenRequest[];
  /**
   * Stops it. Nothing of ours may ever send a refresh token that was used before, unless a test makes it so.
   *
   * @throws Error when it saw another number of such tokens than the test made, which is none unless given
   */
  close(expected?: { reuses: number }): Promise<void>;
};

type Options = {
  redirectUri: string;
  accessTokenSeconds?: number;
  clientSecret?: string;
  /** Claims of an account beside `sub`, which is what is entered at its sign-in page. */
  claims?: (sub: string) => Record<string, unknown>;
};

type TokenContext = { oidc: { params?: Record<string, unknown> } };

/** A certified OpenID provider: PKCE demanded, refresh tokens rotated, and a used one that comes again ends the grant. */
export async function startOpenIdProvider({ redirectUri, accessTokenSeconds = 3600, clientSecret, claims }: Options): Promise<OpenIdProvider> {
  // Loaded where it is used: most tests do without, and it is large.
  const { default: Provider } = await import('oidc-provider');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = { client_id: 'vane', client_secret: clientSecret ?? newSecret('client secret at the OpenID provider') };
  const provider = new Provider(url, {
    clients: [
      {
        ...client,
        redirect_uris: [redirectUri],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code' as const],
        token_endpoint_auth_method: 'client_secret_basic' as const,
      },
    ],
    pkce: { required: () => true },
    rotateRefreshToken: true,
    features: { revocation: { enabled: true } },
    ...(claims ? { claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] }, conformIdTokenClaims: false } : {}),
    cookies: { keys: [randomBytes(24).toString('base64url')] },
    findAccount: (_context, sub) => ({ accountId: sub, claims: () => ({ sub, ...claims?.(sub) }) }),
    ttl: { AccessToken: accessTokenSeconds, RefreshToken: 86_400, Session: 3600, Grant: 86_400, Interaction: 600, IdToken: 600, AuthorizationCode: 60 },
  });
  const tokenRequests: TokenRequest[] = [];
  let reuses = 0;
  const typeOf = (context: TokenContext) => String(context.oidc.params?.['grant_type']);
  provider.on('grant.success', (context) => tokenRequests.push({ type: typeOf(context), ok: true }));
  provider.on('grant.error', (context, error) => {
    tokenRequests.push({ type: typeOf(context), ok: false });
    if (/refresh token already used/.test(String((error as { error_detail?: string }).error_detail))) reuses += 1;
  });
  // The value of an opaque token is its id.
  const keep = (what: string) => ({ jti }: { jti: string }) => void keepSecret(`${what} of the OpenID provider`, jti);
  provider.on('authorization_code.saved', keep('code'));
  provider.on('access_token.saved', keep('access token'));
  provider.on('refresh_token.saved', keep('refresh token'));
  server.on('request', provider.callback());
  return {
    url,
    clientId: client.client_id,
    clientSecret: client.client_secret,
    tokenRequests,
    close: async (expected = { reuses: 0 }) => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      if (reuses !== expected.reuses) {
        throw new Error(`The OpenID provider saw ${reuses} refresh tokens that had been used before; this test makes ${expected.reuses}.`);
      }
    },
  };
}

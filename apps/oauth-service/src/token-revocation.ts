import { Injectable } from '@nestjs/common';
import { ServiceError, type Revocation } from '@vane/kit';
import { CallRefused, EgressClient, EgressError, OriginGuard } from '@vane/runtime';
import * as oauth from 'oauth4webapi';
import { ClientSecrets } from './client-secrets.js';
import { clientAuth, endpointUrl, isClientRefused } from './oauth-client.js';
import type { OAuthParty } from './oauth-party.js';
import { cleanWords } from './secrets.js';

const REQUEST_MS = 8_000;

type Standard = Extract<Revocation, { endpoint: unknown }>;
type Tokens = { accessToken: string; refreshToken: string | null };

/** Revokes a token as RFC 7009 says (https://www.rfc-editor.org/rfc/rfc7009). */
@Injectable()
export class TokenRevocation {
  private readonly fetch: typeof globalThis.fetch;

  constructor(
    private readonly egress: EgressClient,
    private readonly secrets: ClientSecrets,
    private readonly origins: OriginGuard,
  ) {
    this.fetch = egress.fetchWith({ timeoutMs: REQUEST_MS, maxResponseBytes: 100_000 });
  }

  /** A token that the service does not know is revoked (section 2.2). @throws ServiceError */
  async revoke(party: OAuthParty, { endpoint, token: wanted }: Standard, { accessToken, refreshToken }: Tokens): Promise<void> {
    const refreshes = wanted === 'refresh_token' && refreshToken !== null;
    const token = refreshes ? refreshToken : accessToken;
    const hint = refreshes ? 'refresh_token' : 'access_token';
    const url = endpointUrl(party, endpoint);
    const server = { issuer: url.origin, revocation_endpoint: url.href };
    await this.secrets.use(party.credentials, isUnauthorised, async (secret) => {
      const response = await this.send(party, () =>
        oauth.revocationRequest(server, { client_id: party.clientId }, clientAuth(party, secret), token, this.options(party, url, hint)),
      );
      await judge(party, response, [token, secret]);
    });
  }

  private options({ adapter }: OAuthParty, url: URL, hint: string): oauth.RevocationRequestOptions {
    this.egress.checkUrl(url.href);
    const to = { origin: url.origin, service: adapter.id, label: adapter.label };
    const guarded: typeof globalThis.fetch = (input, init) => this.origins.call(to, () => this.fetch(input, init));
    // The guard lets plain http pass only to hosts the operator has named.
    const options = { [oauth.customFetch]: guarded, [oauth.allowInsecureRequests]: url.protocol === 'http:', additionalParameters: { token_type_hint: hint } };
    return options as oauth.RevocationRequestOptions;
  }

  private async send({ adapter }: OAuthParty, ask: () => Promise<Response>): Promise<Response> {
    try {
      return await ask();
    } catch (error) {
      if (error instanceof CallRefused) {
        throw new ServiceError(error.why === 'limited' ? 'rate_limited' : 'unavailable', error.message, { cause: error, retryAfterMs: error.retryAfterMs, unsent: true });
      }
      if (!(error instanceof EgressError)) throw error;
      const kind = error.code === 'egress_blocked' ? 'invalid' : 'unavailable';
      throw new ServiceError(kind, `${adapter.label} could not be asked to revoke the grant: ${error.message}`, { cause: error });
    }
  }
}

/** What says that the service does not take the client. */
export const isUnauthorised = (error: unknown): boolean => error instanceof ServiceError && error.kind === 'unauthorised';

async function judge(party: OAuthParty, response: Response, secrets: string[]): Promise<void> {
  const { status } = response;
  const { code, words } = await said(response, secrets);
  if (status === 200) return;
  const { label } = party.adapter;
  const why = `${label} did not revoke the grant (HTTP ${status}${words === undefined ? '' : `: ${words}`}).`;
  if (status === 429) throw new ServiceError('rate_limited', why, { status });
  if (status >= 500 || status === 408) throw new ServiceError('unavailable', why, { status });
  throw new ServiceError(isClientRefused(party, code) || status === 401 ? 'unauthorised' : 'invalid', why, { status });
}

/** The error of RFC 6749 section 5.2 in an answer, which may as well be a page. */
async function said(response: Response, secrets: string[]): Promise<{ code?: string; words?: string | undefined }> {
  try {
    const { error, error_description: description } = (await response.json()) as { error?: unknown; error_description?: unknown };
    if (typeof error !== 'string') return {};
    return { code: error, words: cleanWords(typeof description === 'string' ? description : error, secrets) };
  } catch {
    return {};
  }
}

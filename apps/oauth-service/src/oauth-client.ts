import { Injectable } from '@nestjs/common';
import type { Endpoint } from '@vane/kit';
import { CallRefused, Clock, EgressClient, EgressError, hostUrl, OriginGuard, type GuardedCall } from '@vane/runtime';
import * as oauth from 'oauth4webapi';
import { ClientSecrets } from './client-secrets.js';
import { askIdentity, type Identity } from './identity.js';
import type { IssuedTokens, OAuthParty } from './oauth-party.js';
import { RefreshTimes } from './refresh-times.js';
import { cleanWords } from './secrets.js';
import { conformingAnswer } from './token-answer.js';
import { TokenFailure } from './token-failure.js';

export type CodeExchange = { answer: URLSearchParams; state: string; verifier: string; redirectUri: string };

/** The service did not grant access; `message` is its own words. */
export class AuthorisationRefused extends Error {
  override readonly name = 'AuthorisationRefused';

  constructor(
    readonly errorCode: string,
    message: string,
  ) {
    super(message);
  }
}

/** Ten years: what some services write for tokens that do not expire is beyond what a date can hold. */
const LONGEST_LIFETIME_S = 10 * 365 * 24 * 60 * 60;

/** For which the token endpoint is left alone when it asks for a pause and does not say how long. */
const UNNAMED_PAUSE_MS = 60_000;

/** Connecting to the service failed, so it cannot have acted on the request. */
const NOT_SENT = new Set(['egress_blocked', 'dns_failed', 'connect_failed', 'tls_failed', 'invalid_request']);

/** Speaks OAuth 2.0 (RFC 6749, RFC 7636, RFC 9207) with any service as its profile says. */
@Injectable()
export class OAuthClient {
  private readonly fetch: typeof globalThis.fetch;

  constructor(
    private readonly egress: EgressClient,
    private readonly clock: Clock,
    private readonly secrets: ClientSecrets,
    private readonly origins: OriginGuard,
    times: RefreshTimes,
  ) {
    this.fetch = egress.fetchWith({ timeoutMs: times.requestMs, maxResponseBytes: 1_000_000 });
  }

  newVerifier(): string {
    return oauth.generateRandomCodeVerifier();
  }

  /** Where to send the browser. PKCE is always S256; services without it ignore the parameters. */
  async authorizeUrl(party: OAuthParty, request: { redirectUri: string; state: string; verifier: string; scopes: string[] }): Promise<string> {
    const url = endpointUrl(party, party.profile.authorize);
    const parameters: Record<string, string> = {
      ...party.profile.authorizeParams,
      response_type: 'code',
      client_id: party.clientId,
      redirect_uri: request.redirectUri,
      state: request.state,
      code_challenge: await oauth.calculatePKCECodeChallenge(request.verifier),
      code_challenge_method: 'S256',
      ...(request.scopes.length > 0 ? { scope: request.scopes.join(' ') } : {}),
    };
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    return url.href;
  }

  /** The host of the page that the browser is sent to. */
  authorizeHost(party: Pick<OAuthParty, 'adapter' | 'hosts' | 'profile'>): string {
    return endpointUrl(party, party.profile.authorize).host;
  }

  /** Judges the callback's parameters and trades the code. @throws AuthorisationRefused, TokenFailure */
  async exchangeCode(party: OAuthParty, exchange: CodeExchange): Promise<IssuedTokens> {
    const server = serverOf(party, exchange.answer.get('iss'));
    const client = { client_id: party.clientId };
    let answer: URLSearchParams;
    try {
      answer = oauth.validateAuthResponse(server, client, exchange.answer, exchange.state);
    } catch (error) {
      throw refusalOf(error, party, [exchange.state, ...secretsOf(party)]);
    }
    const secrets = [answer.get('code') ?? '', exchange.verifier, exchange.state, ...secretsOf(party)];
    return this.issue(party, secrets, async (auth) => {
      const options = this.options(party);
      const raw = await oauth.authorizationCodeGrantRequest(server, client, auth, answer, exchange.redirectUri, exchange.verifier, options);
      const response = await conformingAnswer(raw, { ...party, now: this.clock.now(), secrets });
      return oauth.processAuthorizationCodeResponse(server, client, response);
    });
  }

  /** Trades a refresh token. @throws TokenFailure */
  async refresh(party: OAuthParty, refreshToken: string): Promise<IssuedTokens> {
    const server = serverOf(party, null);
    const client = { client_id: party.clientId };
    const secrets = [refreshToken, ...secretsOf(party)];
    return this.issue(party, secrets, async (auth) => {
      const raw = await oauth.refreshTokenGrantRequest(server, client, auth, refreshToken, this.options(party));
      const response = await conformingAnswer(raw, { ...party, now: this.clock.now(), secrets });
      return oauth.processRefreshTokenResponse(server, client, response);
    });
  }

  /** Whose account the token belongs to. @throws VaneError */
  identity(party: OAuthParty, tokens: IssuedTokens): Promise<Identity> {
    return askIdentity(party, tokens, { egress: this.egress, clock: this.clock, origins: this.origins });
  }

  private options(party: OAuthParty): oauth.TokenEndpointRequestOptions {
    const url = endpointUrl(party, party.profile.token);
    this.egress.checkUrl(url.href);
    // The guard lets plain http pass only to hosts the operator has named.
    const guarded: typeof globalThis.fetch = (input, init) => this.origins.call(tokenCall(party), () => this.fetch(input, init));
    return { [oauth.customFetch]: guarded, [oauth.allowInsecureRequests]: url.protocol === 'http:' } as oauth.TokenEndpointRequestOptions;
  }

  /** With whichever of the client's secrets the service takes. */
  private issue(party: OAuthParty, secrets: string[], ask: (auth: oauth.ClientAuth) => Promise<oauth.TokenEndpointResponse>): Promise<IssuedTokens> {
    return this.secrets.use(party.credentials, refusesClient(party), async (secret) => {
      try {
        return issuedTokens(await ask(clientAuth(party, secret)), party);
      } catch (error) {
        const failure = failureOf(error, party, secrets);
        if (failure instanceof TokenFailure && failure.kind === 'rate_limited' && party.profile.tokenLimits === 'address') {
          this.origins.pause(tokenCall(party), failure.details.retryAfterMs ?? UNNAMED_PAUSE_MS);
        }
        throw failure;
      }
    });
  }
}

function issuedTokens(answer: oauth.TokenEndpointResponse, { profile }: OAuthParty): IssuedTokens {
  const lifetime = answer.expires_in;
  return {
    accessToken: answer.access_token,
    refreshToken: answer.refresh_token ? answer.refresh_token : null,
    tokenType: answer.token_type,
    expiresInSeconds: lifetime !== undefined && lifetime > 0 ? Math.min(lifetime, LONGEST_LIFETIME_S) : null,
    scopes: namedScopes(answer.scope, profile.grantedScopeSeparator),
  };
}

/** Whether an `error` code says that the service does not take this client with this secret. */
export const isClientRefused = ({ profile }: OAuthParty, code: string | undefined): boolean =>
  code !== undefined && (profile.clientRefusedCodes ?? ['invalid_client']).includes(code);

const refusesClient =
  (party: OAuthParty) =>
  (error: unknown): boolean =>
    error instanceof TokenFailure && isClientRefused(party, error.details.errorCode);

const secretsOf = ({ credentials: { secret, previous } }: OAuthParty): string[] => (previous === null ? [secret] : [secret, previous]);

/** Null where none is named; an empty `scope`, which RFC 6749 section 3.3 does not know, names none either. */
function namedScopes(scope: string | undefined, separator: string): string[] | null {
  const named = (scope ?? '').split(separator).map((one) => one.trim()).filter((one) => one !== '');
  return named.length === 0 ? null : named;
}

/** A service that limits our address limits every connection there, so all of them keep its pause. */
const tokenCall = ({ adapter, hosts, profile }: OAuthParty): GuardedCall => ({
  origin: endpointUrl({ adapter, hosts }, profile.token).origin,
  service: adapter.id,
  label: adapter.label,
  party: profile.tokenLimits === 'address' ? 'token endpoint' : undefined,
});

export function endpointUrl(party: Pick<OAuthParty, 'adapter' | 'hosts'>, endpoint: Endpoint): URL {
  return new URL(hostUrl(party.adapter, party.hosts, endpoint.host) + endpoint.path);
}

/**
 * The server as the library knows it. Profiles name no issuer, so an `iss` in the answer (RFC 9207) is believed when it is
 * on the host the browser was sent to, and fails the library's comparison otherwise.
 */
function serverOf(party: OAuthParty, iss: string | null): oauth.AuthorizationServer {
  const authorize = endpointUrl(party, party.profile.authorize);
  const sameHost = iss !== null && URL.canParse(iss) && new URL(iss).origin === authorize.origin;
  return { issuer: sameHost ? iss : authorize.origin, token_endpoint: endpointUrl(party, party.profile.token).href };
}

export function clientAuth({ profile }: OAuthParty, clientSecret: string): oauth.ClientAuth {
  return profile.clientAuth === 'basic' ? oauth.ClientSecretBasic(clientSecret) : oauth.ClientSecretPost(clientSecret);
}

function refusalOf(error: unknown, { adapter }: OAuthParty, secrets: string[]): unknown {
  if (error instanceof oauth.AuthorizationResponseError) {
    const words = cleanWords(error.error_description ?? error.error, secrets) ?? 'it gave no reason';
    return new AuthorisationRefused(error.error, `${adapter.label} did not grant access: ${words}`);
  }
  // The library's errors hold the parameters, so they go no further.
  if (error instanceof oauth.OperationProcessingError || error instanceof oauth.UnsupportedOperationError) {
    return new AuthorisationRefused('invalid_response', `The answer in the browser is not one that ${adapter.label} gives to this authorisation: ${error.message}`);
  }
  return error;
}

/** The library's errors hold bodies and responses with tokens in them, so none of them becomes a cause. */
function failureOf(error: unknown, { adapter }: OAuthParty, secrets: string[]): unknown {
  const { label } = adapter;
  if (error instanceof oauth.ResponseBodyError) {
    const words = cleanWords(error.error_description, secrets);
    const code = cleanWords(error.error, secrets);
    const kind = error.error === 'temporarily_unavailable' || error.error === 'server_error' ? 'unavailable' : 'refused';
    return new TokenFailure(kind, `${label} refused to issue a token: ${words ? `${words} (${code})` : code}.`, { errorCode: error.error });
  }
  if (error instanceof oauth.UnsupportedOperationError) {
    return new TokenFailure('garbage', `${label} issued a token of a type other than Bearer, which Vane cannot use.`, { uncertain: true });
  }
  if (error instanceof oauth.OperationProcessingError) {
    return new TokenFailure('garbage', `The token endpoint of ${label} did not answer as RFC 6749 says: ${error.message}.`, { uncertain: true });
  }
  if (error instanceof CallRefused) {
    return new TokenFailure(error.why === 'limited' ? 'rate_limited' : 'unavailable', error.message, { retryAfterMs: error.retryAfterMs, cause: error });
  }
  if (error instanceof EgressError) {
    const kind = error.code === 'egress_blocked' ? 'refused' : 'unavailable';
    return new TokenFailure(kind, `The token endpoint of ${label} could not be asked: ${error.message}`, {
      uncertain: !NOT_SENT.has(error.code),
      cause: error,
    });
  }
  return error;
}

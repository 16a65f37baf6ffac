import { VaneError } from '@vane/contracts';
import { EgressError, type Clock, type EgressClient, type Logger } from '@vane/runtime';
import * as oidc from 'openid-client';
import type { OidcSettings } from '../config.js';

const CALL_LIMITS = { timeoutMs: 8_000, maxResponseBytes: 1_000_000 };
/** How long what the provider says of itself is believed. */
const DISCOVERED_MS = 3_600_000;
/** How far its clock may be from ours. */
const CLOCK_TOLERANCE_S = 30;
const SCOPES = 'openid email profile';

/** What is remembered of a sign-in between its two hops: single-use, made for one browser. */
export type Attempt = { state: string; nonce: string; verifier: string };

/** What the provider vouches for. `subject` is unique at `issuer` and stays; an e-mail address may be anybody's until it is verified. */
export type Claims = { issuer: string; subject: string; email: string | null; emailVerified: boolean; name: string | null };

/** The OpenID provider of the operator (https://openid.net/specs/openid-connect-core-1_0.html), code flow with PKCE. */
export class IdentityProvider {
  private discovered: { config: Promise<oidc.Configuration>; until: number } | undefined;

  constructor(
    private readonly settings: OidcSettings,
    private readonly redirectUri: string,
    private readonly egress: EgressClient,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  get label(): string {
    return this.settings.label;
  }

  /** A new attempt, and where to send the browser with it. Throws `service_unavailable`. */
  async begin(): Promise<{ attempt: Attempt; location: string }> {
    const config = await this.configuration();
    const attempt = { state: oidc.randomState(), nonce: oidc.randomNonce(), verifier: oidc.randomPKCECodeVerifier() };
    const location = oidc.buildAuthorizationUrl(config, {
      redirect_uri: this.redirectUri,
      scope: SCOPES,
      state: attempt.state,
      nonce: attempt.nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(attempt.verifier),
      code_challenge_method: 'S256',
    });
    return { attempt, location: location.href };
  }

  /**
   * Trades the code of a callback, and checks signature, issuer, audience, times and nonce of the ID token. Throws
   * `oauth_denied` when the provider says no, `oauth_exchange_failed` for what cannot be trusted, `service_unavailable`.
   *
   * @param query of the callback, without `?`
   */
  async redeem(query: string, { state, nonce, verifier }: Attempt): Promise<Claims> {
    const config = await this.configuration();
    const callback = new URL(this.redirectUri);
    callback.search = query;
    try {
      const tokens = await oidc.authorizationCodeGrant(config, callback, {
        expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier, idTokenExpected: true,
      });
      const idToken = tokens.claims()!;
      // Some providers keep the ID token short and tell the address at the userinfo endpoint alone.
      const complete = idToken['email'] !== undefined || config.serverMetadata().userinfo_endpoint === undefined;
      const profile = complete ? idToken : { ...(await oidc.fetchUserInfo(config, tokens.access_token, idToken.sub)), iss: idToken.iss, sub: idToken.sub };
      return claimsOf(profile);
    } catch (error) {
      throw this.failure(error);
    }
  }

  /** What the provider says of itself, asked for again after an hour and after every failure. */
  private async configuration(): Promise<oidc.Configuration> {
    const now = this.clock.now().getTime();
    if (!this.discovered || this.discovered.until <= now) this.discovered = { config: this.discover(), until: now + DISCOVERED_MS };
    const { config } = this.discovered;
    try {
      return await config;
    } catch (error) {
      if (this.discovered?.config === config) this.discovered = undefined;
      this.logger.warn({ reason: reasonOf(error) }, 'identity provider could not be discovered');
      throw new VaneError('service_unavailable', `${this.label} cannot be reached, or does not answer as an OpenID provider does. Try again shortly.`);
    }
  }

  private discover(): Promise<oidc.Configuration> {
    const { issuer, clientId, clientSecret } = this.settings;
    return oidc.discovery(new URL(issuer), clientId, { [oidc.clockTolerance]: CLOCK_TOLERANCE_S }, clientAuth(clientSecret), {
      [oidc.customFetch]: this.egress.fetchWith(CALL_LIMITS),
      execute: [oidc.enableNonRepudiationChecks, ...(issuer.startsWith('http:') ? [oidc.allowInsecureRequests] : [])],
    });
  }

  /** Without the error itself: what hangs on it may hold codes and tokens. */
  private failure(error: unknown): VaneError {
    const reason = reasonOf(error);
    this.logger.warn({ reason }, 'sign-in at the identity provider failed');
    if (error instanceof oidc.AuthorizationResponseError) {
      return new VaneError('oauth_denied', `${this.label} did not sign you in (${reason}). Try again, or use another account.`);
    }
    const answered = error instanceof oidc.ClientError || (error instanceof oidc.ResponseBodyError && error.status < 500 && error.status !== 429);
    if (answered && !isUnreachable(error)) {
      return new VaneError('oauth_exchange_failed', `What ${this.label} answered cannot be used (${reason}). Sign in again; if it stays like this, tell the operator.`);
    }
    return new VaneError('service_unavailable', `${this.label} cannot be reached. Reload this page in a moment.`);
  }
}

/** As the provider says it wants it; HTTP Basic is what it has to understand when it says nothing (OpenID Connect Discovery, section 3). */
function clientAuth(secret: string): oidc.ClientAuth {
  const [basic, post] = [oidc.ClientSecretBasic(secret), oidc.ClientSecretPost(secret)];
  return (server, client, body, headers) => {
    const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
    return (methods.includes('client_secret_basic') ? basic : post)(server, client, body, headers);
  };
}

function claimsOf(profile: { iss?: unknown; sub?: unknown; [claim: string]: unknown }): Claims {
  const textOf = (value: unknown) => (typeof value === 'string' && value !== '' ? value : null);
  return {
    issuer: String(profile.iss),
    subject: String(profile.sub),
    email: textOf(profile['email'])?.toLowerCase() ?? null,
    emailVerified: profile['email_verified'] === true,
    name: textOf(profile['name']),
  };
}

/** A word that says what went wrong, and holds nothing that was sent or answered. */
function reasonOf(error: unknown): string {
  if (error instanceof oidc.AuthorizationResponseError || error instanceof oidc.ResponseBodyError) return wordOf(error.error);
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: { code?: unknown } };
  return wordOf(code ?? cause?.code ?? (error instanceof Error ? error.name : 'unknown'));
}

const wordOf = (value: unknown): string => (/^[\w.-]{1,64}$/.test(String(value)) ? String(value) : 'unknown');

/** Whether it is the provider's outage rather than its answer: nothing came, or a status that says so. */
function isUnreachable(error: unknown): boolean {
  if (error instanceof Response) return error.status >= 500 || error.status === 429;
  if (!(error instanceof Error)) return false;
  const { code, cause } = error as Error & { code?: unknown };
  return code === 'OAUTH_TIMEOUT' || code === 'OAUTH_ABORT' || error instanceof EgressError || isUnreachable(cause);
}

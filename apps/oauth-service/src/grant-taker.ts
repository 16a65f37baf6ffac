import { Injectable } from '@nestjs/common';
import { VaneError } from '@vane/contracts';
import type { Authorisation } from '@vane/db';
import type { Grant } from './grant.js';
import { hostsOf } from './integration-view.js';
import { IntegrationsService } from './integrations.service.js';
import { AuthorisationRefused, OAuthClient } from './oauth-client.js';
import type { IssuedTokens, OAuthParty } from './oauth-party.js';
import { PublicUrls } from './public-urls.js';
import { TokenFailure } from './token-failure.js';

const ANEW = 'Start to connect the account again.';

/** What a callback brought, with what only we know of it. */
export type Callback = { answer: URLSearchParams; state: string; verifier: string };

/** Asks a service for a grant and takes it: authorise URL, code exchange, whose account it is. */
@Injectable()
export class GrantTaker {
  constructor(
    private readonly integrations: IntegrationsService,
    private readonly client: OAuthClient,
    private readonly urls: PublicUrls,
  ) {}

  newVerifier(): string {
    return this.client.newVerifier();
  }

  /** Where to send the browser for this authorisation. */
  async authorizeUrl(row: Authorisation, { state, verifier }: { state: string; verifier: string }): Promise<string> {
    const party = await this.integrations.party(await this.integrations.row(row.workspaceId, row.integrationId));
    const { redirectUri } = this.urls;
    return this.client.authorizeUrl(party, { redirectUri, state, verifier, scopes: row.scopes });
  }

  /** @throws VaneError `oauth_denied`, `oauth_exchange_failed`, `oauth_state_invalid`, `service_unavailable` */
  async take(row: Authorisation, callback: Callback): Promise<Grant> {
    const integration = await this.integrations.row(row.workspaceId, row.integrationId);
    const party = await this.integrations.party(integration);
    const tokens = await this.exchange(party, callback);
    const { accountId, accountLabel, scopes } = await this.client.identity(party, tokens);
    return {
      service: integration.service,
      clientId: integration.clientId,
      hosts: hostsOf(integration),
      accountId,
      accountLabel,
      // RFC 6749 section 5.1: a service that names no scopes granted those asked for.
      scopes: tokens.scopes ?? scopes ?? row.scopes,
      tokens,
    };
  }

  private async exchange(party: OAuthParty, callback: Callback): Promise<IssuedTokens> {
    try {
      return await this.client.exchangeCode(party, { ...callback, redirectUri: this.urls.redirectUri });
    } catch (error) {
      if (error instanceof AuthorisationRefused) {
        const code = error.errorCode === 'invalid_response' ? 'oauth_state_invalid' : 'oauth_denied';
        throw new VaneError(code, `${error.message}. ${ANEW}`.replace('.. ', '. '));
      }
      if (error instanceof TokenFailure) throw error.toVaneError(ANEW);
      throw error;
    }
  }
}

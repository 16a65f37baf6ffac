import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import { VaneError } from '@vane/contracts';
import { Database } from '@vane/db';
import { ServiceError, type Revocation, type ServiceHttp } from '@vane/kit';
import { Clock, createServiceHttp, EgressClient, type AuthorisedToken } from '@vane/runtime';
import { ClientSecrets } from './client-secrets.js';
import { ConnectionStore, type ConnectionRow } from './connection-store.js';
import { isDead } from './grant-health.js';
import { IntegrationsService } from './integrations.service.js';
import type { OAuthParty } from './oauth-party.js';
import { ServiceCatalog } from './service-catalog.js';
import { isUnauthorised, TokenRevocation } from './token-revocation.js';
import { TokensService } from './tokens.service.js';

/** Whether a grant is revoked when its account is disconnected; `why` says it in words, and what is left to a person. */
export type RevocationPlan = { revokes: boolean; why: string };

type Way = { party: OAuthParty; row: ConnectionRow };

/** Ends grants at their service, as the adapter's profile says. */
@Injectable()
export class GrantRevoker {
  constructor(
    private readonly database: Database,
    private readonly store: ConnectionStore,
    private readonly integrations: IntegrationsService,
    private readonly catalog: ServiceCatalog,
    private readonly tokens: TokensService,
    private readonly secrets: ClientSecrets,
    private readonly standard: TokenRevocation,
    private readonly egress: EgressClient,
    private readonly clock: Clock,
  ) {}

  async plan(row: ConnectionRow): Promise<RevocationPlan> {
    const adapter = this.catalog.installed(row.service);
    const label = adapter?.label ?? row.service;
    const byHand = `Remove Vane at ${label} yourself, among the apps that may use the account.`;
    const revoke = adapter?.oauth?.revoke;
    if (!revoke) return { revokes: false, why: `${label} offers Vane no way to revoke the grant. ${byHand}` };
    if (isDead(row)) return { revokes: false, why: `The grant does not work any more, so there is nothing to revoke it with. ${byHand}` };
    if (revoke.ends === 'grants' && (await this.isShared(row))) {
      return { revokes: false, why: 'Another connection uses the same account and the same OAuth client, and revoking the grant would end that too.' };
    }
    return { revokes: true, why: `The grant is revoked at ${label}.` };
  }

  /** @throws ServiceError: `transient` when the same may work later */
  async revoke(row: ConnectionRow): Promise<void> {
    try {
      const party = await this.integrations.party(row.integration);
      const { revoke } = party.profile;
      if (!revoke) return;
      await this.end({ party, row }, revoke);
    } catch (error) {
      if (!(error instanceof VaneError)) throw error;
      throw new ServiceError(error.retry === 'later' ? 'unavailable' : 'invalid', error.message, { cause: error, retryAfterMs: error.retryAfterMs });
    }
  }

  private async end(way: Way, revoke: Revocation): Promise<void> {
    const { party, row } = way;
    if ('endpoint' in revoke) {
      const refreshToken = row.refreshTokenEnc === null ? null : await this.store.refreshToken(row);
      return this.standard.revoke(party, revoke, { accessToken: await this.store.accessToken(row), refreshToken });
    }
    const { accessToken } = await this.tokens.current({ workspace: row.workspaceId, connection: row.id });
    await revoke.call({ account: this.asAccount(way, accessToken), client: this.asClient(way) }, { accessToken, clientId: party.clientId });
  }

  /** A token that is refused here is not renewed: there is nothing left to end. */
  private asAccount({ party }: Way, accessToken: string): ServiceHttp {
    return this.http(party, { accessToken, tokenType: 'bearer', generation: 0 });
  }

  private asClient({ party }: Way): ServiceHttp {
    const as = (secret: string): ServiceHttp => {
      // RFC 6749 section 2.3.1: both parts are form-encoded before they are joined.
      const pair = [party.clientId, secret].map((part) => new URLSearchParams({ part }).toString().slice('part='.length)).join(':');
      return this.http(party, { accessToken: Buffer.from(pair).toString('base64'), tokenType: 'basic', generation: 0, scheme: 'Basic' });
    };
    return {
      hostUrl: (host) => as('').hostUrl(host),
      request: (request) => this.secrets.use(party.credentials, isUnauthorised, (secret) => as(secret).request(request)),
    };
  }

  private http({ adapter, hosts }: OAuthParty, authorised: AuthorisedToken): ServiceHttp {
    const token = async (rejected?: number) => {
      if (rejected === undefined) return authorised;
      throw new ServiceError('unauthorised', `${adapter.label} does not accept the credentials that were to revoke the grant.`, { status: 401 });
    };
    return createServiceHttp({ adapter, hosts, egress: this.egress, clock: this.clock, token });
  }

  /** Whether another connection, in whichever workspace, lives of what the account granted to the same client. */
  private async isShared({ id, service, accountId, integration }: ConnectionRow): Promise<boolean> {
    const others = await this.database.prisma.connection.findMany({
      where: { id: { not: id }, service, accountId, integration: { clientId: integration.clientId } },
      select: { integration: { select: { hosts: true } } },
    });
    return others.some((other) => isDeepStrictEqual(other.integration.hosts, integration.hosts));
  }
}

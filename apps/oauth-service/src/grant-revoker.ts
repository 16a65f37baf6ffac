import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import { VaneError } from '@vane/contracts';
import { Database, type Authorisation } from '@vane/db';
import { ServiceError, type Revocation, type ServiceHttp } from '@vane/kit';
import { Clock, createServiceHttp, EgressClient, Logger, OriginGuard, type AuthorisedToken } from '@vane/runtime';
import { ClientSecrets } from './client-secrets.js';
import { ConnectionStore, type ConnectionRow } from './connection-store.js';
import { isDead } from './grant-health.js';
import type { Grant } from './grant.js';
import { hostsOf } from './integration-view.js';
import { IntegrationsService } from './integrations.service.js';
import type { IssuedTokens, OAuthParty } from './oauth-party.js';
import { ServiceCatalog } from './service-catalog.js';
import { isUnauthorised, TokenRevocation } from './token-revocation.js';
import { TokensService } from './tokens.service.js';

/** Whether a grant is revoked when its account is disconnected; `why` says it in words, and what is left to a person. */
export type RevocationPlan = { revokes: boolean; why: string };

/** Whose grant, through which client: what a revocation of whole grants would end. */
type Holder = { id: string | null; service: string; accountId: string; clientId: string; hosts: Record<string, string> };
type Tokens = Pick<IssuedTokens, 'accessToken' | 'refreshToken'>;

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
    private readonly origins: OriginGuard,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  async plan(row: ConnectionRow): Promise<RevocationPlan> {
    const adapter = this.catalog.installed(row.service);
    const label = adapter?.label ?? row.service;
    const byHand = `Remove Vane at ${label} yourself, among the apps that may use the account.`;
    const revoke = adapter?.oauth?.revoke;
    if (!revoke) return { revokes: false, why: `${label} offers Vane no way to revoke the grant. ${byHand}` };
    if (isDead(row)) return { revokes: false, why: `The grant does not work any more, so there is nothing to revoke it with. ${byHand}` };
    if (revoke.ends === 'grants' && (await this.isShared(holderOf(row)))) {
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
      await this.end(party, revoke, await this.tokensOf(row, revoke));
    } catch (error) {
      if (!(error instanceof VaneError)) throw error;
      throw new ServiceError(error.retry === 'later' ? 'unavailable' : 'invalid', error.message, { cause: error, retryAfterMs: error.retryAfterMs });
    }
  }

  /**
   * Ends a grant of which no connection was made, unless that would end one that a connection lives of. Tried once: what fails
   * is logged, and the tokens are forgotten all the same.
   */
  async revokeUnused({ id, workspaceId, integrationId }: Authorisation, { service, accountId, clientId, hosts, tokens }: Grant): Promise<void> {
    try {
      const party = await this.integrations.party(await this.integrations.row(workspaceId, integrationId));
      const { revoke } = party.profile;
      if (!revoke || party.clientId !== clientId || !isDeepStrictEqual(party.hosts, hosts)) return;
      if (revoke.ends === 'grants' && (await this.isShared({ id: null, service, accountId, clientId, hosts }))) return;
      await this.end(party, revoke, tokens);
    } catch (error) {
      this.logger.warn({ problem: String(error), authorisationId: id, workspaceId, service }, 'unused grant could not be revoked');
    }
  }

  private async tokensOf(row: ConnectionRow, revoke: Revocation): Promise<Tokens> {
    if ('endpoint' in revoke) {
      const refreshToken = row.refreshTokenEnc === null ? null : await this.store.refreshToken(row);
      return { accessToken: await this.store.accessToken(row), refreshToken };
    }
    const { accessToken } = await this.tokens.current({ workspace: row.workspaceId, connection: row.id });
    return { accessToken, refreshToken: null };
  }

  private async end(party: OAuthParty, revoke: Revocation, tokens: Tokens): Promise<void> {
    if ('endpoint' in revoke) return this.standard.revoke(party, revoke, tokens);
    const { accessToken } = tokens;
    await revoke.call({ account: this.asAccount(party, accessToken), client: this.asClient(party) }, { accessToken, clientId: party.clientId });
  }

  /** A token that is refused here is not renewed: there is nothing left to end. */
  private asAccount(party: OAuthParty, accessToken: string): ServiceHttp {
    return this.http(party, { accessToken, tokenType: 'bearer', generation: 0 });
  }

  private asClient(party: OAuthParty): ServiceHttp {
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

  private http({ adapter, hosts, clientId }: OAuthParty, authorised: AuthorisedToken): ServiceHttp {
    const token = async (rejected?: number) => {
      if (rejected === undefined) return authorised;
      throw new ServiceError('unauthorised', `${adapter.label} does not accept the credentials that were to revoke the grant.`, { status: 401 });
    };
    const guard = { origins: this.origins, party: `client ${clientId}` };
    return createServiceHttp({ adapter, hosts, egress: this.egress, clock: this.clock, token, guard });
  }

  /**
   * Whether another connection, in whichever workspace, lives of what the account granted to the same client. One whose own
   * revocation has begun needs its token for nothing else any more.
   */
  private async isShared({ id, service, accountId, clientId, hosts }: Holder): Promise<boolean> {
    const others = await this.database.prisma.connection.findMany({
      where: { ...(id === null ? {} : { id: { not: id } }), service, accountId, revokeUntil: null, integration: { clientId } },
      select: { status: true, reasonCode: true, integration: { select: { hosts: true } } },
    });
    return others.some((other) => !isDead(other) && isDeepStrictEqual(other.integration.hosts, hosts));
  }
}

const holderOf = ({ id, service, accountId, integration }: ConnectionRow): Holder => ({
  id, service, accountId, clientId: integration.clientId, hosts: hostsOf(integration),
});

import { Injectable } from '@nestjs/common';
import {
  getConnectionUses, VaneError, type attributeAuthorisation, type AuthorisationDescription, type authorizeConnection, type CallContext, type InputOf, type OutputOf,
  type reconnectConnection, type startAuthorisation,
} from '@vane/contracts';
import { Database, newId, Vault, type Authorisation } from '@vane/db';
import { Bus, Clock } from '@vane/runtime';
import { requireUsable } from './connection-access.js';
import { ConnectionStore } from './connection-store.js';
import { nobodys } from './connections.service.js';
import { GrantTaker, type Callback } from './grant-taker.js';
import { hostsOf } from './integration-view.js';
import { IntegrationsService } from './integrations.service.js';
import { OAuthClient } from './oauth-client.js';
import { PublicUrls } from './public-urls.js';
import { hashOf, matches, newSecret } from './secrets.js';
import { ServiceCatalog } from './service-catalog.js';

type Started = OutputOf<typeof authorizeConnection>;

/** How long a start link, the way through the service's pages, and a decision about what came of it may take. */
export const LIFE_MS = 10 * 60_000;
/** How long an ended authorisation can still be told apart from one that never was. */
const KEPT_MS = 24 * 60 * 60_000;

/**
 * Authorisations under way, from the start URL to the callback. Ticket, state and cookie are random, used once, and kept as
 * hashes (RFC 9700 section 4.7: https://www.rfc-editor.org/rfc/rfc9700#section-4.7).
 */
@Injectable()
export class AuthorisationsService {
  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
    private readonly clock: Clock,
    private readonly bus: Bus,
    private readonly catalog: ServiceCatalog,
    private readonly integrations: IntegrationsService,
    private readonly connections: ConnectionStore,
    private readonly grants: GrantTaker,
    private readonly client: OAuthClient,
    private readonly urls: PublicUrls,
  ) {}

  /** @throws VaneError `not_found`, `invalid_config` */
  async authorise(input: InputOf<typeof authorizeConnection>, call: CallContext): Promise<Started> {
    const { workspace, integration, triggerTypes, scopes } = input;
    const { service } = await this.integrations.row(workspace, integration);
    if (input.private && call.actor.userId === null) throw nobodys();
    const asked = this.catalog.scopes(this.catalog.oauth(service), triggerTypes, scopes);
    const ownerId = input.private ? call.actor.userId! : '';
    return this.open({ workspaceId: workspace, integrationId: integration, connectionId: null, ownerId, scopes: asked }, call);
  }

  /** Asks for what the connection's triggers need, and what is asked for beside. @throws VaneError `not_found`, `forbidden`, `invalid_config` */
  async reconnect(input: InputOf<typeof reconnectConnection>, call: CallContext): Promise<Started> {
    const { workspace, connection, triggerTypes, scopes } = input;
    const { integrationId, ownerId, status, service, scopes: granted } = await this.connections.row(workspace, connection);
    requireUsable({ ownerId }, call.actor);
    // What is removed has no triggers any more, and its hooks need for that what they were made with.
    const needed = status === 'disconnecting' ? granted : (await this.bus.ask(getConnectionUses, { workspace, connection }, call)).scopes;
    const asked = this.catalog.scopes(this.catalog.oauth(service), triggerTypes, [...needed, ...scopes]);
    return this.open({ workspaceId: workspace, integrationId, connectionId: connection, ownerId, scopes: asked }, call);
  }

  private async open(
    wanted: Pick<Authorisation, 'workspaceId' | 'integrationId' | 'connectionId' | 'ownerId' | 'scopes'>, { actor }: CallContext,
  ): Promise<Started> {
    const ticket = newSecret();
    const expiresAt = this.clock.in(LIFE_MS);
    // A new account's connection takes over the id of the authorisation it came from.
    const id = newId('connection', this.clock.now());
    const data = { ...wanted, id, actorId: actor.id, actorLabel: actor.label, ticketHash: hashOf(ticket), expiresAt };
    await this.database.forWorkspace(wanted.workspaceId).authorisation.create({ data });
    return { url: this.urls.startUrl(ticket), expiresAt: expiresAt.toISOString() };
  }

  /** What whoever opens the start URL is asked to agree to; the ticket stays good. @throws VaneError `oauth_state_invalid` */
  async describe(ticket: string): Promise<AuthorisationDescription> {
    const now = this.clock.now();
    const row = await this.database.prisma.authorisation.findUnique({ where: { ticketHash: hashOf(ticket) } });
    if (!row || row.stateHash !== null || row.expiresAt <= now) throw invalid(row, now, 'This link');
    const { workspaceId, integrationId, connectionId, actorId, actorLabel, scopes, ownerId } = row;
    const integration = await this.integrations.row(workspaceId, integrationId);
    const service = this.catalog.oauth(integration.service);
    const { name } = await this.database.prisma.workspace.findUniqueOrThrow({ where: { id: workspaceId } });
    const renewed = connectionId === null ? null : await this.connections.row(workspaceId, connectionId);
    return {
      actorId,
      actorLabel,
      workspace: name,
      service: service.adapter.label,
      host: this.client.authorizeHost({ ...service, hosts: hostsOf(integration) }),
      scopes,
      private: ownerId !== '',
      reconnects: renewed?.accountLabel ?? null,
    };
  }

  /** Uses the ticket up, binds the browser and sends it on to the service. @throws VaneError `oauth_state_invalid` */
  async start(ticket: string): Promise<OutputOf<typeof startAuthorisation>> {
    const now = this.clock.now();
    const ticketHash = hashOf(ticket);
    const opened = await this.database.prisma.authorisation.findUnique({ where: { ticketHash } });
    const [state, browserToken, verifier] = [newSecret(), newSecret(), this.grants.newVerifier()];
    const [row] = opened
      ? await this.database.forWorkspace(opened.workspaceId).authorisation.updateManyAndReturn({
          where: { ticketHash, stateHash: null, usedAt: null, expiresAt: { gt: now } },
          data: {
            stateHash: hashOf(state),
            browserHash: hashOf(browserToken),
            verifierEnc: await this.vault.encrypt(verifier, verifierPlace(opened)),
          },
        })
      : [];
    if (!row) throw invalid(opened, now, 'This link');
    const location = await this.grants.authorizeUrl(row, { state, verifier });
    return { location, browserToken, maxAgeSeconds: Math.ceil((row.expiresAt.getTime() - now.getTime()) / 1000) };
  }

  /**
   * Uses the state up, then compares the cookie.
   *
   * @param query of the callback, as received
   * @throws VaneError `oauth_state_invalid`
   */
  async redeem(query: string, browserToken: string | null): Promise<{ row: Authorisation; callback: Callback }> {
    const answer = new URLSearchParams(query);
    const [state, ...more] = answer.getAll('state');
    if (!state || more.length > 0) throw incomplete('state');
    if (!answer.get('code') && !answer.get('error')) throw incomplete('code');
    const row = await this.useUp(state);
    requireBrowser(row, browserToken);
    if (row.verifierEnc === null) throw new Error(`Authorisation ${row.id} has a state but no verifier.`);
    const verifier = await this.vault.decrypt(row.verifierEnc, verifierPlace(row));
    return { row, callback: { answer, state, verifier } };
  }

  /** Who asked for the authorisation that a state belongs to, whatever has become of it; null for one that is not known. */
  async attribute(state: string): Promise<OutputOf<typeof attributeAuthorisation>> {
    return this.database.prisma.authorisation.findUnique({
      where: { stateHash: hashOf(state) },
      select: { workspaceId: true, actorId: true, actorLabel: true, connectionId: true },
    });
  }

  /** Forgets authorisations that ended a day ago. */
  async sweep(): Promise<void> {
    await this.database.prisma.authorisation.deleteMany({ where: { expiresAt: { lt: new Date(this.clock.now().getTime() - KEPT_MS) } } });
  }

  private async useUp(state: string): Promise<Authorisation> {
    const now = this.clock.now();
    const stateHash = hashOf(state);
    const [row] = await this.database.prisma.authorisation.updateManyAndReturn({
      where: { stateHash, usedAt: null, expiresAt: { gt: now } },
      data: { usedAt: now },
    });
    if (row) return row;
    throw invalid(await this.database.prisma.authorisation.findUnique({ where: { stateHash } }), now, 'This authorisation');
  }
}

/** @throws VaneError `oauth_state_invalid` in another browser than the one that opened the start URL */
export function requireBrowser({ browserHash }: Authorisation, browserToken: string | null): void {
  if (browserToken !== null && browserHash !== null && matches(browserToken, browserHash)) return;
  throw new VaneError('oauth_state_invalid', 'This browser did not start the authorisation. Start to connect the account again, and stay in one browser.');
}

function invalid(row: Authorisation | null, now: Date, what: string): VaneError {
  const problem =
    row === null
      ? 'is not known here'
      : row.usedAt === null && row.expiresAt <= now
        ? 'has expired: it is good for ten minutes'
        : 'was already used: it is good for one try';
  return new VaneError('oauth_state_invalid', `${what} ${problem}. Start to connect the account again.`);
}

function incomplete(parameter: string): VaneError {
  return new VaneError('oauth_state_invalid', `The service sent the browser back without a usable "${parameter}". Start to connect the account again.`);
}

const verifierPlace = (row: Pick<Authorisation, 'id' | 'workspaceId'>) => ({
  table: 'authorisation', row: row.id, column: 'verifier_enc', workspaceId: row.workspaceId,
});

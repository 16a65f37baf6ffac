import { Injectable } from '@nestjs/common';
import { VaneError, type authorizeConnection, type CallContext, type ConnectionView, type InputOf, type OutputOf, type startAuthorisation } from '@vane/contracts';
import { Database, newId, Vault, type Authorisation } from '@vane/db';
import { Clock } from '@vane/runtime';
import { viewOf } from './connections.service.js';
import { GrantTaker } from './grant-taker.js';
import { PublicUrls } from './public-urls.js';
import { hashOf, matches, newSecret } from './secrets.js';

const LIFE_MS = 10 * 60_000;
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
    private readonly grants: GrantTaker,
    private readonly urls: PublicUrls,
  ) {}

  async authorise(input: InputOf<typeof authorizeConnection>, call: CallContext): Promise<OutputOf<typeof authorizeConnection>> {
    const { integration, scopes } = await this.grants.request(input.workspace, input.integration, input.scopes);
    const ticket = newSecret();
    const now = this.clock.now();
    const expiresAt = this.clock.in(LIFE_MS);
    await this.database.forWorkspace(input.workspace).authorisation.create({
      data: {
        // A new account's connection takes over the id of the authorisation it came from.
        id: newId('connection', now),
        workspaceId: input.workspace,
        integrationId: integration.id,
        ownerId: '',
        actorId: call.actor.id,
        actorLabel: call.actor.label,
        scopes,
        ticketHash: hashOf(ticket),
        expiresAt,
      },
    });
    return { url: this.urls.startUrl(ticket), expiresAt: expiresAt.toISOString() };
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
   * Uses the state up, then trades the code and stores the connection.
   *
   * @throws VaneError `oauth_state_invalid`, `oauth_denied`, `oauth_exchange_failed`, `service_unavailable`
   */
  async finish(query: string, browserToken: string | null): Promise<ConnectionView> {
    const answer = new URLSearchParams(query);
    const [state, ...more] = answer.getAll('state');
    if (!state || more.length > 0) throw incomplete('state');
    if (!answer.get('code') && !answer.get('error')) throw incomplete('code');
    const row = await this.useUp(state);
    if (browserToken === null || row.browserHash === null || !matches(browserToken, row.browserHash)) {
      throw new VaneError('oauth_state_invalid', 'This browser did not start the authorisation. Start to connect the account again, and stay in one browser.');
    }
    if (row.verifierEnc === null) throw new Error(`Authorisation ${row.id} has a state but no verifier.`);
    const verifier = await this.vault.decrypt(row.verifierEnc, verifierPlace(row));
    return viewOf(await this.grants.take(row, { answer, state, verifier }));
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

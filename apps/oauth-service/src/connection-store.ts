import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { VaneError } from '@vane/contracts';
import { Database, Vault, type Connection, type Integration } from '@vane/db';
import type { OAuthProfile } from '@vane/kit';
import { Clock } from '@vane/runtime';
import { endedGrant, GRANT_ENDS, revived, TOLD_TROUBLES, unauthorised, type GrantEnd, type RefreshTrouble } from './grant-health.js';
import type { IssuedTokens } from './oauth-party.js';
import { RefreshTimes } from './refresh-times.js';

export type ConnectionRow = Connection & { integration: Integration };

export type Lease = {
  owner: string;
  until: Date;
  /** When somebody before us sent a refresh whose answer nobody has seen; null when there is no such. */
  unansweredSince: Date | null;
};

/** Rows of connections: tokens encrypted, every change of a token compared with the generation it was made from. */
@Injectable()
export class ConnectionStore {
  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
    private readonly clock: Clock,
    private readonly times: RefreshTimes,
  ) {}

  /** @throws VaneError `not_found` */
  async row(workspace: string, id: string): Promise<ConnectionRow> {
    const { connection } = this.database.forWorkspace(workspace);
    for (;;) {
      const row = await connection.findFirst({ where: { id }, include: { integration: true } });
      if (!row) throw new VaneError('not_found', `There is no connection ${id} in this workspace.`);
      // The integration is read after the connection: if its hosts were changed in between, the generation has changed too.
      if ((await connection.count({ where: { id, generation: row.generation } })) === 1) return row;
    }
  }

  /** Active connections of all workspaces whose refresh is due, longest due first. */
  async due(limit: number): Promise<{ id: string; workspaceId: string; integrationId: string }[]> {
    return this.database.prisma.connection.findMany({
      where: { status: 'active', refreshAt: { lte: this.clock.now() } },
      orderBy: { refreshAt: 'asc' },
      take: limit,
      select: { id: true, workspaceId: true, integrationId: true },
    });
  }

  /** Lets the due connections of one integration wait: their neighbour has just found that asking is of no use. */
  async putOff(integrationId: string, until: Date): Promise<void> {
    await this.database.prisma.connection.updateMany({
      where: { integrationId, status: 'active', refreshAt: { lte: this.clock.now() } },
      data: { refreshAt: until },
    });
  }

  accessToken(row: Connection): Promise<string> {
    return this.vault.decrypt(row.accessTokenEnc, place(row, 'access_token_enc'));
  }

  async refreshToken(row: Connection): Promise<string> {
    if (row.refreshTokenEnc === null) throw new Error(`Connection ${row.id} has no refresh token.`);
    return this.vault.decrypt(row.refreshTokenEnc, place(row, 'refresh_token_enc'));
  }

  /** Takes the refresh lease of this generation, unless someone holds it; undefined then. */
  async lease(row: Connection): Promise<Lease | undefined> {
    const owner = randomBytes(12).toString('base64url');
    const now = this.clock.now();
    const until = this.clock.in(this.times.leaseMs);
    const [taken] = await this.database.forWorkspace(row.workspaceId).connection.updateManyAndReturn({
      where: {
        id: row.id,
        generation: row.generation,
        // What is being removed still needs tokens, to remove what it holds at the service.
        status: { in: ['active', 'disconnecting'] },
        OR: [{ leaseUntil: null }, { leaseUntil: { lte: now } }],
      },
      data: { leaseOwner: owner, leaseUntil: until },
      select: { refreshIntentAt: true },
    });
    return taken && { owner, until, unansweredSince: taken.refreshIntentAt };
  }

  /** Commits that a request is about to go out. False when too little of the lease is left for it. */
  async declareIntent(row: Connection, lease: Lease, requestMs: number): Promise<boolean> {
    const { count } = await this.database.forWorkspace(row.workspaceId).connection.updateMany({
      where: { id: row.id, generation: row.generation, leaseOwner: lease.owner, leaseUntil: { gt: this.clock.in(requestMs) } },
      data: { refreshIntentAt: this.clock.now() },
    });
    // The statement may have waited, for a lock or for its turn: what was left of the lease then is not left now.
    return count === 1 && lease.until > this.clock.in(requestMs);
  }

  /**
   * Stores a refreshed pair. Only the generation decides: whoever refreshed last under an expired lease still holds the
   * pair that lives, and a connection that was given up meanwhile works again. A removal under way goes on.
   *
   * @param confirms the refresh was made because the service had refused the token before
   * @returns undefined when another token was saved meanwhile, which then stands
   */
  async saveRefreshed(row: Connection, tokens: IssuedTokens, profile: OAuthProfile, confirms: boolean): Promise<'saved' | 'revived' | undefined> {
    const now = this.clock.now();
    const columns = {
      ...(await this.sealed(row, tokens)),
      // A service that sends no new refresh token lets the old one live (RFC 6749 section 6).
      refreshTokenEnc: tokens.refreshToken === null ? row.refreshTokenEnc : await this.sealedRefresh(row, tokens.refreshToken),
      ...times(tokens, tokens.refreshToken ?? row.refreshTokenEnc, profile, now),
      ...(tokens.scopes === null ? {} : { scopes: tokens.scopes }),
      ...settled(now),
      rejectedBefore: confirms,
      generation: row.generation + 1,
    };
    return this.database.forWorkspace(row.workspaceId).$transaction(async (tx) => {
      const same = { id: row.id, generation: row.generation };
      const told = { OR: [{ status: 'auth_required' }, { status: 'active', reasonCode: { in: [...TOLD_TROUBLES] } }] };
      const { count } = await tx.connection.updateMany({ where: { ...same, ...told }, data: revived(now) });
      const saved = await tx.connection.updateMany({ where: same, data: columns });
      if (saved.count === 0) return undefined;
      return count === 1 ? 'revived' : 'saved';
    });
  }

  /**
   * Ends a refresh that brought no token, and says why, and when the next may start. People are told of a refused client at once. `intentAt` stays set as long as the service
   * may have acted on a request whose answer is lost.
   */
  async saveFailure(row: Connection, lease: Lease, failure: { retryAt: Date; uncertain: boolean; trouble: RefreshTrouble }): Promise<void> {
    const { connection } = this.database.forWorkspace(row.workspaceId);
    const { code, reason } = failure.trouble;
    const held = { id: row.id, generation: row.generation, leaseOwner: lease.owner };
    const untold = { OR: [{ reasonCode: null }, { reasonCode: { notIn: code === 'client_refused' ? [code] : [...TOLD_TROUBLES] } }] };
    await connection.updateMany({
      where: { ...held, status: 'active', ...untold },
      data: { reasonCode: code, reason, ...(code === 'client_refused' ? { noticeDue: true } : {}) },
    });
    await connection.updateMany({
      where: held,
      data: {
        leaseOwner: null,
        leaseUntil: null,
        ...(failure.uncertain ? {} : { refreshIntentAt: lease.unansweredSince }),
        refreshFailures: { increment: 1 },
        refreshAt: failure.retryAt,
        updatedAt: this.clock.now(),
      },
    });
  }

  /** Gives the lease back untouched. */
  async release(row: Connection, lease: Lease): Promise<void> {
    await this.database.forWorkspace(row.workspaceId).connection.updateMany({
      where: { id: row.id, leaseOwner: lease.owner },
      data: { leaseOwner: null, leaseUntil: null, refreshIntentAt: lease.unansweredSince },
    });
  }

  /**
   * Marks a connection that nobody but a person can mend. Its tokens stay.
   *
   * @returns its status then; undefined when a newer token exists, or somebody has marked it before
   */
  async requireAuthorisation(row: Connection, end: GrantEnd, lease?: Lease): Promise<'auth_required' | 'disconnecting' | undefined> {
    const { connection } = this.database.forWorkspace(row.workspaceId);
    const now = this.clock.now();
    const same = { id: row.id, generation: row.generation, ...(lease ? { leaseOwner: lease.owner } : {}) };
    const active = await connection.updateMany({ where: { ...same, status: 'active' }, data: unauthorised(end, now) });
    if (active.count === 1) return 'auth_required';
    const unmarked = { OR: [{ reasonCode: null }, { reasonCode: { notIn: [...GRANT_ENDS] } }] };
    const leaving = await connection.updateMany({ where: { ...same, status: 'disconnecting', ...unmarked }, data: endedGrant(end, now) });
    return leaving.count === 1 ? 'disconnecting' : undefined;
  }

  /** Columns of a fresh pair of tokens, in place of whatever pair there was. */
  async freshTokens(row: Pick<Connection, 'id' | 'workspaceId'>, tokens: IssuedTokens, profile: OAuthProfile) {
    const now = this.clock.now();
    return {
      ...(await this.sealed(row, tokens)),
      refreshTokenEnc: tokens.refreshToken === null ? null : await this.sealedRefresh(row, tokens.refreshToken),
      ...times(tokens, tokens.refreshToken, profile, now),
      ...settled(now),
      status: 'active' as const,
      rejectedBefore: false,
    };
  }

  private async sealed(row: Pick<Connection, 'id' | 'workspaceId'>, tokens: IssuedTokens) {
    return {
      accessTokenEnc: await this.vault.encrypt(tokens.accessToken, place(row, 'access_token_enc')),
      tokenType: tokens.tokenType,
    };
  }

  private sealedRefresh(row: Pick<Connection, 'id' | 'workspaceId'>, refreshToken: string): Promise<string> {
    return this.vault.encrypt(refreshToken, place(row, 'refresh_token_enc'));
  }
}

/** Columns of a connection whose newest token is usable and that nobody is refreshing. */
const settled = (now: Date) => ({
  reason: null, reasonCode: null, leaseOwner: null, leaseUntil: null, refreshIntentAt: null, refreshFailures: 0, updatedAt: now,
});

/** Refresh is due at 75 to 85 percent of the lifetime, so that connections made together do not stay together. */
function times(tokens: IssuedTokens, refreshToken: string | null, profile: OAuthProfile, now: Date) {
  if (tokens.expiresInSeconds === null) return { expiresAt: null, refreshAt: null };
  const lifetimeMs = tokens.expiresInSeconds * 1000;
  const fraction = 0.75 + (randomBytes(1)[0]! / 255) * 0.1;
  const refreshable = profile.refresh !== 'none' && refreshToken !== null;
  return {
    expiresAt: new Date(now.getTime() + lifetimeMs),
    refreshAt: refreshable ? new Date(now.getTime() + lifetimeMs * fraction) : null,
  };
}

const place = (row: Pick<Connection, 'id' | 'workspaceId'>, column: string) => ({
  table: 'connection', row: row.id, column, workspaceId: row.workspaceId,
});

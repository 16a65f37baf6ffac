import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import { VaneError } from '@vane/contracts';
import { Database, isUniqueViolation, Vault, type Connection, type Integration, type ScopedPrisma } from '@vane/db';
import type { OAuthProfile } from '@vane/kit';
import { Clock } from '@vane/runtime';
import type { IssuedTokens } from './oauth-party.js';
import { RefreshTimes } from './refresh-times.js';

export type ConnectionRow = Connection & { integration: Integration };

export type Lease = {
  owner: string;
  /** When somebody before us sent a refresh whose answer nobody has seen; null when there is no such. */
  unansweredSince: Date | null;
};

export type NewConnection = {
  /** Used when the account is not connected yet. */
  id: string;
  workspaceId: string;
  /** The user who alone may use it; empty for a connection that is shared with the workspace. */
  ownerId: string;
  integration: Integration;
  accountId: string;
  accountLabel: string;
  scopes: string[];
  tokens: IssuedTokens;
  profile: OAuthProfile;
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
    const [taken] = await this.database.forWorkspace(row.workspaceId).connection.updateManyAndReturn({
      where: {
        id: row.id,
        generation: row.generation,
        status: 'active',
        OR: [{ leaseUntil: null }, { leaseUntil: { lte: now } }],
      },
      data: { leaseOwner: owner, leaseUntil: this.clock.in(this.times.leaseMs) },
      select: { refreshIntentAt: true },
    });
    return taken && { owner, unansweredSince: taken.refreshIntentAt };
  }

  /** Commits that a request is about to go out. False when too little of the lease is left for it. */
  async declareIntent(row: Connection, lease: Lease, requestMs: number): Promise<boolean> {
    const { count } = await this.database.forWorkspace(row.workspaceId).connection.updateMany({
      where: { id: row.id, generation: row.generation, leaseOwner: lease.owner, leaseUntil: { gt: this.clock.in(requestMs) } },
      data: { refreshIntentAt: this.clock.now() },
    });
    return count === 1;
  }

  /**
   * Stores a refreshed pair. Only the generation decides: whoever refreshed last under an expired lease still holds the
   * pair that lives. False when another token was saved meanwhile, which then stands.
   */
  async saveRefreshed(row: Connection, tokens: IssuedTokens, profile: OAuthProfile): Promise<boolean> {
    const { count } = await this.database.forWorkspace(row.workspaceId).connection.updateMany({
      where: { id: row.id, generation: row.generation },
      data: {
        ...(await this.sealed(row, tokens)),
        // A service that sends no new refresh token lets the old one live (RFC 6749 section 6).
        refreshTokenEnc: tokens.refreshToken === null ? row.refreshTokenEnc : await this.sealedRefresh(row, tokens.refreshToken),
        ...times(tokens, tokens.refreshToken ?? row.refreshTokenEnc, profile, this.clock.now()),
        ...(tokens.scopes === null ? {} : { scopes: tokens.scopes }),
        ...settled(this.clock.now()),
        generation: row.generation + 1,
      },
    });
    return count === 1;
  }

  /**
   * Ends a refresh that brought no token, and says when the next may start. `intentAt` stays set as long as the service
   * may have acted on a request whose answer is lost.
   */
  async saveFailure(row: Connection, lease: Lease, failure: { retryAt: Date; uncertain: boolean }): Promise<void> {
    await this.database.forWorkspace(row.workspaceId).connection.updateMany({
      where: { id: row.id, generation: row.generation, leaseOwner: lease.owner },
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

  /** Marks a connection that nobody but a person can mend. Its tokens stay. False when a newer token exists. */
  async requireAuthorisation(row: Connection, reason: string, lease?: Lease): Promise<boolean> {
    const { count } = await this.database.forWorkspace(row.workspaceId).connection.updateMany({
      where: { id: row.id, generation: row.generation, status: 'active', ...(lease ? { leaseOwner: lease.owner } : {}) },
      data: unauthorised(reason, this.clock.now()),
    });
    return count === 1;
  }

  /**
   * Stores a fresh grant: in the account's connection if there is one, which then keeps its id, else in a new one.
   *
   * @throws VaneError `oauth_state_invalid` when the integration leads to other hosts by now than the grant came from
   */
  async saveGrant(grant: NewConnection): Promise<ConnectionRow> {
    const { workspaceId, integration, accountId, ownerId } = grant;
    const scoped = this.database.forWorkspace(workspaceId);
    for (;;) {
      const existing = await scoped.connection.findFirst({ where: { integrationId: integration.id, accountId, ownerId } });
      try {
        const id = await this.writeGrant(existing, grant);
        if (id !== undefined) return await this.row(workspaceId, id);
      } catch (error) {
        // Two browsers connect the same account: the second finds the row of the first.
        if (!isUniqueViolation(error)) throw error;
      }
    }
  }

  /** Undefined when another token was saved for the account meanwhile. */
  private async writeGrant(existing: Connection | null, grant: NewConnection): Promise<string | undefined> {
    const { workspaceId, integration, accountId, ownerId } = grant;
    const { service } = integration;
    const id = existing?.id ?? grant.id;
    const columns = await this.grantColumns({ id, workspaceId }, grant);
    return this.database.forWorkspace(workspaceId).$transaction(async (tx) => {
      if (!(await holdIntegration(tx, integration))) throw movedMeanwhile();
      if (existing) {
        const { generation } = existing;
        const { count } = await tx.connection.updateMany({ where: { id, generation }, data: { ...columns, generation: generation + 1 } });
        return count === 1 ? id : undefined;
      }
      await tx.connection.create({
        data: {
          ...columns,
          ...{ id, workspaceId, integrationId: integration.id, service, ownerId, accountId },
          ...{ generation: 1, version: 1, noticeDue: false, rejectedBefore: false, createdAt: columns.updatedAt },
        },
      });
      return id;
    });
  }

  private async grantColumns(row: Pick<Connection, 'id' | 'workspaceId'>, { accountLabel, scopes, tokens, profile }: NewConnection) {
    const now = this.clock.now();
    return {
      accountLabel,
      scopes,
      ...(await this.sealed(row, tokens)),
      refreshTokenEnc: tokens.refreshToken === null ? null : await this.sealedRefresh(row, tokens.refreshToken),
      ...times(tokens, tokens.refreshToken, profile, now),
      ...settled(now),
      statusSince: now,
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

/** Columns of a connection whose tokens must not be used any more. */
export const unauthorised = (reason: string, now: Date) => ({
  status: 'auth_required' as const, statusSince: now, reason, noticeDue: true, refreshAt: null, leaseOwner: null, leaseUntil: null, refreshIntentAt: null, updatedAt: now,
});

/** Keeps client and hosts of an integration as they are for the rest of the transaction; false when they are others by now. */
async function holdIntegration(tx: Pick<ScopedPrisma, 'integrationUse'>, { id, clientId, hosts }: Integration): Promise<boolean> {
  // Changes nothing, but waits for, and then holds off, whoever changes the integration: they lock its uses too.
  await tx.integrationUse.updateMany({ where: { integrationId: id }, data: { integrationId: id } });
  const use = await tx.integrationUse.findFirst({ where: { integrationId: id }, include: { integration: true } });
  return use !== null && use.integration.clientId === clientId && isDeepStrictEqual(use.integration.hosts, hosts);
}

const movedMeanwhile = (): VaneError =>
  new VaneError('oauth_state_invalid', 'The integration was changed during the authorisation. Start to connect the account again.');

/** Columns of a connection whose newest token is usable and that nobody is refreshing. */
const settled = (now: Date) => ({
  status: 'active' as const, reason: null, reasonCode: null, leaseOwner: null, leaseUntil: null, refreshIntentAt: null, refreshFailures: 0, updatedAt: now,
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

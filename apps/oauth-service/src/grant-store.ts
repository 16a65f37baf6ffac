import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import { VaneError } from '@vane/contracts';
import { Database, isUniqueViolation, type Authorisation, type Connection, type ScopedPrisma } from '@vane/db';
import { Clock } from '@vane/runtime';
import { ConnectionStore, type ConnectionRow } from './connection-store.js';
import { isTroubled } from './grant-health.js';
import type { Grant } from './grant.js';
import { ServiceCatalog } from './service-catalog.js';

/** Stores grants as connections; nothing but a grant makes one, or makes one active again. */
@Injectable()
export class GrantStore {
  constructor(
    private readonly database: Database,
    private readonly connections: ConnectionStore,
    private readonly catalog: ServiceCatalog,
    private readonly clock: Clock,
  ) {}

  /** The connection of the granted account, of the same owner and integration; null when it is not connected yet. */
  async connectionOf({ workspaceId, integrationId, ownerId }: Authorisation, { accountId }: Grant): Promise<ConnectionRow | null> {
    const where = { integrationId, ownerId, accountId };
    return this.database.forWorkspace(workspaceId).connection.findFirst({ where, include: { integration: true } });
  }

  /**
   * Stores a grant in `target`, which keeps its id and becomes a connection of the granted account; with null in a new
   * connection, or in one that was made for the account meanwhile. A grant that was held is given up in the same transaction.
   * A connection that is being disconnected stays that: a grant that was asked for it is what its removal goes on with, at once.
   *
   * @throws VaneError `oauth_state_invalid` when the integration is another client or leads to other hosts by now than the
   * grant came from, `target` has another owner by now, or the held grant is gone; `conflict` when the account has another connection, or `target` is being
   * disconnected and the grant was not asked for it or is another account's
   */
  async save(authorisation: Authorisation, grant: Grant, target: ConnectionRow | null): Promise<ConnectionRow> {
    const { workspaceId } = authorisation;
    for (let current: Connection | null = target; ; ) {
      try {
        return await this.connections.row(workspaceId, await this.write(authorisation, grant, current));
      } catch (error) {
        if (isUniqueViolation(error)) {
          if (current) throw connectedAlready(grant);
          // Two browsers connect the same account: the second finds the row of the first.
          current = await this.connectionOf(authorisation, grant);
        } else if (error instanceof Overtaken && current) {
          current = await this.connections.row(workspaceId, current.id);
        } else throw error;
      }
    }
  }

  private async write(authorisation: Authorisation, grant: Grant, existing: Connection | null): Promise<string> {
    const { workspaceId, integrationId, ownerId } = authorisation;
    if (existing) refuseLeaving(authorisation, grant, existing);
    if (existing && existing.ownerId !== ownerId) throw otherOwner();
    const id = existing?.id ?? authorisation.id;
    const now = this.clock.now();
    const { profile } = this.catalog.oauth(grant.service);
    const { accountId, accountLabel, scopes } = grant;
    const columns = { accountId, accountLabel, scopes, ...(await this.connections.freshTokens({ id, workspaceId }, grant.tokens, profile)) };
    return this.database.forWorkspace(workspaceId).$transaction(async (tx) => {
      if (!(await holdIntegration(tx, integrationId, grant))) throw movedMeanwhile();
      if (authorisation.grantEnc !== null) {
        const { grantEnc } = authorisation;
        const { count } = await tx.authorisation.updateMany({ where: { id: authorisation.id, grantEnc }, data: { grantEnc: null } });
        if (count === 0) throw new VaneError('oauth_state_invalid', 'This was already decided. Start to connect the account again.');
      }
      if (!existing) {
        const fixed = { id, workspaceId, integrationId, service: grant.service, ownerId };
        await tx.connection.create({ data: { ...columns, ...fixed, generation: 1, version: 1, noticeDue: false, statusSince: now, createdAt: now } });
        return id;
      }
      const { generation, status } = existing;
      const { count } = await tx.connection.updateMany({
        where: { id, generation, status, ownerId },
        data: {
          ...columns,
          generation: generation + 1,
          version: { increment: 1 },
          ...(status === 'disconnecting' ? { status, disconnectAt: now, disconnectTries: 0 } : {}),
          ...(status === 'auth_required' || isTroubled(existing) ? { statusSince: now, noticeDue: true } : {}),
          ...(existing.accountId === accountId ? {} : { accountChangedAt: now }),
        },
      });
      if (count === 0) throw new Overtaken();
      return id;
    });
  }
}

/**
 * A connection that is being disconnected takes only a grant with which its removal can go on: one that was asked for it, of
 * its account, since another may see none of what is to be removed.
 *
 * @throws VaneError `conflict`
 */
export function refuseLeaving({ connectionId }: Authorisation, grant: Grant, { id, status, accountId, accountLabel }: Connection): void {
  if (status !== 'disconnecting' || (connectionId === id && grant.accountId === accountId)) return;
  throw new VaneError(
    'conflict', `The connection to ${accountLabel} is being disconnected. Connect the account again when that is done, or reconnect this one as ${accountLabel} if its removal waits for that.`,
  );
}

/** The row was changed between reading and writing it. */
class Overtaken extends Error {}

/** Keeps client and hosts of an integration as they are for the rest of the transaction; false when they are others by now. */
async function holdIntegration(tx: Pick<ScopedPrisma, 'integrationUse'>, integrationId: string, { clientId, hosts }: Grant): Promise<boolean> {
  // Changes nothing, but waits for, and then holds off, whoever changes the integration: they lock its uses too.
  await tx.integrationUse.updateMany({ where: { integrationId }, data: { integrationId } });
  const use = await tx.integrationUse.findFirst({ where: { integrationId }, include: { integration: true } });
  return use !== null && use.integration.clientId === clientId && isDeepStrictEqual(use.integration.hosts, hosts);
}

const movedMeanwhile = (): VaneError =>
  new VaneError('oauth_state_invalid', 'The integration was changed during the authorisation. Start to connect the account again.');

/** Whoever authorised it must not give their tokens to somebody else. */
export const otherOwner = (): VaneError =>
  new VaneError('oauth_state_invalid', 'Who may use this connection was changed during the authorisation. Start to connect the account again.');

/** Another row stands for the account: two of one owner would be told apart by nothing. */
export const connectedAlready = ({ accountLabel }: Grant): VaneError =>
  new VaneError('conflict', `The account ${accountLabel} has a connection of its own here. Use that one, or choose another account.`);

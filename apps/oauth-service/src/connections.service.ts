import { Injectable } from '@nestjs/common';
import { getConnectionUses, VaneError, type CallContext, type ConnectionView, type InputOf, type updateConnection } from '@vane/contracts';
import { Database, isUniqueViolation, type Connection, pageOf, type PageInput } from '@vane/db';
import { Bus, Clock } from '@vane/runtime';
import { isUsable, requireUsable, requireVisible, visibleTo, type Asker } from './connection-access.js';
import { ConnectionStore, type ConnectionRow } from './connection-store.js';
import { reasonOf } from './disconnection-words.js';

/** Authorised accounts as the API shows them. */
@Injectable()
export class ConnectionsService {
  constructor(
    private readonly database: Database,
    private readonly store: ConnectionStore,
    private readonly bus: Bus,
    private readonly clock: Clock,
  ) {}

  list(input: PageInput & { workspace: string }, { actor }: CallContext): Promise<{ items: ConnectionView[]; next: string | null }> {
    const { connection } = this.database.forWorkspace(input.workspace);
    return pageOf(input, ({ where, ...page }) => connection.findMany({ ...page, where: { ...where, ...visibleTo(actor) } }), (row) => viewOf(row, actor));
  }

  /** @throws VaneError `not_found`, `forbidden` */
  async get(workspace: string, id: string, { actor }: CallContext): Promise<ConnectionView> {
    const row = await this.store.row(workspace, id);
    requireVisible(row, actor);
    return viewOf(row, actor);
  }

  /**
   * Renames, or changes who may use it: the owner shares it; an admin makes a shared one their own, as long as no trigger of
   * others would then work with it.
   *
   * @throws VaneError `forbidden`, `in_use`, `conflict`, `precondition_failed`
   */
  async update(input: InputOf<typeof updateConnection>, call: CallContext): Promise<ConnectionView> {
    const { workspace, connection: id, ifMatch, name } = input;
    const row = await this.store.row(workspace, id);
    requireUsable(row, call.actor);
    if (row.version !== ifMatch) throw changedMeanwhile(ifMatch);
    const ownerId = await this.newOwner(row, input.private, call);
    const data = { name, ownerId, version: { increment: 1 }, updatedAt: this.clock.now() };
    try {
      const { count } = await this.database.forWorkspace(workspace).connection.updateMany({ where: { id, version: ifMatch }, data });
      if (count === 0) throw changedMeanwhile(ifMatch);
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      throw new VaneError('conflict', `The account ${row.accountLabel} has another connection that is ${input.private ? 'yours alone' : 'shared'} already. Use that one.`);
    }
    if (ownerId) await this.confirmTaken(row, ownerId, call);
    return this.get(workspace, id, call);
  }

  /** Gives it back when somebody made a trigger with it until it was taken, or nobody can say so. */
  private async confirmTaken(row: ConnectionRow, ownerId: string, call: CallContext): Promise<void> {
    try {
      await this.refuseUsed(row, call);
    } catch (error) {
      const data = { name: row.name, ownerId: row.ownerId, version: { increment: 1 }, updatedAt: this.clock.now() };
      await this.database.forWorkspace(row.workspaceId).connection.updateMany({ where: { id: row.id, ownerId, version: row.version + 1 }, data });
      throw error;
    }
  }

  /** Undefined when it stays whose it is. */
  private async newOwner(row: ConnectionRow, wanted: boolean | undefined, call: CallContext): Promise<string | undefined> {
    if (wanted === undefined || wanted === (row.ownerId !== '')) return undefined;
    if (!wanted) return '';
    const { role, userId } = call.actor;
    if (role !== 'admin' && role !== 'superadmin') throw new VaneError('forbidden', 'Only an admin may take a shared connection away from the others.');
    if (userId === null) throw nobodys();
    await this.refuseUsed(row, call);
    return userId;
  }

  private async refuseUsed(row: ConnectionRow, call: CallContext): Promise<void> {
    const { triggerCount } = await this.bus.ask(getConnectionUses, { workspace: row.workspaceId, connection: row.id }, call);
    if (triggerCount === 0) return;
    throw new VaneError('in_use', `The connection "${row.name ?? row.accountLabel}" is used by ${counted(triggerCount, 'trigger')}, so it has to stay shared.`);
  }
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

const changedMeanwhile = (ifMatch: number): VaneError =>
  new VaneError('precondition_failed', `The connection is not at version ${ifMatch} any more. Read it again, then repeat the change.`);

/** A token that no person stands behind cannot own anything. */
export const nobodys = (): VaneError =>
  new VaneError('invalid_config', 'This API token belongs to no person, so a connection cannot be private to it. Sign in, or leave "private" out.', {
    fields: [{ path: 'private', message: 'needs a person' }],
  });

/** A connection without its tokens, as `asker` sees it. */
export function viewOf(row: Connection, asker: Asker): ConnectionView {
  const { id, service, integrationId, name, accountId, accountLabel, ownerId, scopes, reasonCode, version } = row;
  return {
    id,
    service,
    integrationId,
    name,
    accountId,
    accountLabel,
    private: ownerId !== '',
    ownerId: ownerId === '' ? null : ownerId,
    usable: isUsable(row, asker),
    scopes,
    status: row.status as ConnectionView['status'],
    statusSince: row.statusSince.toISOString(),
    reasonCode,
    reason: reasonOf(row),
    expiresAt: row.expiresAt?.toISOString() ?? null,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
    version,
  };
}

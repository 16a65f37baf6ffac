import { Injectable } from '@nestjs/common';
import { getConnectionUses, VaneError, type CallContext, type ConnectionView } from '@vane/contracts';
import { Database, type Connection, pageOf, type PageInput } from '@vane/db';
import { Bus } from '@vane/runtime';
import { ConnectionStore } from './connection-store.js';

/** Authorised accounts as the API shows them. */
@Injectable()
export class ConnectionsService {
  constructor(
    private readonly database: Database,
    private readonly store: ConnectionStore,
    private readonly bus: Bus,
  ) {}

  list(input: PageInput & { workspace: string }): Promise<{ items: ConnectionView[]; next: string | null }> {
    return pageOf(input, (page) => this.database.forWorkspace(input.workspace).connection.findMany(page), viewOf);
  }

  async get(workspace: string, id: string): Promise<ConnectionView> {
    return viewOf(await this.store.row(workspace, id));
  }

  /** @throws VaneError `in_use` while triggers use it, or objects at the service are still to be removed with it */
  async delete(workspace: string, id: string, call: CallContext): Promise<void> {
    const { accountLabel } = await this.store.row(workspace, id);
    const { triggerCount, tombstones } = await this.bus.ask(getConnectionUses, { workspace, connection: id }, call);
    if (triggerCount > 0) {
      throw new VaneError('in_use', `The connection "${accountLabel}" is used by ${counted(triggerCount, 'trigger')}. Delete ${triggerCount === 1 ? 'it' : 'them'} first.`);
    }
    if (tombstones > 0) {
      throw new VaneError(
        'in_use',
        `The connection "${accountLabel}" is still needed to remove ${counted(tombstones, 'subscription')} at the service. Try again when that is done.`,
      );
    }
    await this.database.forWorkspace(workspace).connection.deleteMany({ where: { id } });
  }
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** A connection without its tokens. */
export function viewOf(row: Connection): ConnectionView {
  const { id, service, integrationId, accountId, accountLabel, scopes, reason } = row;
  return {
    id,
    service,
    integrationId,
    accountId,
    accountLabel,
    scopes,
    status: row.status as ConnectionView['status'],
    reason,
    expiresAt: row.expiresAt?.toISOString() ?? null,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

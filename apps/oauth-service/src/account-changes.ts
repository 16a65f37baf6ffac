import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { reapplySubscriptions, systemCall } from '@vane/contracts';
import { Database, type Connection } from '@vane/db';
import { Bus, Logger } from '@vane/runtime';

type Changed = Pick<Connection, 'id' | 'workspaceId' | 'accountChangedAt'>;

const BATCH = 20;

/**
 * Has trigger-service tell the service anew what is wanted of it where another account took a connection over. That it is
 * owed is a column of the connection, committed with the account; a schedule repeats it until it is done.
 */
@Injectable()
export class AccountChanges {
  constructor(
    private readonly database: Database,
    private readonly bus: Bus,
    private readonly logger: Logger,
  ) {}

  /** What fails here is done by the next `due`. */
  async apply({ id, workspaceId, accountChangedAt }: Changed): Promise<void> {
    try {
      const { busy } = await this.bus.ask(reapplySubscriptions, { workspace: workspaceId, connection: id }, systemCall('oauth-service', randomUUID()));
      if (busy > 0) return;
      await this.database.forWorkspace(workspaceId).connection.updateMany({ where: { id, accountChangedAt }, data: { accountChangedAt: null } });
    } catch (error) {
      this.logger.warn({ err: error, connectionId: id, workspaceId }, 'subscriptions not applied as the new account yet');
    }
  }

  async due(): Promise<void> {
    const where = { accountChangedAt: { not: null } };
    const rows = await this.database.prisma.connection.findMany({ where, orderBy: { accountChangedAt: 'asc' }, take: BATCH });
    await Promise.all(rows.map((row) => this.apply(row)));
  }
}

import { Injectable } from '@nestjs/common';
import { getConnectionUses, VaneError, type CallContext, type ErrorField } from '@vane/contracts';
import { Database, type Connection, type Integration } from '@vane/db';
import { Bus } from '@vane/runtime';

/** So many connections are named in an error; the others are counted. */
const NAMED = 20;

type Named = Pick<Connection, 'id' | 'workspaceId' | 'accountLabel'>;

/** Who works with an integration: its connections, in every workspace that uses it. */
@Injectable()
export class IntegrationUsers {
  constructor(
    private readonly database: Database,
    private readonly bus: Bus,
  ) {}

  /** What a change would break, for a person to read before it is confirmed. */
  async confirmation(row: Integration, call: CallContext): Promise<VaneError> {
    const { count, named } = await this.connections({ integrationId: row.id });
    const fields = await Promise.all(
      named.map(async (connection): Promise<ErrorField> => {
        const { triggerCount } = await this.bus.ask(getConnectionUses, { workspace: connection.workspaceId, connection: connection.id }, call);
        return { path: pathOf(connection), message: `${nameOf(row, connection)} must be authorised again; ${counted(triggerCount, 'trigger')} will wait for it` };
      }),
    );
    const message = `After this change ${counted(count, 'connection')} of the integration "${row.name}" must be authorised again. Repeat the request with "confirm": true if that is meant.`;
    return new VaneError('confirmation_required', message, { fields: [...fields, ...rest(count, named)] });
  }

  /** @param workspaceId only the connections of this workspace count. @throws VaneError `in_use` with their names */
  async refuseUsed(row: Integration, workspaceId?: string): Promise<void> {
    const { count, named } = await this.connections({ integrationId: row.id, workspaceId });
    if (count === 0) return;
    const fields = named.map((connection) => ({ path: pathOf(connection), message: `${nameOf(row, connection)} uses it` }));
    const message = `The integration "${row.name}" is used by ${counted(count, 'connection')}. Disconnect ${count === 1 ? 'it' : 'them'} first.`;
    throw new VaneError('in_use', message, { fields: [...fields, ...rest(count, named)] });
  }

  private async connections(where: { integrationId: string; workspaceId?: string | undefined }): Promise<{ count: number; named: Named[] }> {
    const { connection } = this.database.prisma;
    const select = { id: true, workspaceId: true, accountLabel: true } as const;
    const [count, named] = await Promise.all([connection.count({ where }), connection.findMany({ where, orderBy: { id: 'asc' }, take: NAMED, select })]);
    return { count, named };
  }
}

const pathOf = ({ id }: Named): string => `connections.${id}`;

/** Of an integration of the instance, whose connections are in many workspaces, with the workspace. */
const nameOf = (row: Integration, { accountLabel, workspaceId }: Named): string =>
  row.workspaceId === null ? `"${accountLabel}" in workspace ${workspaceId}` : `"${accountLabel}"`;

const rest = (count: number, named: Named[]): ErrorField[] =>
  count > named.length ? [{ path: 'connections', message: `and ${counted(count - named.length, 'further connection')}` }] : [];

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

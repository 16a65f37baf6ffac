import type { CallContext } from '@vane/contracts';
import type { Database } from '@vane/db';
import type { Adapter, ServiceHttp } from '@vane/kit';
import type { Connections } from './connections.js';
import { LeaseLost, type SubscriptionRow, type SubscriptionRows } from './sagas/subscription-rows.js';

/** Calls to a service about one subscription, under its lease. */
export class SubscriptionCalls {
  constructor(
    private readonly database: Database,
    private readonly rows: SubscriptionRows,
    private readonly connections: Connections,
  ) {}

  /** Whether its connection is one that calls are made with: not one that waits for a person, or is on its way out. */
  async allowed({ workspace_id: workspaceId, connection_id: id }: SubscriptionRow): Promise<boolean> {
    const { rows } = await this.database.pool.query('SELECT 1 FROM connection WHERE workspace_id = $1 AND id = $2 AND status IN ($3, $4)', [
      workspaceId, id, 'auth_required', 'disconnecting',
    ]);
    return rows.length === 0;
  }

  /** Extends the lease before each call, which throws LeaseLost when another has taken it. */
  async http(adapter: Adapter, row: SubscriptionRow, owner: string, call: CallContext): Promise<ServiceHttp> {
    const http = await this.connections.http(adapter, row.workspace_id, row.connection_id ?? '', call);
    return {
      hostUrl: (host) => http.hostUrl(host),
      request: async (request) => {
        if (!(await this.rows.extend(row.id, owner))) throw new LeaseLost();
        return http.request(request);
      },
    };
  }
}

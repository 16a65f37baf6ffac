import type { ConnectionUses } from '@vane/contracts';
import type { Database } from '@vane/db';
import type { TriggerPlans } from './trigger-plans.js';

const SHOWN = 100;

/** What works as a connection, for whoever changes or loses it. */
export class ConnectionUsesReader {
  constructor(
    private readonly database: Database,
    private readonly plans: TriggerPlans,
  ) {}

  async of(workspace: string, connectionId: string): Promise<ConnectionUses> {
    const scoped = this.database.forWorkspace(workspace);
    const [triggerCount, triggers, types, owed, subscriptions, tombstones, heldRuns] = await Promise.all([
      scoped.trigger.count({ where: { connectionId } }),
      scoped.trigger.findMany({ where: { connectionId }, orderBy: { id: 'asc' }, take: SHOWN, select: { id: true, name: true, service: true, type: true, status: true } }),
      scoped.trigger.findMany({ where: { connectionId }, distinct: ['service', 'type'], select: { service: true, type: true } }),
      scoped.subscription.findMany({ where: { connectionId, status: 'removing' }, distinct: ['service', 'triggerType'], select: { service: true, triggerType: true } }),
      scoped.subscription.count({ where: { connectionId, status: { notIn: ['removing', 'removed'] } } }),
      scoped.subscription.count({ where: { connectionId, status: 'removing' } }),
      this.heldRuns(workspace, connectionId),
    ]);
    return {
      triggerCount,
      triggers: triggers.map(({ service, type, status, ...trigger }) => ({
        ...trigger,
        type,
        status: status as ConnectionUses['triggers'][number]['status'],
        scopes: this.scopes(service, type),
      })),
      scopes: [...new Set([...types, ...owed.map(({ service, triggerType: type }) => ({ service, type }))].flatMap(({ service, type }) => this.scopes(service, type)))],
      subscriptions,
      tombstones,
      heldRuns,
    };
  }

  private scopes(service: string, type: string): string[] {
    return this.plans.installed(service, type)?.scopes ?? [];
  }

  private async heldRuns(workspace: string, connectionId: string): Promise<number> {
    const { rows } = await this.database.pool.query<{ held: string }>(
      `SELECT count(*) AS held FROM run JOIN trigger ON trigger.workspace_id = run.workspace_id AND trigger.id = run.trigger_id
       WHERE run.workspace_id = $1 AND trigger.connection_id = $2 AND run.status = 'held'`,
      [workspace, connectionId],
    );
    return Number(rows[0]!.held);
  }
}

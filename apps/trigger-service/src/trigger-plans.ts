import type { AdapterRegistry } from '@vane/adapters';
import { VaneError, type CallContext, type ConnectionView } from '@vane/contracts';
import { missingScopes, type Adapter, type JsonObject, type Plan, type TriggerType } from '@vane/kit';
import type { Connections } from './connections.js';

export type Planned = { adapter: Adapter; typeName: string; type: TriggerType; config: JsonObject; plan: Plan };

/** Checks what a member asks for before anything is written: service, type, config, connection. */
export class TriggerPlans {
  constructor(
    private readonly adapters: AdapterRegistry,
    private readonly connections: Connections,
  ) {}

  /** The trigger type, if its adapter is installed: what was made with it must stay removable without. */
  installed(service: string, type: string): TriggerType | undefined {
    const types = this.adapters.get(service)?.triggerTypes ?? {};
    return Object.hasOwn(types, type) ? types[type] : undefined;
  }

  type(service: string, type: string): { adapter: Adapter; type: TriggerType } {
    const adapter = this.adapters.get(service);
    if (!adapter) {
      const known = this.adapters.all().map((one) => one.id).join(', ');
      throw new VaneError('unknown_service', `There is no adapter for "${service}". Installed: ${known}.`);
    }
    const found = this.installed(service, type);
    if (!found) {
      throw new VaneError('invalid_config', `${adapter.label} has no trigger type "${type}". It has: ${Object.keys(adapter.triggerTypes).join(', ')}.`, {
        fields: [{ path: 'type', message: 'is not a trigger type of this service' }],
      });
    }
    return { adapter, type: found };
  }

  /** Parses config by the adapter's schema and asks it for the resource; `own` is the resource of what is never shared. */
  plan(service: string, typeName: string, config: JsonObject, own: string): Planned {
    const { adapter, type } = this.type(service, typeName);
    const parsed = type.config.safeParse(config);
    if (!parsed.success) {
      const fields = parsed.error.issues.map((issue) => ({ path: ['config', ...issue.path].join('.'), message: issue.message }));
      throw new VaneError('invalid_config', `${fields[0]?.path}: ${fields[0]?.message}`, { fields });
    }
    const plan = type.plan(parsed.data as never);
    const resource = type.sharing === 'trigger' ? own : plan.resource;
    return { adapter, typeName, type, config: parsed.data as JsonObject, plan: { ...plan, resource } };
  }

  /**
   * Whoever decides which events are heard and what they start works with the account behind the connection, so only who may
   * use it changes config, runnable, filter, mapping or connection of its triggers. Returns the connection that the trigger is to work as.
   *
   * @throws VaneError `forbidden` and all that `connection` throws
   */
  async change(
    before: { workspaceId: string; connectionId: string | null }, planned: Planned,
    input: { config?: unknown; runnableId?: string | undefined; connectionId?: string | undefined; filter?: string | null | undefined; mapping?: string | null | undefined }, call: CallContext,
  ): Promise<string | null> {
    const { workspaceId, connectionId } = before;
    const wanted = input.connectionId ?? connectionId;
    if (wanted !== connectionId) {
      // The one it leaves may be the asker's and of no use any more.
      if (connectionId !== null) await this.connections.own(workspaceId, connectionId, call);
      return this.connection(planned, workspaceId, wanted, call);
    }
    if (connectionId === null) return null;
    if (input.config !== undefined) await this.connection(planned, workspaceId, connectionId, call);
    else if (input.runnableId !== undefined || input.filter !== undefined || input.mapping !== undefined) await this.connections.own(workspaceId, connectionId, call);
    return connectionId;
  }

  /**
   * A trigger type with scopes or a remote API works as a connection of the same service, in the same workspace, that is the
   * asker's to use and was granted those scopes. @throws VaneError
   */
  async connection(planned: Planned, workspace: string, connectionId: string | null | undefined, call: CallContext): Promise<string | null> {
    const { adapter, typeName, type } = planned;
    if (!type.remote) {
      if (!connectionId) return null;
      throw new VaneError('invalid_config', `${adapter.label} works without a connection; leave connectionId out.`, {
        fields: [{ path: 'connectionId', message: 'must be left out' }],
      });
    }
    if (!connectionId) {
      throw new VaneError('invalid_config', `Choose the ${adapter.label} connection that this trigger works as.`, {
        fields: [{ path: 'connectionId', message: 'is required' }],
      });
    }
    const connection = await this.connections.usable(workspace, connectionId, call);
    if (connection.service !== adapter.id) {
      throw new VaneError('invalid_config', `This connection belongs to ${connection.service}, not to ${adapter.label}.`, {
        fields: [{ path: 'connectionId', message: 'is a connection of another service' }],
      });
    }
    requireScopes(adapter, typeName, connection);
    return connectionId;
  }
}

/** Before anything is asked of the service, which would refuse it in words of its own. @throws VaneError `scopes_missing` */
export function requireScopes({ label, oauth, triggerTypes }: Adapter, typeName: string, { id, scopes }: Pick<ConnectionView, 'id' | 'scopes'>): void {
  const { label: what, scopes: needed } = triggerTypes[typeName]!;
  const missing = oauth ? missingScopes(oauth, scopes, needed) : [];
  if (missing.length === 0) return;
  throw new VaneError(
    'scopes_missing',
    `${label} has not granted this connection ${missing.join(', ')}, which "${what}" needs. Ask for it with POST .../connections/${id}/reconnect and {"triggerTypes": ["${typeName}"]}, and open the URL in the answer in a browser.`,
    { fields: [{ path: 'connectionId', message: `lacks ${missing.join(', ')}` }] },
  );
}

import type { AdapterRegistry } from '@vane/adapters';
import { VaneError } from '@vane/contracts';
import type { Adapter, OAuthProfile } from '@vane/kit';
import type { EgressClient } from '@vane/runtime';
import { checkHosts } from './host-overrides.js';

export type OAuthService = { adapter: Adapter; profile: OAuthProfile };

/** The installed services that accounts can be connected at. */
export class ServiceCatalog {
  constructor(
    private readonly adapters: AdapterRegistry,
    private readonly egress: Pick<EgressClient, 'checkUrl'>,
  ) {}

  /** The adapter, if it is installed: what was made with it must stay nameable without. */
  installed(service: string): Adapter | undefined {
    return this.adapters.get(service);
  }

  /** @throws VaneError `unknown_service`, or `invalid_config` for a service without OAuth */
  oauth(service: string): OAuthService {
    const adapter = this.adapters.get(service);
    if (!adapter) {
      throw new VaneError('unknown_service', `No adapter for the service "${service}" is installed. GET /services lists those that are.`);
    }
    if (!adapter.oauth) {
      throw new VaneError('invalid_config', `${adapter.label} does not use OAuth, so it needs no integration: its triggers work without a connection.`, {
        fields: [{ path: 'service', message: 'does not use OAuth' }],
      });
    }
    return { adapter, profile: adapter.oauth };
  }

  /** Scopes of an authorisation: those always asked for, those of the trigger types named, and further ones. @throws VaneError */
  scopes({ adapter, profile }: OAuthService, triggerTypes: readonly string[], further: readonly string[]): string[] {
    const types = triggerTypes.flatMap((name, index) => {
      if (Object.hasOwn(adapter.triggerTypes, name)) return adapter.triggerTypes[name]!.scopes;
      throw new VaneError('invalid_config', `${adapter.label} has no trigger type "${name}". It has: ${Object.keys(adapter.triggerTypes).join(', ')}.`, {
        fields: [{ path: `triggerTypes.${index}`, message: 'is not a trigger type of this service' }],
      });
    });
    return [...new Set([...profile.baseScopes, ...types, ...further])];
  }

  /** An integration's overrides of the profile's hosts, checked and without trailing slashes. @throws VaneError */
  checkHosts(adapter: Adapter, given: Record<string, string>): Record<string, string> {
    return checkHosts(adapter, given, this.egress);
  }
}

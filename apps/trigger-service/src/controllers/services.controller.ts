import { Controller, Inject } from '@nestjs/common';
import { AdapterRegistry, describeAdapter } from '@vane/adapters';
import * as contracts from '@vane/contracts';
import { VaneError, type CallContext, type InputOf } from '@vane/contracts';
import { ServiceError } from '@vane/kit';
import { Handles } from '@vane/runtime';
import { Connections, toVaneError } from '../connections.js';
import { requireScopes } from '../trigger-plans.js';

@Controller()
export class ServicesController {
  constructor(
    @Inject(AdapterRegistry) private readonly adapters: AdapterRegistry,
    @Inject(Connections) private readonly connections: Connections,
  ) {}

  @Handles(contracts.listServices)
  list() {
    return { items: this.adapters.all().map(describeAdapter) };
  }

  @Handles(contracts.getService)
  get(input: InputOf<typeof contracts.getService>) {
    const adapter = this.adapters.get(input.service);
    if (!adapter) throw new VaneError('not_found', `There is no adapter for "${input.service}".`);
    return describeAdapter(adapter);
  }

  @Handles(contracts.pick)
  async pick(input: InputOf<typeof contracts.pick>, call: CallContext) {
    const connection = await this.connections.usable(input.workspace, input.connection, call);
    const adapter = this.adapters.get(connection.service);
    const picker = own(own(adapter?.triggerTypes, input.triggerType)?.pickers, input.picker);
    if (!adapter || !picker) throw new VaneError('not_found', `There is no picker "${input.picker}" for ${input.triggerType} of ${connection.service}.`);
    requireScopes(adapter, input.triggerType, connection);
    try {
      const http = await this.connections.http(adapter, input.workspace, input.connection, call);
      return await picker.pick(http, { q: input.q, cursor: input.cursor, parent: input.parent });
    } catch (error) {
      if (error instanceof ServiceError) throw toVaneError(error);
      throw error;
    }
  }
}

/** A member under a name from outside; what every object inherits, such as `constructor`, is none. */
const own = <T>(members: Readonly<Record<string, T>> | undefined, name: string): T | undefined =>
  members && Object.hasOwn(members, name) ? members[name] : undefined;

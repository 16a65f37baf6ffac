import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import * as contracts from '@vane/contracts';
import type { CallContext, InputOf } from '@vane/contracts';
import { Handles } from '@vane/runtime';
import { InstanceIntegrationsService } from './instance-integrations.service.js';
import { IntegrationsService } from './integrations.service.js';

const OK = { ok: true } as const;

@Controller()
export class IntegrationsController {
  constructor(private readonly integrations: IntegrationsService) {}

  @Handles(contracts.createIntegration)
  create(input: InputOf<typeof contracts.createIntegration>) {
    return this.integrations.create(input);
  }

  @Handles(contracts.listIntegrations)
  list(input: InputOf<typeof contracts.listIntegrations>) {
    return this.integrations.list(input);
  }

  @Handles(contracts.getIntegration)
  get({ workspace, integration }: InputOf<typeof contracts.getIntegration>) {
    return this.integrations.get(workspace, integration);
  }

  @Handles(contracts.updateIntegration)
  update(@Payload() input: InputOf<typeof contracts.updateIntegration>, @Ctx() call: CallContext) {
    return this.integrations.update(input, call);
  }

  @Handles(contracts.deleteIntegration)
  async delete({ workspace, integration }: InputOf<typeof contracts.deleteIntegration>) {
    await this.integrations.delete(workspace, integration);
    return OK;
  }

  @Handles(contracts.getIntegrationSetup)
  setup(input: InputOf<typeof contracts.getIntegrationSetup>) {
    return this.integrations.setup(input);
  }
}

@Controller()
export class InstanceIntegrationsController {
  constructor(private readonly integrations: InstanceIntegrationsService) {}

  @Handles(contracts.createInstanceIntegration)
  create(input: InputOf<typeof contracts.createInstanceIntegration>) {
    return this.integrations.create(input);
  }

  @Handles(contracts.listInstanceIntegrations)
  list(input: InputOf<typeof contracts.listInstanceIntegrations>) {
    return this.integrations.list(input);
  }

  @Handles(contracts.getInstanceIntegration)
  get({ integration }: InputOf<typeof contracts.getInstanceIntegration>) {
    return this.integrations.get(integration);
  }

  @Handles(contracts.updateInstanceIntegration)
  update(@Payload() input: InputOf<typeof contracts.updateInstanceIntegration>, @Ctx() call: CallContext) {
    return this.integrations.update(input, call);
  }

  @Handles(contracts.deleteInstanceIntegration)
  async delete({ integration }: InputOf<typeof contracts.deleteInstanceIntegration>) {
    await this.integrations.delete(integration);
    return OK;
  }

  @Handles(contracts.listIntegrationShares)
  shares(input: InputOf<typeof contracts.listIntegrationShares>) {
    return this.integrations.shares(input);
  }

  @Handles(contracts.shareIntegration)
  async share({ integration, sharedWith }: InputOf<typeof contracts.shareIntegration>) {
    await this.integrations.share(integration, sharedWith);
    return OK;
  }

  @Handles(contracts.unshareIntegration)
  async unshare({ integration, sharedWith }: InputOf<typeof contracts.unshareIntegration>) {
    await this.integrations.unshare(integration, sharedWith);
    return OK;
  }
}

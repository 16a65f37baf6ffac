import { Controller, Inject } from '@nestjs/common';
import * as contracts from '@vane/contracts';
import type { CallContext, InputOf } from '@vane/contracts';
import { Handles } from '@vane/runtime';
import { DriftDecisions } from '../drift/drift-decisions.js';
import { OrphanFinder } from '../drift/orphans.js';
import { ProviderViews } from '../drift/provider-views.js';
import { Syncs } from '../drift/syncs.js';
import { Triggers } from '../triggers.js';

@Controller()
export class DriftController {
  constructor(
    @Inject(Triggers) private readonly triggers: Triggers,
    @Inject(ProviderViews) private readonly provider: ProviderViews,
    @Inject(DriftDecisions) private readonly decisions: DriftDecisions,
    @Inject(OrphanFinder) private readonly orphans: OrphanFinder,
    @Inject(Syncs) private readonly syncs: Syncs,
  ) {}

  @Handles(contracts.getProviderView)
  async providerView(input: InputOf<typeof contracts.getProviderView>, call: CallContext) {
    return this.provider.of(await this.triggers.find(input.workspace, input.trigger), call);
  }

  @Handles(contracts.resolveDrift)
  resolve(input: InputOf<typeof contracts.resolveDrift>, call: CallContext) {
    return this.decisions.resolve(input, call);
  }

  @Handles(contracts.listOrphans)
  listOrphans(input: InputOf<typeof contracts.listOrphans>, call: CallContext) {
    return this.orphans.list(input.workspace, input.connection, call);
  }

  @Handles(contracts.deleteOrphan)
  deleteOrphan(input: InputOf<typeof contracts.deleteOrphan>, call: CallContext) {
    return this.orphans.delete(input, call);
  }

  @Handles(contracts.startSync)
  start(input: InputOf<typeof contracts.startSync>) {
    return this.syncs.start(input);
  }

  @Handles(contracts.getSync)
  get(input: InputOf<typeof contracts.getSync>) {
    return this.syncs.get(input.workspace, input.sync);
  }
}

import { Controller, Inject } from '@nestjs/common';
import * as contracts from '@vane/contracts';
import type { CallContext, InputOf } from '@vane/contracts';
import { Database, pageOf, type PageQuery } from '@vane/db';
import { Handles } from '@vane/runtime';
import { ConnectionRelease } from '../connection-release.js';
import { ConnectionMoves } from '../connection-moves.js';
import { ConnectionUsesReader } from '../connection-uses.js';
import { Previews } from '../expressions/preview.js';
import { Reregistration } from '../sagas/reregistration.js';
import { SubscriptionRows } from '../sagas/subscription-rows.js';
import { historyOf, TriggerViews, withSubscription, type SubscriptionWithHistory, type TriggerRow } from '../trigger-views.js';
import { Triggers } from '../triggers.js';

@Controller()
export class TriggersController {
  constructor(
    @Inject(Triggers) private readonly triggers: Triggers,
    @Inject(TriggerViews) private readonly views: TriggerViews,
    @Inject(Database) private readonly database: Database,
    @Inject(ConnectionUsesReader) private readonly uses: ConnectionUsesReader,
    @Inject(ConnectionRelease) private readonly connectionRelease: ConnectionRelease,
    @Inject(ConnectionMoves) private readonly moves: ConnectionMoves,
    @Inject(SubscriptionRows) private readonly subscriptions: SubscriptionRows,
    @Inject(Reregistration) private readonly reregistration: Reregistration,
    @Inject(Previews) private readonly previews: Previews,
  ) {}

  @Handles(contracts.createTrigger)
  create(input: InputOf<typeof contracts.createTrigger>, call: CallContext) {
    return this.triggers.create(input, call);
  }

  @Handles(contracts.getTrigger)
  async get(input: InputOf<typeof contracts.getTrigger>) {
    return this.views.trigger(await this.triggers.find(input.workspace, input.trigger));
  }

  @Handles(contracts.listTriggers)
  async list(input: InputOf<typeof contracts.listTriggers>) {
    const { trigger } = this.database.forWorkspace(input.workspace);
    const filter = { service: input.service, status: input.status, runnableId: input.runnable, connectionId: input.connection };
    const find = (page: PageQuery) => trigger.findMany({ ...page, where: { ...page.where, ...filter }, include: withSubscription });
    const { items, next } = await pageOf(input, find, (row) => row as TriggerRow);
    return { items: await this.views.triggers(input.workspace, items), next };
  }

  @Handles(contracts.previewTrigger)
  preview(input: InputOf<typeof contracts.previewTrigger>) {
    return this.previews.of(input);
  }

  @Handles(contracts.updateTrigger)
  update(input: InputOf<typeof contracts.updateTrigger>, call: CallContext) {
    return this.triggers.update(input, call);
  }

  @Handles(contracts.moveTriggers)
  move(input: InputOf<typeof contracts.moveTriggers>, call: CallContext) {
    return this.moves.move(input, call);
  }

  @Handles(contracts.deleteTrigger)
  delete(input: InputOf<typeof contracts.deleteTrigger>, call: CallContext) {
    return this.triggers.delete(input, call);
  }

  @Handles(contracts.pauseTrigger)
  async pause(input: InputOf<typeof contracts.pauseTrigger>) {
    return this.views.trigger(await this.triggers.setStatus(input.workspace, input.trigger, 'paused'));
  }

  @Handles(contracts.resumeTrigger)
  async resume(input: InputOf<typeof contracts.resumeTrigger>) {
    return this.views.trigger(await this.triggers.setStatus(input.workspace, input.trigger, 'enabled'));
  }

  @Handles(contracts.listSubscriptions)
  async listSubscriptions(input: InputOf<typeof contracts.listSubscriptions>) {
    const { subscription } = this.database.forWorkspace(input.workspace);
    const find = (page: PageQuery) => subscription.findMany({ ...page, where: { ...page.where, status: input.status }, include: historyOf() });
    return pageOf(input, find, (row) => this.views.subscription(row as SubscriptionWithHistory));
  }

  @Handles(contracts.getSubscription)
  async getSubscription(input: InputOf<typeof contracts.getSubscription>) {
    const row = await this.database
      .forWorkspace(input.workspace)
      .subscription.findFirst({ where: { id: input.subscription }, include: historyOf() });
    if (!row) throw new contracts.VaneError('not_found', `There is no subscription ${input.subscription} in this workspace.`);
    return this.views.subscription(row as SubscriptionWithHistory);
  }

  @Handles(contracts.forgetSubscription)
  forgetSubscription(input: InputOf<typeof contracts.forgetSubscription>, call: CallContext) {
    return this.triggers.forget(input, call);
  }

  @Handles(contracts.rotateSubscriptionSecret)
  rotateSecret(input: InputOf<typeof contracts.rotateSubscriptionSecret>, call: CallContext) {
    return this.triggers.rotateSecret(input, call);
  }

  @Handles(contracts.reapplySubscriptions)
  reapply(input: InputOf<typeof contracts.reapplySubscriptions>) {
    return this.subscriptions.reapply(input.workspace, input.connection);
  }

  @Handles(contracts.reregisterSubscriptions)
  reregister(input: InputOf<typeof contracts.reregisterSubscriptions>) {
    return this.reregistration.wave(input);
  }

  @Handles(contracts.releaseConnection)
  release(input: InputOf<typeof contracts.releaseConnection>, call: CallContext) {
    return this.connectionRelease.release(input, call);
  }

  @Handles(contracts.getConnectionUses)
  connectionUses(input: InputOf<typeof contracts.getConnectionUses>) {
    return this.uses.of(input.workspace, input.connection);
  }
}

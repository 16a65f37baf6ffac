import { Controller, Inject } from '@nestjs/common';
import * as contracts from '@vane/contracts';
import { VaneError, type CallContext, type InputOf } from '@vane/contracts';
import { Database, ensurePartitions, pageOf, runView } from '@vane/db';
import type { Json } from '@vane/kit';
import { Clock, Handles } from '@vane/runtime';
import { summaryOf } from '../activity-summary.js';
import { viewDelivery, viewEvent } from '../activity-views.js';
import { InboxRelay } from '../intake/inbox.js';
import { Replays } from '../replays.js';

@Controller()
export class ActivityController {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(InboxRelay) private readonly inbox: InboxRelay,
    @Inject(Replays) private readonly replays: Replays,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  @Handles(contracts.listDeliveries)
  async listDeliveries(input: InputOf<typeof contracts.listDeliveries>) {
    const feedId = input.trigger === undefined ? undefined : await this.feedOf(input.workspace, input.trigger);
    const filter = { status: input.status, subscriptionId: input.subscription, feedId };
    const { delivery } = this.database.forWorkspace(input.workspace);
    const omit = { body: true, headers: true } as const;
    return pageOf(input, ({ where, ...page }) => delivery.findMany({ ...page, where: { ...where, ...filter }, omit }), viewDelivery);
  }

  @Handles(contracts.getDelivery)
  async getDelivery(input: InputOf<typeof contracts.getDelivery>) {
    const scoped = this.database.forWorkspace(input.workspace);
    const row = await scoped.delivery.findFirst({ where: { id: input.delivery } });
    if (!row) throw new VaneError('not_found', `There is no delivery ${input.delivery} in this workspace.`);
    const events = await scoped.event.findMany({ where: { deliveryId: row.id }, omit: { payload: true } });
    return {
      ...viewDelivery(row),
      headers: row.headers as Record<string, string>,
      body: row.body === null ? null : Buffer.from(row.body).toString('utf8'),
      events: events.map(viewEvent),
    };
  }

  @Handles(contracts.listEvents)
  async listEvents(input: InputOf<typeof contracts.listEvents>) {
    const feedId = input.trigger === undefined ? undefined : await this.feedOf(input.workspace, input.trigger);
    const filter = { feedId, type: input.type };
    const { event } = this.database.forWorkspace(input.workspace);
    return pageOf(input, ({ where, ...page }) => event.findMany({ ...page, where: { ...where, ...filter }, omit: { payload: true } }), viewEvent);
  }

  @Handles(contracts.getEvent)
  async getEvent(input: InputOf<typeof contracts.getEvent>) {
    const scoped = this.database.forWorkspace(input.workspace);
    const row = await scoped.event.findFirst({ where: { id: input.event } });
    if (!row) throw new VaneError('not_found', `There is no event ${input.event} in this workspace.`);
    const runs = await scoped.run.findMany({ where: { eventId: row.id }, orderBy: { id: 'asc' }, take: 200, omit: { input: true } });
    return { ...viewEvent(row), payload: row.payload as Json, runs: runs.map(runView) };
  }

  @Handles(contracts.summariseActivity)
  summary({ workspace }: InputOf<typeof contracts.summariseActivity>) {
    return summaryOf(this.database, workspace, this.clock.now());
  }

  @Handles(contracts.replayRun)
  replay(input: InputOf<typeof contracts.replayRun>, call: CallContext) {
    return this.replays.replay(input.workspace, input.run, call);
  }

  @Handles(contracts.relayInbox)
  relay(input: InputOf<typeof contracts.relayInbox>) {
    return this.inbox.relay(input.limit);
  }

  @Handles(contracts.ensurePartitions)
  async partitions() {
    return { created: await ensurePartitions(this.database.pool, this.clock.now()) };
  }

  /** An unknown trigger filters everything out, as an unknown id in a query does everywhere. */
  private async feedOf(workspace: string, trigger: string): Promise<string> {
    const row = await this.database.forWorkspace(workspace).trigger.findFirst({ where: { id: trigger }, select: { feedId: true } });
    return row?.feedId ?? '';
  }
}

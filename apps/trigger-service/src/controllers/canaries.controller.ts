import { Controller, Inject } from '@nestjs/common';
import * as contracts from '@vane/contracts';
import { VaneError, type CallContext, type CanaryView, type InputOf } from '@vane/contracts';
import { Database, pageOf } from '@vane/db';
import { Handles } from '@vane/runtime';
import { Canaries } from '../canaries/canaries.js';
import { Connections } from '../connections.js';
import { SubscriptionRows, type SubscriptionRow } from '../sagas/subscription-rows.js';

@Controller()
export class CanariesController {
  constructor(
    @Inject(Canaries) private readonly canaries: Canaries,
    @Inject(SubscriptionRows) private readonly subscriptions: SubscriptionRows,
    @Inject(Connections) private readonly connections: Connections,
    @Inject(Database) private readonly database: Database,
  ) {}

  @Handles(contracts.sendCanary)
  async send(input: InputOf<typeof contracts.sendCanary>, call: CallContext) {
    const subscription = await this.subscription(input);
    // What is sent is sent as the account behind the connection.
    if (subscription.connection_id !== null) await this.connections.own(input.workspace, subscription.connection_id, call);
    const row = await this.canaries.request(subscription, call);
    return view({ id: row.id, subscriptionId: row.subscription_id, startedAt: row.started_at, heardAt: row.heard_at, failedAt: row.failed_at, message: row.message });
  }

  @Handles(contracts.listCanaries)
  async list(input: InputOf<typeof contracts.listCanaries>) {
    const { feed_id: feedId } = await this.subscription(input);
    const { canary } = this.database.forWorkspace(input.workspace);
    // Of what it replaced, too: where a renewal is the canary, it belongs to the subscription that was there before.
    return pageOf(input, ({ where, ...page }) => canary.findMany({ ...page, where: { ...where, subscription: { feedId } } }), view);
  }

  private async subscription({ workspace, subscription }: { workspace: string; subscription: string }): Promise<SubscriptionRow> {
    const row = await this.subscriptions.read(subscription);
    if (row?.workspace_id !== workspace) throw new VaneError('not_found', `There is no subscription ${subscription} in this workspace.`);
    return row;
  }
}

type Canary = { id: string; subscriptionId: string; startedAt: Date; heardAt: Date | null; failedAt: Date | null; message: string | null };

function view({ id, subscriptionId, startedAt, heardAt, failedAt, message }: Canary): CanaryView {
  return {
    id,
    subscriptionId,
    state: heardAt ? 'heard' : failedAt ? 'failed' : 'waiting',
    startedAt: startedAt.toISOString(),
    heardAt: heardAt?.toISOString() ?? null,
    failedAt: failedAt?.toISOString() ?? null,
    roundTripMs: heardAt ? heardAt.getTime() - startedAt.getTime() : null,
    message,
  };
}

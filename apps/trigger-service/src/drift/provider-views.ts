import type { CallContext, ProviderView } from '@vane/contracts';
import type { JsonObject } from '@vane/kit';
import type { Clock } from '@vane/runtime';
import { toServiceError, type Connections } from '../connections.js';
import type { TriggerPlans } from '../trigger-plans.js';
import type { TriggerRow } from '../trigger-views.js';
import { callbackUrlsOf } from './checks.js';
import { differenceOf } from './difference.js';

/** What the services themselves say about our objects. */
export class ProviderViews {
  constructor(
    private readonly plans: TriggerPlans,
    private readonly connections: Connections,
    private readonly clock: Clock,
    private readonly publicUrl: string,
  ) {}

  /** What goes wrong while asking is part of the answer. @throws VaneError `forbidden` for who may not use the connection */
  async of(row: TriggerRow, call: CallContext): Promise<ProviderView> {
    const nothing = { callbackUrl: null, active: null, fields: null, drift: null };
    const subscription = row.feed.subscriptions[0];
    const { adapter, type } = this.plans.type(row.service, row.type);
    if (!type.remote || !subscription) {
      return { state: 'not_applicable', message: `${adapter.label} keeps nothing of ours: the sender was set up by hand.`, ...nothing };
    }
    if (!type.remote.get) return { state: 'not_applicable', message: `${adapter.label} does not show what it keeps of ours.`, ...nothing };
    if (subscription.externalId === null) return { state: 'missing', message: 'Nothing is registered there yet.', ...nothing };
    await this.connections.own(row.workspaceId, row.connectionId ?? '', call);
    try {
      const http = await this.connections.http(adapter, row.workspaceId, row.connectionId ?? '', call);
      const there = await type.remote.get(http, subscription.resource, subscription.externalId);
      const urls = callbackUrlsOf({ key: subscription.key, public_url: subscription.publicUrl }, this.publicUrl);
      const difference = differenceOf(subscription.want as JsonObject, urls, there);
      const drift = difference && { ...difference, seenAt: this.clock.now().toISOString() };
      if (!there) return { state: 'missing', message: `${adapter.label} does not have it any more.`, ...nothing, drift };
      const ours = there.callbackUrl !== null && urls.includes(there.callbackUrl);
      const message = ours ? null : 'It points at another address than ours.';
      return { state: 'present', message, callbackUrl: ours ? there.callbackUrl : null, active: there.active, fields: there.fields, drift };
    } catch (error) {
      return { state: 'unknown', message: toServiceError(error).message, ...nothing };
    }
  }
}

import { VaneError, type CallContext, type diagnoseTrigger, type DiagnosisLayer, type LayerView, type OutputOf } from '@vane/contracts';
import type { Database } from '@vane/db';
import type { JsonObject } from '@vane/kit';
import { withDeadline, type Clock } from '@vane/runtime';
import { toServiceError, type Connections } from '../connections.js';
import type { ProviderViews } from '../drift/provider-views.js';
import type { TriggerPlans } from '../trigger-plans.js';
import type { TriggerRow } from '../trigger-views.js';
import type { HealthFacts } from './health-facts.js';
import {
  broken, connectionLayer, filterLayer, ingressLayer, ok, pullLayer, queueLayer, runLayer, skipped, subscriptionLayer, unknown, type Matched,
} from './layers.js';

/** The service has so long for each of its answers; both are asked for at the same time. */
const ANSWER_MS = 10_000;
const LOG_SINCE_MS = 24 * 3_600_000;
const NEWEST = 20;

type Ask = (row: TriggerRow, call: CallContext) => Promise<LayerView>;

/** Walks the way of an event from the service to its run and says where it is stuck. Changes nothing. */
export class Diagnosis {
  constructor(
    private readonly database: Database,
    private readonly facts: HealthFacts,
    private readonly plans: TriggerPlans,
    private readonly connections: Connections,
    private readonly provider: ProviderViews,
    private readonly clock: Clock,
  ) {}

  async of(row: TriggerRow, call: CallContext): Promise<OutputOf<typeof diagnoseTrigger>> {
    const [facts, matched, provider, log] = await Promise.all([
      this.facts.of(row.workspaceId, [row]), this.matched(row), this.ask('provider', this.providerLayer, row, call), this.ask('delivery_log', this.logLayer, row, call),
    ]);
    const layers = [
      connectionLayer(row, facts), subscriptionLayer(row, facts), provider, log, ingressLayer(row, facts), pullLayer(row, facts),
      filterLayer(row, matched, facts), queueLayer(row, facts), runLayer(row, facts),
    ];
    return { trigger: row.id, name: row.name, layers, firstBroken: layers.find(({ state }) => state === 'broken')?.layer ?? null };
  }

  /** A service that does not answer, or an account that is not the asker's to use, leaves its layer unknown. */
  private async ask(layer: DiagnosisLayer, ask: Ask, row: TriggerRow, call: CallContext): Promise<LayerView> {
    const late = () => new VaneError('deadline_exceeded', `The service did not answer within ${ANSWER_MS / 1_000} seconds.`);
    try {
      return await withDeadline(ask(row, call), ANSWER_MS, late);
    } catch (error) {
      return unknown(layer, error instanceof VaneError ? error.message : toServiceError(error).message);
    }
  }

  private readonly providerLayer: Ask = async (row, call) => {
    const { state, message, active, fields, drift } = await this.provider.of(row, call);
    const facts = { active, fields };
    if (state === 'not_applicable') return skipped('provider', message ?? 'The service shows nothing of ours.');
    if (state === 'unknown') return unknown('provider', message ?? 'The service did not say.');
    const restore = 'Ask for a synchronisation (POST .../syncs); what that only flags is restored by POST .../subscriptions/{id}/drift and {"action": "restore"}.';
    if (state === 'missing') return broken('provider', message ?? 'The service does not have our object.', restore, facts);
    if (message !== null) return broken('provider', message, restore, facts);
    if (active === false) return broken('provider', 'Our object is there and switched off.', restore, facts);
    if (drift) return broken('provider', 'Our object is there and was changed.', restore, { ...facts, ours: drift.ours, theirs: drift.theirs });
    return ok('provider', 'The service has our object as it should be.', facts);
  };

  private readonly logLayer: Ask = async (row, call) => {
    const { adapter, type } = this.plans.type(row.service, row.type);
    const subscription = row.feed.subscriptions[0];
    const log = type.remote?.deliveryLog;
    if (!log) return skipped('delivery_log', `${adapter.label} keeps no log of what it sent that Vane could read.`);
    if (!subscription?.externalId) return skipped('delivery_log', 'Nothing is registered there.');
    const connection = row.connectionId ?? '';
    await this.connections.own(row.workspaceId, connection, call);
    const http = await this.connections.http(adapter, row.workspaceId, connection, call);
    const ref = { resource: subscription.resource, externalId: subscription.externalId, aux: subscription.aux as JsonObject | null };
    const sent = await log.list(http, ref, this.clock.in(-LOG_SINCE_MS), NEWEST);
    const failed = sent.filter(({ taken }) => !taken);
    const facts = { sent: sent.length, failed: failed.length, newest: sent.slice(0, 5).map(({ at, taken, status, isEvent }) => ({ at, taken, status, isEvent })) };
    const [newest] = sent;
    if (!newest) return { ...skipped('delivery_log', `${adapter.label} has sent nothing in the last 24 hours.`), facts };
    if (newest.taken) return ok('delivery_log', `${adapter.label} says of what it sent last, at ${newest.at}: ${newest.status}.`, facts);
    const fix = 'See that the address of the trigger can be reached from the internet (VANE_PUBLIC_URL), and that webhook-ingress is up. Vane has missed events sent again by itself.';
    return broken('delivery_log', `${adapter.label} says of what it sent last, at ${newest.at}: ${newest.status}.`, fix, facts);
  };

  /** What came before there was this trigger was not for it. */
  private async matched({ workspaceId, feedId, id, createdAt }: TriggerRow): Promise<Matched> {
    const { rows } = await this.database.pool.query<{ events: string; unmatched: string; skipped: string; filtered: string; failed: string; newest: Date | null }>(
      `SELECT count(*) AS events, count(*) FILTER (WHERE r.status IS NULL) AS unmatched, count(*) FILTER (WHERE r.status = 'skipped') AS skipped,
         count(*) FILTER (WHERE r.reason = 'filtered') AS filtered, count(*) FILTER (WHERE r.reason IN ('filter_failed', 'mapping_failed')) AS failed, max(e.received_at) AS newest
       FROM (SELECT id, received_at FROM event WHERE workspace_id = $1 AND feed_id = $2 AND received_at >= $4 ORDER BY id DESC LIMIT ${NEWEST}) e
       LEFT JOIN run r ON r.trigger_id = $3 AND r.event_id = e.id AND r.replay = 0`,
      [workspaceId, feedId, id, createdAt],
    );
    const [row] = rows;
    const { events, unmatched, skipped: left, filtered, failed, newest } = row!;
    return { events: Number(events), unmatched: Number(unmatched), skipped: Number(left), filtered: Number(filtered), failed: Number(failed), newestAt: newest };
  }
}

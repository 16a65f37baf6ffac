import type { DiagnosisLayer, LayerView } from '@vane/contracts';
import type { TriggerRow } from '../trigger-views.js';
import type { Facts } from './health-facts.js';
import { hintOf } from './hints.js';
import { hasEnded, isBad, judgeConnection, judgeExpressions, judgeIngress, judgePull, judgeSubscription, serving, type Finding } from './judge.js';

const iso = (at: Date | null | undefined) => at?.toISOString() ?? null;

export const ok = (layer: DiagnosisLayer, message: string, facts: LayerView['facts'] = {}): LayerView => ({ layer, state: 'ok', message, fix: null, facts });
export const skipped = (layer: DiagnosisLayer, message: string): LayerView => ({ layer, state: 'skipped', message, fix: null, facts: {} });
export const unknown = (layer: DiagnosisLayer, message: string): LayerView => ({ layer, state: 'unknown', message, fix: null, facts: {} });
export const broken = (layer: DiagnosisLayer, message: string, fix: string, facts: LayerView['facts'] = {}): LayerView => ({ layer, state: 'broken', message, fix, facts });

const found = (layer: DiagnosisLayer, { state, reason, layer: of }: Finding, facts: LayerView['facts']): LayerView => ({
  layer, state: state === 'unknown' ? 'unknown' : 'broken', message: reason.message, fix: hintOf(of, reason.code), facts: { code: reason.code, ...facts },
});

export function connectionLayer(row: TriggerRow, { connections }: Facts): LayerView {
  if (row.connectionId === null) return skipped('connection', 'This trigger works without a connection.');
  const connection = connections.find(({ id }) => id === row.connectionId);
  const facts = { connectionId: row.connectionId, status: connection?.status ?? null, since: iso(connection?.status_since) };
  const finding = judgeConnection(connection);
  return finding ? found('connection', finding, facts) : ok('connection', 'The connection is authorised.', facts);
}

export function subscriptionLayer(row: TriggerRow, { subscriptions }: Facts): LayerView {
  const subscription = serving(subscriptions);
  const read = row.feed.subscriptions.find(({ id }) => id === subscription?.id);
  const facts = {
    subscriptionId: subscription?.id ?? null, status: subscription?.status ?? null, since: iso(subscription?.status_since),
    expiresAt: iso(subscription?.expires_at), checkedAt: iso(read?.checkedAt), attempts: read?.attempts ?? null, nextAttemptAt: iso(read?.nextAttemptAt),
  };
  const finding = judgeSubscription(subscription);
  if (finding) return found('subscription', finding, facts);
  const checked = facts.checkedAt === null ? 'it was not compared with the service yet' : `it was last compared with the service at ${facts.checkedAt}`;
  return ok('subscription', `Registered at the service; ${checked}.`, facts);
}

export function ingressLayer(row: TriggerRow, { deliveries }: Facts): LayerView {
  const refused = deliveries.filter(isBad);
  const [newest] = refused;
  const facts = {
    last24h: deliveries.length, refused: refused.length, newestAt: iso(deliveries[0]?.received_at), newestRefused: newest ? { at: iso(newest.received_at), reason: newest.reason } : null,
  };
  const finding = judgeIngress(deliveries);
  if (finding) return found('ingress', finding, facts);
  if (row.silentSince) return broken('ingress', `No event has come since ${row.silentSince.toISOString()}, which is longer than is normal.`, hintOf('ingress', 'silent'), facts);
  if (deliveries.length === 0) return { ...skipped('ingress', 'Nothing was received in the last 24 hours.'), facts };
  return ok('ingress', `The newest of what the service posts was taken at ${facts.newestAt}.`, facts);
}

export function pullLayer(row: TriggerRow, { pulls }: Facts): LayerView {
  const { pull } = row.feed;
  if (!pull) return skipped('pull', 'The service sends the events themselves.');
  const facts = { hasCursor: pull.cursor !== null, failures: pull.failures, lastPullAt: iso(pull.pulledAt), nextPullAt: iso(pull.dueAt), behind: pull.done !== pull.wanted };
  const finding = judgePull(pulls[0]);
  if (finding) return found('pull', finding, facts);
  if (pull.dueAt === null) return skipped('pull', 'Nothing is fetched while nothing is registered.');
  return ok('pull', facts.lastPullAt === null ? 'The first pull is still to come.' : `Fetched up to ${facts.lastPullAt}.`, facts);
}

/** What of the newest events of the feed started no run of this trigger. */
export type Matched = { events: number; unmatched: number; skipped: number; filtered: number; failed: number; newestAt: Date | null };

export function filterLayer(row: TriggerRow, matched: Matched, { runs }: Pick<Facts, 'runs'>): LayerView {
  const facts = { ...matched, newestAt: iso(matched.newestAt) };
  if (row.status === 'paused') return broken('filter', 'The trigger is paused, so its events are recorded as skipped.', 'Resume the trigger; what was skipped can be replayed.', facts);
  if (row.status !== 'enabled') return broken('filter', row.statusMessage ?? 'The trigger is disabled.', hintOf('delivery', row.statusCode ?? 'disabled'), facts);
  if (matched.events === 0) return { ...skipped('filter', 'No event has been received yet.'), facts };
  if (matched.unmatched === matched.events) {
    const message = `None of the last ${matched.events} events is one that this trigger listens to.`;
    return broken('filter', message, 'Compare the events (GET .../events) with the config of the trigger, and change the config if it is too narrow.', facts);
  }
  const finding = judgeExpressions(runs, row.updatedAt);
  if (finding) return found('filter', finding, facts);
  const heard = matched.events - matched.unmatched;
  if (matched.filtered === heard) {
    const fix = 'Try the filter on one of the events with POST .../triggers/preview, and change it if it is too narrow. What it kept out can be replayed.';
    return broken('filter', `The filter has said no to all of the last ${heard} events that this trigger listens to.`, fix, facts);
  }
  return ok('filter', `Of the last ${matched.events} events ${heard - matched.filtered} started a run.`, facts);
}

export function queueLayer(_row: TriggerRow, { waiting }: Facts): LayerView {
  const queued = waiting.find(({ status }) => status === 'queued');
  const held = waiting.find(({ status }) => status === 'held');
  const facts = { overdueSince: iso(queued?.since), heldSince: iso(held?.since) };
  if (held) return broken('queue', `Runs are held since ${facts.heldSince}.`, hintOf('delivery', 'held'), facts);
  if (queued) return broken('queue', `A run waits to be started since ${facts.overdueSince}.`, hintOf('delivery', 'queue_stuck'), facts);
  return ok('queue', 'No run waits longer than it should.', facts);
}

export function runLayer(_row: TriggerRow, { runs, attempts }: Facts): LayerView {
  const ended = runs.filter(hasEnded);
  const [last] = ended;
  if (!last) return skipped('run', 'No run has ended yet.');
  const bad = ended.filter(({ status }) => status !== 'succeeded');
  const errors = bad.slice(0, 3).map(({ id }) => ({ run: id, message: attempts.find(({ run_id: run }) => run === id)?.message ?? null }));
  const facts = { last: ended.length, failed: bad.length, lastRun: last.id, endedAt: iso(last.ended_at), errors };
  if (last.status === 'succeeded') return ok('run', `The last run succeeded at ${facts.endedAt}.`, facts);
  const message = `The last run ended as ${last.status} at ${facts.endedAt}${errors[0]?.message ? `: ${errors[0].message}` : '.'}`;
  return broken('run', message, hintOf('delivery', 'runs_failing'), facts);
}

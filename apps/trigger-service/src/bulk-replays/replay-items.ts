import type { AdapterRegistry } from '@vane/adapters';
import type { DeliveryHeader } from '@vane/contracts';
import type { JsonObject } from '@vane/kit';
import { TriggerExpressions, type Judged, type Verdict } from '../expressions/trigger-expressions.js';
import { normaliseDelivery, type IncomingEvent } from '../intake/normalise.js';

/** One event and trigger of a selection, with what is needed to start a run; null is what is not there any more. */
export type Candidate = {
  id: string; trigger_id: string; event_id: string; event_received_at: Date;
  trigger_there: boolean; trigger_name: string; trigger_type: string; runnable_id: string | null; filter: string | null; mapping: string | null; trigger_want: JsonObject;
  event_there: boolean; type: string; service: string; feed_id: string; dedupe_key: string; occurred_at: Date | null; payload: string | null;
  delivery_id: string | null; subscription_id: string | null; headers: Record<string, string> | null; body: Buffer | null; want: JsonObject | null;
};

/** What becomes of a candidate: a run with its input, or why there is none. `event` is the event read anew. */
export type Item = { candidate: Candidate; event: IncomingEvent | null } & ({ input: string | null; code: null; message: null } | { input: null; code: string; message: string });

/** Decides on candidates, with triggers and adapters as they are now. Asks nobody. */
export class ReplayItems {
  private readonly expressions = new TriggerExpressions();

  constructor(private readonly adapters: AdapterRegistry) {}

  decide(candidate: Candidate, { applyFilter, renormalise, workspaceId }: { applyFilter: boolean; renormalise: boolean; workspaceId: string }): Item {
    const not = (code: string, message: string): Item => ({ candidate, event: null, input: null, code, message });
    if (!candidate.trigger_there) return not('trigger_deleted', 'The trigger was deleted.');
    if (candidate.runnable_id === null) return not('no_runnable', 'The trigger has no runnable. Give it one, and replay again.');
    if (!candidate.event_there) return not('event_deleted', 'The event is not kept any more.');
    const read = renormalise ? this.readAnew(candidate, workspaceId) : null;
    if (typeof read === 'string') return not('not_renormalised', read);
    const verdict = this.judge(candidate, read, applyFilter);
    return verdict.starts ? { candidate, event: read, input: verdict.input, code: null, message: null } : { candidate, event: read, input: null, code: verdict.code, message: verdict.message };
  }

  private judge(candidate: Candidate, read: IncomingEvent | null, applyFilter: boolean): Verdict {
    const { filter, mapping, payload, event_id: id } = candidate;
    if ((filter === null || !applyFilter) && mapping === null) return { starts: true, input: null };
    const payloadText = read?.payloadText ?? payload ?? 'null';
    const event: Judged = {
      id, type: read?.type ?? candidate.type, service: candidate.service, occurredAt: read ? read.occurredAt : (candidate.occurred_at?.toISOString() ?? null),
      receivedAt: candidate.event_received_at.toISOString(), payload: JSON.parse(payloadText) as unknown, payloadText,
    };
    const trigger = { id: candidate.trigger_id, name: candidate.trigger_name, filter: applyFilter ? filter : null, mapping };
    return this.expressions.judge(trigger, event);
  }

  /** The event among those that today's adapter finds in the delivery; a sentence where it is not. */
  private readAnew(candidate: Candidate, workspaceId: string): IncomingEvent | string {
    const { delivery_id: id, headers, body } = candidate;
    if (id === null || headers === null || body === null) return 'Its delivery is not kept, or never came with a body, so the event cannot be read anew.';
    const header: DeliveryHeader = {
      v: 1, id, receivedAt: candidate.event_received_at.toISOString(), status: 'accepted', reason: null, workspaceId, subscriptionId: candidate.subscription_id!,
      feedId: candidate.feed_id, service: candidate.service, triggerType: candidate.trigger_type, method: 'POST', headers, size: body.length, sha256: '', bodyOmitted: false,
      sealedAuth: null, authUntil: null,
    };
    const { events, header: { status, reason } } = normaliseDelivery(this.adapters, header, body, candidate.want ?? candidate.trigger_want);
    if (status !== 'accepted') return `The adapter cannot read the delivery: ${reason ?? status}`;
    return events.find(({ dedupeKey }) => dedupeKey === candidate.dedupe_key) ?? 'The adapter as it is now finds no such event in the delivery.';
  }
}

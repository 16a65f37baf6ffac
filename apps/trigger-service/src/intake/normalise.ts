import type { AdapterRegistry } from '@vane/adapters';
import type { DeliveryHeader } from '@vane/contracts';
import { dedupeKeyOf, type JsonObject, type NormalisedEvent, type TriggerType } from '@vane/kit';
import { reasonOf, storable } from './refused-content.js';

/** An event ready to be stored: its identity within the feed is decided, its payload is text. */
export type IncomingEvent = NormalisedEvent & { dedupeKey: string; payloadText: string };

/** `fetch`: it only says that there is something to fetch; `marker`: it is of the canary with this marker. */
export type IncomingDelivery = { header: DeliveryHeader; body: Buffer; events: IncomingEvent[]; fetch?: true; marker?: string };

const EMPTY = Buffer.alloc(0);

/**
 * Turns an accepted delivery into its events. What the adapter cannot read is kept as `unprocessable`, with the reason:
 * the sender was authentic, so it is ours to look at and not to be lost.
 */
export function normaliseDelivery(
  adapters: AdapterRegistry,
  header: DeliveryHeader,
  body: Buffer,
  want: JsonObject | undefined,
): IncomingDelivery {
  if (header.status !== 'accepted') return { header, body, events: [] };
  try {
    const type = adapters.get(header.service)?.triggerTypes[header.triggerType];
    const webhook = type?.webhook;
    if (type?.pull && !webhook?.normalise) return { header, body, events: [], fetch: true };
    if (!webhook?.normalise) throw new Error(`No adapter for ${header.service}/${header.triggerType} is installed.`);
    if (!want) throw new Error('The subscription of this delivery is not there any more.');
    const request = { headers: header.headers, body, receivedAt: header.receivedAt };
    const normalised = webhook.normalise(request, want);
    const marker = markerOf(type, normalised);
    if (marker !== null) return { header: { ...header, status: 'ping' }, body, events: [], marker };
    return { header, body, events: normalised.map((event, index) => readied(event, header.id, index)) };
  } catch (error) {
    return unprocessable(adapters, header, body, reasonOf(error));
  }
}

function markerOf(type: TriggerType | undefined, events: NormalisedEvent[]): string | null {
  const canary = type?.remote?.canary;
  return canary?.by === 'event' ? (events.map((event) => canary.markerOf(event)).find((marker) => marker !== null) ?? null) : null;
}

/** `source` is what the event came out of, and gives its identity where the service gives none. */
export function readied(event: NormalisedEvent, source: string, index: number): IncomingEvent {
  return { ...event, type: storable(event.type), dedupeKey: storable(dedupeKeyOf(event, source, index)), payloadText: textOf(event.payload) };
}

/**
 * A delivery that becomes no event. Where secrets are cut out of bodies, one that is not what the service sends may hold
 * them elsewhere than the pointers look: of it only hash and size are kept.
 */
export function unprocessable(adapters: AdapterRegistry, header: DeliveryHeader, body: Buffer, reason: string): IncomingDelivery {
  const redactions = adapters.get(header.service)?.triggerTypes[header.triggerType]?.webhook.redact ?? [];
  const changed: DeliveryHeader = { ...header, status: 'unprocessable', reason };
  return redactions.length === 0 ? { header: changed, body, events: [] } : hashAndSizeOf(changed);
}

/** What is left of a delivery whose content must not, or cannot, be stored. */
export function hashAndSizeOf(header: DeliveryHeader): IncomingDelivery {
  return { header: { ...header, bodyOmitted: true, sealedAuth: null, authUntil: null }, body: EMPTY, events: [] };
}

function textOf(payload: unknown): string {
  const text = JSON.stringify(payload) as string | undefined;
  if (text === undefined) throw new Error('The adapter made an event without a payload.');
  return text;
}

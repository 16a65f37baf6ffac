import type { AdapterRegistry } from '@vane/adapters';
import type { DeliveryHeader } from '@vane/contracts';
import { dedupeKeyOf, type JsonObject, type NormalisedEvent } from '@vane/kit';
import { reasonOf, storable } from './refused-content.js';

/** An event ready to be stored: its identity within the feed is decided, its payload is text. */
export type IncomingEvent = NormalisedEvent & { dedupeKey: string; index: number; payloadText: string };

export type IncomingDelivery = { header: DeliveryHeader; body: Buffer; events: IncomingEvent[] };

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
    const webhook = adapters.get(header.service)?.triggerTypes[header.triggerType]?.webhook;
    if (!webhook?.normalise) throw new Error(`No adapter for ${header.service}/${header.triggerType} is installed.`);
    if (!want) throw new Error('The subscription of this delivery is not there any more.');
    const request = { headers: header.headers, body, receivedAt: header.receivedAt };
    const events = webhook.normalise(request, want).map((event, index) => ({
      ...event,
      type: storable(event.type),
      dedupeKey: storable(dedupeKeyOf(event, header.id, index)),
      index,
      payloadText: textOf(event.payload),
    }));
    return { header, body, events };
  } catch (error) {
    return unprocessable(adapters, header, body, reasonOf(error));
  }
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

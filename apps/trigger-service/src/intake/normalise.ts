import type { AdapterRegistry } from '@vane/adapters';
import type { DeliveryHeader } from '@vane/contracts';
import { dedupeKeyOf, type JsonObject, type NormalisedEvent } from '@vane/kit';

/** An event ready to be stored: its identity within the feed is decided. */
export type IncomingEvent = NormalisedEvent & { dedupeKey: string; index: number };

export type IncomingDelivery = { header: DeliveryHeader; body: Buffer; events: IncomingEvent[] };

const REASON_CHARS = 300;

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
    if (!webhook) throw new Error(`No adapter for ${header.service}/${header.triggerType} is installed.`);
    if (!want) throw new Error('The subscription of this delivery is not there any more.');
    const request = { headers: header.headers, body, receivedAt: header.receivedAt };
    const events = webhook.normalise(request, want).map((event, index) => ({
      ...event,
      type: storable(event.type),
      dedupeKey: storable(dedupeKeyOf(event, header.id, index)),
      index,
    }));
    return { header, body, events };
  } catch (error) {
    const reason = storable(error instanceof Error ? error.message : String(error)).slice(0, REASON_CHARS);
    return { header: { ...header, status: 'unprocessable', reason }, body, events: [] };
  }
}

/** Postgres text holds everything but NUL. */
export function storable(text: string): string {
  return text.replaceAll('\u0000', '\uFFFD');
}

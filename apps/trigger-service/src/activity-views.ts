import type { DeliveryView, EventView } from '@vane/contracts';
import type { Delivery, Event } from '@vane/db';

const isoOrNull = (date: Date | null) => date?.toISOString() ?? null;

export function viewDelivery(row: Omit<Delivery, 'body' | 'headers'>): DeliveryView {
  return {
    id: row.id,
    receivedAt: row.receivedAt.toISOString(),
    status: row.status as DeliveryView['status'],
    reason: row.reason,
    service: row.service,
    subscriptionId: row.subscriptionId,
    feedId: row.feedId,
    method: row.method,
    size: row.size,
    sha256: row.sha256,
  };
}

export function viewEvent(row: Omit<Event, 'payload'>): EventView {
  return {
    id: row.id,
    receivedAt: row.receivedAt.toISOString(),
    occurredAt: isoOrNull(row.occurredAt),
    service: row.service,
    type: row.type,
    feedId: row.feedId,
    deliveryId: row.deliveryId,
    dedupeKey: row.dedupeKey,
  };
}

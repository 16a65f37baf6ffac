import type { DeliveryView, EventView, RunView } from '@vane/contracts';
import type { Delivery, Event, Run } from '@vane/db';

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

export function viewRun(row: Run): RunView {
  return {
    id: row.id,
    triggerId: row.triggerId,
    eventId: row.eventId,
    runnableId: row.runnableId,
    replay: row.replay,
    status: row.status as RunView['status'],
    reason: row.reason,
    attempts: row.attempts,
    createdAt: row.createdAt.toISOString(),
    startedAt: isoOrNull(row.startedAt),
    endedAt: isoOrNull(row.endedAt),
    nextAttemptAt: isoOrNull(row.nextAttemptAt),
    correlationId: row.correlationId,
  };
}

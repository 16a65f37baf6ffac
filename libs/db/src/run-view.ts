import type { RunStatus, RunView } from '@vane/contracts';
import type { Run } from './generated/client.js';

const isoOrNull = (date: Date | null) => date?.toISOString() ?? null;

/** A run as the API shows it; trigger-service makes runs and run-worker carries them out, so both show them. */
export function runView(run: Omit<Run, 'input'>): RunView {
  return {
    id: run.id,
    triggerId: run.triggerId,
    eventId: run.eventId,
    runnableId: run.runnableId,
    replay: run.replay,
    status: run.status as RunStatus,
    reason: run.reason,
    reasonMessage: run.reasonMessage,
    attempts: run.attempts,
    createdAt: run.createdAt.toISOString(),
    startedAt: isoOrNull(run.startedAt),
    endedAt: isoOrNull(run.endedAt),
    nextAttemptAt: isoOrNull(run.nextAttemptAt),
    correlationId: run.correlationId,
  };
}

import { failed, type AttemptOutcome, type Failed } from './outcome.js';
import type { AfterFailure } from './retry.js';
import type { AttemptRecord } from './run-store.js';
import { storableJson, storableText } from './storable.js';

type Ended = Exclude<AttemptOutcome, { kind: 'cancelled' }>;
type Next = AfterFailure | { status: 'succeeded' };

/** Writes an outcome as the rows take it. A result that cannot be stored fails the run: another attempt would repeat it. */
export function recordOf(outcome: Ended, next: Next, now: Date): AttemptRecord {
  const result = outcome.result === undefined ? null : storableJson(outcome.result);
  if (result === undefined) return failureRecord(unstorable(outcome.logs), { status: 'failed' }, null, now);
  if (outcome.kind === 'failed') return failureRecord(outcome, next, result, now);
  return {
    run: { status: 'succeeded', reason: null, nextAttemptAt: null },
    attempt: { outcome: 'succeeded', fault: null, code: null, message: null, result, logs: storableText(outcome.logs) },
  };
}

/** The same end without the result, for when Postgres itself refuses that. */
export function withoutResult({ attempt }: AttemptRecord, now: Date): AttemptRecord {
  return failureRecord(unstorable(attempt.logs), { status: 'failed' }, null, now);
}

const unstorable = (logs: string): Failed =>
  failed({
    fault: 'script',
    code: 'result_not_storable',
    message: 'The result cannot be stored as JSON: it is nested too deeply. Return something flatter.',
    retry: false,
    logs,
  });

function failureRecord(failure: Failed, next: Next, result: string | null, now: Date): AttemptRecord {
  const { fault, code, message, logs } = failure;
  const nextAttemptAt = next.status === 'queued' ? new Date(now.getTime() + next.delayMs) : null;
  return {
    run: { status: next.status, reason: code, nextAttemptAt },
    attempt: { outcome: 'failed', fault, code, message: storableText(message), result, logs: storableText(logs) },
  };
}

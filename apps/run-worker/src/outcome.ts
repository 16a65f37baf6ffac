import type { Fault } from '@vane/contracts';

/** How long a target or a retry may keep a run waiting at most. */
export const MAX_DELAY_MS = 3_600_000;

export type Succeeded = { kind: 'succeeded'; result: unknown; logs: string };

export type Failed = {
  kind: 'failed';
  /** Who has to act. */
  fault: Fault;
  /** A word for machines; also the run's reason. */
  code: string;
  /** A sentence for the person who reads it; never a secret. */
  message: string;
  /** False when another attempt would end the same way. */
  retry: boolean;
  /** What the target asked for. */
  retryAfterMs?: number;
  result?: unknown;
  logs: string;
};

/** Cut off by the signal before there was an outcome. */
export type Cancelled = { kind: 'cancelled'; logs: string };

export type AttemptOutcome = Succeeded | Failed | Cancelled;

export const failed = (failure: Omit<Failed, 'kind' | 'logs'> & { logs?: string }): Failed => ({ kind: 'failed', logs: '', ...failure });

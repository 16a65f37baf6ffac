import type { z } from 'zod';
import type { httpSpec } from '@vane/contracts';
import { EgressError, postSigned, retryAfter, type Clock, type EgressClient, type EgressErrorCode, type EgressResponse } from '@vane/runtime';
import { failed, MAX_DELAY_MS, type AttemptOutcome } from './outcome.js';
import type { RunDetails } from './run-details.js';
import type { Claim } from './run-store.js';

/** Client errors that pass by themselves: timeout, conflict, too early, too many requests (RFC 9110, 8470, 6585). */
const PASSING_STATUSES = new Set([408, 409, 425, 429]);
/** Failures that another attempt repeats: the URL itself is at fault. */
const FINAL_EGRESS_CODES = new Set<EgressErrorCode>(['egress_blocked', 'redirect_refused', 'invalid_request']);

export type HttpCall = {
  spec: z.output<typeof httpSpec>;
  /** Standard Webhooks secret, `whsec_...`. */
  secret: string;
  claim: Claim;
  trigger: NonNullable<RunDetails['trigger']>;
  event: NonNullable<RunDetails['event']>;
  replay: number;
  /** JSON that a mapping made of the event: the whole body. Null without one. */
  input: string | null;
  signal: AbortSignal;
};

/**
 * Posts an event to a URL of the user's, signed. `webhook-id` is the id of the run, the same in every attempt, so that the
 * target can tell a repeat.
 */
export class HttpTarget {
  constructor(
    private readonly egress: EgressClient,
    private readonly clock: Clock,
  ) {}

  /** Rejects only for a fault of ours. */
  async run(call: HttpCall): Promise<AttemptOutcome> {
    const body = bodyOf(call);
    const now = this.clock.now();
    try {
      const answer = await postSigned(this.egress, {
        url: call.spec.url, secret: call.secret, id: call.claim.runId, body, now, timeoutMs: call.spec.timeoutMs, signal: call.signal,
      });
      return judgeAnswer(answer, this.clock.now());
    } catch (error) {
      if (call.signal.aborted) return { kind: 'cancelled', logs: '' };
      if (error instanceof EgressError) return judgeEgressError(error);
      throw error;
    }
  }
}

function bodyOf({ claim, trigger, event, replay, input }: HttpCall): string {
  if (input !== null) return input;
  const envelope = {
    type: event.type,
    timestamp: (event.occurredAt ?? event.receivedAt).toISOString(),
    trigger: { id: trigger.id, name: trigger.name },
    event: { id: event.id, service: event.service, receivedAt: event.receivedAt.toISOString() },
    run: { id: claim.runId, attempt: claim.attempt, replay },
  };
  // The payload goes in as it was stored: no need to parse it for that.
  return `${JSON.stringify(envelope).slice(0, -1)},"data":${event.payload}}`;
}

/** What an answer means for the run. */
export function judgeAnswer({ status, headers, body, truncated }: EgressResponse, now: Date): AttemptOutcome {
  const result = { status, body: body.toString('utf8'), ...(truncated ? { truncated } : {}) };
  if (status >= 200 && status < 300) return { kind: 'succeeded', result, logs: '' };
  const retry = status >= 500 || PASSING_STATUSES.has(status);
  const retryAfterMs = retry ? retryAfter(headers['retry-after'], now, MAX_DELAY_MS) : undefined;
  const message = retry
    ? `The target answered ${status}.`
    : `The target answered ${status}, which says that trying again will not help. Fix the target or its URL and replay the run.`;
  return failed({
    fault: 'target', code: `http_${status}`, message, retry, result, ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

/** What it means that there was no answer. */
export function judgeEgressError({ code, message }: EgressError): AttemptOutcome {
  return failed({ fault: 'target', code, message, retry: !FINAL_EGRESS_CODES.has(code) });
}

import type { z } from 'zod';
import type { scriptSpec } from '@vane/contracts';
import type { EgressClient } from '@vane/runtime';
import { failed, type AttemptOutcome } from './outcome.js';
import type { RunDetails } from './run-details.js';
import type { Claim } from './run-store.js';
import { createMasker, valuesToMask } from './sandbox/masking.js';
import { ScriptSandbox } from './sandbox/script-sandbox.js';
import {
  defaultScriptLimits,
  type SandboxFetch,
  type ScriptFailureCode,
  type ScriptOutcome,
} from './sandbox/script-types.js';

/** One `fetch` of a script: its time limit, and the largest answer that a sandbox can take. */
const FETCH_TIMEOUT_MS = 30_000;
const FETCH_ANSWER_BYTES = 2 * 1024 * 1024;
/** The least an interpreter can start with. */
const MIN_MEMORY_MB = 16;
/** Failures that lie in the code itself, so that another attempt repeats them. */
const FINAL_CODES = new Set<ScriptFailureCode>(['compile_error', 'no_main', 'result_too_large', 'not_serialisable']);

export type ScriptCall = {
  spec: z.output<typeof scriptSpec>;
  secrets: Record<string, string>;
  /** Undefined when the service sent none, or its time is over. */
  auth: unknown;
  claim: Claim;
  trigger: NonNullable<RunDetails['trigger']>;
  event: NonNullable<RunDetails['event']>;
  replay: number;
  /** JSON that a mapping made of the event; null without one. */
  input: string | null;
  signal: AbortSignal;
};

/** Runs scripts in the sandbox; their `fetch` goes through the guarded client. */
export class ScriptTarget {
  constructor(private readonly sandbox: ScriptSandbox) {}

  /** Never rejects. */
  async run({ spec, secrets, auth, claim, trigger, event, replay, input, signal }: ScriptCall): Promise<AttemptOutcome> {
    const outcome = await this.sandbox.run({
      code: spec.code,
      language: spec.language,
      event: {
        id: event.id,
        type: event.type,
        service: event.service,
        occurredAt: event.occurredAt?.toISOString() ?? null,
        receivedAt: event.receivedAt.toISOString(),
        payload: JSON.parse(event.payload) as unknown,
      },
      ctx: {
        run: { id: claim.runId, attempt: claim.attempt, replay },
        trigger: { id: trigger.id, name: trigger.name, config: trigger.config },
        secrets,
        ...(input === null ? {} : { args: JSON.parse(input) as unknown }),
        ...(auth === undefined ? {} : { auth }),
      },
      limits: { ...defaultScriptLimits, timeoutMs: spec.timeoutMs, memoryMb: Math.max(MIN_MEMORY_MB, spec.memoryMb) },
      signal,
    });
    // A script may use what it was trusted with; whoever may read runs may not.
    const { maskJson } = createMasker(valuesToMask(secrets, auth));
    return judgeScript(outcome.ok ? { ...outcome, result: maskJson(outcome.result) } : outcome);
  }
}

/** What a script's outcome means for the run. */
export function judgeScript(outcome: ScriptOutcome): AttemptOutcome {
  const logs = logText(outcome);
  if (outcome.ok) return { kind: 'succeeded', result: outcome.result, logs };
  if (outcome.code === 'cancelled') return { kind: 'cancelled', logs };
  const message = outcome.stack === undefined ? outcome.message : `${outcome.message}\n${outcome.stack}`;
  return failed({ fault: outcome.class, code: outcome.code, message, retry: !FINAL_CODES.has(outcome.code), logs });
}

/** Console output as one text, a line per call: `[+12ms info] text`. */
function logText({ logs, logsTruncated }: ScriptOutcome): string {
  const lines = logs.map(({ at, level, text }) => `[+${at}ms ${level}] ${text}`);
  if (logsTruncated) lines.push('(The rest of the output was too long and is not kept.)');
  return lines.join('\n');
}

/** A script's `fetch`, performed by the guarded client. Redirects are followed, each one judged anew. */
export function guardedFetch(egress: EgressClient): SandboxFetch {
  return async ({ url, method, headers, body }, { signal }) => {
    const answer = await egress.request(url, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
      timeoutMs: FETCH_TIMEOUT_MS,
      maxResponseBytes: FETCH_ANSWER_BYTES,
      signal,
    });
    return { status: answer.status, headers: answer.headers, body: answer.body.toString('utf8') };
  };
}

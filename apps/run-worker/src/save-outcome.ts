import { setTimeout as wait } from 'node:timers/promises';
import type { Clock, Logger } from '@vane/runtime';
import { withoutResult } from './attempt-record.js';
import type { AttemptRecord, Claim, RunStore } from './run-store.js';

const TRIES = 30;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;
/** SQLSTATE classes of a value that Postgres will never take: data exception, program limit exceeded. */
const REFUSED_VALUE = /^(22|54)/;

type Options = { signal: AbortSignal; clock: Clock; logger: Logger };

/**
 * Saves an attempt's end, patiently: the target has already done its work, so a Postgres that restarts must not make it
 * do it twice. Returns what was saved, or null when the claim is not the newest any more. Throws when Postgres stays away
 * for about a minute, or when the signal is aborted meanwhile; the run is then found by its lease.
 */
export async function saveOutcome(
  store: RunStore,
  claim: Claim,
  wanted: AttemptRecord,
  { signal, clock, logger }: Options,
): Promise<AttemptRecord | null> {
  let record = wanted;
  for (let tries = 1; ; tries += 1) {
    try {
      return (await store.save(claim, record)) ? record : null;
    } catch (error) {
      if (record === wanted && REFUSED_VALUE.test(String((error as { code?: unknown }).code))) {
        record = withoutResult(wanted, clock.now());
        continue;
      }
      if (tries >= TRIES || signal.aborted) throw error;
      logger.warn({ err: error, tries }, 'result cannot be saved yet, trying again');
      await wait(Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (tries - 1)));
    }
  }
}

import { rmSync } from 'node:fs';
import { newStateDirectory } from './kill-house.js';

/** Where a trial runs: its state directory, and what ends what it has started; the last one is ended first. */
export type Ground = { dir: string; closers: (() => Promise<unknown>)[] };

/**
 * Runs a trial in a state directory of its own, and ends what it has started whatever comes of it, also when it is
 * interrupted (SIGINT, SIGTERM: the process then exits with 130). The directory goes, but for the logs' sake not after a
 * trial that failed.
 */
export async function onOwnGround<Result extends { ok: boolean }>(say: (line: string) => void, trial: (ground: Ground) => Promise<Result>): Promise<Result> {
  const dir = newStateDirectory();
  const closers: Ground['closers'] = [];
  let closed = Promise.resolve();
  // In turn: what an interruption ends makes the trial fail, which must not leave before all is ended.
  const close = () => (closed = closed.then(() => endAll(closers)));
  const interrupted = () => void close().finally(() => {
    rmSync(dir, { recursive: true, force: true });
    process.exit(130);
  });
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  let ok = false;
  try {
    const result = await trial({ dir, closers });
    ok = result.ok;
    return result;
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
    await close();
    if (ok) rmSync(dir, { recursive: true, force: true });
    else say(`The logs of the processes are kept in ${dir}/logs.`);
  }
}

/** All of them, also when one fails. */
async function endAll(closers: Ground['closers']): Promise<void> {
  const failures: unknown[] = [];
  for (const one of closers.splice(0).reverse()) await one().catch((error: unknown) => failures.push(error));
  if (failures.length > 0) throw new AggregateError(failures, 'Not everything that the trial started could be ended.');
}

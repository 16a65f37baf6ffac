import type { AttemptView, Fault } from '@vane/contracts';
import type { Attempt } from '@vane/db';

/** What fits beside the run in one bus message of 1 MB, whatever the encoding adds. */
const ATTEMPT_LIST_BYTES = 700_000;

/** Attempts in their order. Where all together are too large for one message, the oldest lose their results and output. */
export function attemptViews(attempts: Attempt[]): AttemptView[] {
  let left = ATTEMPT_LIST_BYTES;
  const newestFirst = [...attempts].sort((a, b) => b.number - a.number).map((attempt) => {
    const view = attemptView(attempt);
    const size = Buffer.byteLength(JSON.stringify(view));
    if (size <= left) {
      left -= size;
      return view;
    }
    return { ...view, result: null, logs: '(Left out, because all attempts together are too large to be shown at once.)' };
  });
  return newestFirst.reverse();
}

function attemptView(attempt: Attempt): AttemptView {
  return {
    number: attempt.number,
    startedAt: attempt.startedAt.toISOString(),
    endedAt: attempt.endedAt?.toISOString() ?? null,
    outcome: attempt.outcome as AttemptView['outcome'],
    fault: attempt.fault as Fault | null,
    code: attempt.code,
    message: attempt.message,
    result: attempt.result as AttemptView['result'],
    logs: attempt.logs,
  };
}

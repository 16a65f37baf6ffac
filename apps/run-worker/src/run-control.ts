import { executeRun, VaneError, type RunStatus, type RunView } from '@vane/contracts';
import { runView, type Database } from '@vane/db';
import type { Clock, JobQueues } from '@vane/runtime';
import { runJob } from './run-worker.js';

/**
 * A new fence takes the run away from its worker, which hears of it at its next heartbeat, stops what it does and drops the
 * result. What the code has done by then is done.
 */
const CANCEL = `
  WITH picked AS (
    SELECT id, workspace_id, status, attempts FROM run
     WHERE workspace_id = $1 AND id = $2 AND status IN ('held', 'queued', 'running') FOR UPDATE
  ), closed AS (
    UPDATE attempt a SET outcome = 'interrupted', code = 'cancelled', message = 'A member cancelled the run.', ended_at = $3
      FROM picked p
     WHERE a.workspace_id = p.workspace_id AND a.run_id = p.id AND a.number = p.attempts AND a.outcome = 'running'
  )
  UPDATE run r
     SET status = 'cancelled', reason = 'cancelled_by_member', ended_at = $3, next_attempt_at = NULL, fence = r.fence + 1,
         lease_owner = NULL, lease_until = NULL
    FROM picked p WHERE r.id = p.id`;

const HASTEN = `UPDATE run SET next_attempt_at = NULL WHERE workspace_id = $1 AND id = $2 AND status = 'queued' RETURNING attempts`;

/** What members do to a run that has not ended. */
export class RunControl {
  constructor(
    private readonly database: Database,
    private readonly queues: JobQueues,
    private readonly clock: Clock,
  ) {}

  /** Ends a run that waits, is held or is under way. Once more changes nothing. Rejects with `conflict` when it ended otherwise. */
  async cancel(workspace: string, id: string): Promise<RunView> {
    const { rowCount } = await this.database.pool.query(CANCEL, [workspace, id, this.clock.now()]);
    const run = await this.read(workspace, id);
    if (rowCount === 0 && run.status !== 'cancelled') {
      throw new VaneError('conflict', `The run has ended already: it is ${run.status}. Only a run that has not ended can be cancelled.`);
    }
    return run;
  }

  /** Starts a run's next attempt now instead of after its pause. Rejects with `conflict` when it does not wait for one. */
  async runNow(workspace: string, id: string): Promise<RunView> {
    const { rows } = await this.database.pool.query<{ attempts: number }>(HASTEN, [workspace, id]);
    const run = await this.read(workspace, id);
    const waiting = rows[0];
    if (!waiting) throw new VaneError('conflict', whyNotNow(run.status));
    const job = runJob(id, waiting.attempts + 1);
    // Under an id of its own: the queue knows the other one already, and keeps it for later. Who comes second finds nothing to do.
    await this.queues.add(executeRun, [{ ...job, id: `${job.id}.now` }]);
    return run;
  }

  private async read(workspace: string, id: string): Promise<RunView> {
    const run = await this.database.forWorkspace(workspace).run.findFirst({ where: { id }, omit: { input: true } });
    if (!run) throw new VaneError('not_found', 'There is no such run in this workspace.');
    return runView(run);
  }
}

function whyNotNow(status: RunStatus): string {
  if (status === 'held') return 'The run is held: it starts when its connection works again and its trigger is enabled.';
  if (status === 'running') return 'The run is under way already.';
  return `The run has ended: it is ${status}. Replay it to run the event again.`;
}

import {
  VaneError, type CallContext, type createReplay, type estimateReplay, type InputOf, type listReplays, type OutputOf, type getReplay, type ReplayStatus, type ReplayView, type RunStatus,
} from '@vane/contracts';
import { firstIdAt, newId, pageOf, type Database, type ReplayJob } from '@vane/db';
import type { Clock } from '@vane/runtime';
import { selected, selectionOf, type Selection } from './selection.js';

const KEPT_MS = 90 * 86_400_000;
const MOST_LISTED = 100;

const isoOrNull = (date: Date | null) => date?.toISOString() ?? null;

/** Replays of many events, as people ask for them: made, looked at, paused, resumed and cancelled. `ReplayBatches` carries them out. */
export class ReplayJobs {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** @throws VaneError `not_found` for a trigger or a runnable of nobody */
  async estimate(input: InputOf<typeof estimateReplay>): Promise<OutputOf<typeof estimateReplay>> {
    await this.requireOwn(input);
    return this.count(selectionOf(input, this.clock.now()));
  }

  /** @throws VaneError as `estimate`, and `bad_request` for a time range of nothing */
  async create(input: InputOf<typeof createReplay>, call: CallContext): Promise<ReplayView> {
    await this.requireOwn(input);
    const now = this.clock.now();
    const selection = selectionOf(input, now);
    const { count: total } = await this.count(selection);
    const status: ReplayStatus = total === 0 ? 'done' : input.paused ? 'paused' : 'running';
    const { runStatuses, triggerId, runnableId, reason, receivedFrom, receivedTo, eventType } = selection;
    return viewOf(
      await this.database.forWorkspace(input.workspace).replayJob.create({
        data: {
          id: newId('replay', now), workspaceId: input.workspace, status, triggerId, runnableId, runStatuses, reason, receivedFrom, receivedTo, eventType,
          runOrder: input.order, rate: input.rate, applyFilter: input.applyFilter, renormalise: input.renormalise, total, started: 0, skipped: 0, failed: 0,
          pacedUntil: now, dueAt: status === 'running' ? now : null, createdBy: call.actor.label, correlationId: call.correlationId,
          createdAt: now, updatedAt: now, endedAt: status === 'done' ? now : null,
        },
      }),
    );
  }

  list({ workspace, status, ...page }: InputOf<typeof listReplays>): Promise<OutputOf<typeof listReplays>> {
    const { replayJob } = this.database.forWorkspace(workspace);
    return pageOf(page, ({ where, ...query }) => replayJob.findMany({ ...query, where: { ...where, status } }), viewOf);
  }

  /** @throws VaneError `not_found` */
  async get(workspace: string, id: string): Promise<OutputOf<typeof getReplay>> {
    const job = await this.find(workspace, id);
    const { rows } = await this.database.pool.query<{ status: RunStatus; count: string }>(
      `SELECT r.status, count(*) FROM replay_item i JOIN run r ON r.workspace_id = i.workspace_id AND r.id = i.run_id
       WHERE i.job_id = $1 AND i.workspace_id = $2 GROUP BY r.status`,
      [id, workspace],
    );
    const notStarted = await this.database.forWorkspace(workspace).replayItem.findMany({
      where: { jobId: id, runId: null }, orderBy: [{ triggerId: 'asc' }, { eventId: 'asc' }], take: MOST_LISTED,
    });
    return {
      ...viewOf(job),
      runs: Object.fromEntries(rows.map(({ status, count }) => [status, Number(count)])),
      notStarted: notStarted.map(({ triggerId, eventId, code, message }) => ({ triggerId, eventId, code: code ?? '', message: message ?? '' })),
    };
  }

  pause(workspace: string, id: string): Promise<ReplayView> {
    return this.change(workspace, id, { from: ['running'], to: 'paused' });
  }

  resume(workspace: string, id: string): Promise<ReplayView> {
    return this.change(workspace, id, { from: ['paused'], to: 'running' });
  }

  cancel(workspace: string, id: string): Promise<ReplayView> {
    return this.change(workspace, id, { from: ['running', 'paused'], to: 'cancelled' });
  }

  /** Forgets old ones that have ended. */
  async forget(): Promise<void> {
    await this.database.pool.query('DELETE FROM replay_job WHERE id < $1 AND ended_at IS NOT NULL', [firstIdAt('replay', this.clock.in(-KEPT_MS))]);
  }

  /** Waits for the batch that is under way, and no other follows. What is so already stays so. */
  private async change(workspace: string, id: string, { from, to }: { from: ReplayStatus[]; to: ReplayStatus }): Promise<ReplayView> {
    const now = this.clock.now();
    const { count } = await this.database.forWorkspace(workspace).replayJob.updateMany({
      where: { id, status: { in: from } },
      data: { status: to, dueAt: to === 'running' ? now : null, ...(to === 'running' ? { pacedUntil: now } : {}), ...(to === 'cancelled' ? { endedAt: now } : {}), updatedAt: now },
    });
    const job = await this.find(workspace, id);
    if (count === 0 && job.status !== to) throw new VaneError('conflict', `This replay is ${job.status}, so it cannot become ${to}.`);
    return viewOf(job);
  }

  private async find(workspace: string, id: string): Promise<ReplayJob> {
    const job = await this.database.forWorkspace(workspace).replayJob.findFirst({ where: { id } });
    if (!job) throw new VaneError('not_found', `There is no replay ${id} in this workspace. Replays are forgotten after 90 days.`);
    return job;
  }

  private async count(selection: Selection): Promise<OutputOf<typeof estimateReplay>> {
    const { sql, values } = selected(selection);
    const { rows } = await this.database.pool.query<{ count: string; oldest: Date | null; newest: Date | null; succeeded: string; lost: string }>(
      `SELECT count(*) AS count, min(r.event_received_at) AS oldest, max(r.event_received_at) AS newest,
         count(*) FILTER (WHERE EXISTS (SELECT 1 FROM run s WHERE s.trigger_id = r.trigger_id AND s.event_id = r.event_id AND s.status = 'succeeded')) AS succeeded,
         count(*) FILTER (WHERE t.runnable_id IS NULL) AS lost
       ${sql}`,
      values,
    );
    const { count, oldest, newest, succeeded, lost } = rows[0]!;
    return { count: Number(count), oldestAt: isoOrNull(oldest), newestAt: isoOrNull(newest), alreadySucceeded: Number(succeeded), withoutRunnable: Number(lost) };
  }

  private async requireOwn({ workspace, trigger, runnable, from, to }: InputOf<typeof estimateReplay>): Promise<void> {
    const scoped = this.database.forWorkspace(workspace);
    if (trigger !== undefined && (await scoped.trigger.count({ where: { id: trigger } })) === 0) throw new VaneError('not_found', `There is no trigger ${trigger} in this workspace.`);
    if (runnable !== undefined && (await scoped.runnable.count({ where: { id: runnable } })) === 0) throw new VaneError('not_found', `There is no runnable ${runnable} in this workspace.`);
    if (from === undefined || to === undefined || Date.parse(from) < Date.parse(to)) return;
    throw new VaneError('bad_request', '"from" has to be before "to".', { fields: [{ path: 'to', message: 'is not after from' }] });
  }
}

function viewOf(job: ReplayJob): ReplayView {
  return {
    id: job.id,
    status: job.status as ReplayStatus,
    selection: {
      trigger: job.triggerId, runnable: job.runnableId, status: job.runStatuses as ReplayView['selection']['status'], reason: job.reason,
      from: isoOrNull(job.receivedFrom), to: isoOrNull(job.receivedTo), eventType: job.eventType,
    },
    order: job.runOrder as ReplayView['order'],
    rate: job.rate,
    applyFilter: job.applyFilter,
    renormalise: job.renormalise,
    progress: { total: job.total, started: job.started, skipped: job.skipped, failed: job.failed },
    createdBy: job.createdBy,
    createdAt: job.createdAt.toISOString(),
    updatedAt: job.updatedAt.toISOString(),
    endedAt: isoOrNull(job.endedAt),
  };
}

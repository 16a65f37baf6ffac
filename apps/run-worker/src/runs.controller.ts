import { Controller } from '@nestjs/common';
import { cancelRun, getRun, listRuns, pruneRuns, reconcileRuns, runNow, VaneError, type InputOf, type OutputOf } from '@vane/contracts';
import { Database, pageOf, runView } from '@vane/db';
import type { Json } from '@vane/kit';
import { Handles } from '@vane/runtime';
import { Reconciler } from './reconciler.js';
import { RunControl } from './run-control.js';
import { RunPruner } from './run-pruner.js';
import { attemptViews } from './attempt-views.js';

@Controller()
export class RunsController {
  constructor(
    private readonly database: Database,
    private readonly reconciler: Reconciler,
    private readonly pruner: RunPruner,
    private readonly control: RunControl,
  ) {}

  @Handles(listRuns)
  async list({ workspace, status, reason, trigger, event, ...page }: InputOf<typeof listRuns>): Promise<OutputOf<typeof listRuns>> {
    const filter = { status, reason, triggerId: trigger, eventId: event };
    const { run } = this.database.forWorkspace(workspace);
    return pageOf(page, ({ where, ...query }) => run.findMany({ ...query, where: { ...where, ...filter }, omit: { input: true } }), runView);
  }

  @Handles(getRun)
  async get({ workspace, run: id }: InputOf<typeof getRun>): Promise<OutputOf<typeof getRun>> {
    const run = await this.database.forWorkspace(workspace).run.findFirst({
      where: { id },
      include: { attemptList: { orderBy: { number: 'asc' } } },
    });
    if (!run) throw new VaneError('not_found', 'There is no such run in this workspace.');
    const { attemptList, ...row } = run;
    return { ...runView(row), input: row.input as Json, attemptList: attemptViews(attemptList) };
  }

  @Handles(cancelRun)
  cancel({ workspace, run }: InputOf<typeof cancelRun>): Promise<OutputOf<typeof cancelRun>> {
    return this.control.cancel(workspace, run);
  }

  @Handles(runNow)
  runNow({ workspace, run }: InputOf<typeof runNow>): Promise<OutputOf<typeof runNow>> {
    return this.control.runNow(workspace, run);
  }

  @Handles(reconcileRuns)
  reconcile({ limit }: InputOf<typeof reconcileRuns>): Promise<OutputOf<typeof reconcileRuns>> {
    return this.reconciler.run(limit);
  }

  @Handles(pruneRuns)
  prune({ limit }: InputOf<typeof pruneRuns>): Promise<OutputOf<typeof pruneRuns>> {
    return this.pruner.prune(limit);
  }
}

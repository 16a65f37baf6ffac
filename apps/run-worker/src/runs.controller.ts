import { Controller } from '@nestjs/common';
import { getRun, listRuns, reconcileRuns, VaneError, type InputOf, type OutputOf } from '@vane/contracts';
import { Database } from '@vane/db';
import { Handles } from '@vane/runtime';
import { Reconciler } from './reconciler.js';
import { attemptViews, runView } from './run-views.js';

@Controller()
export class RunsController {
  constructor(
    private readonly database: Database,
    private readonly reconciler: Reconciler,
  ) {}

  /** Newest first: ids are ordered by time, so the last one of a page is the cursor of the next. */
  @Handles(listRuns)
  async list({ workspace, cursor, limit, status, trigger, event }: InputOf<typeof listRuns>): Promise<OutputOf<typeof listRuns>> {
    const rows = await this.database.forWorkspace(workspace).run.findMany({
      where: {
        ...(cursor === undefined ? {} : { id: { lt: cursor } }),
        ...(status === undefined ? {} : { status }),
        ...(trigger === undefined ? {} : { triggerId: trigger }),
        ...(event === undefined ? {} : { eventId: event }),
      },
      orderBy: { id: 'desc' },
      take: limit + 1,
    });
    const items = rows.slice(0, limit).map(runView);
    return { items, next: rows.length > limit ? (items.at(-1)?.id ?? null) : null };
  }

  @Handles(getRun)
  async get({ workspace, run: id }: InputOf<typeof getRun>): Promise<OutputOf<typeof getRun>> {
    const run = await this.database.forWorkspace(workspace).run.findFirst({
      where: { id },
      include: { attemptList: { orderBy: { number: 'asc' } } },
    });
    if (!run) throw new VaneError('not_found', 'There is no such run in this workspace.');
    const { attemptList, ...row } = run;
    return { ...runView(row), attemptList: attemptViews(attemptList) };
  }

  @Handles(reconcileRuns)
  reconcile({ limit }: InputOf<typeof reconcileRuns>): Promise<OutputOf<typeof reconcileRuns>> {
    return this.reconciler.run(limit);
  }
}

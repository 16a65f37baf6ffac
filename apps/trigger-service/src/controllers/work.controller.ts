import { Controller, Inject } from '@nestjs/common';
import * as contracts from '@vane/contracts';
import type { CallContext, InputOf } from '@vane/contracts';
import { Handles } from '@vane/runtime';
import { ReplayJobs } from '../bulk-replays/replay-jobs.js';
import { Syncs } from '../drift/syncs.js';
import { Sweeper } from '../sagas/sweeper.js';
import { WorkDesk } from '../work-desk.js';

@Controller()
export class WorkController {
  constructor(
    @Inject(WorkDesk) private readonly desk: WorkDesk,
    @Inject(Sweeper) private readonly sweeper: Sweeper,
    @Inject(Syncs) private readonly syncs: Syncs,
    @Inject(ReplayJobs) private readonly replays: ReplayJobs,
  ) {}

  @Handles(contracts.sweepSubscriptions)
  async sweep(input: InputOf<typeof contracts.sweepSubscriptions>) {
    await this.sweeper.sweep(input.limit);
    await this.syncs.forget();
    await this.replays.forget();
    return { ok: true as const };
  }

  @Handles(contracts.dueWork)
  due(input: InputOf<typeof contracts.dueWork>) {
    return this.desk.due(input.limit);
  }

  @Handles(contracts.doWork)
  do(input: InputOf<typeof contracts.doWork>, call: CallContext) {
    return this.desk.do(input, call);
  }
}

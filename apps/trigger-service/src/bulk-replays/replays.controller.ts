import { Controller, Inject } from '@nestjs/common';
import * as contracts from '@vane/contracts';
import type { CallContext, InputOf } from '@vane/contracts';
import { Handles } from '@vane/runtime';
import { ReplayJobs } from './replay-jobs.js';

@Controller()
export class ReplaysController {
  constructor(@Inject(ReplayJobs) private readonly jobs: ReplayJobs) {}

  @Handles(contracts.estimateReplay)
  estimate(input: InputOf<typeof contracts.estimateReplay>) {
    return this.jobs.estimate(input);
  }

  @Handles(contracts.createReplay)
  create(input: InputOf<typeof contracts.createReplay>, call: CallContext) {
    return this.jobs.create(input, call);
  }

  @Handles(contracts.listReplays)
  list(input: InputOf<typeof contracts.listReplays>) {
    return this.jobs.list(input);
  }

  @Handles(contracts.getReplay)
  get(input: InputOf<typeof contracts.getReplay>) {
    return this.jobs.get(input.workspace, input.replay);
  }

  @Handles(contracts.pauseReplay)
  pause(input: InputOf<typeof contracts.pauseReplay>) {
    return this.jobs.pause(input.workspace, input.replay);
  }

  @Handles(contracts.resumeReplay)
  resume(input: InputOf<typeof contracts.resumeReplay>) {
    return this.jobs.resume(input.workspace, input.replay);
  }

  @Handles(contracts.cancelReplay)
  cancel(input: InputOf<typeof contracts.cancelReplay>) {
    return this.jobs.cancel(input.workspace, input.replay);
  }
}

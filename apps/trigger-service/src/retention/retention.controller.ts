import { Controller, Inject } from '@nestjs/common';
import { getRetention, sweepRetention, updateRetention, type InputOf } from '@vane/contracts';
import { Handles } from '@vane/runtime';
import { Retention } from './retention.js';

@Controller()
export class RetentionController {
  constructor(@Inject(Retention) private readonly retention: Retention) {}

  @Handles(getRetention)
  get({ workspace }: InputOf<typeof getRetention>) {
    return this.retention.get(workspace);
  }

  @Handles(updateRetention)
  update(input: InputOf<typeof updateRetention>) {
    return this.retention.update(input);
  }

  @Handles(sweepRetention)
  sweep({ limit }: InputOf<typeof sweepRetention>) {
    return this.retention.sweep(limit);
  }
}

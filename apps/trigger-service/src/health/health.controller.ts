import { Controller, Inject } from '@nestjs/common';
import * as contracts from '@vane/contracts';
import type { CallContext, InputOf } from '@vane/contracts';
import { Database } from '@vane/db';
import { Handles } from '@vane/runtime';
import { Triggers } from '../triggers.js';
import { Diagnosis } from './diagnosis.js';
import { Preflight } from './preflight.js';

@Controller()
export class HealthController {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(Triggers) private readonly triggers: Triggers,
    @Inject(Diagnosis) private readonly diagnosis: Diagnosis,
    @Inject(Preflight) private readonly checks: Preflight,
  ) {}

  @Handles(contracts.diagnoseTrigger)
  async diagnose(input: InputOf<typeof contracts.diagnoseTrigger>, call: CallContext) {
    return this.diagnosis.of(await this.triggers.find(input.workspace, input.trigger), call);
  }

  @Handles(contracts.preflightTrigger)
  preflight(input: InputOf<typeof contracts.preflightTrigger>, call: CallContext) {
    return this.checks.of(input, call);
  }

  @Handles(contracts.locateTrigger)
  async locate(input: InputOf<typeof contracts.locateTrigger>) {
    const { rows } = await this.database.pool.query<{ id: string; workspaceId: string; name: string }>(
      'SELECT id, workspace_id AS "workspaceId", name FROM trigger WHERE id = $1', [input.trigger],
    );
    if (!rows[0]) throw new contracts.VaneError('not_found', `There is no trigger ${input.trigger} in this installation.`);
    return rows[0];
  }
}

import { Controller, Inject } from '@nestjs/common';
import * as contracts from '@vane/contracts';
import type { CallContext, InputOf } from '@vane/contracts';
import { Database, pageOf, seal, secretValueCell } from '@vane/db';
import { Clock, Handles } from '@vane/runtime';
import { Runnables, viewRunnable } from '../runnables.js';
import { DataKey } from '../data-key.js';

@Controller()
export class RunnablesController {
  constructor(
    @Inject(Runnables) private readonly runnables: Runnables,
    @Inject(Database) private readonly database: Database,
    @Inject(Clock) private readonly clock: Clock,
    @Inject(DataKey) private readonly dataKey: DataKey,
  ) {}

  @Handles(contracts.createRunnable)
  create(input: InputOf<typeof contracts.createRunnable>, call: CallContext) {
    return this.runnables.create(input, call);
  }

  @Handles(contracts.listRunnables)
  async list(input: InputOf<typeof contracts.listRunnables>) {
    const { runnable } = this.database.forWorkspace(input.workspace);
    return pageOf(input, ({ where, ...page }) => runnable.findMany({ ...page, where: { ...where, deletedAt: null } }), viewRunnable);
  }

  @Handles(contracts.getRunnable)
  async get(input: InputOf<typeof contracts.getRunnable>) {
    return viewRunnable(await this.runnables.find(input.workspace, input.runnable));
  }

  @Handles(contracts.updateRunnable)
  update(input: InputOf<typeof contracts.updateRunnable>) {
    return this.runnables.update(input);
  }

  @Handles(contracts.deleteRunnable)
  delete(input: InputOf<typeof contracts.deleteRunnable>) {
    return this.runnables.delete(input);
  }

  @Handles(contracts.putSecret)
  async putSecret(input: InputOf<typeof contracts.putSecret>) {
    const { workspace, name } = input;
    const updatedAt = this.clock.now();
    const sealed = await seal(this.dataKey.publicKey, input.value, secretValueCell(workspace, name));
    await this.database.forWorkspace(workspace).secret.upsert({
      where: { workspaceId_name: { workspaceId: workspace, name } },
      create: { workspaceId: workspace, name, sealed, updatedAt },
      update: { sealed, updatedAt },
    });
    return { name, updatedAt: updatedAt.toISOString() };
  }

  @Handles(contracts.listSecrets)
  async listSecrets(input: InputOf<typeof contracts.listSecrets>) {
    const rows = await this.database.forWorkspace(input.workspace).secret.findMany({
      where: input.cursor === undefined ? {} : { name: { gt: input.cursor } },
      orderBy: { name: 'asc' },
      take: input.limit + 1,
    });
    const shown = rows.slice(0, input.limit);
    return {
      items: shown.map((row) => ({ name: row.name, updatedAt: row.updatedAt.toISOString() })),
      next: rows.length > input.limit ? shown.at(-1)!.name : null,
    };
  }

  @Handles(contracts.deleteSecret)
  async deleteSecret(input: InputOf<typeof contracts.deleteSecret>) {
    const { count } = await this.database.forWorkspace(input.workspace).secret.deleteMany({ where: { name: input.name } });
    if (count === 0) throw new contracts.VaneError('not_found', `There is no secret ${input.name} in this workspace.`);
    return { ok: true as const };
  }
}

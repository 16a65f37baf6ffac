import {
  VaneError, type CallContext, type createRunnable, type deleteRunnable, type InputOf, type OutputOf, type RunnableSpec, type RunnableView, type updateRunnable,
} from '@vane/contracts';
import { isUniqueViolation, newId, runnableSecretCell, seal, type Database, type Prisma, type Runnable } from '@vane/db';
import type { Clock, EgressClient } from '@vane/runtime';
import { EgressError, newSigningSecret } from '@vane/runtime';
import { CREATION_KEY_MS, creationKeyOf } from './creation-key.js';
import type { DataKey } from './data-key.js';

/** Scripts and HTTP targets. A deleted one stays as a row, so that runs of the past can still say what they ran. */
export class Runnables {
  constructor(
    private readonly database: Database,
    private readonly egress: EgressClient,
    private readonly clock: Clock,
    private readonly dataKey: DataKey,
  ) {}

  async create(input: InputOf<typeof createRunnable>, call: CallContext): Promise<OutputOf<typeof createRunnable>> {
    this.checkTarget(input.spec);
    const creationKey = await creationKeyOf(call, input);
    const repeated = await this.findCreated(input.workspace, creationKey);
    if (repeated) return { ...viewRunnable(repeated), secret: null };
    const now = this.clock.now();
    const id = newId('runnable', now);
    const secret = input.spec.kind === 'http' ? newSigningSecret() : null;
    const { workspace: workspaceId, name, spec, retry } = input;
    const secretSealed = secret === null ? null : await seal(this.dataKey.publicKey, secret, runnableSecretCell(workspaceId, id));
    const data = { id, workspaceId, name, kind: spec.kind, spec, retry, secretSealed, version: 1, creationKey, createdAt: now, updatedAt: now };
    try {
      return { ...viewRunnable(await this.database.forWorkspace(workspaceId).runnable.create({ data })), secret };
    } catch (error) {
      // The same call, delivered twice at once, was faster.
      if (isUniqueViolation(error) && (await this.findCreated(workspaceId, creationKey))) return this.create(input, call);
      throw error;
    }
  }

  /** What an earlier delivery of the same call made, when its answer got lost on the way. */
  private async findCreated(workspace: string, creationKey: string | null): Promise<Runnable | null> {
    if (creationKey === null) return null;
    const { runnable } = this.database.forWorkspace(workspace);
    const made = await runnable.findFirst({ where: { creationKey } });
    if (!made || made.createdAt > this.clock.in(-CREATION_KEY_MS)) return made;
    await runnable.updateMany({ where: { id: made.id }, data: { creationKey: null } });
    return null;
  }

  async find(workspace: string, id: string): Promise<Runnable> {
    const row = await this.database.forWorkspace(workspace).runnable.findFirst({ where: { id, deletedAt: null } });
    if (!row) throw new VaneError('not_found', `There is no runnable ${id} in this workspace.`);
    return row;
  }

  async update(input: InputOf<typeof updateRunnable>): Promise<RunnableView> {
    const before = await this.find(input.workspace, input.runnable);
    if (input.spec && input.spec.kind !== before.kind) {
      throw new VaneError('invalid_config', `This runnable is of kind ${before.kind}; make a new one for ${input.spec.kind}.`, {
        fields: [{ path: 'spec.kind', message: 'cannot be changed' }],
      });
    }
    if (input.spec) this.checkTarget(input.spec);
    const data: Prisma.RunnableUpdateManyMutationInput = {
      updatedAt: this.clock.now(),
      version: { increment: 1 },
      ...(input.name === undefined ? {} : { name: input.name }),
      ...(input.spec === undefined ? {} : { spec: input.spec }),
      ...(input.retry === undefined ? {} : { retry: input.retry }),
    };
    const { count } = await this.database
      .forWorkspace(input.workspace)
      .runnable.updateMany({ where: { id: input.runnable, version: input.ifMatch, deletedAt: null }, data });
    if (count === 0) {
      throw new VaneError('precondition_failed', `The runnable is at version ${before.version} now. Read it again and repeat your change.`);
    }
    return viewRunnable(await this.find(input.workspace, input.runnable));
  }

  /** Triggers that used it are disabled in the same transaction, and named. */
  async delete(input: InputOf<typeof deleteRunnable>): Promise<OutputOf<typeof deleteRunnable>> {
    const runnable = await this.find(input.workspace, input.runnable);
    const now = this.clock.now();
    const disabled = await this.database.transaction(async (tx) => {
      await tx.query('UPDATE runnable SET deleted_at = $3, updated_at = $3 WHERE id = $1 AND workspace_id = $2', [runnable.id, input.workspace, now]);
      const { rows } = await tx.query<{ id: string; name: string }>(
        `UPDATE trigger SET runnable_id = NULL, status = 'disabled', status_code = 'runnable_deleted', status_message = $3,
           updated_at = $4, version = version + 1
         WHERE runnable_id = $1 AND workspace_id = $2 RETURNING id, name`,
        [runnable.id, input.workspace, `The runnable "${runnable.name}" was deleted. Give this trigger another one.`, now],
      );
      return rows;
    });
    return { ok: true, disabledTriggers: disabled };
  }

  private checkTarget(spec: RunnableSpec): void {
    if (spec.kind !== 'http') return;
    try {
      this.egress.checkUrl(spec.url);
    } catch (error) {
      if (!(error instanceof EgressError)) throw error;
      throw new VaneError('url_not_allowed', error.message, { fields: [{ path: 'spec.url', message: error.message }], cause: error });
    }
  }
}

export function viewRunnable(row: Runnable): RunnableView {
  return {
    id: row.id,
    name: row.name,
    kind: row.kind as RunnableView['kind'],
    spec: row.spec as RunnableView['spec'],
    retry: row.retry as RunnableView['retry'],
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
    version: row.version,
  };
}

import { VaneError, type CallContext, type RunView } from '@vane/contracts';
import { isUniqueViolation, newId, Prisma, runView, type Database, type Run, type Trigger } from '@vane/db';
import type { Clock } from '@vane/runtime';
import { judgedOf, TriggerExpressions } from './expressions/trigger-expressions.js';
import type { Intake } from './intake/intake.js';

const TRIES = 5;

/** Runs the same event again for the same trigger, as a run of its own with the trigger's runnable of today. */
export class Replays {
  private readonly expressions = new TriggerExpressions();

  constructor(
    private readonly database: Database,
    private readonly intake: Intake,
    private readonly clock: Clock,
  ) {}

  async replay(workspace: string, runId: string, call: CallContext): Promise<RunView> {
    const scoped = this.database.forWorkspace(workspace);
    const original = await scoped.run.findFirst({ where: { id: runId } });
    if (!original) throw new VaneError('not_found', `There is no run ${runId} in this workspace.`);
    const trigger = await scoped.trigger.findFirst({ where: { id: original.triggerId } });
    if (!trigger) throw new VaneError('conflict', 'The trigger of this run was deleted, so there is nothing to run its event for.');
    if (trigger.runnableId === null) throw new VaneError('conflict', 'The trigger of this run has no runnable. Give it one first.');
    const input = trigger.mapping === null ? null : await this.input(original, trigger);
    const run = await this.insert(original, trigger.runnableId, input, call);
    await this.intake.enqueue([run.id]);
    return runView(run);
  }

  /** The mapping of today; who asks for a run is not asked by the filter. */
  private async input(run: Run, trigger: Trigger): Promise<string | null> {
    const event = await this.database.forWorkspace(run.workspaceId).event.findFirst({ where: { id: run.eventId, receivedAt: run.eventReceivedAt } });
    if (!event) throw new VaneError('conflict', 'The event of this run is not kept any more.');
    const verdict = this.expressions.input(trigger, judgedOf(event));
    if (!verdict.starts) throw new VaneError('conflict', verdict.message);
    return verdict.input;
  }

  /** Two replays at the same moment want the same number; the second takes the next. */
  private async insert(original: Run, runnableId: string, input: string | null, call: CallContext): Promise<Run> {
    const scoped = this.database.forWorkspace(original.workspaceId);
    for (let attempt = 1; ; attempt += 1) {
      const latest = await scoped.run.aggregate({ where: { triggerId: original.triggerId, eventId: original.eventId }, _max: { replay: true } });
      const now = this.clock.now();
      try {
        return await scoped.run.create({
          data: {
            id: newId('run', now),
            workspaceId: original.workspaceId,
            triggerId: original.triggerId,
            eventId: original.eventId,
            eventReceivedAt: original.eventReceivedAt,
            runnableId,
            replay: (latest._max.replay ?? 0) + 1,
            status: 'queued',
            ...(input === null ? {} : { input: (JSON.parse(input) as Prisma.InputJsonValue | null) ?? Prisma.JsonNull }),
            attempts: 0,
            fence: 0,
            correlationId: call.correlationId,
            createdAt: now,
          },
        });
      } catch (error) {
        if (!isUniqueViolation(error) || attempt === TRIES) throw error;
      }
    }
  }
}

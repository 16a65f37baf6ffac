import { getConnection, VaneError, type CallContext, type InputOf, type moveTriggers, type OutputOf } from '@vane/contracts';
import type { Database } from '@vane/db';
import type { Bus, Clock, Logger } from '@vane/runtime';
import type { Triggers } from './triggers.js';

/** As many at once, so that one that waits for its service does not hold up the others. */
const PARALLEL = 5;
/** After this no further one is started, so that the last ends within the operation's deadline. */
const START_WITHIN_MS = 20_000;
const MOST = 50;

/** Moves what works as one connection to another, trigger by trigger: each is moved or stays as it was. */
export class ConnectionMoves {
  constructor(
    private readonly database: Database,
    private readonly bus: Bus,
    private readonly triggers: Triggers,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  /** @throws VaneError `invalid_config`, `not_found` */
  async move({ workspace, connection, to, triggers: chosen }: InputOf<typeof moveTriggers>, call: CallContext): Promise<OutputOf<typeof moveTriggers>> {
    if (connection === to) {
      throw new VaneError('invalid_config', 'Choose another connection to move to.', { fields: [{ path: 'to', message: 'is the connection to move from' }] });
    }
    // Of a connection that is not this workspace's nothing is said, not even that no trigger uses it.
    await this.bus.ask(getConnection, { workspace, connection }, call);
    const { trigger } = this.database.forWorkspace(workspace);
    const where = { connectionId: connection, ...(chosen ? { id: { in: chosen } } : {}) };
    const found = await trigger.findMany({ where, orderBy: { id: 'asc' }, take: MOST, select: { id: true, version: true } });
    const unknown = (chosen ?? []).filter((id) => !found.some((one) => one.id === id));
    const result = { moved: [] as string[], failed: unknown.map((id) => ({ id, message: 'No trigger of this connection has this id.' })) };
    const queue = [...found];
    const stopAt = this.clock.in(START_WITHIN_MS);
    const work = async () => {
      for (let next = queue.shift(); next; next = this.clock.now() < stopAt ? queue.shift() : undefined) {
        const { id, version } = next;
        try {
          await this.triggers.update({ workspace, trigger: id, ifMatch: version, connectionId: to }, call);
          result.moved.push(id);
        } catch (error) {
          if (!(error instanceof VaneError)) this.logger.error({ err: error, triggerId: id, correlationId: call.correlationId }, 'trigger could not be moved');
          result.failed.push({ id, message: error instanceof VaneError ? error.message : 'This did not work because of a fault on our side.' });
        }
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, work));
    const tried = [...result.moved, ...result.failed.map(({ id }) => id)];
    const remaining = await trigger.count({ where: { AND: [where, { id: { notIn: tried } }] } });
    return { ...result, remaining };
  }
}

import { Injectable } from '@nestjs/common';
import { ID_KINDS, maskInput, maskOutput, maskSecrets, VaneError, type Actor, type CallContext, type Operation, type OutputOf } from '@vane/contracts';
import { Bus, Logger } from '@vane/runtime';
import { statusOf, type RestOperation } from '../http/input.js';
import { expectedError } from '../http/problem.js';
import { AuditTrail, type Ending, type Intent } from './audit-trail.js';
import { isNamed, plannerOf, readerOf, repliesWithView, targetOf, type Reader } from './reader.js';

/** Longest wait for a view that is only wanted for the record, all pages of a list together. */
const READ_MS = 5_000;
/** Items of a list that are searched for the one that is changed. */
const LIST_PAGE = 200;
const LIST_PAGES = 10;

export type Mutation = { operation: RestOperation; input: Record<string, unknown>; call: CallContext; address: string; maxWaitMs: number };

/** Records mutations: who, what, the object before and after, and how it ended. */
@Injectable()
export class Recorder {
  private readonly readers = new Map<string, Reader | undefined>();

  constructor(
    private readonly trail: AuditTrail,
    private readonly bus: Bus,
    private readonly logger: Logger,
  ) {}

  /**
   * Makes a mutation with an entry in the audit trail that exists before it is made. Throws `unavailable`, and makes no
   * mutation, when there can be none. The reply, or the error, is that of `make`.
   */
  async record(mutation: Mutation, make: () => Promise<unknown>): Promise<unknown> {
    const { operation } = mutation;
    const reader = this.readerFor(operation);
    const before = reader && (await this.readBefore(reader, mutation));
    return this.during({ ...intentOf(mutation), before }, make, async (reply) => {
      const said = maskOutput(operation, reply);
      const after = reader && !repliesWithView(operation, reader) ? withReply(operation, await this.read(reader, mutation), said) : said;
      return { outcome: 'ok', status: statusOf(operation, reply), after, ...learnt(mutation, reply) };
    });
  }

  /** The same for what a browser brings back, of which nothing but the reply is recorded. */
  recordOf<O extends Operation>(operation: O, intent: Omit<Intent, 'operation'>, make: () => Promise<OutputOf<O>>): Promise<OutputOf<O>> {
    return this.during({ ...intent, operation: operation.name }, make, async (reply) => {
      const { connection } = reply as { connection?: { id?: string } };
      const targetId = connection?.id ?? (reply as { id?: string }).id;
      return { outcome: 'ok', status: 200, after: maskOutput(operation, reply), ...(targetId === undefined ? {} : { targetId }) };
    });
  }

  /** Does what the intent says, with an entry that is there before it is done. Throws `unavailable`, and does nothing, when there can be none. */
  async during<Reply>(intent: Intent, make: () => Promise<Reply>, ending: (reply: Reply) => Promise<Ending>): Promise<Reply> {
    const entry = await this.trail.begin(intent);
    let reply: Reply;
    try {
      reply = await make();
    } catch (error) {
      const { code, status } = expectedError(error) ?? new VaneError('internal', '');
      await this.noted(this.trail.complete(entry, { outcome: code, status }), intent);
      throw error;
    }
    await this.noted(ending(reply).then((known) => this.trail.complete(entry, known)), intent);
    return reply;
  }

  /** Records a mutation that was refused before its input was read; `params` are those of its path. */
  async refused(mutation: Omit<Mutation, 'maxWaitMs'>, error: VaneError): Promise<void> {
    const { code: outcome, status } = error;
    await this.note(intentOf(mutation), { outcome, status });
  }

  /** Records what has happened already. */
  async note(intent: Intent, ending: Ending): Promise<void> {
    await this.noted(this.trail.note(intent, ending), intent);
  }

  /** What was done is told even if its end cannot be noted: the entry then says that nobody knows. */
  private async noted(work: Promise<void>, { operation, correlationId }: Intent): Promise<void> {
    await work.catch((error: unknown) => this.logger.warn({ err: error, operation, correlationId }, 'end of a mutation not recorded'));
  }

  private readerFor(operation: RestOperation): Reader | undefined {
    if (!this.readers.has(operation.name)) this.readers.set(operation.name, readerOf(operation));
    return this.readers.get(operation.name);
  }

  /** The object with the plan of what goes with it, for an operation that has one. */
  private async readBefore(reader: Reader, mutation: Mutation): Promise<unknown> {
    const planning = plannerOf(mutation.operation);
    const [before, plan] = await Promise.all([this.read(reader, mutation), planning && this.read(planning, mutation)]);
    return before && plan ? { ...before, plan } : before;
  }

  /** The object as it is now, masked; null when there is none, or none can be read. */
  private async read(reader: Reader, mutation: Mutation): Promise<unknown> {
    try {
      return await this.view(reader, mutation);
    } catch (error) {
      if (!(error instanceof VaneError)) throw error;
      if (error.status >= 500) this.logger.warn({ err: error, operation: mutation.operation.name }, 'object of a mutation could not be read for the record');
      return null;
    }
  }

  private async view({ operation, item, parameter }: Reader, { input, call, maxWaitMs }: Mutation): Promise<unknown> {
    const { idempotencyKey: _, ...context } = call;
    const until = performance.now() + Math.min(operation.deadlineMs, maxWaitMs, READ_MS);
    const within = (): Operation => ({ ...operation, deadlineMs: Math.ceil(until - performance.now()) });
    const path = Object.fromEntries(Object.keys(operation.input.shape).flatMap((name) => (name in input && operation.http.path.includes(`{${name}}`) ? [[name, input[name]]] : [])));
    if (!item) return maskOutput(operation, await this.bus.ask(within(), path, context));
    let cursor: string | null | undefined;
    for (let pages = 0; pages < LIST_PAGES && cursor !== null; pages += 1) {
      if (performance.now() >= until) throw new VaneError('deadline_exceeded', `The list could not be read within ${READ_MS} ms.`);
      const page = (await this.bus.ask(within(), { ...path, limit: LIST_PAGE, ...(cursor ? { cursor } : {}) }, context)) as { items: Record<string, unknown>[]; next: string | null };
      const found = page.items?.find((one) => isNamed(one, parameter!, input[parameter!]));
      if (found) return maskSecrets(item, found);
      cursor = page.next ?? null;
    }
    return null;
  }
}

/** The object after a mutation, with what the reply says that the object does not. Of what is gone there is nothing to say. */
function withReply({ http }: RestOperation, view: unknown, reply: unknown): unknown {
  const tells = typeof reply === 'object' && reply !== null && Object.keys(reply).some((name) => name !== 'ok');
  return tells && http.method !== 'DELETE' ? { ...(view as object | null), reply } : view;
}

function intentOf({ operation, input, call, address }: Omit<Mutation, 'maxWaitMs'>): Intent {
  const { workspace, ...asked } = input;
  return {
    workspaceId: typeof workspace === 'string' ? workspace : null,
    actor: claimed(call.actor, input),
    operation: operation.name,
    targetId: targetOf(operation, input),
    input: maskInput(operation, asked),
    correlationId: call.correlationId,
    address,
  };
}

/** Of somebody who is not known yet, who they say they are. */
function claimed(actor: Actor, { email }: Record<string, unknown>): Actor {
  return actor.kind === 'anonymous' && typeof email === 'string' ? { ...actor, label: email.slice(0, 320) } : actor;
}

/** What only the reply tells: the id of what was made, whose workspace it was, and who somebody turned out to be. */
function learnt({ call }: Mutation, reply: unknown): Pick<Ending, 'workspaceId' | 'targetId' | 'actor'> {
  if (typeof reply !== 'object' || reply === null) return {};
  const { id, workspaceId, user } = reply as { id?: unknown; workspaceId?: unknown; user?: { id?: unknown; email?: unknown } };
  const known = call.actor.kind === 'anonymous' && typeof user?.id === 'string' && typeof user.email === 'string';
  return {
    ...(typeof id === 'string' ? { targetId: id } : {}),
    // The trail of a workspace begins with how it was made.
    ...(typeof id === 'string' && id.startsWith(`${ID_KINDS.workspace}_`) ? { workspaceId: id } : {}),
    ...(typeof workspaceId === 'string' ? { workspaceId } : {}),
    ...(known ? { actor: { ...call.actor, kind: 'user', id: user.id as string, userId: user.id as string, label: user.email as string } } : {}),
  };
}

import { Catch, type RpcExceptionFilter } from '@nestjs/common';
import { Ctx, MessagePattern, Payload, Server, type CustomTransportStrategy } from '@nestjs/microservices';
import { callContext, OPERATIONS, toWireError, VaneError, type AppName, type Operation } from '@vane/contracts';
import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import { firstValueFrom, throwError, type Observable } from 'rxjs';
import { z } from 'zod';
import { withDeadline } from '../deadline.js';
import type { Logger } from '../logger.js';
import { operationSubject, type Bus, type RpcReply } from './bus.js';
import { encodeReply } from './reply-codec.js';

/** Requests still under way after this are left to their caller's deadline. */
const DRAIN_MS = 8_000;

/**
 * Marks a controller method as the handler of an operation: `(input, call) => output`. Input arrives parsed by the
 * contract; throw a VaneError for anything expected.
 */
export const Handles =
  (operation: Operation): MethodDecorator =>
  (target, method, descriptor) => {
    // Nest hands over the payload alone unless the parameters say more.
    Payload()(target, method, 0);
    Ctx()(target, method, 1);
    return MessagePattern(operation.name)(target, method, descriptor);
  };

/** Lets a handler's error reach the transport as it is; Nest would replace it by a plain sentence. */
@Catch()
export class PassErrors implements RpcExceptionFilter {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}

/**
 * Nest's transport for operations: one queue-group subscription per operation, parsed and checked by its contract.
 * Starting fails when an operation this app owns has no handler, or a handler has no operation.
 */
export class RpcServer extends Server implements CustomTransportStrategy {
  private subscriptions: Subscription[] = [];
  private readonly inFlight = new Set<Promise<void>>();

  constructor(
    private readonly app: AppName,
    private readonly bus: Bus,
    private readonly log: Logger,
  ) {
    super();
  }

  listen(callback: () => void): void {
    // What the gateway makes of the pages of a list is asked of nobody.
    const owned = OPERATIONS.filter((operation) => operation.owner === this.app && operation.http?.csvOf === undefined);
    const missing = owned.filter((operation) => !this.messageHandlers.has(operation.name)).map((operation) => operation.name);
    const unknown = [...this.messageHandlers.keys()].filter((name) => !owned.some((operation) => operation.name === name));
    if (missing.length > 0) throw new Error(`${this.app} has no handler for: ${missing.join(', ')}`);
    if (unknown.length > 0) throw new Error(`${this.app} handles what it does not own: ${unknown.join(', ')}`);
    this.bus.whenConnected((nats) => this.subscribe(nats, owned));
    callback();
  }

  /** Takes no more requests and lets those under way finish, for a while. */
  async close(): Promise<void> {
    for (const subscription of this.subscriptions) await subscription.drain();
    const finished = withDeadline(Promise.all(this.inFlight), DRAIN_MS, () => new Error('requests are still under way'));
    await finished.catch((error: unknown) => this.log.warn({ err: error }, 'stopping before every request was answered'));
  }

  on(): void {}

  unwrap<T>(): T {
    return this.bus as T;
  }

  private subscribe(nats: NatsConnection, owned: Operation[]): void {
    this.subscriptions = owned.map((operation) =>
      nats.subscribe(operationSubject(this.bus.prefix, operation), {
        queue: this.app,
        callback: (error, message) => {
          if (error) return this.log.error({ err: error, operation: operation.name }, 'subscription failed');
          const work = this.serve(operation, message).finally(() => this.inFlight.delete(work));
          this.inFlight.add(work);
        },
      }),
    );
  }

  private async serve(operation: Operation, message: Msg): Promise<void> {
    let reply: RpcReply;
    let correlationId: string | undefined;
    try {
      const request = message.json<{ call: unknown; input: unknown }>();
      const call = callContext.parse(request.call);
      correlationId = call.correlationId;
      const handler = this.messageHandlers.get(operation.name)!;
      const result = await handler(parseInput(operation, request.input), call);
      const output = await firstValueFrom(this.transformToObservable(result));
      reply = { ok: true, output };
    } catch (error) {
      reply = { ok: false, error: toWireError(this.expected(error, operation, correlationId)) };
    }
    try {
      message.respond(await encodeReply(reply));
    } catch (error) {
      this.log.error({ err: error, operation: operation.name }, 'answer could not be sent');
      const failure = new VaneError('internal', 'The answer is too large for the bus. Ask for fewer items.');
      message.respond(JSON.stringify({ ok: false, error: toWireError(failure) } satisfies RpcReply));
    }
  }

  private expected(error: unknown, operation: Operation, correlationId: string | undefined): VaneError {
    if (error instanceof VaneError) {
      if (error.status >= 500) this.log.warn({ err: error, operation: operation.name, correlationId }, 'operation failed');
      return error;
    }
    this.log.error({ err: error, operation: operation.name, correlationId }, 'operation failed unexpectedly');
    return new VaneError('internal', `This did not work because of a fault on our side. Quote ${correlationId ?? 'the time'} when you report it.`);
  }
}

/** Parses input by the contract; `bad_request` names every field that is wrong. Unknown fields are refused. */
export function parseInput(operation: Operation, input: unknown): Record<string, unknown> {
  const result = z.strictObject(operation.input.shape).safeParse(input);
  if (result.success) return result.data;
  const fields = result.error.issues.map((issue) => ({ path: issue.path.join('.'), message: issue.message }));
  const first = fields[0];
  const where = first?.path ? `${first.path}: ` : '';
  throw new VaneError('bad_request', `${where}${first?.message ?? 'The input is not valid.'}`, { fields });
}

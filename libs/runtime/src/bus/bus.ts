import {
  fromWireError,
  VaneError,
  type AppName,
  type CallContext,
  type InputOf,
  type Operation,
  type OutputOf,
  type Signal,
  type WireError,
} from '@vane/contracts';
import { connect, errors, type NatsConnection, type Subscription } from '@nats-io/transport-node';
import { z } from 'zod';
import type { Logger } from '../logger.js';
import { decodeReply } from './reply-codec.js';

type ConnectionListener = (nats: NatsConnection) => void | Promise<void>;

export type BusOptions = { url: string; tls: boolean; prefix: string; app: AppName | 'tools'; logger: Logger };

export type RpcRequest = { call: CallContext; input: unknown };
export type RpcReply = { ok: true; output: unknown } | { ok: false; error: WireError };

/** The subject an operation is asked on. */
export const operationSubject = (prefix: string, operation: Pick<Operation, 'owner' | 'name'>) =>
  `${prefix}.rpc.${operation.owner}.${operation.name}`;

/** The subject a signal goes out on. */
export const signalSubject = (prefix: string, signal: Signal) => `${prefix}.signal.${signal.name}`;

/**
 * One app's connection to NATS. It connects in the background and for ever, so an app starts, and ingress keeps
 * accepting, while the bus is away; `connected` tells which it is.
 */
export class Bus {
  private nats: NatsConnection | undefined;
  private up = false;
  private closed = false;
  private readonly listeners: ConnectionListener[] = [];
  private readonly reconnected: ConnectionListener[] = [];

  private constructor(private readonly options: BusOptions) {}

  static open(options: BusOptions): Bus {
    const bus = new Bus(options);
    void bus.connect();
    return bus;
  }

  get connected(): boolean {
    return this.up;
  }

  get prefix(): string {
    return this.options.prefix;
  }

  /** Replies come to subjects below this, of the app's own, so that the server can keep every other app from reading them. */
  get inboxPrefix(): string {
    return `_INBOX_${this.options.app}`;
  }

  /** Throws a sentence while the bus is away; for readiness. */
  check(): void {
    if (!this.up) throw new Error('NATS is not connected');
  }

  /** The connection, or `unavailable`. */
  connection(): NatsConnection {
    if (!this.nats || !this.up) throw new VaneError('unavailable', 'The message bus is not reachable. Try again shortly.');
    return this.nats;
  }

  /**
   * Calls back once the first connection stands, at once if it already does. Subscriptions survive reconnects. A listener
   * that fails is logged, and called no second time.
   */
  whenConnected(listener: ConnectionListener): void {
    if (this.nats) void this.tell(listener, this.nats);
    else this.listeners.push(listener);
  }

  /** Calls back after every reconnect: messages may have been missed. A listener that fails is logged. */
  onReconnect(listener: ConnectionListener): void {
    this.reconnected.push(listener);
  }

  /**
   * Asks the owner of an operation. Throws the owner's VaneError, `unavailable` when nobody listens, and
   * `deadline_exceeded` when the answer takes longer than the operation allows.
   */
  async ask<O extends Operation>(operation: O, input: z.input<O['input']>, call: CallContext): Promise<OutputOf<O>> {
    const request: RpcRequest = { call, input };
    let reply: RpcReply;
    try {
      const message = await this.connection().request(
        operationSubject(this.options.prefix, operation),
        JSON.stringify(request),
        { timeout: operation.deadlineMs },
      );
      reply = await decodeReply<RpcReply>(message.data);
    } catch (error) {
      throw askError(operation, error);
    }
    if (!reply.ok) throw fromWireError(reply.error);
    return reply.output as OutputOf<O>;
  }

  /** Tells every process that listens. Lost when the bus is away. */
  publishSignal<S extends Signal>(signal: S, data: z.output<S['schema']>): void {
    if (!this.up) return;
    this.nats?.publish(signalSubject(this.options.prefix, signal), JSON.stringify(data));
  }

  onSignal<S extends Signal>(signal: S, listener: (data: z.output<S['schema']>) => void): void {
    this.whenConnected((nats) => {
      nats.subscribe(signalSubject(this.options.prefix, signal), {
        callback: (error, message) => {
          const parsed = error ? undefined : signal.schema.safeParse(safeJson(message.string()));
          if (parsed?.success) listener(parsed.data as z.output<S['schema']>);
        },
      });
    });
  }

  /** Stops taking requests, lets those under way finish, closes. */
  async close(): Promise<void> {
    this.closed = true;
    this.up = false;
    if (this.nats && !this.nats.isClosed()) await this.nats.drain().catch(() => this.nats?.close());
  }

  private async connect(): Promise<void> {
    const { url, app, logger, tls } = this.options;
    while (!this.closed) {
      try {
        const nats = await connect({
          servers: url.split(','),
          name: `vane-${app}`,
          inboxPrefix: this.inboxPrefix,
          maxReconnectAttempts: -1,
          reconnectTimeWait: 250,
          // A stack trace made ahead for every request costs an eighth of ingress's time.
          noAsyncTraces: true,
          ...userFrom(url),
          ...(tls ? { tls: {} } : {}),
        });
        if (this.closed) return void (await nats.close());
        this.nats = nats;
        this.up = true;
        void this.watch(nats);
        for (const listener of this.listeners.splice(0)) void this.tell(listener, nats);
        return;
      } catch (error) {
        logger.warn({ err: error }, 'cannot connect to nats yet, trying again');
        await new Promise((resolve) => setTimeout(resolve, 500).unref());
      }
    }
  }

  /** A listener's failure is its own: it says nothing about the connection, and keeps no other listener from being told. */
  private async tell(listener: ConnectionListener, nats: NatsConnection): Promise<void> {
    try {
      await listener(nats);
    } catch (error) {
      this.options.logger.error({ err: error }, 'what should be done when nats is connected failed');
    }
  }

  private async watch(nats: NatsConnection): Promise<void> {
    for await (const status of nats.status()) {
      if (status.type === 'disconnect' || status.type === 'staleConnection') this.up = false;
      if (status.type === 'reconnect') {
        this.up = true;
        for (const listener of this.reconnected) void this.tell(listener, nats);
      }
      if (status.type === 'disconnect' || status.type === 'reconnect') {
        this.options.logger.info({ status: status.type }, 'nats connection changed');
      }
    }
    this.up = false;
  }
}

export type { InputOf, NatsConnection, Subscription };

/** User and password may stand in the URL; the client library wants them apart. */
function userFrom(url: string): { user?: string; pass?: string } {
  const first = url.split(',')[0] ?? '';
  if (!first.includes('@')) return {};
  const { username, password } = new URL(first);
  return { user: decodeURIComponent(username), pass: decodeURIComponent(password) };
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function askError(operation: Operation, error: unknown): VaneError {
  if (error instanceof VaneError) return error;
  if (error instanceof errors.TimeoutError) {
    return new VaneError('deadline_exceeded', `${operation.owner} did not answer within ${operation.deadlineMs} ms.`, { cause: error });
  }
  if (error instanceof errors.NoRespondersError || (error instanceof errors.RequestError && error.isNoResponders())) {
    return new VaneError('unavailable', `${operation.owner} is not running. Try again shortly.`, { cause: error });
  }
  return new VaneError('unavailable', 'The message bus failed while asking. Try again shortly.', { cause: error });
}

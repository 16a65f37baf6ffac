import { randomUUID } from 'node:crypto';
import { getAccessToken, listIntegrations, systemCall, VaneError, type Operation, type OutputOf } from '@vane/contracts';
import { Bus, createLogger } from '@vane/runtime';
import type { z } from 'zod';
import { builtFile, startServer, type Server } from '../bench/child-process.js';

/** What a caller was told: a token, that a person has to connect the account again, or anything else. */
export type Answer = { kind: 'token'; accessToken: string; generation: number } | { kind: 'auth_required' | 'failed'; message: string; later: boolean; late: boolean };

/** Every answer that one caller was given, the last one last. */
export type Answers = { first: Answer; last: Answer; tries: number };

/** Whether the process itself said no, at first or in the end; that it said nothing within the deadline a busy machine can explain. */
export const hasFailed = ({ first, last }: Answers): boolean => last.kind === 'failed' || (first.kind === 'failed' && !first.late);

const TRIES = 3;

/**
 * One process of oauth-service with bus subjects of its own, so that it and no other is asked. Its database is everybody's.
 */
export class Member {
  private server: Server | undefined;
  private starting: Promise<void> | undefined;
  /** It answers; false from a kill until it was started again. */
  ready = false;
  private readonly bus: Bus;

  constructor(
    private readonly options: { name: string; prefix: string; nats: string; environment: Record<string, string>; logFile: string; workspace: string },
  ) {
    const { prefix, nats } = options;
    this.bus = Bus.open({ url: nats, tls: false, prefix, app: 'tools', logger: createLogger({ app: 'chaos', level: 'silent' }) });
  }

  get pid(): number {
    return this.server?.pid ?? 0;
  }

  /** Starts it unless that is under way; resolves when it is ready. */
  start(): Promise<void> {
    this.starting ??= this.spawn().then(() => {
      this.ready = true;
    });
    return this.starting;
  }

  private async spawn(): Promise<void> {
    const { name, environment, logFile, workspace } = this.options;
    this.server = await startServer({
      name,
      nodeArgs: [builtFile('dist/oauth-service.js')],
      env: environment,
      logFile,
      isReady: () => this.ask(listIntegrations, { workspace }).then(() => true, () => false),
    });
  }

  /** `kill -9`; resolves when the process is gone. */
  async kill(): Promise<void> {
    this.ready = false;
    this.starting = undefined;
    process.kill(this.pid, 'SIGKILL');
    await this.server?.stop();
  }

  ask<O extends Operation>(operation: O, input: z.input<O['input']>): Promise<OutputOf<O>> {
    return this.bus.ask(operation, input, systemCall('trigger-service', randomUUID()));
  }

  async token(connection: string): Promise<Answer> {
    try {
      const { accessToken, generation } = await this.ask(getAccessToken, { workspace: this.options.workspace, connection });
      return { kind: 'token', accessToken, generation };
    } catch (error) {
      const lost = error instanceof VaneError && error.code === 'connection_auth_required';
      const later = error instanceof VaneError && error.retry === 'later';
      const late = error instanceof VaneError && error.code === 'deadline_exceeded';
      return { kind: lost ? 'auth_required' : 'failed', message: error instanceof Error ? error.message : String(error), later, late };
    }
  }

  /** As a caller does who is told to try again later: on a busy machine a successor may come after its patience. */
  async tokenInTheEnd(connection: string): Promise<Answers> {
    const first = await this.token(connection);
    let last = first;
    let tries = 1;
    for (; tries < TRIES && last.kind === 'failed' && last.later; tries += 1) last = await this.token(connection);
    return { first, last, tries };
  }

  async stop(): Promise<void> {
    await this.starting?.catch(() => undefined);
    await this.bus.close();
    await this.server?.stop();
  }
}

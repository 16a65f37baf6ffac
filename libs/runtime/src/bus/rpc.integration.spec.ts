import { randomBytes } from 'node:crypto';
import { Controller, Module } from '@nestjs/common';
import { APP_FILTER, NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as contracts from '@vane/contracts';
import { systemCall, VaneError, type CallContext, type InputOf } from '@vane/contracts';
import { createLogger } from '../logger.js';
import { Bus } from './bus.js';
import { Handles, PassErrors, RpcServer } from './rpc-server.js';

const url = process.env.VANE_NATS_URL ?? 'nats://127.0.0.1:4222';
const prefix = `spec_${randomBytes(5).toString('hex')}`;
const logger = createLogger({ app: 'spec', level: 'silent' });
const call = systemCall('sync-worker', 'corr-1');
const openBus = () => Bus.open({ url, tls: false, prefix, app: 'tools', logger });
const connected = (bus: Bus) => new Promise<void>((resolve) => bus.whenConnected(() => resolve()));

let answerSlowOnes: () => void = () => undefined;
const release = new Promise<void>((resolve) => (answerSlowOnes = resolve));
let seen: { input: unknown; call: CallContext } | undefined;

@Controller()
class RunController {
  @Handles(contracts.listRuns)
  async list(input: InputOf<typeof contracts.listRuns>, context: CallContext) {
    seen = { input, call: context };
    return { items: [], next: null };
  }

  @Handles(contracts.getRun)
  async get(input: InputOf<typeof contracts.getRun>): Promise<unknown> {
    if (input.run === 'expected') throw new VaneError('not_found', 'There is no such run.', { fields: [{ path: 'run', message: 'is unknown' }] });
    if (input.run === 'huge') return randomBytes(2_000_000).toString('base64');
    if (input.run === 'long') return 'x'.repeat(2_000_000);
    throw new Error('password=hunter2');
  }

  @Handles(contracts.cancelRun)
  async cancel(): Promise<never> {
    throw new VaneError('conflict', 'The run has ended.');
  }

  @Handles(contracts.runNow)
  async runNow(): Promise<never> {
    throw new VaneError('conflict', 'The run has ended.');
  }

  @Handles(contracts.reconcileRuns)
  async reconcile() {
    await release;
    return { requeued: 0, more: false };
  }

  @Handles(contracts.pruneRuns)
  async prune() {
    return { deleted: 0, more: false };
  }
}

@Module({ controllers: [RunController], providers: [{ provide: APP_FILTER, useClass: PassErrors }] })
class RunModule {}

@Module({ controllers: [] })
class EmptyModule {}

async function start(module: typeof RunModule | typeof EmptyModule) {
  const app = await NestFactory.create(module, new FastifyAdapter(), { logger: false });
  app.connectMicroservice({ strategy: new RpcServer('run-worker', bus, logger) }, { inheritAppConfig: true });
  await app.startAllMicroservices();
  return app;
}

let bus: Bus;
let app: Awaited<ReturnType<typeof start>>;
beforeAll(async () => {
  bus = openBus();
  await connected(bus);
  app = await start(RunModule);
});
afterAll(async () => {
  await app.close();
  await bus.close();
});

describe('asking another app over the bus', () => {
  it('brings the parsed input with defaults, and who asks, to the handler', async () => {
    const reply = await bus.ask(contracts.listRuns, { workspace: 'w' }, call);
    expect(reply).toEqual({ items: [], next: null });
    expect(seen).toEqual({ input: { workspace: 'w', limit: 50 }, call });
  });

  it('refuses input that does not fit the contract, unknown fields included, naming the field', async () => {
    const wrong = { workspace: 'w', limit: 0 } as never;
    await expect(bus.ask(contracts.listRuns, wrong, call)).rejects.toMatchObject({ code: 'bad_request', fields: [{ path: 'limit' }] });
    const unknown = { workspace: 'w', colour: 'red' } as never;
    await expect(bus.ask(contracts.listRuns, unknown, call)).rejects.toMatchObject({ code: 'bad_request' });
  });

  it('carries expected errors with their fields, and hides unexpected ones', async () => {
    const ask = (run: string) => bus.ask(contracts.getRun, { workspace: 'w', run }, call);
    await expect(ask('expected')).rejects.toMatchObject({ code: 'not_found', message: 'There is no such run.', fields: [{ path: 'run' }] });
    const hidden = await ask('other').catch((error: unknown) => error as VaneError);
    expect(hidden).toMatchObject({ code: 'internal' });
    expect((hidden as VaneError).message).toContain('corr-1');
    expect((hidden as VaneError).message).not.toContain('hunter2');
  });

  it('brings a long answer over, and says so when it does not fit a message even compressed', async () => {
    const long: unknown = await bus.ask(contracts.getRun, { workspace: 'w', run: 'long' }, call);
    expect(long === 'x'.repeat(2_000_000)).toBe(true);
    await expect(bus.ask(contracts.getRun, { workspace: 'w', run: 'huge' }, call)).rejects.toMatchObject({ code: 'internal' });
  });

  it('tells an app that is not running from one that is slow', async () => {
    await expect(bus.ask(contracts.listServices, {}, call)).rejects.toMatchObject({ code: 'unavailable' });
    const slow = { ...contracts.reconcileRuns, http: undefined, deadlineMs: 50 };
    await expect(bus.ask(slow, { limit: 1 }, call)).rejects.toMatchObject({ code: 'deadline_exceeded' });
    answerSlowOnes();
  });

  it('does not start an app that leaves an operation of its own without a handler', async () => {
    await expect(start(EmptyModule)).rejects.toThrow('run-worker has no handler for: runs.cancel, runs.get, runs.list, runs.reconcile, runs.run-now');
  });

  it('delivers a signal to every listener with the right prefix only', async () => {
    const other = Bus.open({ url, tls: false, prefix: `${prefix}x`, app: 'tools', logger });
    await connected(other);
    const got: string[] = [];
    const arrived = new Promise<void>((resolve) => bus.onSignal(contracts.connectionChanged, ({ status }) => (got.push(status), resolve())));
    other.onSignal(contracts.connectionChanged, ({ status }) => got.push(`foreign ${status}`));
    const sender = openBus();
    await connected(sender);
    const id = '01k9zq3v8w5x2y7t4r6n0m1abc';
    sender.publishSignal(contracts.connectionChanged, { workspaceId: `wsp_${id}`, connectionId: `con_${id}`, status: 'active' });
    await arrived;
    expect(got).toEqual(['active']);
    await Promise.all([sender.close(), other.close()]);
  });
});

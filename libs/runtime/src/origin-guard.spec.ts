import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ServiceError, type ServiceHttp } from '@vane/kit';
import { eventually } from '@vane/testing';
import { Clock } from './clock.js';
import { EgressClient, parseEgressAllow } from './egress/index.js';
import { Metrics } from './metrics.js';
import { CallRefused, OriginGuard } from './origin-guard.js';
import { createServiceHttp } from './service-http.js';

/** The machine's time, which circuits go by, is moved with ours. */
class MovableClock extends Clock {
  private ahead = 0;
  private readonly real = Date.now.bind(Date);
  private readonly spy = jest.spyOn(Date, 'now').mockImplementation(() => this.real() + this.ahead);
  now(): Date {
    return new Date(Date.now());
  }
  advance(ms: number): void {
    this.ahead += ms;
  }
  restore(): void {
    this.spy.mockRestore();
  }
}

const FAILURES = 3;
const BREAK_MS = 60_000;

let answer: (response: ServerResponse) => void;
let calls: number;
const server = createServer((_request, response) => {
  calls += 1;
  answer(response);
});
let egress: EgressClient;
let clock: MovableClock;
let metrics: Metrics;
let origins: OriginGuard;
let origin: string;

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  // Connections that a test has cut off are not to be met by the next.
  egress = new EgressClient({ policy: { allow: parseEgressAllow('127.0.0.1') } });
  [clock, metrics, calls] = [new MovableClock(), new Metrics(), 0];
  origins = new OriginGuard(clock, metrics, { failures: FAILURES, firstBreakMs: BREAK_MS, longestBreakMs: BREAK_MS * 2 });
});
afterEach(async () => {
  clock.restore();
  server.closeAllConnections();
  await egress.close();
});
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
});

const status = (code: number, headers: Record<string, string> = {}) => (response: ServerResponse) => void response.writeHead(code, headers).end('{}');

/** The way of one connection to the service, at this origin unless another is named. */
const http = (party = 'one', base = origin): ServiceHttp =>
  createServiceHttp({
    adapter: { id: 'acme', label: 'Acme', hosts: { api: base } },
    hosts: {},
    egress,
    clock,
    token: async () => ({ accessToken: 'tok', tokenType: 'bearer', generation: 1 }),
    timeoutMs: 100,
    guard: { origins, party },
  });
const get = { method: 'GET', host: 'api', path: '/thing' } as const;
const outcome = (way = http()): Promise<ServiceError | undefined> => way.request(get).then(() => undefined, (error: ServiceError) => error);
const fail = async (times = FAILURES) => {
  for (let time = 0; time < times; time += 1) await outcome();
};
const refusedBy = (error: ServiceError | undefined) => (error?.details.cause instanceof CallRefused ? error.details.cause.why : undefined);
const openCircuits = async () => /vane_open_circuits\{service="acme"\} (\d+)/.exec(await metrics.registry.metrics())?.[1];
const reached = (count: number) => eventually(`${count} calls`, async () => calls === count, { everyMs: 5 });

describe('an origin that fails', () => {
  it.each<[string, (response: ServerResponse) => void]>([
    ['answers 503', status(503)],
    ['breaks the connection', (response) => void response.socket!.destroy()],
    ['does not answer in time', () => undefined],
  ])('and %s is not called any more after some failures in a row, and who wants to is told when', async (_what, how) => {
    answer = how;
    await fail();
    const error = await outcome();
    expect(error).toMatchObject({ kind: 'unavailable', transient: true, message: expect.stringContaining(`has failed ${FAILURES} calls in a row`) });
    expect(error!.details.retryAfterMs).toBeGreaterThan(0);
    expect(refusedBy(error)).toBe('open');
    expect(calls).toBe(FAILURES);
    expect(await openCircuits()).toBe('1');
  });

  it('passes on what the service said as long as it is called', async () => {
    answer = status(503);
    expect(await outcome()).toMatchObject({ kind: 'unavailable', details: { status: 503 } });
  });

  it('is called again by one probe, whose success lets all calls through', async () => {
    answer = status(500);
    await fail();
    clock.advance(BREAK_MS + 1_000);
    let release: () => void = () => undefined;
    answer = (response) => {
      release = () => status(200)(response);
    };
    const probe = outcome();
    await reached(FAILURES + 1);
    const others = await Promise.all([outcome(), outcome()]);
    expect(others.map(refusedBy)).toEqual(['open', 'open']);
    answer = status(200);
    release();
    expect(await probe).toBeUndefined();
    expect(await Promise.all([outcome(), outcome()])).toEqual([undefined, undefined]);
    expect(calls).toBe(FAILURES + 3);
    expect(await openCircuits()).toBe('0');
  });

  it('is left alone for longer after a probe that failed', async () => {
    answer = status(500);
    await fail();
    clock.advance(BREAK_MS + 1_000);
    await outcome();
    expect(calls).toBe(FAILURES + 1);
    clock.advance(BREAK_MS + 1_000);
    expect(refusedBy(await outcome())).toBe('open');
    clock.advance(BREAK_MS);
    expect(refusedBy(await outcome())).toBeUndefined();
    expect(calls).toBe(FAILURES + 2);
  });

  it('holds up no other origin', async () => {
    answer = status(500);
    await fail();
    answer = status(200);
    expect(await outcome(http('one', origin.replace('127.0.0.1', '127.1')))).not.toBeInstanceOf(CallRefused);
    expect(refusedBy(await outcome(http('one', origin.replace('127.0.0.1', 'localhost'))))).toBeUndefined();
    expect(refusedBy(await outcome())).toBe('open');
  });

  it('is forgiven by a success in between', async () => {
    for (let round = 0; round < 3; round += 1) {
      answer = status(502);
      await fail(FAILURES - 1);
      answer = status(200);
      await outcome();
    }
    expect(calls).toBe(3 * FAILURES);
  });

  it.each([400, 401, 403, 404, 409, 422, 429])('is not one that answers %i', async (code) => {
    answer = status(code);
    await fail(FAILURES * 2);
    expect(refusedBy(await outcome())).toBeUndefined();
  });

  it('is not one that the guard keeps us from calling', async () => {
    const blocked = 'https://10.0.0.1';
    for (let time = 0; time < FAILURES * 2; time += 1) expect(await outcome(http('one', blocked))).toMatchObject({ kind: 'invalid' });
  });
});

describe('more origins than are remembered', () => {
  const failing = (base: string) =>
    origins.call({ origin: base, service: 'acme', label: 'Acme' }, async () => ({ status: 503 })).catch((error: CallRefused) => error.why);

  it('push out the one that was not called for longest, but none that is spared', async () => {
    origins = new OriginGuard(clock, (metrics = new Metrics()), { failures: 2, firstBreakMs: BREAK_MS, origins: 3 });
    for (const base of ['https://down', 'https://down', 'https://old', 'https://young', 'https://old', 'https://new']) await failing(base);
    // `old` was called again after `young`, so it is spared by now as well.
    expect(await Promise.all(['https://down', 'https://old'].map(failing))).toEqual(['open', 'open']);
    expect(await openCircuits()).toBe('2');
    await failing('https://young');
    expect(await failing('https://young')).toEqual({ status: 503 });
    expect(await failing('https://young')).toBe('open');
  });

  it('push out one whose break is over, and it is no longer counted', async () => {
    origins = new OriginGuard(clock, (metrics = new Metrics()), { failures: 1, firstBreakMs: 1, origins: 1 });
    await failing('https://down');
    expect(await openCircuits()).toBe('1');
    await failing('https://new');
    await failing('https://newest');
    expect(await openCircuits()).toBe('1');
  });
});

describe('a pause that the service asked for', () => {
  it('is kept by the connection that it was asked of, and by no other', async () => {
    answer = status(429, { 'retry-after': '30' });
    expect(await outcome()).toMatchObject({ kind: 'rate_limited', details: { retryAfterMs: 30_000 } });
    answer = status(200);
    const error = await outcome();
    expect(error).toMatchObject({ kind: 'rate_limited', message: expect.stringContaining('slow down') });
    expect(error!.details.retryAfterMs).toBeGreaterThan(29_000);
    expect(calls).toBe(1);
    expect(await outcome(http('two'))).toBeUndefined();
    clock.advance(30_001);
    expect(await outcome()).toBeUndefined();
  });

  it('of unknown length is left to who tries again', async () => {
    answer = status(429);
    await outcome();
    answer = status(200);
    expect(await outcome()).toBeUndefined();
  });
});

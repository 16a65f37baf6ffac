import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Writable } from 'node:stream';
import { VaneError } from '@vane/contracts';
import { createLogger, Metrics } from '@vane/runtime';
import { fastify, type FastifyInstance } from 'fastify';
import { addGate, createGate } from './gate.js';
import { addUnknownRoutes } from './unknown-routes.js';

let server: FastifyInstance;
let url: string;
let lines: Record<string, unknown>[];

beforeEach(async () => {
  lines = [];
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
      done();
    },
  });
  server = fastify({ bodyLimit: 100 });
  const logger = createLogger({ app: 'test', level: 'info' }, destination);
  const gate = createGate(server, { logger, metrics: new Metrics(), https: false });
  addUnknownRoutes(server, gate);
  await server.register(async (scope) => {
    addGate(scope, gate);
    scope.get('/oauth/start/:ticket', { config: { operation: 'start' }, handler: async () => ({ ok: true }) });
    scope.get('/fault', () => {
      throw new Error('password=hunter2 is wrong');
    });
    scope.get('/away', () => {
      throw new VaneError('unavailable', 'Try again.', { retryAfterMs: 5_000 });
    });
    scope.post('/echo', async (request) => ({ body: request.body ?? 'none' }));
  });
  url = await server.listen({ port: 0, host: '127.0.0.1' });
});
afterEach(() => server.close());

const lineOf = (message: string) => lines.find(({ msg }) => msg === message);

describe('the log', () => {
  test('has one line per request with the pattern of its route, never its URL', async () => {
    await fetch(`${url}/oauth/start/secret-ticket?code=secret-code`, { headers: { 'x-request-id': 'req-1', authorization: 'Bearer vat_secret' } }).then((reply) => reply.text());
    await server.close();
    expect(lineOf('request answered')).toMatchObject({ method: 'GET', route: '/oauth/start/:ticket', operation: 'start', status: 200, correlationId: 'req-1', ms: expect.any(Number) });
    expect(lines).toHaveLength(1);
    expect(JSON.stringify(lines)).not.toContain('secret');
  });

  test('does not repeat the URL of a route that is not known', async () => {
    await fetch(`${url}/oauth/callbackk?code=secret-code`).then((reply) => reply.text());
    await server.close();
    expect(lineOf('request answered')).toMatchObject({ route: 'unknown', operation: 'unknown', status: 404 });
    expect(JSON.stringify(lines)).not.toContain('secret');
  });

  test('keeps a fault of ours that the caller is not told', async () => {
    const reply = await fetch(`${url}/fault`);
    const text = await reply.text();
    expect(reply.status).toBe(500);
    expect(text).not.toContain('hunter2');
    expect(lineOf('request failed unexpectedly')).toMatchObject({ level: 50, err: { message: 'password=hunter2 is wrong' } });
  });
});

describe('bodies', () => {
  const post = (body: string | undefined, type?: string) =>
    fetch(`${url}/echo`, { method: 'POST', ...(body === undefined ? {} : { body }), headers: type === undefined ? {} : { 'content-type': type } });

  test.each([
    ['application/json', '{"a":1}', { body: { a: 1 } }],
    ['application/json; charset=utf-8', '{"a":1}', { body: { a: 1 } }],
    ['application/json', '', { body: 'none' }],
    [undefined, undefined, { body: 'none' }],
  ])('of type %s that are %j are read', async (type, body, expected) => {
    expect(await (await post(body, type)).json()).toEqual(expected);
  });

  test.each([
    ['application/json', '{', 400],
    ['application/json', '{"__proto__":{}}', 400],
    ['application/json', '{"constructor":{"prototype":{}}}', 400],
    ['application/json', JSON.stringify('x'.repeat(100)), 413],
    ['application/merge-patch+json', '{}', 415],
    ['text/plain', '{}', 415],
  ])('of type %s that are %j are refused', async (type, body, status) => {
    const reply = await post(body, type);
    expect([reply.status, reply.headers.get('content-type')]).toEqual([status, 'application/problem+json; charset=utf-8']);
  });
});

test('an error carries its wait and the security headers', async () => {
  const reply = await fetch(`${url}/away`);
  expect([reply.status, reply.headers.get('retry-after'), reply.headers.get('x-frame-options')]).toEqual([503, '5', 'DENY']);
});

test('a known path with another method names the methods it takes', async () => {
  const reply = await fetch(`${url}/oauth/start/a-b.c~d`, { method: 'DELETE' });
  expect([reply.status, reply.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
});

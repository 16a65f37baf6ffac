import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { ServiceError, type ServiceHttp } from '@vane/kit';
import { SystemClock } from './clock.js';
import { EgressClient, parseEgressAllow } from './egress/index.js';
import { createServiceHttp, type AuthorisedToken } from './service-http.js';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function service(handler: Handler, token?: (rejected?: number) => Promise<AuthorisedToken>, timeoutMs = 10_000): Promise<ServiceHttp> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const egress = new EgressClient({ policy: { allow: parseEgressAllow('127.0.0.1') } });
  closers.push(() => egress.close(), () => new Promise((resolve) => (server.close(resolve), server.closeAllConnections())));
  return createServiceHttp({
    adapter: { id: 'acme', label: 'Acme', hosts: { api: null }, errorMessage: (json) => (json as { message?: string })?.message,
      isRateLimit: (status, json) => status === 403 && (json as { reason?: string } | undefined)?.reason === 'tooFast' },
    hosts: { api: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` },
    egress,
    clock: new SystemClock(),
    token: token ?? (async () => ({ accessToken: 'tok', tokenType: 'bearer', generation: 1 })),
    timeoutMs,
  });
}

const get = { method: 'GET', host: 'api', path: '/thing' } as const;
const failure = async (http: ServiceHttp) => {
  const error = await http.request(get).then(() => undefined, (caught: unknown) => caught);
  expect(error).toBeInstanceOf(ServiceError);
  return error as ServiceError;
};

describe('how an adapter talks to its service', () => {
  it('sends the token, JSON and the query, and parses the answer', async () => {
    let seen: { url?: string; authorization?: string; body: string } = { body: '' };
    const http = await service((request, response) => {
      request.on('data', (chunk) => (seen.body += String(chunk)));
      request.on('end', () => {
        seen = { ...seen, url: request.url, authorization: request.headers.authorization };
        response.setHeader('x-count', '1').end('{"a":1}');
      });
    });
    const answer = await http.request({ method: 'POST', host: 'api', path: '/thing', query: { page: 2, q: undefined }, json: { b: 'ü' } });
    expect(answer).toMatchObject({ status: 200, json: { a: 1 }, headers: { 'x-count': '1' } });
    expect(seen).toEqual({ url: '/thing?page=2', authorization: 'Bearer tok', body: '{"b":"ü"}' });
  });

  it('hands on the digits of integers that are too long for a number', async () => {
    const body = String.raw`{"id":9007199254740993,"list":[-12345678901234567890],"text":"a \" 9007199254740993","small":9007199254740991,"pi":3.14159265358979323846}`;
    const { json } = await (await service((_request, response) => response.end(body))).request(get);
    expect(json).toEqual({
      id: '9007199254740993', list: ['-12345678901234567890'], text: 'a " 9007199254740993', small: 9007199254740991, pi: Math.PI,
    });
  });

  it('slows down where the adapter reads a limit out of the answer', async () => {
    const answers = ['{"reason":"tooFast","message":"Slower"}', '{"reason":"never"}', 'not JSON'];
    const http = await service((_request, response) => response.writeHead(403).end(answers.shift()));
    const [first, second, third] = [await failure(http), await failure(http), await failure(http)];
    expect([first.kind, second.kind, third.kind]).toEqual(['rate_limited', 'forbidden', 'forbidden']);
    expect(first.message).toContain('asks us to slow down');
    expect(first.message).toContain('Slower');
  });

  it('asks for a newer token once after a 401, naming the generation that was refused', async () => {
    const rejected: (number | undefined)[] = [];
    const http = await service(
      (request, response) => response.writeHead(request.headers.authorization === 'Bearer new' ? 200 : 401).end('{}'),
      async (generation) => {
        rejected.push(generation);
        return generation === 1 ? { accessToken: 'new', tokenType: 'b', generation: 2 } : { accessToken: 'old', tokenType: 'b', generation: 1 };
      },
    );
    await expect(http.request(get)).resolves.toMatchObject({ status: 200 });
    expect(rejected).toEqual([undefined, 1]);
  });

  it('tells that the newer token was refused too, and asks the service no third time', async () => {
    const rejected: (number | undefined)[] = [];
    let asked = 0;
    const http = await service(
      (_request, response) => ((asked += 1), response.writeHead(401).end('{}')),
      async (generation) => {
        rejected.push(generation);
        if (generation === 2) throw new ServiceError('unauthorised', 'A person must authorise this again.');
        return { accessToken: 'tok', tokenType: 'b', generation: generation === undefined ? 1 : 2 };
      },
    );
    expect((await failure(http)).message).toBe('A person must authorise this again.');
    expect(rejected).toEqual([undefined, 1, 2]);
    expect(asked).toBe(2);
  });

  it.each([
    [401, {}, 'unauthorised', false],
    [403, {}, 'forbidden', false],
    [403, { 'retry-after': '3' }, 'rate_limited', true],
    [403, { 'x-ratelimit-remaining': '0' }, 'rate_limited', true],
    [404, {}, 'not_found', false],
    [410, {}, 'not_found', false],
    [409, {}, 'conflict', false],
    [422, {}, 'invalid', false],
    [429, { 'retry-after': '7' }, 'rate_limited', true],
    [500, {}, 'unavailable', true],
    [503, {}, 'unavailable', true],
  ])('tells HTTP %i with %j as %s', async (status, headers, kind, transient) => {
    const http = await service((_request, response) => response.writeHead(status, headers).end('{"message":"because of the moon"}'));
    const error = await failure(http);
    expect(error).toMatchObject({ kind, transient });
    expect(error.message).toContain('because of the moon');
    expect(error.message).toContain(String(status));
    expect(error.message).not.toContain('tok ');
  });

  it('says of a call that it was not sent, where it knows', async () => {
    const noToken = await service(
      (_request, response) => response.end(),
      () => Promise.reject(new ServiceError('unauthorised', 'A person must authorise this again.')),
    );
    expect((await failure(noToken)).details.unsent).toBe(true);
    const answered = await service((_request, response) => response.writeHead(503).end());
    expect((await failure(answered)).details.unsent).toBeUndefined();
    const cutOff = await service((request) => request.socket.destroy());
    expect(await failure(cutOff)).toMatchObject({ kind: 'unavailable' });
    expect((await failure(cutOff)).details.unsent).toBeUndefined();
  });

  it('passes on how long to wait', async () => {
    const http = await service((_request, response) => response.writeHead(429, { 'retry-after': '7' }).end());
    expect((await failure(http)).details.retryAfterMs).toBe(7000);
  });

  it.each([
    ['1e300', 86_400_000],
    ['99999999999', 86_400_000],
    ['Fri, 31 Dec 9999 23:59:59 GMT', 86_400_000],
    ['-5', 0],
    ['1e999', undefined],
    ['Infinity', undefined],
    ['soon', undefined],
  ])('takes Retry-After: %s for %s ms', async (header, expected) => {
    const http = await service((_request, response) => response.writeHead(429, { 'retry-after': header }).end());
    expect((await failure(http)).details.retryAfterMs).toBe(expected);
  });

  it.each([301, 302, 303, 307, 308])('sends nothing to another server that HTTP %i names', async (status) => {
    const received: string[] = [];
    const elsewhere = createServer((request, response) => (received.push(request.url ?? ''), response.end('{}')));
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
    closers.push(() => new Promise((resolve) => (elsewhere.close(resolve), elsewhere.closeAllConnections())));
    const location = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/taken`;
    const http = await service((_request, response) => response.writeHead(status, { location }).end());
    for (const request of [{ ...get, method: 'POST', json: { secret: 'hook' } } as const, get]) {
      await expect(http.request(request)).rejects.toMatchObject({ kind: 'invalid', message: expect.stringContaining('redirects to') });
    }
    expect(received).toEqual([]);
  });

  it('sends no token over plain http to a host that the operator has not named', async () => {
    const egress = new EgressClient({ policy: { allow: [] } });
    closers.push(() => egress.close());
    const http = createServiceHttp({
      adapter: { id: 'acme', label: 'Acme', hosts: { api: null } },
      hosts: { api: 'http://acme.example' },
      egress,
      clock: new SystemClock(),
      token: async () => ({ accessToken: 'tok', tokenType: 'bearer', generation: 1 }),
    });
    await expect(http.request(get)).rejects.toMatchObject({ kind: 'invalid', message: expect.stringContaining('plain http') });
    expect(() => egress.checkUrl('http://acme.example/target')).not.toThrow();
  });

  it('follows its service to another path of the same server', async () => {
    const http = await service((request, response) => {
      if (request.url === '/thing') return response.writeHead(308, { location: '/moved' }).end();
      response.end(JSON.stringify({ url: request.url, method: request.method }));
    });
    await expect(http.request({ ...get, method: 'POST', json: {} })).resolves.toMatchObject({ json: { url: '/moved', method: 'POST' } });
  });

  it('calls a success that is not JSON garbage, and no answer or a dropped connection unavailable', async () => {
    expect((await failure(await service((_request, response) => response.end('<html>')))).kind).toBe('garbage');
    expect((await failure(await service(() => undefined, undefined, 200))).kind).toBe('unavailable');
    expect((await failure(await service((request) => request.socket.destroy()))).kind).toBe('unavailable');
  });

  it('lets the adapter handle statuses it names', async () => {
    const http = await service((_request, response) => response.writeHead(404).end());
    await expect(http.request({ ...get, accept: [404] })).resolves.toMatchObject({ status: 404, json: undefined });
  });

  it('says which host the integration must give', async () => {
    const http = await service(() => undefined);
    expect(() => http.hostUrl('web')).toThrow('hosts.web');
  });
});

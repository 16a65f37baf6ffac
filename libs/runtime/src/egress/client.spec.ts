import { createServer as createHttpsServer } from 'node:https';
import { createServer as createTcpServer, type Socket } from 'node:net';
import { gzipSync, brotliCompressSync } from 'node:zlib';
import { afterEach, describe, expect, it } from '@jest/globals';
import { EgressClient, type EgressClientOptions } from './client.js';
import { httpServer, lookupTable, started, witness, type LocalServer } from './fixtures/local-server.js';
import { TEST_CERTIFICATE, TEST_KEY } from './fixtures/tls.js';
import { parseEgressAllow } from './policy.js';

const LIMITS = { timeoutMs: 5_000, maxResponseBytes: 10_000 };
const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function keep<T extends { close(): Promise<void> }>(one: T): T {
  cleanups.push(() => one.close());
  return one;
}

function clientFor(allow: string, options: Partial<EgressClientOptions> = {}): EgressClient {
  return keep(new EgressClient({ policy: { allow: parseEgressAllow(allow) }, ...options }));
}

async function tcpServer(listener: (socket: Socket) => void): Promise<LocalServer> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
    listener(socket);
  });
  return keep(await started(server, '127.0.0.1', () => sockets.forEach((socket) => socket.destroy())));
}

async function tlsServer(): Promise<LocalServer> {
  const server = createHttpsServer({ key: TEST_KEY, cert: TEST_CERTIFICATE }, (request, response) => {
    if (request.url === '/down') response.writeHead(302, { location: `http://tls.example.org:${request.socket.localPort}/` });
    response.end(`for ${request.headers.host}`);
  });
  return keep(await started(server, '127.0.0.1', () => server.closeAllConnections()));
}

describe('a call', () => {
  it('sends method, headers and body, and returns status, headers and body', async () => {
    const server = keep(
      await httpServer((request, response) => {
        const chunks: Buffer[] = [];
        request.on('data', (chunk: Buffer) => chunks.push(chunk));
        request.on('end', () => {
          response.writeHead(201, [['Set-Cookie', 'a=1'], ['Set-Cookie', 'b=2'], ['X-Two', 'x'], ['x-two', 'y']].flat());
          response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers, body: Buffer.concat(chunks).toString() }));
        });
      }),
    );
    const client = clientFor('127.0.0.1');
    const init = { method: 'put', headers: { 'X-Mine': 'yes', Host: 'evil.example', 'Content-Length': '1' }, body: new TextEncoder().encode('späm') };
    const answer = await client.request(`${server.origin}/p?q=1#f`, { ...LIMITS, ...init });
    expect(answer).toMatchObject({ status: 201, url: `${server.origin}/p?q=1#f`, truncated: false });
    expect(answer.headers).toMatchObject({ 'x-two': 'x, y', 'set-cookie': 'a=1, b=2' });
    expect(JSON.parse(answer.body.toString())).toMatchObject({
      method: 'PUT',
      url: '/p?q=1',
      body: 'späm',
      headers: { 'x-mine': 'yes', host: `127.0.0.1:${server.port}`, 'content-length': '5', 'accept-encoding': 'identity', 'user-agent': 'vane' },
    });
  });

  it('keeps connections alive and shares them between calls', async () => {
    const peers = new Set<number | undefined>();
    const server = keep(await httpServer((request, response) => response.end(String(peers.add(request.socket.remotePort).size))));
    const client = clientFor('127.0.0.1');
    for (let call = 0; call < 20; call += 1) await client.request(server.origin, LIMITS);
    // Two, because the next call may start just before the connection of the last one counts as free.
    expect(peers.size).toBeLessThanOrEqual(2);
  });

  it('does not use a proxy from the environment', async () => {
    const server = keep(await httpServer((_, response) => response.end('direct')));
    const proxy = keep(await witness());
    const names = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'ALL_PROXY', 'NODE_USE_ENV_PROXY'];
    const before = names.map((name) => [name, process.env[name]] as const);
    cleanups.push(async () => before.forEach(([name, value]) => (value === undefined ? delete process.env[name] : (process.env[name] = value))));
    for (const name of names) process.env[name] = name === 'NODE_USE_ENV_PROXY' ? '1' : `http://127.0.0.1:${proxy.port}`;
    expect((await clientFor('127.0.0.1').request(server.origin, LIMITS)).body.toString()).toBe('direct');
    expect(await proxy.connections()).toBe(0);
  });

  it.each(['CONNECT', 'TRACE', 'BAD METHOD'])('refuses the method %s', async (method) => {
    const call = clientFor('127.0.0.1').request('http://127.0.0.1:9/', { ...LIMITS, method });
    await expect(call).rejects.toMatchObject({ code: 'invalid_request' });
  });

  it('refuses a header that would break out of its line', async () => {
    const call = clientFor('127.0.0.1').request('http://127.0.0.1:9/', { ...LIMITS, headers: { a: 'b\r\nc: d' } });
    await expect(call).rejects.toMatchObject({ code: 'invalid_request' });
  });
});

describe('limits of the body', () => {
  const bomb = gzipSync(Buffer.alloc(50_000_000));
  const serve = async (body: Buffer, headers: Record<string, string> = {}) =>
    keep(await httpServer((_, response) => response.writeHead(200, headers).end(body)));

  it('accepts exactly the limit and refuses one byte more, with and without a length', async () => {
    const client = clientFor('127.0.0.1');
    for (const headers of [{}, { 'transfer-encoding': 'chunked' }] as Record<string, string>[]) {
      expect((await client.request((await serve(Buffer.alloc(10_000), headers)).origin, LIMITS)).body).toHaveLength(10_000);
      const call = client.request((await serve(Buffer.alloc(10_001), headers)).origin, LIMITS);
      await expect(call).rejects.toMatchObject({ code: 'response_too_large' });
    }
  });

  it('returns the beginning when asked to truncate', async () => {
    const server = await serve(Buffer.alloc(200_000, 'x'));
    const answer = await clientFor('127.0.0.1').request(server.origin, { ...LIMITS, onTooLarge: 'truncate' });
    expect(answer).toMatchObject({ status: 200, truncated: true });
    expect(answer.body.equals(Buffer.alloc(10_000, 'x'))).toBe(true);
  });

  it('stops reading an endless body', async () => {
    let closed = (): void => undefined;
    const stopped = new Promise<void>((resolve) => (closed = resolve));
    const server = keep(
      await httpServer((_, response) => {
        const more = (): void => {
          while (!response.destroyed && response.write(Buffer.alloc(16_384)));
        };
        response.on('drain', more).on('close', closed);
        more();
      }),
    );
    await expect(clientFor('127.0.0.1').request(server.origin, LIMITS)).rejects.toMatchObject({ code: 'response_too_large' });
    await stopped;
  });

  it.each([
    ['gzip', gzipSync('unpacked')],
    ['br', brotliCompressSync('unpacked')],
  ])('unpacks %s that was not asked for', async (coding, body) => {
    const answer = await clientFor('127.0.0.1').request((await serve(body, { 'content-encoding': coding })).origin, LIMITS);
    expect(answer.body.toString()).toBe('unpacked');
    expect(answer.headers['content-encoding']).toBeUndefined();
  });

  it('does not unpack a decompression bomb beyond the limit', async () => {
    const server = await serve(bomb, { 'content-encoding': 'gzip' });
    const client = clientFor('127.0.0.1');
    const limits = { ...LIMITS, maxResponseBytes: 100_000 };
    expect(bomb.length).toBeLessThan(limits.maxResponseBytes);
    await expect(client.request(server.origin, limits)).rejects.toMatchObject({ code: 'response_too_large' });
    const cut = await client.request(server.origin, { ...limits, onTooLarge: 'truncate' });
    expect(cut).toMatchObject({ truncated: true, body: Buffer.alloc(100_000) });
  });

  it('reports a broken coding, and takes nothing at all for an empty body', async () => {
    const client = clientFor('127.0.0.1');
    const broken = client.request((await serve(Buffer.from('not gzip'), { 'content-encoding': 'gzip' })).origin, LIMITS);
    await expect(broken).rejects.toMatchObject({ code: 'bad_response' });
    expect((await client.request((await serve(Buffer.alloc(0), { 'content-encoding': 'gzip' })).origin, LIMITS)).body).toHaveLength(0);
  });
});

describe('time', () => {
  const limits = { ...LIMITS, timeoutMs: 150 };

  it('ends a call to a server that never answers', async () => {
    const server = await tcpServer(() => undefined);
    await expect(clientFor('127.0.0.1').request(server.origin, limits)).rejects.toMatchObject({
      code: 'timeout',
      message: `The call to 127.0.0.1:${server.port} took longer than its limit of 150 ms.`,
    });
  });

  it.each([
    ['headers', 'X-More: 1\r\n', 'HTTP/1.1 200 OK\r\n'],
    ['body', 'x', 'HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n'],
    ['body of a redirect without a target', 'x', 'HTTP/1.1 302 Found\r\ncontent-length: 5000\r\n\r\n'],
    ['interim responses', 'HTTP/1.1 103 Early Hints\r\n\r\n', ''],
  ])('ends a call to a server that drips %s', async (_what, drip, start) => {
    const server = await tcpServer((socket) => {
      socket.write(start);
      const timer = setInterval(() => socket.write(drip), 10);
      socket.on('close', () => clearInterval(timer));
    });
    await expect(clientFor('127.0.0.1').request(server.origin, limits)).rejects.toMatchObject({ code: 'timeout' });
  });

  it('spans all redirects together', async () => {
    const server = keep(
      await httpServer((_, response) => void setTimeout(() => response.writeHead(302, { location: '/again' }).end(), 40)),
    );
    const call = clientFor('127.0.0.1', { maxRedirects: 1_000 }).request(server.origin, limits);
    await expect(call).rejects.toMatchObject({ code: 'timeout' });
  });

  it('ends a call whose name is never resolved', async () => {
    const call = clientFor('', { lookup: () => undefined }).request('http://slow.example.com/', limits);
    await expect(call).rejects.toMatchObject({ code: 'timeout' });
  });

  it('obeys the abort signal of the caller, before and during the call', async () => {
    const controller = new AbortController();
    const server = await tcpServer(() => controller.abort(new Error('changed my mind')));
    const client = clientFor('127.0.0.1');
    await expect(client.request(server.origin, { ...LIMITS, signal: controller.signal })).rejects.toThrow('changed my mind');
    await expect(client.request(server.origin, { ...LIMITS, signal: controller.signal })).rejects.toThrow('changed my mind');
    await expect(client.fetch(server.origin, { signal: controller.signal })).rejects.toThrow('changed my mind');
  });
});

describe('failures are told apart', () => {
  it('a name without an address', async () => {
    const call = clientFor('', { lookup: lookupTable({}) }).request('https://gone.example.com/?token=abc', LIMITS);
    await expect(call).rejects.toMatchObject({
      code: 'dns_failed',
      message: 'The host name "gone.example.com" could not be resolved: it has no address.',
    });
  });

  it('a refused connection', async () => {
    const server = await httpServer(() => undefined);
    await server.close();
    await expect(clientFor('127.0.0.1').request(server.origin, LIMITS)).rejects.toMatchObject({ code: 'connect_failed' });
  });

  it('a connection lost after the request was sent', async () => {
    const server = await tcpServer((socket) => socket.once('data', () => socket.destroy()));
    await expect(clientFor('127.0.0.1').request(server.origin, LIMITS)).rejects.toMatchObject({ code: 'connection_lost' });
  });

  it('something that is not HTTP', async () => {
    const server = await tcpServer((socket) => socket.once('data', () => socket.end('220 smtp.example.com ESMTP\r\n')));
    await expect(clientFor('127.0.0.1').request(server.origin, LIMITS)).rejects.toMatchObject({ code: 'bad_response' });
  });

  it('https to a port that speaks http, and a certificate nobody vouches for', async () => {
    const plain = keep(await httpServer((_, response) => response.end()));
    const client = clientFor('127.0.0.1');
    await expect(client.request(`https://127.0.0.1:${plain.port}/`, LIMITS)).rejects.toMatchObject({ code: 'tls_failed' });
    const server = await tlsServer();
    await expect(client.request(`https://127.0.0.1:${server.port}/`, LIMITS)).rejects.toMatchObject({ code: 'tls_failed' });
  });
});

describe('certificates', () => {
  const lookup = () => lookupTable({ 'tls.example.org': [['127.0.0.1']], 'other.example.org': [['127.0.0.1']] });

  it('are checked against the name of the URL, with the extra authority trusted', async () => {
    const server = await tlsServer();
    const client = clientFor('127.0.0.1', { lookup: lookup(), ca: [TEST_CERTIFICATE] });
    const answer = await client.request(`https://tls.example.org.:${server.port}/`, { ...LIMITS, headers: { host: 'other.example.org' } });
    expect(answer.body.toString()).toBe(`for tls.example.org:${server.port}`);
    await expect(client.request(`https://other.example.org:${server.port}/`, LIMITS)).rejects.toMatchObject({ code: 'tls_failed' });
  });

  it('a redirect from https down to http is refused even to an allowed host', async () => {
    const server = await tlsServer();
    const client = clientFor('127.0.0.1', { lookup: lookup(), ca: [TEST_CERTIFICATE] });
    const call = client.request(`https://tls.example.org:${server.port}/down`, LIMITS);
    await expect(call).rejects.toMatchObject({ code: 'egress_blocked', reason: 'downgrade' });
  });
});

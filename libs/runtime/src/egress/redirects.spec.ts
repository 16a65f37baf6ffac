import type { IncomingHttpHeaders } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EgressClient } from './client.js';
import { httpServer, lookupTable, witness, type LocalServer, type Witness } from './fixtures/local-server.js';
import { parseEgressAllow } from './policy.js';

const LIMITS = { timeoutMs: 5_000, maxResponseBytes: 10_000 };

type Echo = { method: string; url: string; headers: IncomingHttpHeaders; body: string };

let seen: Witness;
let server: LocalServer;
let other: LocalServer;
let client: EgressClient;
const visits: string[] = [];

/** `/<status>?<location>` redirects there; everything else echoes the request. */
async function redirector(): Promise<LocalServer> {
  return httpServer((request, response) => {
    visits.push(request.url!);
    const [, status, location] = /^\/(\d{3})\?(.*)$/.exec(request.url!) ?? [];
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (status) return response.writeHead(Number(status), { location: decodeURIComponent(location!) }).end('moved');
      const { method, url, headers } = request;
      response.setHeader('content-type', 'application/json').setHeader('set-cookie', ['a=1', 'b=2']);
      response.end(JSON.stringify({ method, url, headers, body: Buffer.concat(chunks).toString() }));
    });
  });
}

beforeAll(async () => {
  [seen, server, other] = await Promise.all([witness(), redirector(), redirector()]);
  const lookup = lookupTable({ 'meta.example.com': [['169.254.169.254']], 'home.example.com': [['127.0.0.1']] });
  const allow = parseEgressAllow(`127.0.0.1:${server.port},127.0.0.1:${other.port}`);
  client = new EgressClient({ policy: { allow }, lookup, maxRedirects: 3 });
});

afterAll(async () => {
  await client.close();
  await Promise.all([seen.close(), server.close(), other.close()]);
});

const via = (status: number, location: string) => `${server.origin}/${status}?${encodeURIComponent(location)}`;
const echoOf = (answer: { body: Buffer }) => JSON.parse(answer.body.toString()) as Echo;

describe('a redirect from an allowed server', () => {
  it.each([
    ['http://169.254.169.254/latest/meta-data/', 'metadata'],
    ['http://2852039166/', 'metadata'],
    ['http://[::ffff:a9fe:a9fe]/', 'metadata'],
    ['http://meta.example.com/', 'metadata'],
    ['http://127.0.0.1:PORT/', 'loopback'],
    ['http://0x7f.1:PORT/', 'loopback'],
    ['http://[::1]:PORT/', 'loopback'],
    ['//127.1:PORT/', 'loopback'],
    ['\\\\127.0.0.1:PORT\\', 'loopback'],
    ['http://localhost:PORT/', 'loopback'],
    ['http://home.example.com:PORT/', 'loopback'],
    ['http://user@127.0.0.1:PORT/', 'userinfo'],
    ['file:///etc/passwd', 'scheme'],
    ['gopher://127.0.0.1:PORT/', 'scheme'],
    ['data:text/plain,x', 'scheme'],
  ])('to %s is refused', async (target, reason) => {
    const url = target.replace('PORT', String(seen.port));
    for (const status of [301, 302, 303, 307, 308]) {
      await expect(client.request(via(status, url), LIMITS)).rejects.toMatchObject({ code: 'egress_blocked', reason });
    }
    await expect(client.fetch(via(302, url))).rejects.toMatchObject({ code: 'egress_blocked', reason });
    // Two steps away, behind a server that is allowed.
    const second = `${other.origin}/307?${encodeURIComponent(url)}`;
    await expect(client.request(via(302, second), LIMITS)).rejects.toMatchObject({ code: 'egress_blocked', reason });
    expect(await seen.connections()).toBe(0);
  });

  it('to something that is not a URL is refused', async () => {
    await expect(client.request(via(302, 'http://[oops'), LIMITS)).rejects.toMatchObject({ code: 'redirect_refused' });
  });

  it('in a circle ends at the limit', async () => {
    const loop = await httpServer((_, response) => response.writeHead(302, { location: '/' }).end());
    const looping = new EgressClient({ policy: { allow: parseEgressAllow('127.0.0.1') }, maxRedirects: 3 });
    await expect(looping.request(loop.origin, LIMITS)).rejects.toThrow('redirects more than 3 times');
    await expect(looping.fetch(loop.origin)).rejects.toMatchObject({ code: 'redirect_refused' });
    await looping.close();
    await loop.close();
  });

  it.each([
    [301, 'POST', 'GET', ''],
    [302, 'POST', 'GET', ''],
    [303, 'POST', 'GET', ''],
    [303, 'PUT', 'GET', ''],
    [301, 'PUT', 'PUT', 'payload'],
    [302, 'DELETE', 'DELETE', 'payload'],
    [307, 'POST', 'POST', 'payload'],
    [308, 'PATCH', 'PATCH', 'payload'],
  ])('with %d turns %s into %s', async (status, method, becomes, body) => {
    const init = { ...LIMITS, method, body: 'payload', headers: { 'content-type': 'text/plain', authorization: 'Bearer t' } };
    const echo = echoOf(await client.request(via(status, '/end'), init));
    expect(echo).toMatchObject({ method: becomes, url: '/end', body, headers: { authorization: 'Bearer t' } });
    expect(echo.headers['content-type']).toBe(body === '' ? undefined : 'text/plain');
  });

  it('keeps HEAD and returns where it ended', async () => {
    const answer = await client.request(via(303, '/end'), { ...LIMITS, method: 'HEAD' });
    expect(answer).toMatchObject({ status: 200, url: `${server.origin}/end` });
  });

  it('takes credentials along within the origin and drops them for good on the way to another', async () => {
    const headers = { Authorization: 'Bearer t', cookie: 'c=1', 'Proxy-Authorization': 'p', 'X-Api-Key': 'k', 'X-Plain': 'kept' };
    const init = { ...LIMITS, headers, sensitiveHeaders: ['x-API-key'] };
    const same = echoOf(await client.request(via(302, '/end'), init));
    expect(same.headers).toMatchObject({ authorization: 'Bearer t', cookie: 'c=1', 'x-api-key': 'k', 'x-plain': 'kept' });
    const there = `${other.origin}/end`;
    const back = `${other.origin}/302?${encodeURIComponent(`${server.origin}/end`)}`;
    for (const target of [there, back]) {
      const echo = echoOf(await client.request(via(302, target), init));
      expect(echo.headers['x-plain']).toBe('kept');
      for (const name of ['authorization', 'cookie', 'proxy-authorization', 'x-api-key']) expect(echo.headers[name]).toBeUndefined();
    }
  });

  it('is returned with manual and refused with error, and not followed either way', async () => {
    visits.length = 0;
    const answer = await client.request(via(302, '/end'), { ...LIMITS, redirect: 'manual' });
    expect(answer).toMatchObject({ status: 302, headers: { location: '/end' } });
    await expect(client.request(via(302, '/end'), { ...LIMITS, redirect: 'error' })).rejects.toMatchObject({ code: 'redirect_refused' });
    expect((await client.fetch(via(302, '/end'), { redirect: 'manual' })).status).toBe(302);
    await expect(client.fetch(via(302, '/end'), { redirect: 'error' })).rejects.toMatchObject({ code: 'redirect_refused' });
    expect(visits).not.toContain('/end');
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { allowInsecureRequests, customFetch, discoveryRequest, processDiscoveryResponse } from 'oauth4webapi';
import { EgressClient } from './client.js';
import { httpServer, type LocalServer } from './fixtures/local-server.js';
import { parseEgressAllow } from './policy.js';

let server: LocalServer;
let other: LocalServer;
let client: EgressClient;

/** Echoes the request; `/moved` redirects to the other server, `/silent` never answers, the discovery document is for oauth4webapi. */
async function echo(moved: () => string): Promise<LocalServer> {
  return httpServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method, url, headers } = request;
      if (url === '/silent') return;
      if (url === '/empty') return response.writeHead(204).end();
      if (url === '/999') return response.writeHead(999).end();
      if (url === '/moved') return response.writeHead(307, { location: moved() }).end();
      response.writeHead(200, [['content-type', 'application/json'], ['set-cookie', 'a=1'], ['set-cookie', 'b=2']].flat());
      if (url === '/.well-known/openid-configuration') return response.end(JSON.stringify({ issuer: `http://${headers.host}` }));
      response.end(JSON.stringify({ method, url, headers, body: Buffer.concat(chunks).toString() }));
    });
  });
}

beforeAll(async () => {
  other = await echo(() => '/end');
  server = await echo(() => `${other.origin}/end`);
  client = new EgressClient({ policy: { allow: parseEgressAllow('127.0.0.1') } });
});

afterAll(async () => {
  await client.close();
  await Promise.all([server.close(), other.close()]);
});

describe('fetch', () => {
  it('sends what a Request describes and gives back a Response', async () => {
    const request = new Request(`${server.origin}/form`, { method: 'POST', body: new URLSearchParams({ a: '1' }), headers: { 'x-mine': 'yes' } });
    const response = await client.fetch(request);
    expect(response).toMatchObject({ ok: true, status: 200, url: `${server.origin}/form`, redirected: false });
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    expect(await response.json()).toMatchObject({
      method: 'POST',
      body: 'a=1',
      headers: { 'x-mine': 'yes', 'content-type': 'application/x-www-form-urlencoded;charset=UTF-8' },
    });
  });

  it('lets init win over the Request, follows redirects and drops credentials across origins', async () => {
    const request = new Request(`${server.origin}/moved`, { headers: { authorization: 'Bearer t', 'x-plain': 'kept' } });
    for (const call of [client.fetch(request, { method: 'POST', body: '{}' }), client.fetch(request.url, { method: 'POST', body: '{}', headers: request.headers })]) {
      const response = await call;
      expect(response).toMatchObject({ redirected: true, url: `${other.origin}/end` });
      const echoed = (await response.json()) as { headers: Record<string, string> };
      expect(echoed).toMatchObject({ method: 'POST', body: '{}', headers: { 'x-plain': 'kept' } });
      expect(echoed.headers.authorization).toBeUndefined();
    }
  });

  it('returns statuses without a body, and refuses one that no Response can have', async () => {
    const response = await client.fetch(new URL(`${server.origin}/empty`));
    expect(response).toMatchObject({ status: 204, body: null });
    await expect(client.fetch(`${server.origin}/999`)).rejects.toMatchObject({ code: 'bad_response' });
  });

  it('keeps to its limits', async () => {
    const small = client.fetchWith({ timeoutMs: 5_000, maxResponseBytes: 10 });
    await expect(small(`${server.origin}/end`)).rejects.toMatchObject({ code: 'response_too_large' });
    const hurried = client.fetchWith({ timeoutMs: 50, maxResponseBytes: 10 });
    await expect(hurried(`${server.origin}/silent`)).rejects.toMatchObject({ code: 'timeout' });
  });

  it('serves oauth4webapi as its custom fetch', async () => {
    const issuer = new URL(server.origin);
    const response = await discoveryRequest(issuer, { [customFetch]: client.fetch, [allowInsecureRequests]: true });
    expect(await processDiscoveryResponse(issuer, response)).toMatchObject({ issuer: server.origin });
    const blocked = discoveryRequest(new URL('https://169.254.169.254'), { [customFetch]: client.fetch });
    await expect(blocked).rejects.toMatchObject({ code: 'egress_blocked', reason: 'metadata' });
  });
});

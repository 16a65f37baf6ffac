import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EgressClient } from './client.js';
import { HOSTILE_NAMES, HOSTILE_URLS } from './fixtures/hostile-urls.js';
import { httpServer, lookupTable, witness, type LocalServer, type Witness } from './fixtures/local-server.js';
import { parseEgressAllow } from './policy.js';

const LIMITS = { timeoutMs: 3_000, maxResponseBytes: 1_000 };
const PUBLIC = '93.184.215.14';

let seen: Witness;
let hello: LocalServer;
const clients: EgressClient[] = [];

beforeAll(async () => {
  seen = await witness();
  hello = await httpServer((_, response) => response.end('hello'));
});

afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await Promise.all([seen.close(), hello.close()]);
});

function clientWith(allow: string, lookup = lookupTable({})): EgressClient {
  const client = new EgressClient({ policy: { allow: parseEgressAllow(allow) }, lookup });
  clients.push(client);
  return client;
}

describe('URLs that must never be called', () => {
  it.each(HOSTILE_URLS)('refuses %j', async (template, reason) => {
    const url = template.replace('PORT', String(seen.port));
    const lookup = lookupTable({ localhost: [['127.0.0.1']] });
    const client = clientWith('', lookup);
    const refusal = { code: 'egress_blocked', reason };
    await expect((async () => client.checkUrl(url))()).rejects.toMatchObject(refusal);
    await expect(client.request(url, LIMITS)).rejects.toMatchObject(refusal);
    await expect(client.fetch(url)).rejects.toMatchObject(refusal);
    expect(lookup.asked).toEqual([]);
    expect(await seen.connections()).toBe(0);
  });

  it.each(HOSTILE_URLS.filter(([url]) => URL.canParse(url.replace('PORT', '81'))))(
    'refuses %j as a parsed URL and as a Request, unless parsing made it harmless',
    async (template) => {
      const url = new URL(template.replace('PORT', String(seen.port)));
      const client = clientWith('', lookupTable({}));
      // A backslash parsed away leaves example.com, whose lookup fails here.
      const code = url.hostname === 'example.com' && url.username === '' && url.port !== '0' ? 'dns_failed' : 'egress_blocked';
      await expect(client.request(url, LIMITS)).rejects.toMatchObject({ code });
      if (url.username === '') await expect(client.fetch(new Request(url))).rejects.toMatchObject({ code });
      expect(await seen.connections()).toBe(0);
    },
  );
});

describe('names that resolve to places that must never be called', () => {
  const lookup = () => lookupTable(Object.fromEntries(Object.entries(HOSTILE_NAMES).map(([name, [found]]) => [name, [[...found]]])));

  it.each(Object.entries(HOSTILE_NAMES))('refuses %s', async (name, [, reason]) => {
    const resolver = lookup();
    const client = clientWith('', resolver);
    for (const scheme of ['http', 'https']) {
      const call = client.request(`${scheme}://${name}:${seen.port}/`, LIMITS);
      await expect(call).rejects.toMatchObject({ code: 'egress_blocked', reason, host: `${name}:${seen.port}` });
    }
    await expect(client.fetch(`http://${name}.:${seen.port}/`)).rejects.toMatchObject({ code: 'egress_blocked', reason });
    expect(resolver.asked).toEqual([name, name, name]);
    expect(await seen.connections()).toBe(0);
  });

  it('tells the operator what to allow and the member nothing about the network', async () => {
    const call = clientWith('', lookup()).request('https://redis/', LIMITS);
    await expect(call).rejects.toThrow(
      'Calls to redis:443 are blocked: it is a private network address. An operator can allow it by adding "redis:443" to VANE_EGRESS_ALLOW.',
    );
  });

  it('refuses localhost names of the hosts file, asked through the real resolver', async () => {
    const client = new EgressClient({ policy: { allow: [] } });
    clients.push(client);
    await expect(client.request(`http://ip6-localhost:${seen.port}/`, LIMITS)).rejects.toMatchObject({
      code: expect.stringMatching(/^(egress_blocked|dns_failed)$/),
    });
    expect(await seen.connections()).toBe(0);
  });
});

describe('DNS rebinding', () => {
  it('connects to the answer that was checked and never asks again for the same connection', async () => {
    const lookup = lookupTable({ 'rebind.example.com': [['127.0.0.2'], ['127.0.0.1']] });
    const server = await httpServer((_, response) => response.end('checked'), '127.0.0.2');
    const client = clientWith(`127.0.0.2:${server.port}`, lookup);
    const url = `http://rebind.example.com:${server.port}/`;
    expect((await client.request(url, LIMITS)).body.toString()).toBe('checked');
    expect(lookup.asked).toEqual(['rebind.example.com']);
    await server.close();
  });

  it('refuses the second connection when the name has moved to a private address', async () => {
    const lookup = lookupTable({ 'rebind.example.com': [['127.0.0.2'], ['127.0.0.1']] });
    const closing = await httpServer((_, response) => response.setHeader('connection', 'close').end('first'), '127.0.0.2');
    const client = clientWith('127.0.0.2', lookup);
    expect((await client.request(`http://rebind.example.com:${closing.port}/`, LIMITS)).body.toString()).toBe('first');
    const second = client.request(`http://rebind.example.com:${seen.port}/`, LIMITS);
    await expect(second).rejects.toMatchObject({ code: 'egress_blocked', reason: 'loopback' });
    expect(await seen.connections()).toBe(0);
    await closing.close();
  });

  it('is not fooled by a public answer before the call and a private one when connecting', async () => {
    const lookup = lookupTable({ 'rebind.example.com': [[PUBLIC], ['127.0.0.1'], [PUBLIC]] });
    const client = clientWith('', lookup);
    // The attacker's first answer, to a form that checks the URL beforehand.
    lookup('rebind.example.com', { all: true }, () => undefined);
    client.checkUrl(`http://rebind.example.com:${seen.port}/`);
    const call = client.request(`http://rebind.example.com:${seen.port}/`, LIMITS);
    await expect(call).rejects.toMatchObject({ code: 'egress_blocked', reason: 'loopback' });
    expect(lookup.asked).toHaveLength(2);
    expect(await seen.connections()).toBe(0);
  });
});

describe('the allow list', () => {
  const names = { 'intranet.corp.example': [['127.0.0.1']], 'corp.example': [['127.0.0.1']], localhost: [['::1', '127.0.0.1']] };
  const at = (host: string, port = hello.port) => `http://${host}:${port}/`;

  it.each([
    ['127.0.0.1:PORT', '127.0.0.1'],
    ['127.0.0.1', '2130706433'],
    ['127.0.0.0/8', '127.0.0.1'],
    ['127.0.0.0/8:PORT', '[::ffff:127.0.0.1]'],
    ['127.0.0.1', 'intranet.corp.example'],
    ['intranet.corp.example:PORT', 'intranet.corp.example'],
    ['*.corp.example', 'intranet.corp.example.'],
    ['127.0.0.1:PORT', 'localhost'],
    ['localhost', 'LOCALHOST'],
  ])('%s lets a call to %s through', async (allow, host) => {
    const client = clientWith(allow.replace('PORT', String(hello.port)), lookupTable(names));
    const answer = await client.request(at(host), LIMITS);
    expect(answer).toMatchObject({ status: 200, truncated: false });
    expect(answer.body.toString()).toBe('hello');
  });

  it.each([
    ['127.0.0.1:1', '127.0.0.1', 'loopback'],
    ['127.0.0.2', '127.0.0.1', 'loopback'],
    ['[::1]', '127.0.0.1', 'loopback'],
    ['10.0.0.0/8', 'intranet.corp.example', 'loopback'],
    ['intranet.corp.example:1', 'intranet.corp.example', 'loopback'],
    ['*.corp.example', 'corp.example', 'loopback'],
    ['intranet.corp.example', '127.0.0.1', 'loopback'],
    ['corp.example', 'intranet.corp.example', 'loopback'],
    ['127.0.0.1:1', 'localhost', 'loopback'],
  ])('%s does not let a call to %s through', async (allow, host, reason) => {
    const client = clientWith(allow, lookupTable(names));
    await expect(client.request(at(host, seen.port), LIMITS)).rejects.toMatchObject({ code: 'egress_blocked', reason });
    expect(await seen.connections()).toBe(0);
  });

  it('of several addresses uses only the allowed one, not the public one beside it', async () => {
    const lookup = lookupTable({ 'split.example.com': [[PUBLIC, '10.9.9.9', '127.0.0.1']] });
    const answer = await clientWith('127.0.0.1', lookup).request(at('split.example.com'), LIMITS);
    expect(answer.body.toString()).toBe('hello');
  });

  it('with requireHttps, refuses plain http except where the operator allows the target', async () => {
    const client = new EgressClient({ policy: { allow: parseEgressAllow('127.0.0.1'), requireHttps: true } });
    clients.push(client);
    expect(() => client.checkUrl('http://example.com/')).toThrow('Calls to example.com:80 over plain http are blocked. Use https, or an operator can allow it by adding "example.com:80" to VANE_EGRESS_ALLOW.');
    expect(() => client.checkUrl('https://example.com/')).not.toThrow();
    expect((await client.request(hello.origin, LIMITS)).status).toBe(200);
  });
});

describe('public addresses', () => {
  it.each([
    'https://1.1.1.1/', 'https://172.32.0.1/', 'https://100.128.0.1/', 'https://198.20.0.1/', 'https://223.255.255.255/',
    'https://[2606:4700:4700::1111]/', 'https://[::ffff:8.8.8.8]/', 'https://[64:ff9b::8.8.8.8]/', 'https://xn--bcher-kva.example/',
    'https://bücher.example/', 'https://my_host.example.com./a?b=\\c', 'http://example.com:8080/',
  ])('%s passes the check of the URL', (url) => {
    expect(() => clientWith('').checkUrl(url)).not.toThrow();
  });
});

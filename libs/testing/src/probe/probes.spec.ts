import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { describeConformance, type RemoteRig } from '@vane/kit/conformance';
import { createServiceHttp, EgressClient, parseEgressAllow, SystemClock } from '@vane/runtime';
import { adapter as handshakeProbe } from './handshake-probe.js';
import { adapter as oauthProbe } from './oauth-probe.js';

type Channel = { id: string; url: string; topic: string; secret: string };
const sign = (_body: Uint8Array, secret: string) => ({ 'X-Probe-Secret': secret });

/** A service that keeps channels, and fails where it is told to. */
async function startChannelService() {
  const channels = new Map<string, Channel>();
  const failures: number[] = [];
  const answer = async (request: IncomingMessage): Promise<{ status: number; json: unknown }> => {
    const failing = failures.shift();
    if (failing !== undefined) return { status: failing, json: { error: 'as told' } };
    const named = /^\/channels\/(\w+)$/.exec(request.url ?? '')?.[1];
    if (request.method === 'GET' && named === undefined) return { status: 200, json: [...channels.values()] };
    if (named !== undefined && !channels.has(named)) return { status: 404, json: {} };
    const id = named ?? randomBytes(4).toString('hex');
    if (request.method === 'POST' || request.method === 'PUT') channels.set(id, { ...(await bodyOf(request)), id });
    const channel = channels.get(id);
    if (request.method === 'DELETE') channels.delete(id);
    return { status: 200, json: channel };
  };
  const server = createServer((request, response) => {
    void answer(request).then(({ status, json }) => response.writeHead(status).end(JSON.stringify(json)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, channels, failures, close };
}

async function bodyOf(request: IncomingMessage): Promise<Channel> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as Channel;
}

async function startRig(): Promise<RemoteRig> {
  const service = await startChannelService();
  const egress = new EgressClient({ policy: { allow: parseEgressAllow('127.0.0.1') } });
  return {
    http: createServiceHttp({
      adapter: handshakeProbe, hosts: { base: service.url, api: service.url }, egress, clock: new SystemClock(), timeoutMs: 2_000,
      token: async () => ({ accessToken: 'any', tokenType: 'bearer', generation: 1 }),
    }),
    state: { count: () => service.channels.size, secretOf: (id) => service.channels.get(id)?.secret },
    // A 401 is tried once more with a newer token.
    failNext: (status) => void service.failures.push(...(status === 401 ? [401, 401] : [status])),
    close: async () => {
      await egress.close();
      await service.close();
    },
  };
}

describeConformance(oauthProbe, {
  triggerType: 'ping',
  config: {},
  fixtures: [{ name: 'ping', body: '{ "n": 1 }', events: [{ type: 'ping', dedupeKey: null, payload: { n: 1 } }] }],
  sign,
});

describeConformance(handshakeProbe, {
  triggerType: 'channel',
  config: { topic: 'news' },
  fixtures: [{ name: 'message', body: '{ "n": 1 }', events: [{ type: 'message', dedupeKey: null, payload: { n: 1 } }] }],
  sign,
  remote: startRig,
});

describe('the handshake of the probe', () => {
  const { webhook } = handshakeProbe.triggerTypes['channel']!;
  const post = (headers: Record<string, string>) => ({ method: 'POST', headers, query: {}, body: Buffer.from('{}') });

  it('sends a challenge back and takes no message for one', () => {
    expect(webhook.handshake?.(post({ 'x-probe-challenge': 'abc' }))).toMatchObject({ status: 200, body: 'abc' });
    expect(webhook.handshake?.(post({ 'x-probe-secret': 'abc' }))).toBeUndefined();
  });
});

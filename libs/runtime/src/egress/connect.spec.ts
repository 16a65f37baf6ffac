import type { Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { EgressClient } from './client.js';
import { guardedConnector } from './connect.js';
import { httpServer, lookupTable, witness } from './fixtures/local-server.js';
import { parseEgressAllow } from './policy.js';

describe('the connector, should a call reach it that nobody checked before', () => {
  it.each(['127.0.0.1', '::1', '::ffff:127.0.0.1', '0.0.0.0', '::', 'rebound.example.com'])('refuses %s before connecting', async (hostname) => {
    const seen = await witness();
    const lookup = lookupTable({ 'rebound.example.com': [['127.0.0.1']] });
    for (const protocol of ['http:', 'https:']) {
      const origin = new URL(`${protocol}//${hostname.includes(':') ? `[${hostname}]` : hostname}:${seen.port}`);
      const connect = guardedConnector(origin, { policy: { allow: [] }, lookup });
      const outcome = await new Promise<Error | Socket | null>((resolve) =>
        connect({ hostname, host: origin.host, protocol, port: String(seen.port) }, (error, socket) => resolve(error ?? socket)),
      );
      expect(outcome).toMatchObject({ code: 'egress_blocked' });
    }
    expect(await seen.connections()).toBe(0);
    await seen.close();
  });

  it('sends nothing when the kernel takes an allowed address elsewhere: 0.0.0.0 arrives at 127.0.0.1', async () => {
    let requests = 0;
    const server = await httpServer((_, response) => response.end(String((requests += 1))));
    const client = new EgressClient({ policy: { allow: parseEgressAllow('0.0.0.0') } });
    const call = client.request(`http://0.0.0.0:${server.port}/`, { timeoutMs: 3_000, maxResponseBytes: 100 });
    await expect(call).rejects.toMatchObject({ code: 'egress_blocked', reason: 'loopback' });
    expect(requests).toBe(0);
    await client.close();
    await server.close();
  });
});

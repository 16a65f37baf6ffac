import { expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { choosePorts, freePort } from './ports.mjs';

it('free ports are all different and outside the defaults', async () => {
  const ports = Object.values(await choosePorts({ VANE_PORTS: 'free' }));
  expect(new Set(ports).size).toBe(6);
  expect(ports.every((port) => port > 3005)).toBe(true);
});

it('a port that is asked for is used beside free ones', async () => {
  const wanted = await freePort();
  const ports = await choosePorts({ VANE_PORTS: 'free', VANE_PORT_RUN_WORKER: String(wanted) });
  expect(ports['run-worker']).toBe(wanted);
});

it('a port in use is refused with the app and the way out', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = (server.address() as AddressInfo).port;
  await expect(choosePorts({ VANE_PORTS: 'free', VANE_PORT_SYNC_WORKER: String(port) }))
    .rejects.toThrow(new RegExp(`^Port ${port}, where sync-worker would listen, is taken .* VANE_PORT_SYNC_WORKER, or .* VANE_PORTS=free\\.$`));
  server.close();
});

it.each(['0', '65536', 'web', '30.5'])('"%s" is no port', async (text) => {
  await expect(choosePorts({ VANE_PORTS: 'free', VANE_PORT_API_GATEWAY: text })).rejects.toThrow('VANE_PORT_API_GATEWAY is');
});

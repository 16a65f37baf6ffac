import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { allowsAll, demoPorts, withAllowances } from './demo-ports.js';

describe('what the demo must be allowed to call', () => {
  it('is added once to what is allowed already', () => {
    expect(withAllowances('10.0.0.0/8, 127.0.0.1:1', ['127.0.0.1:1', '127.0.0.1:2'])).toBe('10.0.0.0/8,127.0.0.1:1,127.0.0.1:2');
    expect(withAllowances(undefined, ['127.0.0.1:1'])).toBe('127.0.0.1:1');
  });

  it('is allowed by each port, by the address and by the loopback network, and not by other ports', () => {
    const needed = ['127.0.0.1:1', '127.0.0.1:2'];
    for (const list of ['127.0.0.1:1,127.0.0.1:2', '127.0.0.1', '127.0.0.0/8']) expect(allowsAll(list, needed)).toBe(true);
    for (const list of [undefined, '', '127.0.0.1:1', '127.0.0.1:12,127.0.0.1:1']) expect(allowsAll(list, needed)).toBe(false);
  });

  it('names a port that is taken and how to choose another', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    try {
      await expect(demoPorts({ VANE_DEMO_PORT: String(port) })).rejects.toThrow(new RegExp(`Port ${port}.*VANE_DEMO_PORT`));
    } finally {
      server.close();
    }
  });
});

import { expect, it } from '@jest/globals';
import { decodeReply, encodeReply } from './reply-codec.js';

it.each([
  ['a short reply', { ok: true, output: { text: 'ü"\n' } }],
  ['a reply without output', { ok: true }],
  ['a body of the full size that doubles as JSON', { ok: true, output: { body: '"\\'.repeat(450 * 1024) } }],
  ['output of many attempts', { ok: true, output: Array.from({ length: 20 }, (_, n) => ({ n, logs: 'line of output\n'.repeat(20_000) })) }],
])('%s arrives as it was, in a message that the bus takes', async (_name, reply) => {
  const bytes = await encodeReply(reply);
  expect(bytes.length).toBeLessThan(1024 * 1024);
  expect(await decodeReply(bytes)).toEqual(reply);
});

it('leaves short replies readable to whoever looks at the bus', async () => {
  expect(Buffer.from(await encodeReply({ ok: true })).toString()).toBe('{"ok":true}');
});

it('refuses what is no reply', async () => {
  await expect(decodeReply(Buffer.from([0x1f, 0x8b, 0]))).rejects.toThrow();
  await expect(decodeReply(Buffer.from('no JSON'))).rejects.toThrow();
  await expect(decodeReply(Buffer.alloc(0))).rejects.toThrow();
});

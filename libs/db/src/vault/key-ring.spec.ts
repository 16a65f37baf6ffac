import { describe, expect, it } from '@jest/globals';
import { parseKeyRing } from './key-ring.js';
import { VaultError } from './vault-error.js';

const key = (byte: number, size = 32) => Buffer.alloc(size, byte).toString('base64');

describe('parseKeyRing', () => {
  it('takes the first key as the current one and keeps the others', () => {
    const ring = parseKeyRing(`k2:${key(2)}, k1:${key(1)}`);
    expect(ring.current.id).toBe('k2');
    expect(ring.all.get('k1')?.bytes).toEqual(Buffer.alloc(32, 1));
    expect([...ring.all.keys()]).toEqual(['k2', 'k1']);
  });

  it.each([
    ['an empty text', '', 'no valid id'],
    ['a key without an id', key(7), 'no valid id'],
    ['an id in capitals', `K1:${key(7)}`, 'no valid id'],
    ['a key of 16 bytes', `k1:${key(7, 16)}`, 'not 32 bytes'],
    ['a key that is not base64', `k1:${key(7).slice(0, -4)}!*()`, 'not 32 bytes'],
    ['an entry left empty', `k1:${key(7)},`, 'Key 2 of the key ring has no valid id'],
    ['one id for two keys', `k1:${key(7)},k1:${key(8)}`, 'twice'],
  ])('refuses %s with a sentence that holds no key material', (_case, text, reason) => {
    let refused: unknown;
    try {
      parseKeyRing(text);
    } catch (error) {
      refused = error;
    }
    expect(refused).toBeInstanceOf(VaultError);
    const { message } = refused as VaultError;
    expect(message).toContain(reason);
    expect(message).not.toContain(key(7).slice(0, 8));
  });
});

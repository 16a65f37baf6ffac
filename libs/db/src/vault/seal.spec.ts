import { describe, expect, it } from '@jest/globals';
import { newSealingKeyPair, open, parseOpeningKeys, parseSealingKey, seal } from './seal.js';
import { VaultError } from './vault-error.js';

const cell = { table: 'secret', row: 'API_TOKEN', column: 'sealed', workspaceId: 'wsp_a' };

describe('the data ring', () => {
  it('opens what was sealed with the public half', async () => {
    const pair = await newSealingKeyPair('k1');
    const sealed = await seal(await parseSealingKey(pair.public), 'schlüssel 🔑', cell);
    expect(sealed).toMatch(/^h1\.k1\./);
    expect(sealed).not.toContain('schl');
    expect(await open(await parseOpeningKeys(pair.private), sealed, cell)).toBe('schlüssel 🔑');
  });

  it('opens what was sealed to an older key of the ring, and says which ring lacks the key when it is gone', async () => {
    const [older, newer] = [await newSealingKeyPair('k1'), await newSealingKeyPair('k2')];
    const sealed = await seal(await parseSealingKey(older.public), 'text', cell);
    expect(await open(await parseOpeningKeys(`${newer.private},${older.private}`), sealed, cell)).toBe('text');
    await expect(open(await parseOpeningKeys(newer.private), sealed, cell)).rejects.toThrow('the data ring lacks');
  });

  it.each([
    ['table', 'trigger'],
    ['row', 'OTHER'],
    ['column', 'name'],
    ['workspaceId', 'wsp_b'],
    ['workspaceId', null],
  ])('does not open for another %s (%s)', async (part, value) => {
    const pair = await newSealingKeyPair('k1');
    const sealed = await seal(await parseSealingKey(pair.public), 'text', cell);
    await expect(open(await parseOpeningKeys(pair.private), sealed, { ...cell, [part]: value })).rejects.toThrow(VaultError);
  });

  it('does not open a text of which any part was changed', async () => {
    const pair = await newSealingKeyPair('k1');
    const keys = await parseOpeningKeys(pair.private);
    const parts = (await seal(await parseSealingKey(pair.public), 'text', cell)).split('.');
    for (const index of [0, 1, 2, 3]) {
      const changed = parts.with(index, flipped(parts[index]!));
      await expect(open(keys, changed.join('.'), cell)).rejects.toThrow(VaultError);
    }
    await expect(open(keys, `${parts.join('.')}.x`, cell)).rejects.toThrow(VaultError);
  });

  it('refuses a private half where the public one belongs, and the reverse, without repeating it', async () => {
    const pair = await newSealingKeyPair('k1');
    const refusals = await Promise.allSettled([parseSealingKey(pair.private), parseOpeningKeys(pair.public)]);
    for (const refusal of refusals) {
      const { reason } = refusal as PromiseRejectedResult;
      expect(reason).toBeInstanceOf(VaultError);
      expect(reason.message).not.toContain(pair.private.slice(3, 12));
    }
  });
});

const flipped = (text: string) => text.replace(/^./, (first) => (first === 'A' ? 'B' : 'A'));

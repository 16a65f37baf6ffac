import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { createTestDatabase, newSecret } from '@vane/testing';
import { Database } from '../database.js';
import { rewrapDataKeys } from '../keys/rewrap.js';
import { parseKeyRing } from './key-ring.js';
import type { SymmetricRing } from './rings.js';
import { Vault } from './vault.js';
import { VaultError } from './vault-error.js';

const cell = { table: 'connection', row: 'con_1', column: 'access_token_enc', workspaceId: 'wsp_a' };
const clock = { now: () => new Date('2026-03-01T12:00:00Z') };
const key = (id: string) => `${id}:${randomBytes(32).toString('base64')}`;
const k1 = key('k1');
const k2 = key('k2');
const SECRET = 'ya29.a-token-that-nobody-may-see';

let testDatabase: { url: string; drop(): Promise<void> };
let databases: Database[];

beforeEach(async () => {
  testDatabase = await createTestDatabase();
  databases = [];
});

afterEach(async () => {
  await Promise.all(databases.map((database) => database.close()));
  await testDatabase.drop();
});

/** A vault as another process would have it: with its own pool and an empty cache. */
function newVault(keys = k1, ring: SymmetricRing = 'oauth'): Vault {
  const database = Database.connect({ url: testDatabase.url, applicationName: 'vane-test', maxConnections: 2 });
  databases.push(database);
  return new Vault({ database, ring, keys: parseKeyRing(keys), clock });
}

const dataKeys = () => databases[0]!.prisma.dataKey.findMany({ orderBy: { scope: 'asc' } });

describe('Vault', () => {
  it.each(['', SECRET, `ünïcödé 🔑 ${newSecret('text beyond ASCII')}`, 'x'.repeat(100_000)])('decrypts what it encrypted, also in another process (%#)', async (plaintext) => {
    const ciphertext = await newVault().encrypt(plaintext, cell);
    expect(await newVault().decrypt(ciphertext, cell)).toBe(plaintext);
  });

  it('writes no plaintext and never the same text twice', async () => {
    const vault = newVault();
    const [one, two] = [await vault.encrypt(SECRET, cell), await vault.encrypt(SECRET, cell)];
    expect(one).toMatch(/^v1\.dk_[\w-]{20}\.[\w-]{16}\.[\w-]+$/);
    expect(one).not.toBe(two);
    const rows = JSON.stringify([one, two, await dataKeys()]);
    for (const encoding of ['utf8', 'base64', 'base64url', 'hex'] as const) {
      expect(rows).not.toContain(Buffer.from(SECRET).toString(encoding).replace(/=+$/, ''));
    }
  });

  it.each([
    ['table', 'integration'],
    ['row', 'con_2'],
    ['column', 'refresh_token_enc'],
    ['workspaceId', 'wsp_b'],
    ['workspaceId', null],
  ])('does not decrypt for another %s (%s)', async (part, value) => {
    const vault = newVault();
    const ciphertext = await vault.encrypt(SECRET, cell);
    const wrong = { ...cell, [part]: value };
    await vault.encrypt('makes the data key of the other workspace', wrong);
    await expect(vault.decrypt(ciphertext, wrong)).rejects.toThrow(VaultError);
    expect(() => vault.decryptCached(ciphertext, wrong)).toThrow(VaultError);
  });

  it('does not decrypt a text of which any part was changed', async () => {
    const vault = newVault();
    const parts = (await vault.encrypt(SECRET, cell)).split('.');
    const other = (await vault.encrypt(SECRET, { ...cell, workspaceId: 'wsp_b' })).split('.');
    const changed = [
      ...parts.map((part, index) => parts.with(index, part.replace(/^./, (first) => (first === 'A' ? 'B' : 'A')))),
      parts.with(3, parts[3]!.slice(0, -4)),
      parts.with(3, ''),
      parts.with(2, ''),
      parts.with(1, other[1]!),
      parts.slice(0, 3),
      [...parts, 'x'],
      [''],
    ];
    for (const text of changed) await expect(vault.decrypt(text.join('.'), cell)).rejects.toThrow(VaultError);
    expect(await vault.decrypt(parts.join('.'), cell)).toBe(SECRET);
  });

  it('keeps a data key per workspace and ring, and one for the instance', async () => {
    const vault = newVault();
    await vault.encrypt(SECRET, cell);
    await vault.encrypt(SECRET, { ...cell, row: 'con_2' });
    await vault.encrypt(SECRET, { ...cell, workspaceId: 'wsp_b' });
    await vault.encrypt(SECRET, { ...cell, workspaceId: null });
    await newVault(k1, 'hooks').encrypt(SECRET, cell);
    expect((await dataKeys()).map(({ ring, scope, createdAt }) => [ring, scope, createdAt]).sort()).toEqual([
      ['hooks', 'wsp_a', clock.now()],
      ['oauth', 'instance', clock.now()],
      ['oauth', 'wsp_a', clock.now()],
      ['oauth', 'wsp_b', clock.now()],
    ]);
  });

  it('does not decrypt with the ring of another purpose, even one of the same keys', async () => {
    const ciphertext = await newVault(k1, 'oauth').encrypt(SECRET, cell);
    await expect(newVault(k1, 'hooks').decrypt(ciphertext, cell)).rejects.toThrow('No data key of ring hooks');
  });

  it('makes one data key when many processes need it at once', async () => {
    const vaults = Array.from({ length: 6 }, () => newVault());
    const ciphertexts = await Promise.all(vaults.flatMap((vault) => [vault.encrypt(SECRET, cell), vault.encrypt(SECRET, cell)]));
    expect(new Set(ciphertexts.map((text) => text.split('.')[1])).size).toBe(1);
    expect(await dataKeys()).toHaveLength(1);
    for (const text of ciphertexts) expect(await vaults[0]!.decrypt(text, cell)).toBe(SECRET);
  });

  it('decrypts without a query once it has seen the data key', async () => {
    const ciphertext = await newVault().encrypt(SECRET, cell);
    const vault = newVault();
    expect(vault.decryptCached(ciphertext, cell)).toBeUndefined();
    await vault.decrypt(ciphertext, cell);
    await databases[1]!.close();
    expect(vault.decryptCached(ciphertext, cell)).toBe(SECRET);
    expect(await vault.decrypt(ciphertext, cell)).toBe(SECRET);
  });

  it('decrypts with an older key of the ring, and says which one it lacks', async () => {
    const ciphertext = await newVault(k1).encrypt(SECRET, cell);
    expect(await newVault(`${k2},${k1}`).decrypt(ciphertext, cell)).toBe(SECRET);
    await expect(newVault(k2).decrypt(ciphertext, cell)).rejects.toThrow('Ring oauth has no key k1');
  });

  it('reads a data key once more that a rotation has wrapped anew since, and whose older ring key it has retired', async () => {
    const ciphertext = await newVault(`${k1},${k2}`).encrypt(SECRET, cell);
    const database = databases[0]!;
    const query = database.pool.query.bind(database.pool) as (text: string, values: unknown[]) => Promise<unknown>;
    let rotate: (() => Promise<unknown>) | undefined = () => rewrapDataKeys(database, 'oauth', parseKeyRing(`${k2},${k1}`), () => undefined);
    const slow = async (text: string, values: unknown[]) => {
      const found = await query(text, values);
      const once = rotate;
      rotate = undefined;
      await once?.();
      return found;
    };
    const late = { pool: { query: slow } } as unknown as Database;
    expect(await new Vault({ database: late, ring: 'oauth', keys: parseKeyRing(k2), clock }).decrypt(ciphertext, cell)).toBe(SECRET);
  });

  it('digests the same text alike in every process and after a rotation, and otherwise for another workspace', async () => {
    const digest = await newVault(`${k1},${k2}`).digest(SECRET, 'wsp_a');
    await rewrapDataKeys(databases[0]!, 'oauth', parseKeyRing(`${k2},${k1}`), () => undefined);
    const rotated = newVault(k2);
    expect(await rotated.digest(SECRET, 'wsp_a')).toBe(digest);
    expect(digest).toMatch(/^[\w-]{43}$/);
    expect(new Set([digest, await rotated.digest(SECRET, 'wsp_b'), await rotated.digest(SECRET, null), await rotated.digest(`${SECRET}!`, 'wsp_a')]).size).toBe(4);
  });

  it('says that a key of the ring is the wrong one, without showing it', async () => {
    const ciphertext = await newVault(k1).encrypt(SECRET, cell);
    const wrong = key('k1');
    const refused = await newVault(wrong).decrypt(ciphertext, cell).catch((error) => error);
    expect(refused).toBeInstanceOf(VaultError);
    expect(refused.message).toContain('Key k1 of ring oauth is not the one');
    expect(JSON.stringify([refused.message, refused.stack])).not.toContain(wrong.slice(3, 12));
  });

  it('does not accept a data key that was moved to another workspace in the table', async () => {
    const vault = newVault();
    const ciphertext = await vault.encrypt(SECRET, cell);
    await databases[0]!.pool.query(`UPDATE data_key SET scope = 'wsp_b'`);
    await expect(newVault().decrypt(ciphertext, { ...cell, workspaceId: 'wsp_b' })).rejects.toThrow(VaultError);
  });
});

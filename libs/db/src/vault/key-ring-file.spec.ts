import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileKeyRing, readKeyRingFile, writeKeyRingFile } from './key-ring-file.js';
import { openKeyRing } from './rings.js';

const [k1, k2] = ['k1', 'k2'].map((id) => ({ id, bytes: randomBytes(32) })) as [{ id: string; bytes: Buffer }, { id: string; bytes: Buffer }];
let dir: string;
let path: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'vane-ring-'));
  path = join(dir, 'oauth.ring');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

it('is what the file says at every use', () => {
  writeKeyRingFile(path, [k1]);
  const ring = openKeyRing({ VANE_KEYS_OAUTH_FILE: path }, 'VANE_KEYS_OAUTH');
  expect(ring.current).toEqual(k1);
  writeKeyRingFile(path, [k2, k1]);
  expect(ring.current).toEqual(k2);
  expect([...ring.all.keys()]).toEqual(['k2', 'k1']);
  writeKeyRingFile(path, [k2]);
  expect(ring.all.has('k1')).toBe(false);
});

it('is replaced whole, for its owner alone, without leaving anything behind', () => {
  writeKeyRingFile(path, [k1]);
  writeKeyRingFile(path, [k2, k1]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(dir)).toEqual(['oauth.ring']);
});

it('keeps the mode of the file that it replaces, so that its group can go on reading', () => {
  writeKeyRingFile(path, [k1]);
  chmodSync(path, 0o640);
  writeKeyRingFile(path, [k2, k1]);
  expect(statSync(path).mode & 0o777).toBe(0o640);
});

it('keeps owner and group of the file that it replaces', () => {
  writeKeyRingFile(path, [k1]);
  const own = statSync(path);
  // Only root can give files away.
  const [uid, gid] = own.uid === 0 ? [4_711, 4_712] : [own.uid, own.gid];
  chownSync(path, uid, gid);
  writeKeyRingFile(path, [k2, k1]);
  expect(statSync(path)).toMatchObject({ uid, gid });
});

it('decrypts with what was read last when the file goes, tells once, and encrypts nothing', () => {
  writeKeyRingFile(path, [k1]);
  const problems: string[] = [];
  const ring = new FileKeyRing(path, {}, ({ message }) => problems.push(message));
  rmSync(path);
  expect([ring.all.get('k1'), ring.all.get('k2')]).toEqual([k1, undefined]);
  expect(problems).toEqual([expect.stringContaining('cannot be read (ENOENT)')]);
  expect(() => ring.current).toThrow('cannot be read (ENOENT)');
  writeFileSync(path, 'k1:short', { mode: 0o600 });
  expect(ring.all.size).toBe(1);
  expect(problems).toHaveLength(2);
  writeKeyRingFile(path, [k2]);
  expect(ring.current).toEqual(k2);
});

it.each([0o644, 0o604, 0o620, 0o602, 0o666])('is refused with mode %o', (mode) => {
  writeKeyRingFile(path, [k1]);
  chmodSync(path, mode);
  expect(() => readKeyRingFile(path)).toThrow(`has mode ${mode.toString(8)}`);
});

it.each([0o600, 0o400, 0o440, 0o640])('is taken with mode %o', (mode) => {
  writeKeyRingFile(path, [k1]);
  chmodSync(path, mode);
  expect(readKeyRingFile(path)).toMatch(/^k1:/);
});

it('a setting that is not there is named, one in the environment is read there', () => {
  expect(() => openKeyRing({}, 'VANE_KEYS_HOOKS')).toThrow('Set VANE_KEYS_HOOKS, or VANE_KEYS_HOOKS_FILE');
  expect(openKeyRing({ VANE_KEYS_HOOKS: `k1:${k1.bytes.toString('base64')}` }, 'VANE_KEYS_HOOKS').current).toEqual(k1);
});

import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { HookKeys, hookUrl } from './hook-key.js';

const secret = () => randomBytes(32).toString('base64');

describe('keys of hook URLs', () => {
  it('recognises the keys it made and no others', () => {
    const keys = new HookKeys(secret());
    const key = keys.mint();
    expect(keys.isGenuine(key)).toBe(true);
    for (let at = 0; at < key.length; at += 1) {
      const other = key[at] === 'A' ? 'B' : 'A';
      const changed = key.slice(0, at) + other + key.slice(at + 1);
      // The last character of unpadded base64url carries bits that are not part of the bytes.
      if (at === key.length - 1) continue;
      expect(keys.isGenuine(changed)).toBe(false);
    }
  });

  it('refuses keys of another installation, and anything of another length', () => {
    const key = new HookKeys(secret()).mint();
    const keys = new HookKeys(secret());
    for (const made of [key, '', 'x', key.slice(1), `${key}A`, '../../etc/passwd', '%00'.repeat(11)]) {
      expect(keys.isGenuine(made)).toBe(false);
    }
  });

  it('never makes the same key twice and fits a URL as it is', () => {
    const keys = new HookKeys(secret());
    const made = new Set(Array.from({ length: 1000 }, () => keys.mint()));
    expect(made.size).toBe(1000);
    for (const key of made) expect(encodeURIComponent(key)).toBe(key);
    expect(hookUrl('https://vane.example/', 'k')).toBe('https://vane.example/hooks/k');
  });

  it('does not start with a secret that is too short', () => {
    expect(() => new HookKeys(randomBytes(16).toString('base64'))).toThrow('at least 32 bytes');
  });
});

import { expect, test } from '@jest/globals';
import { newSigningSecret, retryAfter } from './signed-post.js';

const now = new Date('2026-05-01T12:00:00Z');

test('Retry-After is read in seconds and as a date, and never means more than the longest pause', () => {
  const read = (header: string | undefined) => retryAfter(header, now, 3_600_000);
  expect(read('120')).toBe(120_000);
  expect(read('Fri, 01 May 2026 12:00:30 GMT')).toBe(30_000);
  expect(read('Fri, 01 May 2026 11:00:00 GMT')).toBe(0);
  expect(read('999999999999')).toBe(3_600_000);
  expect(read('soon')).toBeUndefined();
  expect(read(undefined)).toBeUndefined();
});

test('a signing secret holds 32 bytes and is never the same', () => {
  const [one, two] = [newSigningSecret(), newSigningSecret()];
  expect(one).toMatch(/^whsec_/);
  expect(Buffer.from(one.slice(6), 'base64')).toHaveLength(32);
  expect(one).not.toBe(two);
});

import { createHash } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { documentOf } from './document.js';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const kept = (value: unknown): unknown => JSON.parse(documentOf(value)!);

test('nothing is nothing, and what is short stays as it is', () => {
  expect([documentOf(null), documentOf(undefined)]).toEqual([null, null]);
  expect(kept({ a: [1, 'x', null, { b: true }] })).toEqual({ a: [1, 'x', null, { b: true }] });
});

test('a text of more than 2,000 characters becomes its hash and its length', () => {
  expect(kept({ code: 'x'.repeat(2_000) })).toEqual({ code: 'x'.repeat(2_000) });
  expect(kept({ spec: { code: 'x'.repeat(2_001) } })).toEqual({ spec: { code: { sha256: sha256('x'.repeat(2_001)), characters: 2_001 } } });
});

test('a document that is too long keeps its short members', () => {
  const config = Array.from({ length: 100 }, (_, index) => `${index} ${'y'.repeat(1_000)}`);
  expect(kept({ name: 'x', config })).toEqual({ name: 'x', config: { sha256: sha256(JSON.stringify(config)), characters: JSON.stringify(config).length } });
  const wide = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`m${index}`, 'z'.repeat(1_000)]));
  expect(kept(wide)).toEqual({ sha256: sha256(JSON.stringify(wide)), characters: JSON.stringify(wide).length });
  expect(kept([config])).toEqual(expect.objectContaining({ sha256: expect.any(String) }));
});

test('what Postgres cannot store is replaced, in names too', () => {
  expect(kept({ 'a\0': ['\ud800', '😀', 'x\udc00'] })).toEqual({ 'a\ufffd': ['\ufffd', '😀', 'x\ufffd'] });
});

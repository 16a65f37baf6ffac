import { describe, expect, test } from '@jest/globals';
import { createRunnable, createToken, getWorkspace, updateRunnable } from '@vane/contracts';
import { isRest, type RestOperation } from '../http/input.js';
import { fingerprintOf, idempotencyKeyFrom, withoutRevealed } from './once.js';

const rest = (operation: unknown): RestOperation => {
  if (!isRest(operation as RestOperation)) throw new Error('it has a route');
  return operation as RestOperation;
};

describe('the fingerprint of a request', () => {
  const of = (input: Record<string, unknown>) => fingerprintOf(rest(createRunnable), input);

  test('does not change with the order of members, at any depth', () => {
    expect(of({ a: 1, b: { c: [1, { d: 2, e: 3 }], f: 4 } })).toBe(of({ b: { f: 4, c: [1, { e: 3, d: 2 }] }, a: 1 }));
  });

  test.each([
    [{ a: 1 }, { a: '1' }],
    [{ a: [1, 2] }, { a: [2, 1] }],
    [{ a: {} }, { a: [] }],
    [{ a: { b: 1 } }, { a: [['b', 1], []] }],
    [{ a: null }, {}],
    [{ workspace: 'a', name: 'b' }, { workspace: 'b', name: 'a' }],
  ])('tells %j from %j', (one, other) => {
    expect(of(one)).not.toBe(of(other));
  });

  test('tells operations apart', () => {
    expect(fingerprintOf(rest(updateRunnable), {})).not.toBe(of({}));
  });
});

describe('what is stored of an answer', () => {
  const answer = (status: number, body: unknown) => ({ status, headers: {}, body: JSON.stringify(body) });

  test('has null for what is shown once', () => {
    expect(JSON.parse(withoutRevealed(rest(createToken), answer(201, { id: 'tok_1', token: 'vat_x' })).body)).toEqual({ id: 'tok_1', token: null });
  });

  test('is the whole answer when it is an error, or reveals nothing', () => {
    const refusal = answer(422, { code: 'invalid_config' });
    expect(withoutRevealed(rest(createToken), refusal)).toBe(refusal);
    const plain = answer(200, { token: 'a name' });
    expect(withoutRevealed(rest(getWorkspace), plain)).toBe(plain);
  });
});

describe('an Idempotency-Key', () => {
  test.each(['a', '~'.repeat(255), '"8e03978e-40d5-43dd-bc93-6894a57f9324"'])('may be %s', (key) => {
    expect(idempotencyKeyFrom(key)).toBe(key);
  });

  test.each(['', 'a b', 'ä', '\t', 'x'.repeat(256)])('may not be %j', (key) => {
    expect(() => idempotencyKeyFrom(key)).toThrow(expect.objectContaining({ code: 'bad_request' }));
  });

  test('may be left out', () => {
    expect(idempotencyKeyFrom(undefined)).toBeUndefined();
  });
});

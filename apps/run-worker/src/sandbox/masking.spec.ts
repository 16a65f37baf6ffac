import { describe, expect, it } from '@jest/globals';
import { createMasker, valuesToMask } from './masking.js';

describe('masking a result', () => {
  const { maskJson } = createMasker(valuesToMask({ PIN: '1234', KEY: 'a"bc' }, { owner: { token: 'AbCdE-fGhIj-kLmNo' } }));

  it('hides values wherever they stand in a string or a name', () => {
    const result = { auth: 'Bearer AbCdE-fGhIj-kLmNo', 'key a"bc': ['x a"bc y', { pin: 'pin 1234' }] };
    expect(maskJson(result)).toEqual({ auth: 'Bearer ***', 'key ***': ['x *** y', { pin: 'pin ***' }] });
  });

  it('leaves everything else as it is', () => {
    const result = { n: 1234, s: 'text', none: null, list: [true, []] };
    expect(maskJson(result)).toEqual(result);
    expect(createMasker([]).maskJson(result)).toBe(result);
  });
});

import { describe, expect, it } from '@jest/globals';
import { missingScopes } from './scopes.js';

const profile = { impliedScopes: { admin: ['write'], write: ['read'], loop: ['admin', 'loop'] } };

describe('the scopes that are missing', () => {
  it.each([
    ['nothing is needed', [], [], []],
    ['what is needed is granted', ['read'], ['read'], []],
    ['it is included in what is granted', ['admin'], ['read', 'write'], []],
    ['it is included in what includes itself', ['loop'], ['read'], []],
    ['less is granted', ['read'], ['read', 'write', 'write'], ['write']],
    ['nothing is granted', [], ['admin'], ['admin']],
    ['it has the name of what every object has', [], ['constructor'], ['constructor']],
    ['what is granted has such a name', ['constructor'], ['read'], ['read']],
  ])('when %s', (_what, granted, needed, missing) => {
    expect(missingScopes(profile, granted, needed)).toEqual(missing);
  });

  it('are what was not granted where no scope includes another', () => {
    expect(missingScopes({}, ['a'], ['a', 'b'])).toEqual(['b']);
  });
});

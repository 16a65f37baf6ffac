import { describe, expect, test } from '@jest/globals';
import { hasFailed, type Answer } from './refresh-member.js';

const token: Answer = { kind: 'token', accessToken: 'x', generation: 1 };
const lost: Answer = { kind: 'auth_required', message: 'Connect the account again.', later: false, late: false };
const refused: Answer = { kind: 'failed', message: 'Try again shortly.', later: true, late: false };
const silence: Answer = { ...refused, message: 'It did not answer.', late: true };

describe('a caller', () => {
  test.each([
    ['that is served', token, token, false],
    ['that is told to connect again', lost, lost, false],
    ['that is refused at first and served later', refused, token, true],
    ['that is not answered until the deadline and served later', silence, token, false],
    ['that is never answered', silence, silence, true],
    ['that is refused in the end', silence, refused, true],
  ])('%s', (_what, first, last, failed) => {
    expect(hasFailed({ first, last, tries: first === last ? 1 : 2 })).toBe(failed);
  });
});

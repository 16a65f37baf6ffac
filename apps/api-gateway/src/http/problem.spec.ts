import { describe, expect, test } from '@jest/globals';
import { ERRORS, VaneError, type ErrorCode } from '@vane/contracts';
import { expectedError, faultOfOurs, problemAnswer } from './problem.js';

const codes = Object.keys(ERRORS) as ErrorCode[];

test.each(codes)('%s becomes a problem document with its own status and title', (code) => {
  const answer = problemAnswer(new VaneError(code, 'A sentence.', { fields: [{ path: 'a.b', message: 'is wrong' }] }), 'req-1');
  expect(answer.status).toBe(ERRORS[code].status);
  expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
  expect(JSON.parse(answer.body)).toEqual({
    type: `urn:vane:error:${code}`,
    title: ERRORS[code].title,
    status: ERRORS[code].status,
    detail: 'A sentence.',
    code,
    requestId: 'req-1',
    fields: [{ path: 'a.b', message: 'is wrong' }],
  });
});

describe('headers of a problem', () => {
  test.each([[1, '1'], [1_000, '1'], [1_001, '2'], [60_000, '60']])('%d ms to wait are %s s of Retry-After', (retryAfterMs, header) => {
    expect(problemAnswer(new VaneError('unavailable', 'x', { retryAfterMs }), 'r').headers['retry-after']).toBe(header);
  });

  test('ask for a token where one is needed, and for no wait where none is known', () => {
    expect(problemAnswer(new VaneError('unauthenticated', 'x'), 'r').headers).toMatchObject({ 'www-authenticate': 'Bearer realm="vane"' });
    expect(Object.keys(problemAnswer(new VaneError('forbidden', 'x'), 'r').headers)).toEqual(['content-type']);
  });
});

describe('an error that is no VaneError', () => {
  const thrown = (fields: object) => Object.assign(new Error('inner words'), fields);

  test.each([
    ['FST_ERR_CTP_BODY_TOO_LARGE', 413, 'body_too_large'],
    ['FST_ERR_CTP_INVALID_MEDIA_TYPE', 415, 'unsupported_media_type'],
    ['FST_ERR_CTP_INVALID_CONTENT_LENGTH', 400, 'bad_request'],
    ['FST_ERR_WHATEVER_COMES_NEXT', 400, 'bad_request'],
  ])('%s of the server is the fault of the caller, in our words', (code, statusCode, expected) => {
    const error = expectedError(thrown({ code, statusCode }));
    expect(error?.code).toBe(expected);
    expect(error?.message).not.toContain('inner words');
  });

  test('is a fault of ours otherwise, and says nothing about it', () => {
    for (const error of [thrown({}), thrown({ statusCode: 500 }), 'text', undefined]) expect(expectedError(error)).toBeUndefined();
    const answer = problemAnswer(faultOfOurs('req-1', thrown({})), 'req-1');
    expect(answer.status).toBe(500);
    expect(answer.body).toContain('Quote req-1');
    expect(answer.body).not.toContain('inner words');
  });
});

import { expect, test } from '@jest/globals';
import { EgressError, type EgressErrorCode } from '@vane/runtime';
import { judgeAnswer, judgeEgressError } from './http-target.js';

const now = new Date('2026-05-01T12:00:00Z');
const answer = (status: number, headers: Record<string, string> = {}) =>
  judgeAnswer({ status, headers, body: Buffer.from('text'), url: 'https://target.example/', truncated: false }, now);

test.each([200, 201, 202, 204, 299])('%i is a success', (status) => {
  expect(answer(status)).toEqual({ kind: 'succeeded', result: { status, body: 'text' }, logs: '' });
});

test.each([408, 409, 425, 429, 500, 502, 503, 504, 599])('%i is tried again', (status) => {
  expect(answer(status)).toMatchObject({ kind: 'failed', fault: 'target', code: `http_${status}`, retry: true });
});

test.each([300, 304, 400, 401, 403, 404, 405, 410, 413, 422, 451])('%i is not tried again', (status) => {
  expect(answer(status, { 'retry-after': '5' })).toMatchObject({ kind: 'failed', fault: 'target', retry: false });
  expect(answer(status, { 'retry-after': '5' })).not.toHaveProperty('retryAfterMs');
});

test.each<EgressErrorCode>(['timeout', 'dns_failed', 'connect_failed', 'tls_failed', 'connection_lost', 'bad_response'])(
  'a call that ends with %s is tried again',
  (code) => {
    expect(judgeEgressError(new EgressError(code, 'h:1', 'Why.'))).toMatchObject({ fault: 'target', code, message: 'Why.', retry: true });
  },
);

test.each<EgressErrorCode>(['egress_blocked', 'redirect_refused', 'invalid_request'])('a call that ends with %s is not', (code) => {
  expect(judgeEgressError(new EgressError(code, 'h:1', 'Why.'))).toMatchObject({ fault: 'target', code, retry: false });
});

test('a target may ask for a pause, of an hour at most', () => {
  expect(answer(503, { 'retry-after': '7' })).toMatchObject({ retryAfterMs: 7000 });
  expect(answer(503, { 'retry-after': '999999' })).toMatchObject({ retryAfterMs: 3_600_000 });
});

import { describe, expect, it } from '@jest/globals';
import { adapter } from '../../../libs/testing/src/probe/oauth-probe.js';
import { cleanWords, hashOf, matches, newSecret } from './secrets.js';
import { conformingAnswer } from './token-answer.js';

const now = new Date('2026-03-01T12:00:00Z');
const judge = { adapter, profile: adapter.oauth!, now, secrets: ['refresh-123'] };
const answer = (status: number, body: string, headers = {}) => conformingAnswer(new Response(body, { status, headers }), judge);

describe('what a token endpoint answered', () => {
  it('keeps tokens and drops null members and the ID token, whatever content type was sent', async () => {
    const response = await answer(200, JSON.stringify({ access_token: 'a', refresh_token: null, id_token: 'x.y.z' }), { 'content-type': 'text/plain' });
    expect(response.headers.get('content-type')).toBe('application/json');
    await expect(response.json()).resolves.toEqual({ access_token: 'a' });
  });

  it('leaves an error member of a success alone, unless the profile says that errors come so', async () => {
    const body = JSON.stringify({ access_token: 'a', error: 'none' });
    expect((await answer(200, body)).status).toBe(200);
    const inBody = { ...judge, profile: { ...judge.profile, errorLocation: '200-body' as const } };
    expect((await conformingAnswer(new Response(body), inBody)).status).toBe(400);
  });

  it.each([
    ['seconds', '90', 90_000],
    ['a date', 'Sun, 01 Mar 2026 12:02:00 GMT', 120_000],
    ['a date that has passed', 'Sun, 01 Mar 2026 11:00:00 GMT', 0],
    ['more than a day', '1e300', 86_400_000],
    ['neither', 'soon', undefined],
  ])('reads Retry-After as %s', async (_form, header, retryAfterMs) => {
    await expect(answer(429, '', { 'retry-after': header })).rejects.toMatchObject({ kind: 'rate_limited', details: { retryAfterMs } });
    await expect(answer(503, '', { 'retry-after': header })).rejects.toMatchObject({ kind: 'unavailable', details: { retryAfterMs, uncertain: true } });
  });

  it('repeats the words of the service without the token we sent', async () => {
    const body = JSON.stringify({ error: 'server_error', error_description: 'cannot\nuse refresh-123' });
    await expect(answer(500, body)).rejects.toMatchObject({ message: expect.stringContaining('cannot use ***') });
  });
});

describe('words of a service', () => {
  it('become one short line', () => {
    expect(cleanWords(` two\r\nlines\t${'x'.repeat(400)}`, [])).toHaveLength(300);
    expect(cleanWords(' \n ', [])).toBeUndefined();
    expect(cleanWords(undefined, [])).toBeUndefined();
  });
});

describe('secrets of an authorisation', () => {
  it('match their own hash and no other', () => {
    const secret = newSecret();
    expect(Buffer.from(secret, 'base64url')).toHaveLength(32);
    expect(matches(secret, hashOf(secret))).toBe(true);
    expect(matches(newSecret(), hashOf(secret))).toBe(false);
    expect(matches(secret, '')).toBe(false);
  });
});

import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { finishAuthorisation, startAuthorisation, VaneError } from '@vane/contracts';
import { startTestGateway, type TestGateway } from '../fixtures/test-gateway.js';
import { cookieName } from './cookie.js';

let gateway: TestGateway;
let secure: TestGateway;

beforeAll(async () => {
  gateway = await startTestGateway();
  secure = await startTestGateway({ VANE_API_URL: 'https://vane.example' });
});
afterAll(async () => {
  await gateway?.stop();
  await secure?.stop();
});
beforeEach(() => {
  for (const each of [gateway, secure]) {
    each.responders.reset();
    each.responders.answer(startAuthorisation, () => ({ location: 'https://service.example/authorize?state=abc', browserToken: 'b=1; x', maxAgeSeconds: 600 }));
    each.responders.answer(finishAuthorisation, () => ({ id: 'con_1', service: 'some-service', accountId: '7', accountLabel: '<b>Ann</b> & "co"', status: 'active', scopes: ['all'] }));
  }
});

const refuse = (code: 'oauth_denied' | 'unavailable' | 'oauth_state_invalid') => () => {
  throw new VaneError(code, `It <went> wrong: ${code}.`);
};

describe('the start of an authorisation', () => {
  test('binds the browser by a cookie and sends it on', async () => {
    const reply = await gateway.send('GET', '/oauth/start/the-ticket');
    expect(reply.status).toBe(302);
    expect(reply.headers.get('location')).toBe('https://service.example/authorize?state=abc');
    expect(reply.headers.get('set-cookie')).toBe(`${cookieName({ state: 'abc', https: false })}=b%3D1%3B%20x; Path=/oauth; Max-Age=600; HttpOnly; SameSite=Lax`);
    expect(reply.headers.get('referrer-policy')).toBe('no-referrer');
    expect(reply.headers.get('cache-control')).toBe('no-store');
    expect(gateway.responders.askedOf(startAuthorisation)).toMatchObject([{ input: { ticket: 'the-ticket' }, call: { actor: { kind: 'anonymous' } } }]);
  });

  test('sets a Secure cookie and asks for https from then on where the API is reached over https', async () => {
    const { headers } = await secure.send('GET', '/oauth/start/the-ticket');
    expect(headers.get('set-cookie')).toMatch(/^__Secure-.*; Secure$/);
    expect(headers.get('strict-transport-security')).toMatch(/^max-age=/);
  });

  test('says so on a page when the ticket is not known, and ends no other authorisation', async () => {
    gateway.responders.answer(startAuthorisation, refuse('oauth_state_invalid'));
    const reply = await gateway.send('GET', '/oauth/start/used-up');
    expect(reply).toMatchObject({ status: 400, text: expect.stringContaining('It &lt;went&gt; wrong') });
    expect(reply.headers.get('set-cookie')).toBeNull();
  });

  test('is not made by a look at its headers', async () => {
    expect((await gateway.send('HEAD', '/oauth/start/the-ticket')).status).toBe(405);
    expect(gateway.responders.asked).toEqual([]);
  });
});

describe('the callback', () => {
  const mine = cookieName({ state: 'c?d', https: false });
  const call = (headers: Record<string, string> = {}, query = '?code=a%20b&state=c?d') => gateway.send('GET', `/oauth/callback${query}`, { headers });

  test('hands over the query as received and the cookie, and takes the cookie back', async () => {
    const reply = await call({ cookie: `other=1; ${mine}=b%3D1%3B%20x` });
    expect(gateway.responders.askedOf(finishAuthorisation)).toMatchObject([{ input: { query: 'code=a%20b&state=c?d', browserToken: 'b=1; x' } }]);
    expect(reply.headers.get('set-cookie')).toBe(`${mine}=; Path=/oauth; Max-Age=0; HttpOnly; SameSite=Lax`);
  });

  test('of one authorisation neither uses nor ends another in the same browser', async () => {
    const other = cookieName({ state: 'other', https: false });
    const cookie = `${other}=theirs; ${mine}=own`;
    await call({ cookie });
    gateway.responders.answer(finishAuthorisation, refuse('oauth_state_invalid'));
    const failed = await call({ cookie: `${other}=theirs` });
    expect(gateway.responders.askedOf(finishAuthorisation).map(({ input }) => input['browserToken'])).toEqual(['own', null]);
    expect(failed.headers.get('set-cookie')).toMatch(new RegExp(`^${mine}=; .*Max-Age=0`));
    expect((await call({ cookie }, '?code=a')).headers.get('set-cookie')).toBeNull();
  });

  test('says on a harmless page which account was connected', async () => {
    const reply = await call();
    expect(reply.status).toBe(200);
    expect(reply.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(reply.headers.get('content-security-policy')).toMatch(/^default-src 'none'/);
    expect(reply.headers.get('referrer-policy')).toBe('no-referrer');
    expect(reply.text).toContain('&lt;b&gt;Ann&lt;/b&gt; &amp; &quot;co&quot; at some-service is connected');
    expect(reply.text).not.toContain('<b>');
    expect(gateway.responders.askedOf(finishAuthorisation)[0]?.input['browserToken']).toBeNull();
  });

  test('answers in JSON to whoever asks for it, without the scopes', async () => {
    const reply = await call({ accept: 'application/json' });
    expect(reply.json).toEqual({ connection: { id: 'con_1', service: 'some-service', accountId: '7', accountLabel: '<b>Ann</b> & "co"', status: 'active' } });
    gateway.responders.answer(finishAuthorisation, refuse('oauth_denied'));
    expect(await call({ accept: 'application/json' })).toMatchObject({ status: 422, json: { code: 'oauth_denied' } });
  });

  test('says what went wrong and what to do', async () => {
    gateway.responders.answer(finishAuthorisation, refuse('oauth_denied'));
    const reply = await call({ accept: 'text/html,application/xhtml+xml,application/json;q=0.1', 'x-request-id': 'quote-me' });
    expect(reply.status).toBe(422);
    expect(reply.text).toContain('The service did not grant access');
    expect(reply.text).toContain('grant access');
    expect(reply.text).toContain('quote-me');
    expect(reply.headers.get('set-cookie')).toMatch(/Max-Age=0/);
  });

  test('leaves the cookie where a reload may still work', async () => {
    gateway.responders.answer(finishAuthorisation, refuse('unavailable'));
    const reply = await call();
    expect([reply.status, reply.headers.get('set-cookie')]).toEqual([503, null]);
    expect(reply.text).toContain('Reload this page');
  });

  test('refuses a query that is longer than any service sends', async () => {
    expect((await call({}, `?code=${'x'.repeat(8_000)}`)).status).toBe(400);
    expect(gateway.responders.asked).toEqual([]);
  });
});

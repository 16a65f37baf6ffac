import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { attributeAuthorisation, confirmAuthorisation, describeAuthorisation, discardAuthorisation, finishAuthorisation, startAuthorisation, VaneError } from '@vane/contracts';
import { newId } from '@vane/db';
import { addPerson, type Person } from '../fixtures/people.js';
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
    each.responders.answer(describeAuthorisation, () => described);
    each.responders.answer(attributeAuthorisation, () => null);
    each.responders.answer(finishAuthorisation, () => ({ outcome: 'connected', connection }));
  }
});

const connection = { id: 'con_1', service: 'some-service', accountId: '7', accountLabel: '<b>Ann</b> & "co"', status: 'active', scopes: ['all'] };
const described = {
  actorId: 'usr_1', actorLabel: 'bob@example.com', workspace: 'R<i>D', service: 'Some service', host: 'service.example', scopes: ['read:all'], private: false, reconnects: null,
};
const refuse = (code: 'oauth_denied' | 'unavailable' | 'oauth_state_invalid') => () => {
  throw new VaneError(code, `It <went> wrong: ${code}.`);
};

describe('the start link', () => {
  const open = (headers: Record<string, string> = {}) => gateway.send('GET', '/oauth/start/the-ticket', { headers });

  test('shows who asks for what, and does nothing', async () => {
    const reply = await open();
    expect(reply.status).toBe(200);
    for (const words of ['bob@example.com', 'R&lt;i&gt;D', 'Some service', 'service.example', 'read:all', 'shared', '<form method="post" action="the-ticket">']) {
      expect(reply.text).toContain(words);
    }
    expect(reply.headers.get('set-cookie')).toBeNull();
    expect(gateway.responders.asked.map(({ operation }) => operation)).toEqual([describeAuthorisation.name]);
  });

  test('says so when the connection will be private, or is made anew', async () => {
    gateway.responders.answer(describeAuthorisation, () => ({ ...described, private: true, reconnects: 'octo<cat' }));
    const { text } = await open();
    expect(text).toContain('bob@example.com alone may use it');
    expect(text).toContain('the connection to octo&lt;cat at Some service');
  });

  test('lets its form go to the service and nobody frame it, and lets the browser name its origin', async () => {
    const { headers } = await open();
    expect(headers.get('content-security-policy')).toBe("default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self' https: http:");
    expect(headers.get('referrer-policy')).toBe('same-origin');
    expect(headers.get('x-frame-options')).toBe('DENY');
    expect(headers.get('cache-control')).toBe('no-store');
  });

  test('tells the same in JSON, without the id of who asks', async () => {
    const { actorId: _, ...shown } = described;
    expect((await open({ accept: 'application/json' })).json).toEqual(shown);
  });

  describe('opened by somebody who is signed in', () => {
    let asker: Person;
    beforeAll(async () => {
      asker = await addPerson(gateway);
    });
    beforeEach(() => gateway.responders.answer(describeAuthorisation, () => ({ ...described, actorId: asker.id })));
    const look = ({ cookie }: { cookie: string }, headers: Record<string, string> = {}) => open({ cookie, ...headers });

    test('goes straight on for who asked', async () => {
      const reply = await look(asker);
      expect([reply.status, reply.headers.get('location')]).toEqual([303, 'https://service.example/authorize?state=abc']);
      expect(reply.headers.get('set-cookie')).toContain(cookieName({ state: 'abc', https: false }));
    });

    test('asks everybody else, and whoever only looks ahead', async () => {
      const other = await addPerson(gateway);
      for (const reply of [await look(other), await look({ cookie: `${asker.cookie.slice(0, -1)}_` }), await look(asker, { 'sec-purpose': 'prefetch' })]) {
        expect([reply.status, reply.headers.get('set-cookie')]).toEqual([200, null]);
      }
      expect(gateway.responders.askedOf(startAuthorisation)).toEqual([]);
    });
  });

  test('that is not known says so', async () => {
    gateway.responders.answer(describeAuthorisation, refuse('oauth_state_invalid'));
    expect(await open()).toMatchObject({ status: 400, text: expect.stringContaining('It &lt;went&gt; wrong') });
  });

  test('is not opened by a look at its headers', async () => {
    expect((await gateway.send('HEAD', '/oauth/start/the-ticket')).status).toBe(405);
    expect(gateway.responders.asked).toEqual([]);
  });
});

describe('the start of an authorisation', () => {
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const press = (headers: Record<string, string> = form, body: unknown = '') => gateway.send('POST', '/oauth/start/the-ticket', { headers, body });

  test.each([
    ['the empty form of the page', form, ''],
    ['the same with what browsers add', { ...form, origin: 'http://127.0.0.1', 'sec-fetch-site': 'same-origin' }, ''],
    ['no body', {}, undefined],
    ['a JSON body', { accept: 'application/json' }, {}],
  ] as [string, Record<string, string>, unknown][])('posted with %s binds the browser by a cookie and sends it on', async (_what, headers, body) => {
    const reply = await press(headers, body);
    expect(reply.status).toBe(303);
    expect(reply.headers.get('location')).toBe('https://service.example/authorize?state=abc');
    expect(reply.headers.get('set-cookie')).toBe(`${cookieName({ state: 'abc', https: false })}=b%3D1%3B%20x; Path=/oauth; Max-Age=600; HttpOnly; SameSite=Lax`);
    expect(reply.headers.get('referrer-policy')).toBe('no-referrer');
    expect(reply.headers.get('cache-control')).toBe('no-store');
    expect(gateway.responders.askedOf(startAuthorisation)).toMatchObject([{ input: { ticket: 'the-ticket' }, call: { actor: { kind: 'anonymous' } } }]);
  });

  test.each([
    ['another origin', { origin: 'https://evil.example' }],
    ['no origin that is told', { origin: 'null' }],
    ['another site', { 'sec-fetch-site': 'cross-site' }],
    ['a sibling of our origin', { origin: 'http://127.0.0.1', 'sec-fetch-site': 'same-site' }],
  ])('that a page of %s posts is refused, and uses no ticket', async (_what, headers) => {
    const reply = await press({ ...form, ...headers });
    expect(reply.status).toBe(403);
    expect(reply.headers.get('set-cookie')).toBeNull();
    expect(gateway.responders.asked).toEqual([]);
  });

  test('sets a Secure cookie and asks for https from then on where the API is reached over https', async () => {
    const { headers } = await secure.send('POST', '/oauth/start/the-ticket', { headers: { origin: 'https://vane.example' } });
    expect(headers.get('set-cookie')).toMatch(/^__Host-.*; Path=\/; .*; Secure$/);
    expect(headers.get('strict-transport-security')).toMatch(/^max-age=/);
  });

  test('says so on a page when the ticket is not known, and ends no other authorisation', async () => {
    gateway.responders.answer(startAuthorisation, refuse('oauth_state_invalid'));
    const reply = await press();
    expect(reply).toMatchObject({ status: 400, text: expect.stringContaining('It &lt;went&gt; wrong') });
    expect(reply.headers.get('set-cookie')).toBeNull();
  });

  test('is the one place that takes a form: the API does not', async () => {
    const reply = await gateway.send('POST', '/api/v1/workspaces', { headers: form, body: 'name=x', token: gateway.superadmin });
    expect(reply.status).toBe(415);
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

describe('a grant that differs', () => {
  const name = cookieName({ state: 'c?d', https: false });
  const findings = [{ kind: 'account', message: 'It works as <old>.' }, { kind: 'scopes', message: '"a" stops.' }];
  const form = { cookie: `${name}=own`, 'content-type': 'application/x-www-form-urlencoded' };
  const callback = (headers: Record<string, string> = {}) => gateway.send('GET', '/oauth/callback?code=a&state=c?d', { headers: { cookie: `${name}=own`, ...headers } });

  beforeEach(() => {
    gateway.responders.answer(finishAuthorisation, () => ({ outcome: 'differs', connection, findings, maxAgeSeconds: 600 }));
    gateway.responders.answer(confirmAuthorisation, () => connection);
    gateway.responders.answer(discardAuthorisation, () => ({ ok: true }));
  });

  test('is put to the person on a page, who keeps the cookie to answer with', async () => {
    const reply = await callback();
    expect(reply.status).toBe(200);
    for (const words of ['It works as &lt;old&gt;.', '&quot;a&quot; stops.', 'name="state" value="c?d"', 'formaction="confirm"', 'formaction="discard"']) expect(reply.text).toContain(words);
    expect(reply.headers.get('set-cookie')).toBe(`${name}=own; Path=/oauth; Max-Age=600; HttpOnly; SameSite=Lax`);
    expect(reply.headers.get('content-security-policy')).toContain("form-action 'self'");
  });

  test('is told in JSON as a conflict with one field per difference', async () => {
    const reply = await callback({ accept: 'application/json' });
    expect(reply).toMatchObject({ status: 409, json: { code: 'confirmation_required', fields: [{ path: 'account', message: 'It works as <old>.' }, { path: 'scopes' }] } });
    expect(reply.headers.get('set-cookie')).toMatch(/Max-Age=600/);
  });

  test('is taken by the form of the page, with the cookie, which then ends', async () => {
    const reply = await gateway.send('POST', '/oauth/confirm', { headers: form, body: 'state=c%3Fd' });
    expect(reply).toMatchObject({ status: 200, text: expect.stringContaining('is connected') });
    expect(gateway.responders.askedOf(confirmAuthorisation)).toMatchObject([{ input: { state: 'c?d', browserToken: 'own' } }]);
    expect(reply.headers.get('set-cookie')).toMatch(/Max-Age=0/);
  });

  test('is discarded in the same way', async () => {
    const reply = await gateway.send('POST', '/oauth/discard', { headers: { cookie: `${name}=own`, accept: 'application/json' }, body: { state: 'c?d' } });
    expect(reply).toMatchObject({ status: 200, json: { ok: true } });
    expect(gateway.responders.askedOf(discardAuthorisation)).toMatchObject([{ input: { state: 'c?d', browserToken: 'own' } }]);
  });

  test.each(['confirm', 'discard'])('is not decided (%s) by a page of another origin', async (decision) => {
    const reply = await gateway.send('POST', `/oauth/${decision}`, { headers: { ...form, origin: 'https://evil.example' }, body: 'state=c%3Fd' });
    expect([reply.status, reply.headers.get('set-cookie')]).toEqual([403, null]);
    expect(gateway.responders.asked).toEqual([]);
  });

  test('can be decided again after an outage', async () => {
    gateway.responders.answer(confirmAuthorisation, refuse('unavailable'));
    const reply = await gateway.send('POST', '/oauth/confirm', { headers: form, body: 'state=c%3Fd' });
    expect([reply.status, reply.headers.get('set-cookie')]).toEqual([503, null]);
  });
});

describe('what a browser brings back for somebody whose rights were taken away', () => {
  const confirmBy = { cookie: `${cookieName({ state: 'abc', https: false })}=own`, accept: 'application/json' };
  const comeBack = () => gateway.send('GET', '/oauth/callback?code=a&state=abc', { headers: confirmBy });
  const confirmIt = () => gateway.send('POST', '/oauth/confirm', { headers: confirmBy, body: { state: 'abc' } });
  const askedBy = (actorId: string) =>
    gateway.responders.answer(attributeAuthorisation, () => ({ workspaceId: gateway.workspace, actorId, actorLabel: 'ann', connectionId: null }));
  const statuses = async () => [(await comeBack()).status, (await confirmIt()).status];
  const user = (method: string, path: string, body?: unknown) =>
    gateway.send(method, `/api/v1${path}`, { token: gateway.superadmin, headers: { 'if-match': '"1"' }, ...(body === undefined ? {} : { body }) });

  beforeEach(() => gateway.responders.answer(confirmAuthorisation, () => connection));

  test.each([
    ['removed from the workspace', (id: string) => user('DELETE', `/workspaces/${gateway.workspace}/members/${id}`)],
    ['made an operator', (id: string) => user('PATCH', `/workspaces/${gateway.workspace}/members/${id}`, { role: 'operator' })],
    ['disabled', (id: string) => user('POST', `/users/${id}/disable`)],
  ])('is refused once the person was %s', async (_what, takeAway) => {
    const { id } = await addPerson(gateway, { roles: { [gateway.workspace]: 'editor' } });
    askedBy(id);
    expect(await statuses()).toEqual([200, 200]);
    expect((await takeAway(id)).status).toBe(200);
    gateway.responders.asked.length = 0;
    expect(await statuses()).toEqual([403, 403]);
    expect(new Set(gateway.responders.asked.map(({ operation }) => operation))).toEqual(new Set([attributeAuthorisation.name]));
    const [entry] = await gateway.database.prisma.auditEntry.findMany({ where: { actorId: id }, orderBy: { id: 'desc' } });
    expect(entry).toMatchObject({ operation: confirmAuthorisation.name, outcome: 'forbidden' });
  });

  test('is refused once the token was revoked, and for nobody that is known', async () => {
    const token = await gateway.addToken(gateway.workspace, 'editor');
    askedBy(token.id);
    expect(await statuses()).toEqual([200, 200]);
    expect((await user('DELETE', `/workspaces/${gateway.workspace}/tokens/${token.id}`)).status).toBe(200);
    expect(await statuses()).toEqual([403, 403]);
    askedBy(newId('user', gateway.clock.now()));
    expect(await statuses()).toEqual([403, 403]);
  });

  test('is taken for superadmins, and for a token of the instance', async () => {
    const { id } = await addPerson(gateway, { superadmin: true });
    const token = await gateway.addToken(null, 'superadmin');
    for (const actor of [id, token.id]) {
      askedBy(actor);
      expect(await statuses()).toEqual([200, 200]);
    }
  });
});

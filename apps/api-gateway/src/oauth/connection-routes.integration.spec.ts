import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { getConnection, reconnectConnection, VaneError } from '@vane/contracts';
import { newSecret } from '@vane/testing';
import { addPerson, type Person } from '../fixtures/people.js';
import { startTestGateway, type TestGateway } from '../fixtures/test-gateway.js';

const FORM = { 'content-type': 'application/x-www-form-urlencoded', origin: 'http://127.0.0.1' };
const PASSWORD = newSecret('password');
const TICKET = newSecret('ticket');
const connection = { id: 'con_1', service: 'some-service', accountLabel: 'octo<cat', name: null, status: 'auth_required', reason: 'The grant "ended".', usable: true };
const startUrl = `http://127.0.0.1/oauth/start/${TICKET}`;

let gateway: TestGateway;
let editor: Person;
let page: string;

beforeAll(async () => {
  gateway = await startTestGateway();
  page = `/workspaces/${gateway.workspace}/connections/con_1`;
  editor = await addPerson(gateway, { password: PASSWORD, roles: { [gateway.workspace]: 'editor' } });
});
afterAll(() => gateway?.stop());
beforeEach(() => {
  gateway.responders.reset();
  gateway.responders.answer(getConnection, () => connection);
  gateway.responders.answer(reconnectConnection, () => ({ url: startUrl, expiresAt: '2026-01-01T00:00:00Z' }));
});

const form = (fields: Record<string, string>) => new URLSearchParams(fields).toString();
const trail = async (operation: string) => gateway.database.prisma.auditEntry.findMany({ where: { operation }, orderBy: { id: 'desc' } });

describe('the page of a connection', () => {
  const open = (headers: Record<string, string> = {}) => gateway.send('GET', page, { headers });

  test('shows an editor what is wrong, and a button, without script', async () => {
    const reply = await open({ cookie: editor.cookie });
    expect(reply.status).toBe(200);
    for (const words of ['octo&lt;cat at some-service', 'The grant &quot;ended&quot;.', `name="csrf" value="${editor.csrfToken}"`, `formaction="http://127.0.0.1${page}"`]) expect(reply.text).toContain(words);
    expect(reply.headers.get('content-security-policy')).toMatch(/^default-src 'none'; frame-ancestors 'none'/);
    expect(gateway.responders.askedOf(getConnection)).toMatchObject([{ input: { connection: 'con_1' }, call: { actor: { id: editor.id, role: 'editor' } } }]);
  });

  test('has no button where the person may not use the connection', async () => {
    gateway.responders.answer(getConnection, () => ({ ...connection, usable: false }));
    const { text } = await open({ cookie: editor.cookie });
    expect(text).toContain('private to another member');
    expect(text).not.toContain('<form');
  });

  test('tells who is not signed in nothing but how to sign in', async () => {
    const reply = await open();
    expect([reply.status, gateway.responders.asked]).toEqual([200, []]);
    expect(reply.text).toContain('name="password"');
    expect(reply.text).not.toContain('octo');
    expect(await open({ accept: 'application/json' })).toMatchObject({ status: 401, json: { code: 'unauthenticated' } });
  });

  test('is not shown to an operator, nor to a member of another workspace', async () => {
    const operator = await addPerson(gateway, { roles: { [gateway.workspace]: 'operator' } });
    expect((await open({ cookie: operator.cookie })).status).toBe(403);
    expect((await open({ cookie: (await addPerson(gateway)).cookie })).status).toBe(404);
    expect(gateway.responders.asked).toEqual([]);
  });

  test('says so when there is no such connection', async () => {
    gateway.responders.answer(getConnection, () => {
      throw new VaneError('not_found', 'There is <no> such connection.');
    });
    expect(await open({ cookie: editor.cookie })).toMatchObject({ status: 404, text: expect.stringContaining('There is &lt;no&gt; such connection.') });
  });
});

describe('its button', () => {
  const press = (headers: Record<string, string>, csrf = editor.csrfToken) => gateway.send('POST', page, { headers: { ...FORM, ...headers }, body: form({ csrf }) });

  test('starts the authorisation as the person, with an entry in the audit trail', async () => {
    const reply = await press({ cookie: editor.cookie });
    expect([reply.status, reply.headers.get('location')]).toEqual([303, startUrl]);
    expect(gateway.responders.askedOf(reconnectConnection)).toMatchObject([{ input: { workspace: gateway.workspace, connection: 'con_1' }, call: { actor: { kind: 'user', id: editor.id } } }]);
    const [entry] = await trail(reconnectConnection.name);
    expect(entry).toMatchObject({ workspaceId: gateway.workspace, actorId: editor.id, targetId: 'con_1', outcome: 'ok' });
    expect(JSON.stringify(entry)).not.toContain(TICKET);
  });

  test.each([
    ['without the CSRF token', {}, ''],
    ['with one of another session', {}, 'x'.repeat(43)],
    ['from another origin', { origin: 'https://evil.example' }, undefined],
    ['from another site', { 'sec-fetch-site': 'cross-site' }, undefined],
  ] as [string, Record<string, string>, string | undefined][])('does nothing %s', async (_how, headers, csrf) => {
    expect((await press({ cookie: editor.cookie, ...headers }, csrf)).status).toBe(403);
    expect(gateway.responders.asked).toEqual([]);
  });

  test('does nothing for an operator, which is recorded, nor for an API token', async () => {
    const operator = await addPerson(gateway, { roles: { [gateway.workspace]: 'operator' } });
    expect((await press({ cookie: operator.cookie }, operator.csrfToken)).status).toBe(403);
    expect((await trail(reconnectConnection.name))[0]).toMatchObject({ actorId: operator.id, outcome: 'forbidden' });
    const { token } = await gateway.addToken(gateway.workspace, 'editor');
    expect((await press({ authorization: `Bearer ${token}` })).status).toBe(401);
    expect(gateway.responders.asked).toEqual([]);
  });
});

describe('its sign-in', () => {
  const enter = (fields: Record<string, string>, headers: Record<string, string> = {}) => gateway.send('POST', `${page}/sign-in`, { headers: { ...FORM, ...headers }, body: form(fields) });

  test('opens a session and leads back to the page, wherever it is asked to lead', async () => {
    const reply = await enter({ email: editor.email.toUpperCase(), password: PASSWORD, returnTo: 'https://evil.example' });
    expect([reply.status, reply.headers.get('location'), reply.text]).toEqual([303, `http://127.0.0.1${page}`, '']);
    const [cookie] = reply.headers.get('set-cookie')!.split(';');
    expect((await gateway.send('GET', page, { headers: { cookie: cookie! } })).text).toContain('octo&lt;cat');
    const [entry] = await trail('session.sign-in');
    expect(entry).toMatchObject({ actorId: editor.id, outcome: 'ok' });
    expect(JSON.stringify(entry)).not.toContain('horse');
  });

  test('is not done for a page of another site', async () => {
    const reply = await enter({ email: editor.email, password: PASSWORD }, { origin: 'https://evil.example' });
    expect([reply.status, reply.headers.get('set-cookie')]).toEqual([403, null]);
  });

  test('asks again after a wrong password, as often as the API lets one guess', async () => {
    const email = 'guessed@example.com';
    for (let tries = 0; tries < 10; tries += 1) expect(await enter({ email, password: 'wrong' })).toMatchObject({ status: 401, text: expect.stringContaining('E-mail or password is wrong.') });
    const limited = await enter({ email, password: 'wrong' });
    expect(limited).toMatchObject({ status: 429, text: expect.stringContaining('name="password"') });
    expect((await gateway.send('POST', '/api/v1/session', { body: { email, password: 'wrong' } })).status).toBe(429);
  });
});

import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { newSecret } from '@vane/testing';
import { addPerson, browserWith, openBrowser, type Person } from '../fixtures/people.js';
import { startTestGateway, type Reply, type TestGateway } from '../fixtures/test-gateway.js';

const PASSWORD = newSecret('password');
const OTHER = newSecret('another password');
const DAY = 86_400_000;

let gateway: TestGateway;
let root: Person;
let admin: Person;
let base: string;

beforeAll(async () => {
  gateway = await startTestGateway();
  base = `/api/v1/workspaces/${gateway.workspace}`;
});
afterAll(() => gateway?.stop());
beforeEach(async () => {
  await gateway.database.prisma.user.deleteMany();
  root = await addPerson(gateway, { superadmin: true });
  admin = await addPerson(gateway, { roles: { [gateway.workspace]: 'admin' } });
});

const users = '/api/v1/users';
const ifMatch = (version: number) => ({ 'if-match': `"${version}"` });
const signIn = (email: string, password: string) => gateway.send('POST', '/api/v1/session', { body: { email, password } });
const byRoot = (method: string, path: string, body?: unknown, headers?: Record<string, string>) => root.send(method, path, { body, headers });
const byAdmin = (method: string, path: string, body?: unknown, headers?: Record<string, string>) => admin.send(method, base + path, { body, headers });

async function tokenOf(person: Person, role: string, workspace = gateway.workspace): Promise<string> {
  const reply = await person.send('POST', `/api/v1/workspaces/${workspace}/tokens`, { body: { name: 'mine', role } });
  expect(reply.status).toBe(201);
  return String(reply.json['token']);
}
const works = async (token: string, workspace = gateway.workspace) => (await gateway.send('GET', `/api/v1/workspaces/${workspace}`, { token })).status === 200;

describe('a user', () => {
  test('is made by a superadmin, once per address, and signs in', async () => {
    const made = await byRoot('POST', users, { email: 'Grace@Example.com', name: ' Grace ', password: PASSWORD });
    expect(made).toMatchObject({ status: 201, json: { email: 'grace@example.com', name: 'Grace', superadmin: false, hasPassword: true, disabledAt: null, version: 1 } });
    expect(made.text).not.toMatch(/argon|hash/i);
    expect(await byRoot('POST', users, { email: 'grace@EXAMPLE.com', name: 'x' })).toMatchObject({ status: 409, json: { code: 'conflict' } });
    expect((await signIn('grace@example.com', PASSWORD)).status).toBe(201);
    expect((await byRoot('GET', `${users}/${String(made.json['id'])}`)).json).toEqual(made.json);
    const found = await byRoot('GET', `${users}?email=GRACE@example.com`);
    expect(found.json['items']).toEqual([made.json]);
  });

  test('is listed page by page', async () => {
    const first = await byRoot('GET', `${users}?limit=1`);
    const second = await byRoot('GET', `${users}?limit=1&cursor=${String(first.json['next'])}`);
    expect([first, second].flatMap(({ json }) => (json['items'] as { id: string }[]).map(({ id }) => id))).toEqual([admin.id, root.id]);
    expect(second.json['next']).toBeNull();
  });

  test('has a password of at least 12 characters that is not the address, or none', async () => {
    expect(await byRoot('POST', users, { email: 'a@example.com', name: 'x', password: 'short' })).toMatchObject({ status: 400, json: { fields: [{ path: 'password' }] } });
    expect(await byRoot('POST', users, { email: 'long.address@example.com', name: 'x', password: 'Long.Address@example.com' })).toMatchObject({ status: 400 });
    expect(await byRoot('POST', users, { email: 'a@example.com', name: 'x', password: 'x'.repeat(201) })).toMatchObject({ status: 400 });
    expect(await byRoot('POST', users, { email: 'a@example.com', name: 'x' })).toMatchObject({ status: 201, json: { hasPassword: false } });
    expect(await byRoot('POST', users, { email: 'no address', name: 'x' })).toMatchObject({ status: 400, json: { fields: [{ path: 'email' }] } });
  });

  test('is changed at the version that was read', async () => {
    const path = `${users}/${admin.id}`;
    expect(await byRoot('PATCH', path, { name: 'New' }, ifMatch(9))).toMatchObject({ status: 409, json: { code: 'precondition_failed' } });
    expect(await byRoot('PATCH', path, { email: root.email }, ifMatch(1))).toMatchObject({ status: 409, json: { code: 'conflict' } });
    expect(await byRoot('PATCH', path, { name: 'New', email: 'NEW@example.com' }, ifMatch(1))).toMatchObject({ status: 200, json: { name: 'New', email: 'new@example.com', version: 2 } });
  });

  test('who is disabled has no session and no token at once, and can be enabled again', async () => {
    const token = await tokenOf(admin, 'admin');
    expect(await works(token)).toBe(true);
    await gateway.database.prisma.user.update({ where: { id: admin.id }, data: { passwordHash: null } });
    expect(await byRoot('POST', `${users}/${admin.id}/disable`)).toMatchObject({ status: 200, json: { disabledAt: expect.any(String) } });
    expect(await works(token)).toBe(false);
    expect((await admin.send('GET', base)).status).toBe(401);
    expect(await byRoot('POST', `${users}/${admin.id}/enable`)).toMatchObject({ status: 200, json: { disabledAt: null } });
    expect((await admin.send('GET', base)).status).toBe(401);
    expect(await works(token)).toBe(false);
    expect((await (await openBrowser(gateway, admin.id)).send('GET', base)).status).toBe(200);
  });

  test('who is the last superadmin cannot lock the instance out', async () => {
    for (const attempt of [() => byRoot('POST', `${users}/${root.id}/disable`), () => byRoot('PATCH', `${users}/${root.id}`, { superadmin: false }, ifMatch(1))]) {
      expect(await attempt()).toMatchObject({ status: 409, json: { code: 'conflict', detail: expect.stringContaining('last superadmin') } });
    }
    const second = await addPerson(gateway, { superadmin: true });
    const each = [() => byRoot('POST', `${users}/${second.id}/disable`), () => second.send('POST', `${users}/${root.id}/disable`)];
    const statuses = (await Promise.all(each.map((disable) => disable()))).map(({ status }) => status).sort();
    expect(statuses[0]).toBe(200);
    expect(await gateway.database.prisma.user.count({ where: { superadmin: true, disabledAt: null } })).toBe(1);
    const [left] = await gateway.database.prisma.user.findMany({ where: { superadmin: true, disabledAt: null } });
    expect((await gateway.send('POST', `${users}/${left!.id}/disable`, { token: gateway.superadmin })).status).toBe(200);
  });

  test('who is no superadmin any more loses the tokens that only a superadmin could make', async () => {
    const other = await gateway.addWorkspace('other');
    const second = await addPerson(gateway, { superadmin: true, roles: { [gateway.workspace]: 'editor' } });
    const [editor, stronger, elsewhere] = [await tokenOf(second, 'editor'), await tokenOf(second, 'admin'), await tokenOf(second, 'operator', other)];
    expect(await byRoot('PATCH', `${users}/${second.id}`, { superadmin: false }, ifMatch(1))).toMatchObject({ status: 200 });
    expect([await works(editor), await works(stronger), await works(elsewhere, other)]).toEqual([true, false, false]);
    expect((await second.send('GET', `/api/v1/workspaces/${other}`)).status).toBe(404);
  });
});

describe('a password', () => {
  test('is changed with the present one, which ends the other sessions', async () => {
    const person = await addPerson(gateway, { password: PASSWORD });
    const other = await openBrowser(gateway, person.id);
    const change = (currentPassword: string, newPassword: string) => person.send('POST', '/api/v1/session/password', { body: { currentPassword, newPassword } });
    expect(await change('wrong', OTHER)).toMatchObject({ status: 400, json: { fields: [{ path: 'currentPassword' }] } });
    expect(await change(PASSWORD, 'short')).toMatchObject({ status: 400, json: { fields: [{ path: 'newPassword' }] } });
    expect(await change(PASSWORD, OTHER)).toMatchObject({ status: 200, json: { ok: true } });
    expect([(await person.send('GET', '/api/v1/session')).status, (await other.send('GET', '/api/v1/session')).status]).toEqual([200, 401]);
    expect([(await signIn(person.email, PASSWORD)).status, (await signIn(person.email, OTHER)).status]).toEqual([401, 201]);
  });

  test('cannot be guessed without end by somebody who found an open browser', async () => {
    const person = await addPerson(gateway, { password: PASSWORD });
    const replies: Reply[] = [];
    for (let round = 0; round < 11; round += 1) {
      replies.push(await person.send('POST', '/api/v1/session/password', { body: { currentPassword: `guess ${round}`, newPassword: OTHER } }));
    }
    expect(replies.map(({ status }) => status)).toEqual([...Array.from({ length: 10 }, () => 400), 429]);
  });

  test('is chosen once with a token of a superadmin, which ends all sessions', async () => {
    const person = await addPerson(gateway);
    const reset = await byRoot('POST', `${users}/${person.id}/reset-password`);
    expect(reset).toMatchObject({ status: 201, json: { token: expect.stringMatching(/^[\w-]{43}$/) } });
    const token = String(reset.json['token']);
    const choose = (password: string) => gateway.send('POST', '/api/v1/session/reset-password', { body: { token, password } });
    expect((await choose('short')).status).toBe(400);
    const [one, two] = await Promise.all([choose(PASSWORD), choose(OTHER)]);
    expect([one.status, two.status].sort()).toEqual([200, 409]);
    expect((await signIn(person.email, one.status === 200 ? PASSWORD : OTHER)).status).toBe(201);
    expect((await person.send('GET', '/api/v1/session')).status).toBe(401);
    expect(await choose('yet another password')).toMatchObject({ status: 409, json: { detail: expect.stringContaining('was used') } });
    expect(JSON.stringify(await gateway.database.prisma.passwordReset.findMany())).not.toContain(token);
  });

  test('that was changed, or a later token, leaves no earlier token to choose one', async () => {
    const person = await addPerson(gateway, { password: PASSWORD });
    const issue = async () => String((await byRoot('POST', `${users}/${person.id}/reset-password`)).json['token']);
    const choose = (token: string) => gateway.send('POST', '/api/v1/session/reset-password', { body: { token, password: 'of somebody else' } });
    const [first, second] = [await issue(), await issue()];
    expect(await choose(first)).toMatchObject({ status: 409, json: { code: 'conflict' } });
    expect((await person.send('POST', '/api/v1/session/password', { body: { currentPassword: PASSWORD, newPassword: OTHER } })).status).toBe(200);
    expect(await choose(second)).toMatchObject({ status: 409, json: { code: 'conflict' } });
    expect((await signIn(person.email, OTHER)).status).toBe(201);
  });

  test('is not chosen with a token that has expired, is unknown, or is of a disabled user', async () => {
    const person = await addPerson(gateway);
    const token = String((await byRoot('POST', `${users}/${person.id}/reset-password`)).json['token']);
    const disabled = String((await byRoot('POST', `${users}/${admin.id}/reset-password`)).json['token']);
    await byRoot('POST', `${users}/${admin.id}/disable`);
    expect(await byRoot('POST', `${users}/${admin.id}/reset-password`)).toMatchObject({ status: 409 });
    gateway.clock.move(DAY);
    const choose = (one: string) => gateway.send('POST', '/api/v1/session/reset-password', { body: { token: one, password: PASSWORD } });
    expect(await choose(token)).toMatchObject({ status: 409, json: { detail: expect.stringContaining('expired') } });
    expect(await choose('unknown')).toMatchObject({ status: 404 });
    expect(await choose(disabled)).toMatchObject({ status: 404 });
  });
});

describe('a member', () => {
  test('is listed, read and given another role at the version that was read', async () => {
    const editor = await addPerson(gateway, { roles: { [gateway.workspace]: 'editor' } });
    const { items } = (await byAdmin('GET', '/members')).json as { items: { userId: string; role: string }[] };
    expect(items).toMatchObject([{ userId: editor.id, role: 'editor', email: editor.email }, { userId: admin.id, role: 'admin' }]);
    const path = `/members/${editor.id}`;
    expect(await byAdmin('PATCH', path, { role: 'operator' }, ifMatch(2))).toMatchObject({ status: 409, json: { code: 'precondition_failed' } });
    const changed = await byAdmin('PATCH', path, { role: 'operator' }, ifMatch(1));
    expect(changed).toMatchObject({ status: 200, json: { role: 'operator', version: 2 } });
    expect(changed.headers.get('etag')).toBe('"2"');
    expect((await byAdmin('GET', path)).json).toEqual(changed.json);
    expect((await editor.send('PUT', `${base}/secrets/A`, { body: { value: newSecret('secret A') } })).status).toBe(403);
    expect((await byAdmin('GET', `/members/${root.id}`)).status).toBe(404);
  });

  test('who is demoted keeps the tokens that fit the new role, and loses the others at once', async () => {
    const second = await addPerson(gateway, { roles: { [gateway.workspace]: 'admin' } });
    const [weak, strong] = [await tokenOf(second, 'editor'), await tokenOf(second, 'admin')];
    const child = String((await gateway.send('POST', `${base}/tokens`, { token: strong, body: { name: 'child', role: 'admin' } })).json['token']);
    expect([await works(weak), await works(strong), await works(child)]).toEqual([true, true, true]);
    await byAdmin('PATCH', `/members/${second.id}`, { role: 'editor' }, ifMatch(1));
    expect([await works(weak), await works(strong), await works(child)]).toEqual([true, false, false]);
    expect((await second.send('GET', `${base}/members`)).status).toBe(403);
  });

  test('who is removed is out at once, with every token made here and none made elsewhere', async () => {
    const other = await gateway.addWorkspace('other');
    const editor = await addPerson(gateway, { roles: { [gateway.workspace]: 'admin', [other]: 'admin' } });
    const [here, there] = [await tokenOf(editor, 'operator'), await tokenOf(editor, 'operator', other)];
    expect((await byAdmin('DELETE', `/members/${editor.id}`)).json).toEqual({ ok: true });
    expect([await works(here), await works(there, other)]).toEqual([false, true]);
    expect((await editor.send('GET', base)).status).toBe(404);
    expect((await editor.send('GET', '/api/v1/workspaces')).json['items']).toMatchObject([{ id: other }]);
    expect((await byAdmin('DELETE', `/members/${editor.id}`)).status).toBe(404);
  });

  test('who is the last admin is neither demoted nor removed, except by a superadmin', async () => {
    for (const reply of [await byAdmin('PATCH', `/members/${admin.id}`, { role: 'editor' }, ifMatch(1)), await byAdmin('DELETE', `/members/${admin.id}`)]) {
      expect(reply).toMatchObject({ status: 409, json: { code: 'conflict', detail: expect.stringContaining('last admin') } });
    }
    const disabled = await addPerson(gateway, { roles: { [gateway.workspace]: 'admin' } });
    await byRoot('POST', `${users}/${disabled.id}/disable`);
    expect((await byAdmin('DELETE', `/members/${admin.id}`)).status).toBe(409);
    expect((await byRoot('DELETE', `${base}/members/${admin.id}`)).status).toBe(200);
  });

  test('cannot be removed by the very admin who is being removed', async () => {
    const second = await addPerson(gateway, { roles: { [gateway.workspace]: 'admin' } });
    const replies = await Promise.all([byAdmin('DELETE', `/members/${second.id}`), second.send('DELETE', `${base}/members/${admin.id}`)]);
    expect(replies.map(({ status }) => status)).toContain(200);
    expect(await gateway.database.prisma.membership.count({ where: { workspaceId: gateway.workspace, role: 'admin' } })).toBe(1);
  });

  test('makes no token that outlives a demotion at the same time', async () => {
    for (let round = 0; round < 8; round += 1) {
      const second = await addPerson(gateway, { roles: { [gateway.workspace]: 'admin' } });
      const make = () => second.send('POST', `${base}/tokens`, { body: { name: 'mine', role: 'admin' } });
      await Promise.all([make(), byAdmin('PATCH', `/members/${second.id}`, { role: 'operator' }, ifMatch(1)), make(), make()]);
      expect(await gateway.database.prisma.apiToken.count({ where: { userId: second.id } })).toBe(0);
    }
  });
});

describe('an invitation', () => {
  const invite = async (email: string, role = 'editor') => byAdmin('POST', '/invitations', { email, role });
  const accept = (body: Record<string, unknown>) => gateway.send('POST', '/api/v1/invitations/accept', { body });

  test('lets a new person choose name and password, and signs that person in', async () => {
    const invited = await invite('New@example.com');
    expect(invited).toMatchObject({ status: 201, json: { email: 'new@example.com', role: 'editor', invitedBy: admin.email, acceptedAt: null } });
    const token = String(invited.json['token']);
    expect((await byAdmin('GET', '/invitations')).text).not.toContain(token);
    expect(await accept({ token })).toMatchObject({ status: 400, json: { fields: [{ path: 'name' }, { path: 'password' }] } });
    expect(await accept({ token, name: 'x', password: 'New@example.com' })).toMatchObject({ status: 400, json: { fields: [{ path: 'password' }] } });
    const accepted = await accept({ token, name: 'New', password: PASSWORD });
    expect(accepted).toMatchObject({ status: 201, json: { user: { email: 'new@example.com', name: 'New' }, memberships: [{ workspace: gateway.workspace, role: 'editor' }] } });
    const cookie = /^[^;]+/.exec(accepted.headers.get('set-cookie')!)![0];
    const browser = browserWith(gateway, cookie, String(accepted.json['csrfToken']));
    expect((await browser.send('PUT', `${base}/secrets/A`, { body: { value: newSecret('secret A') } })).status).toBe(200);
    expect((await signIn('new@example.com', PASSWORD)).status).toBe(201);
    expect(await accept({ token, name: 'New', password: PASSWORD })).toMatchObject({ status: 409, json: { detail: expect.stringContaining('accepted already') } });
    expect(JSON.stringify(await gateway.database.prisma.invitation.findMany())).not.toContain(token);
  });

  test('tells somebody who has an account to sign in, and works then', async () => {
    const person = await addPerson(gateway, { email: 'here@example.com' });
    const token = String((await invite('here@example.com', 'operator')).json['token']);
    expect(await accept({ token, name: 'x', password: PASSWORD })).toMatchObject({ status: 401, json: { detail: expect.stringContaining('Sign in') } });
    const stranger = await addPerson(gateway);
    expect(await stranger.send('POST', '/api/v1/invitations/accept', { body: { token } })).toMatchObject({ status: 403 });
    // A cookie alone comes along uninvited.
    expect((await gateway.send('POST', '/api/v1/invitations/accept', { body: { token, name: 'x', password: PASSWORD }, headers: { cookie: person.cookie } })).status).toBe(401);
    const accepted = await person.send('POST', '/api/v1/invitations/accept', { body: { token } });
    expect(accepted).toMatchObject({ status: 201, json: { user: { id: person.id }, memberships: [{ workspace: gateway.workspace, role: 'operator' }] } });
    expect(accepted.headers.get('set-cookie')).toBeNull();
    expect((await person.send('GET', base)).status).toBe(200);
  });

  test.each([['no password', {}], ['a weak password', { name: 'x', password: 'short' }], ['the address as password', { name: 'x', password: 'alike-known@example.com' }]])(
    'does not tell whether there is a user when it is answered with %s', async (_what, body) => {
      await gateway.database.prisma.user.deleteMany({ where: { email: 'alike-known@example.com' } });
      const token = String((await invite('alike-known@example.com')).json['token']);
      const unknown = await accept({ token, ...body });
      await addPerson(gateway, { email: 'alike-known@example.com' });
      const known = await accept({ token, ...body });
      const alike = ({ status, json: { code, detail, fields } }: Reply) => ({ status, code, detail, fields });
      expect(alike(known)).toEqual(alike(unknown));
      expect(known.status).toBe(400);
    },
  );

  test('tells a person without a password to choose one, or to sign in', async () => {
    const token = String((await invite('either@example.com')).json['token']);
    expect((await accept({ token })).json).toMatchObject({ detail: expect.stringMatching(/Choose a name.*sign in/) });
  });

  test('ends after seven days, when it is revoked, and when another one follows', async () => {
    const [first, second] = [await invite('late@example.com'), await invite('late@example.com')];
    const answer = (invited: Reply) => accept({ token: String(invited.json['token']), name: 'Late', password: PASSWORD });
    expect(await answer(first)).toMatchObject({ status: 404, json: { detail: expect.stringContaining('Ask for a new one') } });
    gateway.clock.move(7 * DAY);
    expect(await answer(second)).toMatchObject({ status: 409, json: { detail: expect.stringContaining('expired') } });
    admin = { ...admin, ...(await openBrowser(gateway, admin.id)) };
    const third = await invite('late@example.com');
    expect((await byAdmin('DELETE', `/invitations/${String(third.json['id'])}`)).status).toBe(200);
    expect((await answer(third)).status).toBe(404);
    expect(await gateway.database.prisma.user.count({ where: { email: 'late@example.com' } })).toBe(0);
  });

  test('that was accepted is not revoked, and a member is not invited', async () => {
    const invited = await invite('twice@example.com');
    const both = await Promise.all([1, 2].map(() => accept({ token: String(invited.json['token']), name: 'x', password: PASSWORD })));
    expect(both.map(({ status }) => status).sort()).toEqual([201, 409]);
    expect((await byAdmin('DELETE', `/invitations/${String(invited.json['id'])}`)).status).toBe(404);
    expect(await invite('Twice@example.com')).toMatchObject({ status: 409, json: { detail: expect.stringContaining('member already') } });
  });

  test('of another workspace is neither listed nor revoked', async () => {
    const other = await gateway.addWorkspace('other');
    const foreign = await byRoot('POST', `/api/v1/workspaces/${other}/invitations`, { email: 'x@example.com', role: 'admin' });
    expect((await byAdmin('GET', '/invitations')).text).not.toContain(String(foreign.json['id']));
    expect((await byAdmin('DELETE', `/invitations/${String(foreign.json['id'])}`)).status).toBe(404);
  });
});

describe('an API token', () => {
  test('has the scopes it was made with, within its role', async () => {
    const made = await byAdmin('POST', '/tokens', { name: 'reader', role: 'editor', scopes: ['triggers:read', 'secrets:write', 'secrets:write'] });
    expect(made).toMatchObject({ status: 201, json: { scopes: ['triggers:read', 'secrets:write'], createdBy: admin.email, expiresAt: null } });
    const token = String(made.json['token']);
    const ask = async (method: string, path: string, body?: unknown) => (await gateway.send(method, base + path, { token, body })).status;
    expect([await ask('GET', '/triggers'), await ask('PUT', '/secrets/A', { value: newSecret('secret A') }), await ask('GET', '/secrets')]).toEqual([200, 200, 200]);
    expect(await gateway.send('GET', `${base}/runs`, { token })).toMatchObject({ status: 403, json: { detail: 'This needs the scope runs:read; the token has triggers:read, secrets:write.' } });
    expect(await ask('POST', '/triggers', {})).toBe(403);
    expect((await byAdmin('GET', '/tokens')).json['items']).toEqual(expect.arrayContaining([expect.objectContaining({ scopes: ['triggers:read', 'secrets:write'] })]));
  });

  test('takes no scope of nothing', async () => {
    for (const scope of ['everything:read', 'session:read', 'users', 'triggers:delete', '']) {
      expect(await byAdmin('POST', '/tokens', { name: 'x', role: 'editor', scopes: [scope] })).toMatchObject({ status: 400, json: { fields: [{ path: 'scopes.0' }] } });
    }
    expect(await byAdmin('POST', '/tokens', { name: 'x', role: 'editor', scopes: [] })).toMatchObject({ status: 400 });
  });

  test('makes none with more role or more scopes than it has', async () => {
    const { token, id } = await gateway.addToken(gateway.workspace, 'admin', { scopes: ['tokens:write', 'triggers:read'] });
    const make = (scopes: string[]) => gateway.send('POST', `${base}/tokens`, { token, body: { name: 'x', role: 'admin', scopes } });
    for (const scopes of [['write'], ['read'], ['triggers:write'], ['triggers:read', 'runs:read']]) expect(await make(scopes)).toMatchObject({ status: 403, json: { code: 'forbidden' } });
    expect(await make(['triggers:read', 'tokens:read'])).toMatchObject({ status: 201 });
    // Known here for five more seconds, which is not enough to make a token.
    expect((await gateway.send('GET', `${base}/tokens`, { token })).status).toBe(200);
    await gateway.database.prisma.apiToken.delete({ where: { id } });
    expect(await make(['triggers:read'])).toMatchObject({ status: 403, json: { detail: expect.stringContaining('taken away meanwhile') } });
  });

  test('makes none that outlives it', async () => {
    const expiresAt = gateway.clock.in(DAY);
    const { token, id } = await gateway.addToken(gateway.workspace, 'admin', { expiresAt });
    const make = (more: { expiresAt?: string }) => gateway.send('POST', `${base}/tokens`, { token, body: { name: 'x', role: 'admin', ...more } });
    for (const more of [{}, { expiresAt: new Date(expiresAt.getTime() + 1).toISOString() }]) {
      expect(await make(more)).toMatchObject({ status: 403, json: { code: 'forbidden', detail: expect.stringContaining(expiresAt.toISOString()) } });
    }
    expect(await make({ expiresAt: expiresAt.toISOString() })).toMatchObject({ status: 201, json: { expiresAt: expiresAt.toISOString() } });
    expect((await gateway.send('GET', `${base}/tokens`, { token })).status).toBe(200);
    // Known here, with its old end, for five more seconds.
    await gateway.database.prisma.apiToken.update({ where: { id }, data: { expiresAt: gateway.clock.in(-1) } });
    expect(await make({ expiresAt: expiresAt.toISOString() })).toMatchObject({ status: 403, json: { detail: expect.stringContaining('has expired') } });
  });

  test('is not made in a session that has ended', async () => {
    expect((await admin.send('GET', base)).status).toBe(200);
    await gateway.database.prisma.session.deleteMany({ where: { userId: admin.id } });
    expect(await byAdmin('POST', '/tokens', { name: 'x', role: 'admin' })).toMatchObject({ status: 403, json: { code: 'forbidden' } });
  });
});

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { hash } from '@node-rs/argon2';
import { eventually, newSecret } from '@vane/testing';
import { addPerson, browserWith, openBrowser, type Person } from '../fixtures/people.js';
import { startTestGateway, type Reply, type TestGateway } from '../fixtures/test-gateway.js';
import { hashToken } from './token.js';

const SESSION = '/api/v1/session';
const PASSWORD = newSecret('password');
const HOUR = 3_600_000;

let gateway: TestGateway;
let person: Person;
let base: string;

beforeAll(async () => {
  gateway = await startTestGateway();
  person = await addPerson(gateway, { email: 'ada@example.com', password: PASSWORD, roles: { [gateway.workspace]: 'editor' } });
  base = `/api/v1/workspaces/${gateway.workspace}`;
});
afterAll(() => gateway?.stop());

const signIn = (body: unknown, headers: Record<string, string> = {}) => gateway.send('POST', SESSION, { body, headers });
const cookieOf = (reply: Reply) => reply.headers.get('set-cookie')!;
const valueOf = (reply: Reply) => /^vane_session=([\w-]{43});/.exec(cookieOf(reply))![1]!;

describe('signing in', () => {
  test('opens a session that only the cookie carries', async () => {
    const reply = await signIn({ email: ' ADA@Example.com'.trim(), password: PASSWORD });
    expect(reply).toMatchObject({
      status: 201,
      json: { user: { id: person.id, email: 'ada@example.com', superadmin: false }, memberships: [{ workspace: gateway.workspace, name: 'first', role: 'editor' }] },
    });
    expect(cookieOf(reply)).toMatch(/^vane_session=[\w-]{43}; Path=\/; Max-Age=1209600; HttpOnly; SameSite=Lax$/);
    const token = valueOf(reply);
    expect(reply.text).not.toContain(token);
    const browser = browserWith(gateway, `a=b; vane_session=${token}`, String(reply.json['csrfToken']));
    expect(await browser.send('GET', base)).toMatchObject({ status: 200, json: { id: gateway.workspace } });
    expect((await browser.send('GET', SESSION)).json).toEqual(reply.json);
    const row = await gateway.database.prisma.session.findUniqueOrThrow({ where: { tokenHash: hashToken(token) } });
    expect(JSON.stringify(row)).not.toContain(token);
    expect(row.userAgent).toBe('node');
  });

  test('is answered in the same way whether nobody has the address, the password is wrong, or the user is disabled or has none', async () => {
    const disabled = await addPerson(gateway, { password: PASSWORD });
    await gateway.database.prisma.user.update({ where: { id: disabled.id }, data: { disabledAt: gateway.clock.now() } });
    const without = await addPerson(gateway);
    const replies = await Promise.all([
      signIn({ email: 'nobody@example.com', password: PASSWORD }),
      signIn({ email: 'ada@example.com', password: `${PASSWORD}!` }),
      signIn({ email: disabled.email, password: PASSWORD }),
      signIn({ email: without.email, password: PASSWORD }),
    ]);
    for (const reply of replies) {
      expect(reply).toMatchObject({ status: 401, json: { code: 'sign_in_refused' } });
      expect({ ...reply.json, requestId: '' }).toEqual({ ...replies[0]!.json, requestId: '' });
      expect(reply.headers.get('set-cookie')).toBeNull();
    }
  });

  test('hashes anew what was hashed with other parameters', async () => {
    const old = await addPerson(gateway, { password: PASSWORD });
    await gateway.database.prisma.user.update({ where: { id: old.id }, data: { passwordHash: await hash(PASSWORD, { memoryCost: 8_192, timeCost: 1 }) } });
    expect((await signIn({ email: old.email, password: PASSWORD })).status).toBe(201);
    const { passwordHash } = await gateway.database.prisma.user.findUniqueOrThrow({ where: { id: old.id } });
    expect(passwordHash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect((await signIn({ email: old.email, password: PASSWORD })).status).toBe(201);
  });

  test('takes what the contract takes, and nothing in place of what the request itself says', async () => {
    expect(await signIn({ email: 'ada@example.com' })).toMatchObject({ status: 400, json: { fields: [{ path: 'password' }] } });
    expect(await signIn({ email: 'ada@example.com', password: PASSWORD, userAgent: 'another' })).toMatchObject({ status: 400 });
  });

  test('is refused to a page of another origin', async () => {
    const body = { email: 'ada@example.com', password: PASSWORD };
    expect(await signIn(body, { origin: 'https://evil.example' })).toMatchObject({ status: 403, json: { code: 'csrf_refused' } });
    expect(await signIn(body, { origin: 'null' })).toMatchObject({ status: 403 });
    expect((await signIn(body, { origin: 'http://127.0.0.1' })).status).toBe(201);
  });

  test('works although the browser still sends a cookie of a session that has ended', async () => {
    const cookie = `vane_session=${randomBytes(32).toString('base64url')}`;
    expect((await signIn({ email: 'ada@example.com', password: PASSWORD }, { cookie })).status).toBe(201);
  });

  test('gives each call a session of its own, whatever Idempotency-Key it has', async () => {
    const body = { email: 'ada@example.com', password: PASSWORD };
    const [one, two] = [await signIn(body, { 'idempotency-key': 'k' }), await signIn(body, { 'idempotency-key': 'k' })];
    expect(valueOf(one)).not.toBe(valueOf(two));
    expect(await gateway.database.prisma.idempotencyKey.count()).toBe(0);
  });

  test('is refused after ten failures for one address of a person, in any spelling, and for nobody else', async () => {
    const target = await addPerson(gateway, { email: 'target@example.com', password: PASSWORD });
    const wrong = await Promise.all(Array.from({ length: 12 }, (_, at) => signIn({ email: at % 2 ? 'target@example.com' : 'Target@Example.com', password: 'wrong' })));
    expect(wrong.map(({ status }) => status).sort()).toEqual([...Array.from({ length: 10 }, () => 401), 429, 429]);
    const refused = await signIn({ email: target.email, password: PASSWORD });
    expect(refused).toMatchObject({ status: 429, json: { code: 'rate_limited' } });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(800);
    expect((await signIn({ email: 'ada@example.com', password: PASSWORD })).status).toBe(201);
  });

  test.each([
    ['password is changed', "UPDATE users SET password_hash = 'other' WHERE id = $1"],
    ['user is disabled', 'UPDATE users SET disabled_at = now() WHERE id = $1'],
  ])('opens no session when the %s at the same time', async (_what, change) => {
    const { id, email } = await addPerson(gateway, { password: PASSWORD });
    let pending: Promise<Reply> | undefined;
    await gateway.database.transaction(async (tx) => {
      await tx.query('SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE', [id]);
      pending = signIn({ email, password: PASSWORD });
      await eventually('the sign-in waits for the user', async () =>
        (await tx.query("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")).rowCount, { timeoutMs: 5_000 });
      await tx.query(change, [id]);
      await tx.query('DELETE FROM session WHERE user_id = $1', [id]);
    });
    expect(await pending).toMatchObject({ status: 401, json: { code: 'sign_in_refused' } });
    expect(await gateway.database.prisma.session.count({ where: { userId: id } })).toBe(0);
  });

  test('counts no success as a failure', async () => {
    const often = await addPerson(gateway, { password: PASSWORD });
    for (let round = 0; round < 12; round += 1) expect((await signIn({ email: often.email, password: PASSWORD })).status).toBe(201);
  });
});

test('who guesses at one e-mail address after the other is refused by the address, which a trusted proxy tells', async () => {
  const behind = await startTestGateway({ VANE_API_GATEWAY_TRUSTED_PROXIES: '127.0.0.0/8' });
  try {
    const guess = (at: number, from: string) =>
      behind.send('POST', SESSION, { body: { email: `guess-${at}@example.com`, password: 'wrong' }, headers: { 'x-forwarded-for': from } });
    const statuses: number[] = [];
    for (let at = 0; at < 101; at += 1) statuses.push((await guess(at, `2001:db8:1:2::${at.toString(16)}`)).status);
    expect(statuses).toEqual([...Array.from({ length: 100 }, () => 401), 429]);
    expect((await guess(0, '2001:db8:1:3::1')).status).toBe(401);
  } finally {
    await behind.stop();
  }
});

describe('a session', () => {
  test('proves itself by the CSRF header for everything but GET', async () => {
    const { cookie, csrfToken } = await openBrowser(gateway, person.id);
    const other = await openBrowser(gateway, person.id);
    const put = (headers: Record<string, string>) => gateway.send('PUT', `${base}/secrets/A`, { body: { value: newSecret('secret A') }, headers: { cookie, ...headers } });
    for (const headers of [{}, { 'x-csrf-token': '' }, { 'x-csrf-token': other.csrfToken }, { 'x-csrf-token': `${csrfToken}x` }]) {
      expect(await put(headers as Record<string, string>)).toMatchObject({ status: 403, json: { code: 'csrf_refused' } });
    }
    expect(await put({ 'x-csrf-token': csrfToken, origin: 'https://evil.example' })).toMatchObject({ status: 403, json: { code: 'csrf_refused' } });
    expect(gateway.responders.asked).toEqual([]);
    expect((await put({ 'x-csrf-token': csrfToken, origin: 'http://127.0.0.1' })).status).toBe(200);
    expect((await put({ 'x-csrf-token': csrfToken })).status).toBe(200);
    expect((await gateway.send('GET', base, { headers: { cookie } })).status).toBe(200);
  });

  test('asks as its user, with the role in the workspace of the path', async () => {
    gateway.responders.reset();
    await person.send('GET', `${base}/triggers`);
    const { actor } = gateway.responders.asked[0]!.call;
    expect(actor).toEqual({ kind: 'user', id: person.id, role: 'editor', userId: person.id, label: 'ada@example.com', sessionId: expect.stringMatching(/^ses_/) });
  });

  test('shares Idempotency-Keys with the other sessions of its user, and with nobody else', async () => {
    gateway.responders.reset();
    const { token } = await gateway.addToken(gateway.workspace, 'editor');
    const colleague = await addPerson(gateway, { roles: { [gateway.workspace]: 'editor' } });
    const again = await openBrowser(gateway, person.id);
    const put = { body: { value: newSecret('secret A') }, headers: { 'idempotency-key': 'the-same' } };
    const replies = [
      await person.send('PUT', `${base}/secrets/A`, put), await again.send('PUT', `${base}/secrets/A`, put),
      await colleague.send('PUT', `${base}/secrets/A`, put), await gateway.send('PUT', `${base}/secrets/A`, { ...put, token }),
    ];
    expect(replies.map(({ status, headers }) => [status, headers.get('idempotency-replayed')])).toEqual([[200, null], [200, 'true'], [200, null], [200, null]]);
  });

  test('gives way to an API token, whether that is valid or not', async () => {
    const { token } = await gateway.addToken(gateway.workspace, 'operator');
    expect(await person.send('GET', SESSION, { token })).toMatchObject({ status: 403 });
    expect(await gateway.send('GET', base, { token: 'vat_wrong', headers: { cookie: person.cookie } })).toMatchObject({ status: 401 });
    expect((await gateway.send('DELETE', `${base}/secrets/A`, { token, headers: { cookie: person.cookie } })).json['code']).toBe('forbidden');
  });

  test('ends after 12 hours without a use, and is kept alive by uses', async () => {
    const browser = await openBrowser(gateway, person.id);
    for (let round = 0; round < 3; round += 1) {
      gateway.clock.move(11 * HOUR);
      expect((await browser.send('GET', base)).status).toBe(200);
    }
    gateway.clock.move(12 * HOUR);
    expect(await browser.send('GET', base)).toMatchObject({ status: 401, json: { code: 'unauthenticated' } });
  });

  test('ends after 14 days although it is used', async () => {
    const browser = await openBrowser(gateway, person.id);
    for (let hours = 0; hours < 14 * 24 - 11; hours += 11) {
      gateway.clock.move(11 * HOUR);
      expect((await browser.send('GET', base)).status).toBe(200);
    }
    gateway.clock.move(11 * HOUR);
    expect((await browser.send('GET', base)).status).toBe(401);
  });

  test('is over at once when its user signs out, and the browser forgets its cookie', async () => {
    const browser = await openBrowser(gateway, person.id);
    expect((await browser.send('GET', base)).status).toBe(200);
    const reply = await browser.send('DELETE', SESSION);
    expect(reply).toMatchObject({ status: 200, json: { ok: true } });
    expect(cookieOf(reply)).toMatch(/^vane_session=; Path=\/; Max-Age=0; HttpOnly; SameSite=Lax$/);
    expect((await browser.send('GET', base)).status).toBe(401);
  });

  test('is listed to its user alone, who may end it', async () => {
    const reader = await addPerson(gateway);
    const second = await openBrowser(gateway, reader.id);
    const { items } = (await reader.send('GET', '/api/v1/sessions')).json as { items: { id: string; current: boolean }[] };
    expect(items.map(({ current }) => current)).toEqual([false, true]);
    const stranger = await addPerson(gateway);
    expect(await stranger.send('DELETE', `/api/v1/sessions/${items[0]!.id}`)).toMatchObject({ status: 404 });
    expect((await second.send('GET', SESSION)).status).toBe(200);
    expect((await reader.send('DELETE', `/api/v1/sessions/${items[0]!.id}`)).status).toBe(200);
    expect((await second.send('GET', SESSION)).status).toBe(401);
    expect((await reader.send('GET', SESSION)).status).toBe(200);
  });

  test('of a disabled user is none, after 5 seconds at most', async () => {
    const gone = await addPerson(gateway);
    expect((await gone.send('GET', SESSION)).status).toBe(200);
    await gateway.database.prisma.user.update({ where: { id: gone.id }, data: { disabledAt: gateway.clock.now() } });
    gateway.clock.move(5_000);
    expect((await gone.send('GET', SESSION)).status).toBe(401);
  });

  test('is not read from a cookie of another form', async () => {
    const token = person.cookie.split('=')[1]!;
    for (const cookie of [`__Host-vane_session=${token}`, 'vane_session=', `vane_session=${token}x`, `vane_session=${token.slice(1)}`, 'vane_session=%E0%A4%A']) {
      expect((await gateway.send('GET', base, { headers: { cookie } })).status).toBe(401);
    }
    expect((await gateway.send('GET', base, { token })).status).toBe(401);
  });
});

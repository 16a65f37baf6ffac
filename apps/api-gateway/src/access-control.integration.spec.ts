import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Database } from '@vane/db';
import { Bus, createLogger } from '@vane/runtime';
import { Authenticator } from './access/authenticator.js';
import { Identities } from './access/identities.js';
import { AuditTrail } from './audit/audit-trail.js';
import { SessionCookie } from './access/session-cookie.js';
import { Sessions } from './access/sessions.js';
import { bootstrapSuperadmin } from './access/bootstrap.js';
import { hashToken, newToken } from './access/token.js';
import { startGateway } from './gateway.js';
import { MovableClock, startTestGateway, type TestGateway } from './fixtures/test-gateway.js';

let gateway: TestGateway;
let admin: string;
let base: string;

beforeAll(async () => {
  gateway = await startTestGateway();
  admin = (await gateway.addToken(gateway.workspace, 'admin')).token;
  base = `/api/v1/workspaces/${gateway.workspace}`;
});
afterAll(() => gateway?.stop());

type Listed = { items: { id: string; name: string }[]; next: string | null };

const presenting = (token: string) => ({ method: 'GET', headers: { authorization: `Bearer ${token}` } });
function authenticatorOn(database: Database): Authenticator {
  const clock = new MovableClock();
  const logger = createLogger({ app: 'test', level: 'silent' });
  return new Authenticator(new Identities(database, clock, new Sessions(database, clock), logger), clock, new SessionCookie(gateway.settings.VANE_API_URL));
}

describe('a workspace', () => {
  test('is made by a superadmin and read by its own tokens', async () => {
    const made = await gateway.send('POST', '/api/v1/workspaces', { token: gateway.superadmin, body: { name: '  Acme ' } });
    expect(made).toMatchObject({ status: 201, json: { name: 'Acme', id: expect.stringMatching(/^wsp_/) } });
    const { token } = await gateway.addToken(String(made.json['id']), 'operator');
    const read = await gateway.send('GET', `/api/v1/workspaces/${String(made.json['id'])}`, { token });
    expect(read.json).toEqual(made.json);
  });

  test('is listed to its own tokens alone, and to superadmins page by page', async () => {
    for (const name of ['b', 'c', 'd']) await gateway.addWorkspace(name);
    const own = await gateway.send('GET', '/api/v1/workspaces', { token: admin });
    expect((own.json as Listed).items.map(({ id }) => id)).toEqual([gateway.workspace]);
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const query: string = cursor === '' ? '?limit=2' : `?limit=2&cursor=${cursor}`;
      const { items, next } = (await gateway.send('GET', `/api/v1/workspaces${query}`, { token: gateway.superadmin })).json as Listed;
      seen.push(...items.map(({ id }) => id));
      cursor = next;
    }
    const all = await gateway.database.prisma.workspace.findMany({ orderBy: { id: 'desc' } });
    expect(seen).toEqual(all.map(({ id }) => id));
  });
});

describe('an API token', () => {
  test('is shown once, works at once and is stored as a hash', async () => {
    const made = await gateway.send('POST', `${base}/tokens`, { token: admin, body: { name: 'ci', role: 'editor' } });
    const token = String(made.json['token']);
    expect(made).toMatchObject({ status: 201, json: { role: 'editor', expiresAt: null, token: expect.stringMatching(/^vat_[\w-]{43}$/) } });
    expect((await gateway.send('GET', base, { token })).status).toBe(200);
    const listed = await gateway.send('GET', `${base}/tokens`, { token: admin });
    expect(listed.text).not.toContain(token);
    const row = await gateway.database.prisma.apiToken.findUniqueOrThrow({ where: { id: String(made.json['id']) } });
    expect(row.tokenHash).toBe(hashToken(token));
    expect(JSON.stringify(row)).not.toContain(token);
  });

  test('is refused from the moment its revocation was answered', async () => {
    const { id, token } = await gateway.addToken(gateway.workspace, 'operator');
    expect((await gateway.send('GET', base, { token })).status).toBe(200);
    expect(await gateway.send('DELETE', `${base}/tokens/${id}`, { token: admin })).toMatchObject({ status: 200, json: { ok: true } });
    expect((await gateway.send('GET', base, { token })).status).toBe(401);
    expect(await gateway.send('DELETE', `${base}/tokens/${id}`, { token: admin })).toMatchObject({ status: 404, json: { code: 'not_found' } });
  });

  test('is refused at once by the gateway that was asked to revoke it, also when another one did so', async () => {
    const second = await startGateway({ ...gateway.settings, VANE_BOOTSTRAP_TOKEN: undefined }, gateway.clock);
    try {
      await new Promise<void>((resolve) => second.get(Bus).whenConnected(() => resolve()));
      await second.get(Bus).connection().flush();
      // Either gateway may take a call from the bus; of 12 calls the second one practically always takes some.
      for (let round = 0; round < 12; round += 1) {
        const { id, token } = await gateway.addToken(gateway.workspace, 'operator');
        expect((await gateway.send('GET', base, { token })).status).toBe(200);
        expect((await gateway.send('DELETE', `${base}/tokens/${id}`, { token: admin })).status).toBe(200);
        expect((await gateway.send('GET', base, { token })).status).toBe(401);
      }
    } finally {
      await second.close();
    }
  });

  test('is read from a Bearer header alone', async () => {
    expect((await gateway.send('GET', base, { headers: { authorization: `bearer  ${admin}` } })).status).toBe(200);
    for (const authorization of [admin, `Basic ${admin}`, `Bearer ${admin}x`, `Bearer ${admin} ${admin}`, 'Bearer']) {
      expect((await gateway.send('GET', base, { headers: { authorization } })).status).toBe(401);
    }
    expect((await gateway.send('GET', `${base}?access_token=${admin}`)).status).toBe(401);
  });

  test('that is revoked elsewhere is refused here after 5 seconds at most', async () => {
    const { id, token } = await gateway.addToken(gateway.workspace, 'operator');
    expect((await gateway.send('GET', base, { token })).status).toBe(200);
    await gateway.database.prisma.apiToken.delete({ where: { id } });
    gateway.clock.move(5_000);
    expect((await gateway.send('GET', base, { token })).status).toBe(401);
  });

  test('is not cached by a lookup that a revocation overtook', async () => {
    const { id, token } = await gateway.addToken(gateway.workspace, 'operator');
    const authenticator = authenticatorOn(gateway.database);
    const lookup = authenticator.authenticate(presenting(token));
    authenticator.forget();
    await lookup;
    await gateway.database.prisma.apiToken.delete({ where: { id } });
    await expect(authenticator.authenticate(presenting(token))).rejects.toMatchObject({ code: 'unauthenticated' });
  });

  test('ends at its time, also while it is cached', async () => {
    const { token } = await gateway.addToken(gateway.workspace, 'operator', { expiresAt: gateway.clock.in(2_000) });
    expect((await gateway.send('GET', base, { token })).status).toBe(200);
    gateway.clock.move(2_000);
    expect((await gateway.send('GET', base, { token })).status).toBe(401);
  });

  test('cannot be made to end in the past, or with a role of the instance', async () => {
    const past = await gateway.send('POST', `${base}/tokens`, { token: admin, body: { name: 'x', role: 'editor', expiresAt: '2020-01-01T00:00:00Z' } });
    expect(past).toMatchObject({ status: 400, json: { fields: [{ path: 'expiresAt' }] } });
    expect((await gateway.send('POST', `${base}/tokens`, { token: admin, body: { name: 'x', role: 'superadmin' } })).status).toBe(400);
  });

  test('of another workspace is neither listed nor revoked', async () => {
    const other = await gateway.addWorkspace('other');
    const { id, token } = await gateway.addToken(other, 'operator');
    const listed = await gateway.send('GET', `${base}/tokens`, { token: admin });
    expect(listed.text).not.toContain(id);
    expect((await gateway.send('DELETE', `${base}/tokens/${id}`, { token: admin })).status).toBe(404);
    expect((await gateway.send('GET', `/api/v1/workspaces/${other}`, { token })).status).toBe(200);
  });

  test('cannot be judged while the database is away, which is not its fault', async () => {
    const away = Database.connect({ url: 'postgres://postgres@127.0.0.1:1/none', applicationName: 'test' });
    const authenticator = authenticatorOn(away);
    await expect(authenticator.authenticate(presenting(newToken()))).rejects.toMatchObject({ code: 'unavailable', status: 503 });
    await away.close();
  });
});

describe('the bootstrap setting', () => {
  const superadmins = () => gateway.database.prisma.apiToken.findMany({ where: { role: 'superadmin' } });
  const trail = () => gateway.database.prisma.auditEntry.findMany({ where: { operation: 'tokens.replace-bootstrap' } });
  const logger = createLogger({ app: 'test', level: 'silent' });
  const bootstrap = (token: string) =>
    bootstrapSuperadmin({ database: gateway.database, clock: gateway.clock, trail: new AuditTrail(gateway.database, gateway.clock), logger }, token);
  const statusWith = async (token: string) => (await gateway.send('GET', '/api/v1/workspaces', { token })).status;
  /** Past the time for which a gateway may go by what it read before. */
  const forget = () => gateway.clock.move(5_000);

  test('made the one superadmin of a fresh instance', async () => {
    expect(await superadmins()).toMatchObject([{ name: 'bootstrap', workspaceId: null, tokenHash: hashToken(gateway.superadmin) }]);
    expect(await bootstrap(gateway.superadmin)).toBe('unchanged');
    expect(await trail()).toEqual([]);
  });

  test('replaces the token when it changes: the old one ends, and the audit trail says so', async () => {
    const [before] = await superadmins();
    const next = newToken();
    expect(await statusWith(gateway.superadmin)).toBe(200);
    const second = await startGateway({ ...gateway.settings, VANE_BOOTSTRAP_TOKEN: next }, gateway.clock);
    await second.close();
    forget();
    expect([await statusWith(gateway.superadmin), await statusWith(next)]).toEqual([401, 200]);
    expect(await superadmins()).toEqual([{ ...before!, tokenHash: hashToken(next) }]);
    const read = await gateway.send('GET', '/api/v1/audit?operation=tokens.replace-bootstrap', { token: next });
    expect(read.json['items']).toMatchObject([{ actorKind: 'system', actorLabel: 'api-gateway', workspaceId: null, targetId: before!.id, outcome: 'ok' }]);
    expect(await bootstrap(gateway.superadmin)).toBe('replaced');
    forget();
    expect([await statusWith(gateway.superadmin), await statusWith(next)]).toEqual([200, 401]);
  });

  test('leaves a token of a workspace alone that is called the same', async () => {
    const { id } = await gateway.addToken(gateway.workspace, 'admin');
    const named = await gateway.database.prisma.apiToken.update({ where: { id }, data: { name: 'bootstrap' } });
    expect(await bootstrap(newToken())).toBe('replaced');
    expect(await gateway.database.prisma.apiToken.findUnique({ where: { id } })).toEqual(named);
    expect(await bootstrap(gateway.superadmin)).toBe('replaced');
  });

  test('makes one superadmin when gateways start at once, whatever token each has, and counts every replacement', async () => {
    await gateway.database.prisma.apiToken.deleteMany({ where: { role: 'superadmin' } });
    const earlier = (await trail()).length;
    const tokens = [gateway.superadmin, gateway.superadmin, newToken()];
    const became = await Promise.all(tokens.map(bootstrap));
    expect(became.filter((one) => one === 'made')).toHaveLength(1);
    const [only, ...others] = await superadmins();
    expect(others).toEqual([]);
    expect(tokens.map(hashToken)).toContain(only!.tokenHash);
    expect((await trail()).length - earlier).toBe(became.filter((one) => one === 'replaced').length);
  });

  test('makes none where another superadmin token is valid', async () => {
    await gateway.database.prisma.apiToken.deleteMany({ where: { role: 'superadmin' } });
    await gateway.addToken(null, 'superadmin');
    expect(await bootstrap(newToken())).toBe('unchanged');
    expect(await superadmins()).toMatchObject([{ name: 'superadmin' }]);
  });
});

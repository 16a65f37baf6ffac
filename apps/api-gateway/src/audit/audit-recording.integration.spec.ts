import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import {
  attributeAuthorisation, confirmAuthorisation, createIntegration, createRunnable, createTrigger, deleteConnection, deleteTrigger, discardAuthorisation, finishAuthorisation, getConnection,
  getIntegration, getTrigger, moveTriggers, planDisconnection, updateIntegration,
  updateTrigger, VaneError, type AuditEntryView,
} from '@vane/contracts';
import { newId } from '@vane/db';
import { newSecret } from '@vane/testing';
import { Passwords } from '../access/passwords.js';
import { AuditStage, type AuditPage } from '../fixtures/audit-stage.js';
import { addPerson, type Person } from '../fixtures/people.js';
import type { TestGateway } from '../fixtures/test-gateway.js';

let stage: AuditStage;
let gateway: TestGateway;
let admin: { id: string; token: string };
let base: string;

beforeAll(async () => {
  stage = await AuditStage.open();
  gateway = stage.gateway;
});
afterAll(() => gateway?.stop());
beforeEach(async () => {
  await stage.renew();
  ({ admin, base } = stage);
});

const entries = (query = '') => stage.entries(query);
const send = (...[method, path, body, headers]: Parameters<AuditStage['send']>) => stage.send(method, path, body, headers);

const [PASSWORD, STATE] = [newSecret('password'), newSecret('state')];
/** Stands for everything that may not be in the trail. */
const HUSH = newSecret('what the trail may not hold');
const trigger = (name: string, version = 1) => ({ id: 'trg_1', name, version, callbackUrl: `https://in.example/hooks/${HUSH}`, config: { a: 1 }, undeclared: HUSH });

describe('a mutation', () => {
  test('is recorded with who, from where, what, and the object before and after', async () => {
    gateway.responders.answer(getTrigger, () => trigger('old'));
    gateway.responders.answer(updateTrigger, () => trigger('new', 2));
    const reply = await send('PATCH', '/triggers/trg_1', { name: 'new' }, { 'if-match': '"1"', 'x-request-id': 'of-the-change' });
    expect(reply.status).toBe(200);
    const [entry, ...others] = await entries();
    expect(others).toEqual([]);
    expect(entry).toEqual({
      id: expect.stringMatching(/^aud_/),
      at: expect.any(String),
      endedAt: expect.any(String),
      workspaceId: base.split('/').at(-1),
      actorKind: 'token', actorId: admin.id, actorLabel: 'admin', userId: null,
      operation: 'triggers.update', targetId: 'trg_1',
      outcome: 'ok', status: 200, correlationId: 'of-the-change', address: '127.0.0.1',
      input: { trigger: 'trg_1', ifMatch: 1, name: 'new' },
      before: { id: 'trg_1', name: 'old', version: 1, callbackUrl: '***', config: { a: 1 } },
      after: { id: 'trg_1', name: 'new', version: 2, callbackUrl: '***', config: { a: 1 } },
    });
    const [read] = gateway.responders.askedOf(getTrigger);
    expect(read).toMatchObject({ input: { trigger: 'trg_1' }, call: { correlationId: 'of-the-change', actor: { id: admin.id } } });
  });

  test('that makes something is found by the id of what it made', async () => {
    gateway.responders.answer(createRunnable, () => ({ id: 'rbl_1', name: 'mine', secret: HUSH, version: 1 }));
    await send('POST', '/runnables', { name: 'mine', spec: { kind: 'script', code: 'x'.repeat(3_000) } });
    const [entry] = await entries('?target=rbl_1');
    expect(entry).toMatchObject({ operation: 'runnables.create', status: 201, before: null, after: { id: 'rbl_1', secret: '***' } });
    expect(entry!.input).toEqual({ name: 'mine', spec: { kind: 'script', code: { sha256: expect.any(String), characters: 3_000 } } });
  });

  test('that makes a workspace is where its trail begins', async () => {
    const made = await gateway.send('POST', '/api/v1/workspaces', { token: gateway.superadmin, body: { name: 'new' } });
    const trail = await gateway.send('GET', `/api/v1/workspaces/${String(made.json['id'])}/audit`, { token: gateway.superadmin });
    expect((trail.json as AuditPage).items).toMatchObject([{ operation: 'workspaces.create', workspaceId: made.json['id'], targetId: made.json['id'], actorLabel: 'bootstrap' }]);
  });

  test('that joins a workspace is in the trail of that workspace', async () => {
    const made = await send('POST', '/invitations', { email: 'joins@example.com', role: 'editor' });
    const body = { token: made.json['token'], name: 'Joins', password: PASSWORD };
    expect((await gateway.send('POST', '/api/v1/invitations/accept', { body })).status).toBe(201);
    const [accepted, invited] = await entries();
    expect(invited).toMatchObject({ operation: 'invitations.create', actorId: admin.id, after: { email: 'joins@example.com', token: '***' } });
    expect(accepted).toMatchObject({ operation: 'invitations.accept', actorKind: 'user', actorLabel: 'joins@example.com', input: { token: '***', password: '***' } });
  });

  test('that deletes leaves what was there, and nothing after it', async () => {
    let there = true;
    gateway.responders.answer(getTrigger, () => {
      if (there) return trigger('old');
      throw new VaneError('not_found', 'gone');
    });
    gateway.responders.answer(deleteTrigger, () => {
      there = false;
      return { ok: true, subscription: { tombstone: true } };
    });
    await send('DELETE', '/triggers/trg_1?force=true');
    expect(await entries()).toMatchObject([{ operation: 'triggers.delete', status: 202, input: { force: 'true' }, before: { name: 'old' }, after: null }]);
  });

  test('that takes others with it names them beside what was there', async () => {
    const plan = { triggerCount: 1, triggers: [{ id: 'trg_1', name: 'Pushes' }], subscriptions: 1, tombstones: 0, heldRuns: 0, revokes: true, revocation: 'It is revoked.' };
    gateway.responders.answer(getConnection, () => ({ id: 'con_1', accountLabel: 'octocat', version: 1 }));
    gateway.responders.answer(planDisconnection, () => ({ ...plan, undeclared: HUSH }));
    gateway.responders.answer(deleteConnection, () => ({ ok: true, state: 'disconnecting', tombstones: 0, message: null }));
    expect((await send('DELETE', '/connections/con_1?triggers=delete')).status).toBe(202);
    const [entry] = await entries();
    expect(entry).toMatchObject({ operation: 'connections.delete', targetId: 'con_1', outcome: 'ok', input: { triggers: 'delete' }, before: { accountLabel: 'octocat' } });
    expect(entry!.before).toMatchObject({ plan });
    expect(JSON.stringify(entry)).not.toContain(HUSH);
  });

  test('that takes others with it is made and recorded also when nobody can tell which', async () => {
    gateway.responders.answer(getConnection, () => ({ id: 'con_1', accountLabel: 'octocat', version: 1 }));
    gateway.responders.answer(planDisconnection, () => {
      throw new VaneError('unavailable', 'not now');
    });
    gateway.responders.answer(deleteConnection, () => ({ ok: true, state: 'disconnected', tombstones: 0, message: null }));
    expect((await send('DELETE', '/connections/con_1?triggers=delete')).status).toBe(200);
    const [entry] = await entries();
    expect(entry).toMatchObject({ operation: 'connections.delete', outcome: 'ok', before: { accountLabel: 'octocat' } });
    expect(entry!.before).not.toHaveProperty('plan');
  });

  test('of an object that only a list shows has it before and after too', async () => {
    const { id } = await gateway.addToken(base.split('/').at(-1)!, 'operator');
    await send('DELETE', `/tokens/${id}`);
    expect(await entries('?operation=tokens.revoke')).toMatchObject([{ targetId: id, before: { id, role: 'operator' }, after: null, outcome: 'ok' }]);
  });

  test('that its owner refuses is recorded with the error, and changed nothing', async () => {
    gateway.responders.answer(getTrigger, () => trigger('old'));
    gateway.responders.answer(updateTrigger, () => {
      throw new VaneError('precondition_failed', 'changed meanwhile');
    });
    expect((await send('PATCH', '/triggers/trg_1', { name: 'new' }, { 'if-match': '"1"' })).status).toBe(409);
    expect(await entries()).toMatchObject([{ outcome: 'precondition_failed', status: 409, before: { name: 'old' }, after: null }]);
  });

  test('is recorded without the credentials in a URL, also when it is refused', async () => {
    const make = async (target: string, kind = 'webhook') => (await send('POST', '/notification-channels', { kind, target })).status;
    expect(await make('https://127.0.0.1/in?token=hush')).toBe(201);
    expect(await make('https://ann:hush@127.0.0.1/in?token=hush')).toBe(422);
    expect(await make('https://ann:hush@ho st/in?token=hush')).toBe(422);
    expect(await make('https://ann:hush@127.0.0.1/in', 'email')).toBe(422);
    expect(await entries()).toMatchObject([
      { status: 422, input: { target: 'https://***@127.0.0.1/in' } },
      { status: 422, input: { target: '***' } },
      { status: 422, input: { target: 'https://***@127.0.0.1/in?***' } },
      { status: 201, input: { target: 'https://127.0.0.1/in?***' }, after: { target: 'https://127.0.0.1/in?***' } },
    ]);
    expect(JSON.stringify(await gateway.database.prisma.auditEntry.findMany())).not.toContain('hush');
  });

  test('for which the role is too weak is recorded, and never reached its owner', async () => {
    const operator = await gateway.addToken(base.split('/').at(-1)!, 'operator');
    const reply = await gateway.send('PATCH', `${base}/triggers/trg_1`, { token: operator.token, body: { name: HUSH } });
    expect(reply.status).toBe(403);
    expect(await entries()).toMatchObject([{ actorId: operator.id, operation: 'triggers.update', targetId: 'trg_1', outcome: 'forbidden', status: 403, input: { trigger: 'trg_1' } }]);
    expect(gateway.responders.asked).toEqual([]);
  });

  test('whose end nobody learns is there all the same, and says so', async () => {
    let seen: AuditEntryView[] = [];
    gateway.responders.answer(updateTrigger, async () => {
      // As a kill of the gateway at this moment would leave it.
      seen = await entries('?outcome=unknown');
      return undefined;
    });
    expect((await send('PATCH', '/triggers/trg_1', { name: 'new' }, { 'if-match': '"1"' })).status).toBe(504);
    expect(seen).toMatchObject([{ operation: 'triggers.update', outcome: 'unknown', status: null, endedAt: null, after: null }]);
    expect(await entries()).toMatchObject([{ outcome: 'deadline_exceeded', status: 504 }]);
  });

  test('is made all the same when the object before cannot be read', async () => {
    gateway.responders.answer(getTrigger, () => {
      throw new VaneError('internal', 'broken');
    });
    expect((await send('PATCH', '/triggers/trg_1', { name: 'new' }, { 'if-match': '"1"' })).status).toBe(200);
    expect(await entries()).toMatchObject([{ outcome: 'ok', before: null }]);
  });

  test('is not made when it cannot be recorded', async () => {
    await gateway.database.pool.query('ALTER TABLE audit_entry RENAME TO away');
    try {
      const reply = await send('DELETE', '/triggers/trg_1');
      expect(reply).toMatchObject({ status: 503, json: { code: 'unavailable' } });
      expect(gateway.responders.askedOf(deleteTrigger)).toEqual([]);
    } finally {
      await gateway.database.pool.query('ALTER TABLE away RENAME TO audit_entry');
    }
  });

  test('whose reply says more than the object is recorded with the reply', async () => {
    const moved = { moved: ['trg_1'], failed: [{ id: 'trg_2', message: 'no' }], remaining: 0 };
    gateway.responders.answer(getConnection, () => ({ id: 'con_1', accountLabel: 'Ann' }));
    gateway.responders.answer(moveTriggers, () => moved);
    expect((await send('POST', '/connections/con_1/move-triggers', { to: 'con_2' })).status).toBe(200);
    expect(await entries()).toMatchObject([{ targetId: 'con_1', before: { accountLabel: 'Ann' }, after: { accountLabel: 'Ann', reply: moved } }]);
  });

  test('that is repeated with its idempotency key is recorded once', async () => {
    for (const replayed of [null, 'true']) {
      const reply = await send('POST', '/runnables', { name: 'mine', spec: { kind: 'http', url: 'https://e.example' } }, { 'idempotency-key': 'one' });
      expect(reply.headers.get('idempotency-replayed')).toBe(replayed);
    }
    expect(await entries()).toHaveLength(1);
  });

  test('of somebody who is nobody yet is recorded as of who they say they are, or turned out to be', async () => {
    const email = 'ann@example.com';
    const passwordHash = await new Passwords().hash(PASSWORD);
    const now = gateway.clock.now();
    const user = await gateway.database.prisma.user.create({
      data: { id: newId('user', now), email, name: 'Ann', passwordHash, superadmin: false, version: 1, createdAt: now, updatedAt: now },
    });
    const signIn = (password: string) => gateway.send('POST', '/api/v1/session', { body: { email, password } });
    expect([(await signIn('wrong horse battery')).status, (await signIn(PASSWORD)).status]).toEqual([401, 201]);
    const { items } = (await gateway.send('GET', '/api/v1/audit?operation=session.sign-in', { token: gateway.superadmin })).json as AuditPage;
    expect(items).toMatchObject([
      { actorKind: 'user', actorId: user.id, userId: user.id, actorLabel: email, workspaceId: null, outcome: 'ok', after: { sessionToken: '***', csrfToken: '***' } },
      { actorKind: 'anonymous', userId: null, actorLabel: email, workspaceId: null, outcome: 'sign_in_refused', status: 401 },
    ]);
    expect(JSON.stringify(items)).not.toContain('horse');
    expect(JSON.stringify(items)).not.toContain(PASSWORD);
  });

  test('that is not understood is not recorded, nor is what only reads', async () => {
    expect((await send('POST', '/runnables', { nonsense: true })).status).toBe(400);
    expect((await send('GET', '/triggers')).status).toBe(200);
    expect(await entries()).toEqual([]);
  });

  test('leaves no secret in the database, in whatever member it came', async () => {
    const secrets = ['client secret', 'of the sender', 'value', 'url'].map(newSecret);
    gateway.responders.answer(getIntegration, () => ({ id: 'int_1', version: 1 }));
    gateway.responders.answer(createIntegration, () => ({ id: 'int_1', version: 1, clientSecret: secrets[0] }));
    gateway.responders.answer(updateIntegration, () => ({ id: 'int_1', version: 2 }));
    gateway.responders.answer(createTrigger, () => ({ ...trigger('x'), secret: secrets[1], callbackUrl: `https://in.example/${secrets[3]}` }));
    await send('POST', '/integrations', { service: 'some-service', name: 'x', clientId: 'id', clientSecret: secrets[0] });
    await send('PATCH', '/integrations/int_1', { clientSecret: secrets[0] }, { 'if-match': '"1"' });
    await send('POST', '/triggers', { name: 'x', service: 'some-service', type: 'some-type', runnableId: 'rbl_1', secret: `${secrets[1]}-and-more` });
    await send('PUT', '/secrets/A', { value: secrets[2] });
    const made = await send('POST', '/tokens', { name: 'x', role: 'operator' });
    const { rows } = await gateway.database.pool.query<{ text: string }>('SELECT row_to_json(e)::text AS text FROM audit_entry e WHERE workspace_id = $1', [base.split('/').at(-1)]);
    expect(rows).toHaveLength(5);
    const all = rows.map(({ text }) => text).join('\n');
    for (const secret of [...secrets, String(made.json['token'])]) expect(all).not.toContain(secret);
    expect(all.match(/\*\*\*/g)!.length).toBeGreaterThanOrEqual(6);
  });
});

describe('a connected account', () => {
  let ann: Person;
  beforeEach(async () => {
    ann = await addPerson(gateway, { roles: { [base.split('/').at(-1)!]: 'editor' } });
  });
  const asker = () => ({ workspaceId: base.split('/').at(-1), actorId: ann.id, actorLabel: ann.email, connectionId: null });
  const connection = {
    id: newId('connection', new Date(0)), service: 'some-service', integrationId: newId('integration', new Date(0)), name: null, accountId: '7', accountLabel: 'Ann',
    private: false, ownerId: null, usable: true, scopes: [], status: 'active', statusSince: '2026-01-01T00:00:00Z', reasonCode: null, reason: null, expiresAt: null,
    createdAt: '2026-01-01T00:00:00Z', updatedAt: '2026-01-01T00:00:00Z', version: 1,
  };
  const comeBack = () => gateway.send('GET', `/oauth/callback?code=${HUSH}&state=${STATE}`);

  test('is recorded under the name of whoever asked for it', async () => {
    gateway.responders.answer(attributeAuthorisation, asker);
    let during: AuditEntryView[] = [];
    gateway.responders.answer(finishAuthorisation, async () => {
      during = await entries();
      return { outcome: 'connected', connection };
    });
    expect((await comeBack()).status).toBe(200);
    const entry = { actorKind: 'user', actorId: ann.id, userId: ann.id, actorLabel: ann.email, operation: 'authorisations.finish', input: null };
    expect(during).toMatchObject([{ ...entry, outcome: 'unknown', targetId: null }]);
    expect(await entries()).toMatchObject([{ ...entry, outcome: 'ok', status: 200, targetId: connection.id, after: { outcome: 'connected', connection: { accountLabel: 'Ann' } } }]);
    expect(JSON.stringify(await entries())).not.toContain(HUSH);
  });

  test.each([['confirm', confirmAuthorisation, connection], ['discard', discardAuthorisation, { ok: true }]] as const)(
    'that differs is recorded with the connection as it was (%s)',
    async (decision, operation, answer) => {
      gateway.responders.answer(attributeAuthorisation, () => ({ ...asker(), connectionId: connection.id }));
      gateway.responders.answer(getConnection, () => ({ ...connection, accountLabel: 'Before', undeclared: HUSH }));
      gateway.responders.answer(operation, () => answer);
      expect((await gateway.send('POST', `/oauth/${decision}`, { body: { state: STATE } })).status).toBe(200);
      expect(await entries()).toMatchObject([
        { operation: operation.name, outcome: 'ok', targetId: connection.id, before: { accountLabel: 'Before' }, after: decision === 'confirm' ? { accountLabel: 'Ann' } : { ok: true } },
      ]);
      expect(JSON.stringify(await entries())).not.toContain(HUSH);
    },
  );

  test('that is refused is recorded with the error, and one that nobody asked for is not', async () => {
    gateway.responders.answer(finishAuthorisation, () => {
      throw new VaneError('oauth_denied', 'no');
    });
    gateway.responders.answer(attributeAuthorisation, asker);
    await comeBack();
    expect(await entries()).toMatchObject([{ operation: 'authorisations.finish', outcome: 'oauth_denied', after: null }]);
    gateway.responders.answer(attributeAuthorisation, () => null);
    await comeBack();
    expect(await entries()).toHaveLength(1);
  });
});

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { atLeast, OPERATIONS, ROLES, WORKSPACE_ROLES, type Role } from '@vane/contracts';
import { newSecret } from '@vane/testing';
import { newToken } from './access/token.js';
import { OWN_OBJECTS } from './fixtures/own-objects.js';
import { addPerson, openBrowser, type Person } from './fixtures/people.js';
import { startTestGateway, type Reply, type TestGateway } from './fixtures/test-gateway.js';
import { isRest, pathParameters, readsQuery, type RestOperation } from './http/input.js';

const operations = OPERATIONS.filter(isRest);
/** Those whose access is a matter of the role. */
const byRole = operations.filter(({ access }) => access !== 'user' && access !== 'public');
const UNKNOWN = 'wsp_00000000000000000000000000';

const SECRET = newSecret('secret that is handed in');
/** A body that the contract takes, for every operation that needs one. */
const bodies: Record<string, unknown> = {
  'workspaces.create': { name: 'another' },
  'users.update': { name: 'changed' },
  'members.update': { role: 'editor' },
  'tokens.create': { name: 'mine', role: 'operator' },
  'integrations.create': { service: 'some-service', name: 'mine', clientId: 'id', clientSecret: SECRET },
  'instance-integrations.create': { service: 'some-service', name: 'ours', clientId: 'id', clientSecret: SECRET },
  'connections.authorize': { integration: 'int_1' },
  'runnables.create': { name: 'mine', spec: { kind: 'script', code: 'export async function main() {}' } },
  'triggers.create': { name: 'mine', service: 'some-service', type: 'some-type', runnableId: 'rbl_1' },
  'triggers.preflight': { service: 'some-service', type: 'some-type' },
  'triggers.preview': { filter: 'true' },
  'connections.move-triggers': { to: 'con_2' },
  'subscriptions.rotate-secret': { overlap: 'now' },
  'subscriptions.resolve-drift': { action: 'restore' },
  'secrets.put': { value: SECRET },
  'notification-channels.create': { kind: 'webhook', target: 'https://example.com/' },
  'notification-channels.update': { enabled: false },
};

/** What a contract takes once only, so that every call sends another. */
const fresh: Record<string, () => unknown> = {
  'users.create': () => ({ name: 'another', email: `${randomUUID()}@example.com` }),
  'invitations.create': () => ({ email: `${randomUUID()}@example.com`, role: 'editor' }),
};

/** What the scopes of a token have to do with the resource of an operation. */
const SCOPE_CLASSES = {
  none: () => [],
  'other resource': (resource: string) => [resource === 'runs' ? 'triggers:write' : 'runs:write'],
  'resource read': (resource: string) => [`${resource}:read`],
  'resource write': (resource: string) => [`${resource}:write`],
  read: () => ['read'],
  write: () => ['write'],
} satisfies Record<string, (resource: string) => string[]>;
type ScopeClass = keyof typeof SCOPE_CLASSES;

/** Who asks. A stranger is a person who belongs to another workspace alone. */
type Caller = { kind: 'token'; role: Role; scopes: ScopeClass } | { kind: 'session'; role: Role | 'stranger' };
const CALLERS: Caller[] = [
  ...ROLES.flatMap((role) => (Object.keys(SCOPE_CLASSES) as ScopeClass[]).map((scopes): Caller => ({ kind: 'token', role, scopes }))),
  ...[...ROLES, 'stranger' as const].map((role): Caller => ({ kind: 'session', role })),
];
const WORKSPACES = ['own', 'foreign', 'unknown'] as const;
type Where = (typeof WORKSPACES)[number];

let gateway: TestGateway;
let otherWorkspace: string;
const tokens = new Map<string, string>();
const people = new Map<Role | 'stranger', Person>();

beforeAll(async () => {
  gateway = await startTestGateway();
  otherWorkspace = await gateway.addWorkspace('other');
  for (const role of ROLES.filter((name) => name !== 'superadmin')) tokens.set(role, (await gateway.addToken(gateway.workspace, role)).token);
  tokens.set('superadmin', gateway.superadmin);
  for (const role of WORKSPACE_ROLES) people.set(role, await addPerson(gateway, { roles: { [gateway.workspace]: role } }));
  people.set('superadmin', await addPerson(gateway, { superadmin: true }));
  people.set('stranger', await addPerson(gateway, { roles: { [otherWorkspace]: 'admin' } }));
});
afterAll(() => gateway?.stop());
beforeEach(() => gateway.responders.reset());

const bodyOf = ({ name }: RestOperation): unknown => fresh[name]?.() ?? bodies[name] ?? {};

async function call(operation: RestOperation, workspace: string, token: string | undefined): Promise<Reply> {
  // What a route of the gateway's own names must be there, so that its 404 could only come from the access check.
  const named = pathParameters(operation.http.path).find((name) => operation.owner === 'api-gateway' && name in OWN_OBJECTS);
  const object = named && (workspace === UNKNOWN ? 'X' : await OWN_OBJECTS[named]!(gateway, workspace));
  const path = operation.http.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => (name === 'workspace' ? workspace : name === named ? object! : 'X'));
  return gateway.send(operation.http.method, `/api/v1${path}`, {
    ...(token === undefined ? {} : { token }),
    ...(readsQuery(operation) ? {} : { body: bodyOf(operation) }),
    ...(operation.http.ifMatch ? { headers: { 'if-match': '"1"' } } : {}),
  });
}

const succeeded = ({ status }: Reply) => status >= 200 && status < 300;
const unowned = (reply: Reply) => ({ ...reply.json, requestId: undefined });
const isRole = (access: string): access is Role => (ROLES as readonly string[]).includes(access);
const rolesOf = ({ access }: RestOperation) => {
  const able = ROLES.filter((role) => access === 'anyone' || (isRole(access) && atLeast(role, access)));
  return { able, weaker: ROLES.filter((role) => !able.includes(role)) };
};
/** What a request that was let in would leave behind. */
const effects = () => gateway.responders.asked.length;

describe.each(byRole.map((operation) => ({ name: operation.name, operation })))('$name', ({ operation }) => {
  test('is refused without a token, and with one that nobody made', async () => {
    for (const token of [undefined, newToken(), 'vat_short', '']) {
      const reply = await call(operation, gateway.workspace, token);
      expect(reply).toMatchObject({ status: 401, json: { code: 'unauthenticated' } });
      expect(reply.headers.get('www-authenticate')).toMatch(/^Bearer/);
    }
    expect(effects()).toBe(0);
  });

  test('is refused to every role that is too weak, and done for every other', async () => {
    const { able, weaker } = rolesOf(operation);
    for (const role of weaker) expect(await call(operation, gateway.workspace, tokens.get(role))).toMatchObject({ status: 403, json: { code: 'forbidden' } });
    expect(effects()).toBe(0);
    for (const role of able) {
      const reply = await call(operation, gateway.workspace, tokens.get(role));
      expect([reply.status, succeeded(reply)]).toEqual([reply.status, true]);
    }
  });

  if (!operation.http.path.includes('{workspace}')) return;

  test('shows another workspace exactly as one that does not exist', async () => {
    for (const role of ROLES.filter((name) => name !== 'superadmin')) {
      const foreign = await call(operation, otherWorkspace, tokens.get(role));
      const unknown = await call(operation, UNKNOWN, tokens.get(role));
      expect(foreign).toMatchObject({ status: 404, json: { code: 'not_found' } });
      expect(unowned(foreign)).toEqual(unowned(unknown));
    }
    expect(effects()).toBe(0);
  });

  test('lets a superadmin into every workspace that exists, and no other', async () => {
    expect(succeeded(await call(operation, otherWorkspace, gateway.superadmin))).toBe(true);
    expect((await call(operation, UNKNOWN, gateway.superadmin)).status).toBe(404);
  });
});

/** A token of the caller's kind, made once. */
async function tokenFor(role: Role, scopes: string[]): Promise<string> {
  const name = `${role} with ${scopes.join(' ')}`;
  const token = tokens.get(name) ?? (await gateway.addToken(role === 'superadmin' ? null : gateway.workspace, role, { scopes })).token;
  tokens.set(name, token);
  return token;
}

/** Asks as a caller, naming no object that exists: whatever the answer is, it says whether the caller was let in. */
async function ask(operation: RestOperation, caller: Caller, where: Where): Promise<Reply> {
  const workspace = { own: gateway.workspace, foreign: otherWorkspace, unknown: UNKNOWN }[where];
  const path = `/api/v1${operation.http.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => (name === 'workspace' ? workspace : 'X'))}`;
  const options = {
    ...(readsQuery(operation) ? {} : { body: bodyOf(operation) }),
    ...(operation.http.ifMatch ? { headers: { 'if-match': '"1"' } } : {}),
  };
  if (caller.kind === 'session') return (await openBrowser(gateway, people.get(caller.role)!.id)).send(operation.http.method, path, options);
  const token = await tokenFor(caller.role, SCOPE_CLASSES[caller.scopes](operation.name.split('.')[0]!));
  return gateway.send(operation.http.method, path, { ...options, token });
}

/** What an answer says about the caller; refusals have sentences of their own, which no owner of an operation uses. */
function verdictOf({ status, json }: Reply): string {
  const detail = String(json['detail'] ?? '');
  if (status === 404 && detail.startsWith('There is no such workspace, or you')) return 'no such workspace';
  if (status === 403 && detail.startsWith('This needs the role ')) return 'role';
  if (status === 403 && detail.startsWith('This needs the scope ')) return 'scope';
  if (status === 403 && detail.startsWith('This is for people')) return 'people only';
  return status === 401 && json['code'] === 'unauthenticated' ? 'nobody' : 'in';
}

/** The rules, told a second time and more simply than the gateway does. */
function expectedOf({ access, http }: RestOperation, caller: Caller, where: Where): string {
  if (access === 'public') return 'in';
  const { role } = caller;
  const home = role === 'stranger' ? 'foreign' : 'own';
  if (http.path.includes('{workspace}') && (where === 'unknown' || (role !== 'superadmin' && where !== home))) return 'no such workspace';
  if (access === 'user' && caller.kind === 'token') return 'people only';
  if (access !== 'user' && access !== 'anyone') {
    const needed = ['operator', 'editor', 'admin', 'superadmin'].indexOf(access);
    const inWorkspace = http.path.includes('{workspace}') || caller.kind === 'token';
    const had = role === 'superadmin' ? 3 : inWorkspace ? ['operator', 'editor', 'admin'].indexOf(role === 'stranger' ? 'admin' : role) : -1;
    if (needed < 0 || had < needed) return 'role';
  }
  if (caller.kind === 'session') return 'in';
  const enough: ScopeClass[] = http.method === 'GET' ? ['resource read', 'resource write', 'read', 'write'] : ['resource write', 'write'];
  return enough.includes(caller.scopes) ? 'in' : 'scope';
}

/** As whom the owner of an operation is asked. A person has a role in workspaces alone, and the weakest elsewhere. */
function actorOf({ http }: RestOperation, { kind, role }: Caller): object {
  if (kind === 'token' || role === 'superadmin') return { kind: kind === 'token' ? 'token' : 'user', role };
  const inWorkspace = role === 'stranger' ? 'admin' : role;
  return { kind: 'user', role: http.path.includes('{workspace}') ? inWorkspace : 'operator' };
}

const tried = new Map<string, number>();

test.each(operations.map((operation) => ({ name: operation.name, operation })))('$name is decided by role, scope and workspace alone', async ({ name, operation }) => {
  const wrong: unknown[] = [];
  for (const where of operation.http.path.includes('{workspace}') ? WORKSPACES : (['own'] as const)) {
    for (const caller of CALLERS) {
      gateway.responders.reset();
      const [verdict, expected] = [verdictOf(await ask(operation, caller, where)), expectedOf(operation, caller, where)];
      const reached = gateway.responders.askedOf(operation);
      if (verdict !== expected || (expected !== 'in' && reached.length > 0)) wrong.push({ caller, where, verdict, expected, reached: reached.length });
      for (const { call: context } of reached) expect(context.actor).toMatchObject(actorOf(operation, caller));
      tried.set(name, (tried.get(name) ?? 0) + 1);
    }
  }
  expect(wrong).toEqual([]);
});

test('every operation with a route was tried with every role, scope and kind of caller, in every workspace its path can name', () => {
  expect(CALLERS).toHaveLength(4 * 6 + 5);
  const all = operations.map(({ name, http }) => [name, (http.path.includes('{workspace}') ? 3 : 1) * CALLERS.length]);
  expect(Object.fromEntries(tried)).toEqual(Object.fromEntries(all));
  expect(operations.map(({ name }) => name).sort()).toEqual(OPERATIONS.filter(({ http }) => http !== undefined).map(({ name }) => name).sort());
});

test('every operation is covered: a path without a workspace says why, or lists or makes workspaces', () => {
  const outside = operations.filter(({ http }) => !http.path.includes('{workspace}') && !http.isolationExempt);
  expect(outside.map(({ name }) => name)).toEqual(['workspaces.create', 'workspaces.list']);
});

import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { atLeast, OPERATIONS, ROLES, type Role } from '@vane/contracts';
import { newToken } from './access/token.js';
import { OWN_OBJECTS } from './fixtures/own-objects.js';
import { startTestGateway, type Reply, type TestGateway } from './fixtures/test-gateway.js';
import { isRest, pathParameters, readsQuery, type RestOperation } from './http/input.js';

const operations = OPERATIONS.filter(isRest).filter(({ access }) => access !== 'user' && access !== 'public');

/** A body that the contract takes, for every operation that needs one. */
const bodies: Record<string, unknown> = {
  'workspaces.create': { name: 'another' },
  'tokens.create': { name: 'mine', role: 'operator' },
  'integrations.create': { service: 'some-service', name: 'mine', clientId: 'id', clientSecret: 'x' },
  'instance-integrations.create': { service: 'some-service', name: 'ours', clientId: 'id', clientSecret: 'x' },
  'connections.authorize': { integration: 'int_1' },
  'runnables.create': { name: 'mine', spec: { kind: 'script', code: 'export async function main() {}' } },
  'triggers.create': { name: 'mine', service: 'some-service', type: 'some-type', runnableId: 'rbl_1' },
  'secrets.put': { value: 'x' },
  'notification-channels.create': { kind: 'webhook', target: 'https://example.com/' },
  'notification-channels.update': { enabled: false },
};

let gateway: TestGateway;
let otherWorkspace: string;
const tokens = new Map<Role, string>();

beforeAll(async () => {
  gateway = await startTestGateway();
  otherWorkspace = await gateway.addWorkspace('other');
  for (const role of ROLES.filter((name) => name !== 'superadmin')) tokens.set(role, (await gateway.addToken(gateway.workspace, role)).token);
  tokens.set('superadmin', gateway.superadmin);
});
afterAll(() => gateway?.stop());
beforeEach(() => gateway.responders.reset());

async function call(operation: RestOperation, workspace: string, token: string | undefined): Promise<Reply> {
  // What a route of the gateway's own names must be there, so that its 404 could only come from the access check.
  const named = pathParameters(operation.http.path).find((name) => operation.owner === 'api-gateway' && name in OWN_OBJECTS);
  const object = named && (await OWN_OBJECTS[named]!(gateway, workspace));
  const path = operation.http.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => (name === 'workspace' ? workspace : name === named ? object! : 'X'));
  return gateway.send(operation.http.method, `/api/v1${path}`, {
    ...(token === undefined ? {} : { token }),
    ...(readsQuery(operation) ? {} : { body: bodies[operation.name] ?? {} }),
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

describe.each(operations.map((operation) => ({ name: operation.name, operation })))('$name', ({ operation }) => {
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
      const unknown = await call(operation, 'wsp_00000000000000000000000000', tokens.get(role));
      expect(foreign).toMatchObject({ status: 404, json: { code: 'not_found' } });
      expect(unowned(foreign)).toEqual(unowned(unknown));
    }
    expect(effects()).toBe(0);
  });

  test('lets a superadmin into every workspace that exists, and no other', async () => {
    expect(succeeded(await call(operation, otherWorkspace, gateway.superadmin))).toBe(true);
    expect((await call(operation, 'wsp_00000000000000000000000000', gateway.superadmin)).status).toBe(404);
  });
});

test('every operation is covered: a path without a workspace says why, or lists or makes workspaces', () => {
  const outside = operations.filter(({ http }) => !http.path.includes('{workspace}') && !http.isolationExempt);
  expect(outside.map(({ name }) => name)).toEqual(['workspaces.create', 'workspaces.list']);
});

import { describe, expect, test } from '@jest/globals';
import { ERRORS, OPERATIONS, ROLES, takesIdempotencyKey } from '@vane/contracts';
import { isRest, pathParameters } from '../http/input.js';
import { openApiDocument } from './document.js';

type Json = Record<string, unknown>;
type Parameter = { name: string; in: string; required?: boolean; schema: Json };
type Entry = { operationId: string; parameters: (Parameter | { $ref: string })[]; requestBody?: Json; responses: Record<string, Json> };

const document = openApiDocument();
const text = JSON.stringify(document);
const entries = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, entry]) => ({ path, method, entry: entry as unknown as Entry })),
);
const schemas = document.components['schemas'] as Record<string, { properties: Record<string, Json>; required?: string[] }>;
const find = (operationId: string) => entries.find(({ entry }) => entry.operationId === operationId)!.entry;

function nodes(value: unknown): Json[] {
  if (typeof value !== 'object' || value === null) return [];
  return [value as Json, ...Object.values(value).flatMap(nodes)];
}

function lookUp(ref: string): unknown {
  return ref.slice(2).split('/').reduce<unknown>((value, part) => (value as Json | undefined)?.[part], document);
}

describe('the OpenAPI document', () => {
  test('resolves every reference', () => {
    const refs = nodes(document).flatMap((node) => (typeof node['$ref'] === 'string' ? [node['$ref']] : []));
    expect(refs.length).toBeGreaterThan(100);
    for (const ref of refs) expect([ref, typeof lookUp(ref)]).toEqual([ref, 'object']);
    expect(text).not.toContain('$defs');
    expect(text).not.toContain('$schema');
    expect(text).not.toContain('__schema');
  });

  test('names components as OpenAPI allows, and uses every one', () => {
    for (const [kind, members] of Object.entries(document.components)) {
      for (const name of Object.keys(members)) {
        expect(name).toMatch(/^[\w.-]+$/);
        if (kind !== 'securitySchemes') expect(text).toContain(`"#/components/${kind}/${name}"`);
      }
    }
  });

  test('has every operation with a route once, and no other', () => {
    const rest = OPERATIONS.filter(isRest);
    expect(entries.map(({ entry }) => entry.operationId).sort()).toEqual(rest.map(({ name }) => name).sort());
    for (const { name, http } of rest) expect(document.paths[http.path]?.[http.method.toLowerCase()]).toMatchObject({ operationId: name });
  });

  test('says of every operation what its path, query, body and answers are', () => {
    for (const { path, method, entry } of entries) {
      const own = entry.parameters.filter((parameter): parameter is Parameter => 'name' in parameter);
      const inPath = own.filter((parameter) => parameter.in === 'path');
      expect(inPath.map(({ name }) => name)).toEqual(pathParameters(path));
      for (const parameter of inPath) expect(parameter).toMatchObject({ required: true, schema: expect.any(Object) });
      expect(new Set(own.map(({ name }) => name)).size).toBe(own.length);
      expect(own.filter((parameter) => parameter.in === 'query' && method !== 'get' && method !== 'delete')).toEqual([]);
      if (method === 'get' || method === 'delete') expect(entry.requestBody).toBeUndefined();
      expect(Object.keys(entry.responses).filter((status) => status.startsWith('2'))).toHaveLength(1);
      expect(Object.keys(entry.responses)).toEqual(expect.arrayContaining(['401', '403', '404', 'default']));
      for (const response of Object.values(entry.responses)) expect('description' in response || '$ref' in response).toBe(true);
    }
  });

  test('requires only members that exist', () => {
    for (const node of nodes(document)) {
      if (!Array.isArray(node['required']) || node['type'] !== 'object') continue;
      for (const name of node['required'] as string[]) expect(Object.keys(node['properties'] as Json)).toContain(name);
    }
  });

  test('lists every error code with its status', () => {
    const { code } = schemas['Problem']!.properties;
    expect(code!['enum']).toEqual(Object.keys(ERRORS));
    for (const [name, { status }] of Object.entries(ERRORS)) expect(code!['description']).toContain(`\`${name}\` (${status},`);
  });

  test('says what is shown once, and that a replayed answer has null there', () => {
    expect(schemas['CreatedApiToken']!.properties['token']).toEqual({ anyOf: [{ type: 'string', format: 'password' }, { type: 'null' }] });
    expect(schemas['CreatedRunnable']!.properties['secret']).toMatchObject({ anyOf: [{ type: 'string', format: 'password' }, { type: 'null' }] });
    expect(find('tokens.create')).toMatchObject({ description: expect.stringContaining('Shown once: token.') });
  });

  test('never shows the token of a session, which is in a cookie', () => {
    expect(text).not.toContain('sessionToken');
    expect(find('session.sign-in').responses['201']).toMatchObject({ headers: { 'set-cookie': expect.any(Object) } });
    expect(JSON.stringify(find('session.sign-in').requestBody)).not.toContain('userAgent');
  });

  test('asks for If-Match and offers Idempotency-Key exactly where they mean something', () => {
    for (const operation of OPERATIONS.filter(isRest)) {
      const refs = find(operation.name).parameters.flatMap((parameter) => ('$ref' in parameter ? [parameter.$ref.split('/').at(-1)] : []));
      expect({ name: operation.name, ifMatch: refs.includes('IfMatch'), key: refs.includes('IdempotencyKey') }).toEqual({
        name: operation.name,
        ifMatch: operation.http.ifMatch ?? false,
        key: takesIdempotencyKey(operation),
      });
    }
  });

  test('tells what may be left out of a request from what an answer always has', () => {
    expect(schemas['RetryPolicy']!.required).toEqual(['maxAttempts', 'backoffMs', 'atMostOnce']);
    expect(schemas['RetryPolicyInput']!.required).toBeUndefined();
    expect(find('runnables.create').requestBody).toMatchObject({
      required: true,
      content: { 'application/json': { schema: { required: ['name', 'spec'], additionalProperties: false, properties: { retry: { $ref: '#/components/schemas/RetryPolicyInput' } } } } },
    });
    expect(schemas['Runnable']!.properties['retry']).toEqual({ $ref: '#/components/schemas/RetryPolicy' });
  });

  test('says who may call', () => {
    for (const { name, access } of OPERATIONS.filter(isRest)) {
      expect(find(name)).toMatchObject({ 'x-vane-access': access });
      expect([...ROLES, 'anyone', 'user', 'public']).toContain(access);
    }
    expect(document.security).toEqual([{ apiToken: [] }, { session: [], csrf: [] }]);
    expect(find('session.sign-in')).toMatchObject({ security: [] });
    expect(find('session.sign-out')).toMatchObject({ security: [{ session: [], csrf: [] }] });
    expect(find('session.get')).toMatchObject({ security: [{ session: [] }] });
    expect(find('workspaces.get')).toMatchObject({ security: [{ apiToken: [] }, { session: [] }] });
    expect(find('workspaces.create')).not.toHaveProperty('security');
  });

  test('is the same every time it is made', () => {
    expect(JSON.stringify(openApiDocument())).toBe(text);
  });
});

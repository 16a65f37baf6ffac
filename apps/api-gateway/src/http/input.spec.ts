import { describe, expect, test } from '@jest/globals';
import { defineOperation, ref, VaneError } from '@vane/contracts';
import { z } from 'zod';
import { buildInput, freeMembers, isRest, parseIfMatch, pathParameters, type RequestParts, type RestOperation } from './input.js';

const rest = (method: 'GET' | 'DELETE' | 'PATCH', ifMatch = false): RestOperation => {
  const operation = defineOperation({
    name: 'things.do',
    owner: 'api-gateway',
    summary: 'x',
    access: 'anyone',
    http: { method, path: '/workspaces/{workspace}/things/{thing}', ifMatch },
    input: z.object({ workspace: ref, thing: ref, name: z.string().optional(), ifMatch: z.number().optional() }),
    output: z.object({}),
  });
  if (!isRest(operation)) throw new Error('it has a route');
  return operation;
};
const parts = (rest: Partial<RequestParts> = {}): RequestParts => ({ params: { workspace: 'w', thing: 't' }, query: {}, body: undefined, ifMatch: undefined, ...rest });

describe('the input of an operation', () => {
  test('is made of path and query for GET and DELETE', () => {
    expect(buildInput(rest('GET'), parts({ query: { name: 'a' } }))).toEqual({ workspace: 'w', thing: 't', name: 'a' });
    expect(buildInput(rest('DELETE'), parts())).toEqual({ workspace: 'w', thing: 't' });
  });

  test('is made of path, body and If-Match for all others', () => {
    expect(buildInput(rest('PATCH', true), parts({ body: { name: 'a' }, ifMatch: '"4"' }))).toEqual({ workspace: 'w', thing: 't', name: 'a', ifMatch: 4 });
    expect(buildInput(rest('PATCH'), parts())).toEqual({ workspace: 'w', thing: 't' });
  });

  test.each([
    ['a query parameter that is not known', 'GET', { query: { nope: '1' } }, ['nope']],
    ['a query parameter that is in the path', 'GET', { query: { workspace: 'other' } }, ['workspace']],
    ['a query parameter given twice', 'GET', { query: { name: ['a', 'b'] } }, ['name']],
    ['a query beside a body', 'PATCH', { query: { name: 'a' }, body: {} }, ['name']],
    ['a member that is in the path', 'PATCH', { body: { thing: 'other' } }, ['thing']],
    ['members that are not known', 'PATCH', { body: { nope: 1, constructor: 2 } }, ['nope', 'constructor']],
  ] as const)('refuses %s by name', (_what, method, given, names) => {
    const build = () => buildInput(rest(method), parts(given as unknown as Partial<RequestParts>));
    expect(build).toThrow(expect.objectContaining({ code: 'bad_request', fields: names.map((path) => expect.objectContaining({ path })) }));
  });

  test('refuses ifMatch in the body and in the query', () => {
    expect(() => buildInput(rest('PATCH', true), parts({ body: { ifMatch: 1 }, ifMatch: '1' }))).toThrow(expect.objectContaining({ code: 'bad_request' }));
    expect(() => buildInput(rest('DELETE', true), parts({ query: { ifMatch: '1' }, ifMatch: '1' }))).toThrow(expect.objectContaining({ code: 'bad_request' }));
  });

  test.each([[[]], ['text'], [7], [true], [null]])('refuses a body that is %j', (body) => {
    expect(() => buildInput(rest('PATCH'), parts({ body }))).toThrow('must be a JSON object');
  });

  test('refuses a body where the query is read', () => {
    expect(() => buildInput(rest('DELETE'), parts({ body: {} }))).toThrow('takes no body');
  });

  test('does not repeat names of any length or number', () => {
    const body = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`${index}${'x'.repeat(1000)}`, 1]));
    try {
      buildInput(rest('PATCH'), parts({ body }));
      throw new Error('it must be refused');
    } catch (error) {
      if (!(error instanceof VaneError)) throw error;
      expect(error.fields).toHaveLength(20);
      expect(error.message.length).toBeLessThan(3_000);
    }
  });
});

test('path parameters and If-Match are not free members', () => {
  expect(pathParameters('/a/{one}/b/{two}')).toEqual(['one', 'two']);
  expect(freeMembers(rest('PATCH', true))).toEqual(['name']);
  expect(freeMembers(rest('PATCH', false))).toEqual(['name', 'ifMatch']);
});

describe('If-Match', () => {
  test.each([['"3"', 3], ['3', 3], ['W/"3"', 3], [' "3" ', 3], ['"0"', 0]])('%s is a version', (header, version) => {
    expect(parseIfMatch(header)).toBe(version);
  });

  test.each(['*', '"3", "4"', 'W/3', '"3', '3"', '"-1"', '"3.5"', '"abc"', '""', '99999999999', '0x3'])('%s is refused', (header) => {
    expect(() => parseIfMatch(header)).toThrow(expect.objectContaining({ code: 'bad_request', fields: [expect.objectContaining({ path: 'ifMatch' })] }));
  });

  test.each([undefined, '', ' '])('%j is missing', (header) => {
    expect(() => parseIfMatch(header)).toThrow(expect.objectContaining({ code: 'precondition_required' }));
  });
});

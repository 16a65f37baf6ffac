import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { OPERATIONS } from './index.js';
import { ifMatch, jsonObject, label, ref, text, webUrl } from './scalars.js';

const UNSTORABLE = ['a\u0000b', '\ud800', 'x\udc00y', '\udc00\ud800'];
/** Of the length and form that secrets, names and URLs have. */
const UNSTORABLE_ANYWHERE = ['a\u0000b', 'A\u0000', 'https://e.example/\ud800', `${'x'.repeat(20)}\u0000`];
const STORABLE = ['', 'a b\n\t', 'ü', '😀', '\u0001', '\ufffd'];

describe('a text that a caller gives', () => {
  it.each(UNSTORABLE)('is refused in a sentence when it cannot be stored: %j', (value) => {
    for (const schema of [text(), ref, label]) {
      expect(schema.safeParse(value).error?.issues[0]?.message).toContain('cannot be stored');
    }
    expect(webUrl().safeParse(`https://example.com/${value}`).success).toBe(false);
    for (const config of [{ a: value }, { [value]: 1 }, { a: { b: [1, { c: [value] }] } }]) expect(jsonObject.safeParse(config).success).toBe(false);
  });

  it.each(STORABLE)('is taken when it can: %j', (value) => {
    expect(text().safeParse(value).success).toBe(true);
    expect(jsonObject.safeParse({ a: { b: [value, null, 1, true] } }).success).toBe(true);
  });
});

/** Every string schema below a schema, with where it stands. */
function strings(schema: z.core.$ZodType, at: string): [string, z.core.$ZodType][] {
  const { def } = schema._zod as unknown as { def: Record<string, unknown> & { type: string } };
  if (def.type === 'string') return [[at, schema]];
  const below: unknown[] = [def['innerType'], def['element'], def['valueType'], ...((def['options'] as unknown[] | undefined) ?? [])];
  const shape = (def['shape'] ?? {}) as Record<string, z.core.$ZodType>;
  return [
    ...below.filter((one) => one !== undefined).flatMap((one) => strings(one as z.core.$ZodType, at)),
    ...Object.entries(shape).flatMap(([name, member]) => strings(member, `${at}.${name}`)),
  ];
}

describe('every operation that callers reach', () => {
  // The members of JSON values are walked by the object around them, see above.
  const given = OPERATIONS.filter(({ http }) => http).flatMap(({ name, input }) =>
    Object.entries(input.shape).flatMap(([member, schema]) => (member === 'config' ? [] : strings(schema as z.core.$ZodType, `${name}: ${member}`))),
  );

  it('takes no text that cannot be stored', () => {
    expect(given.length).toBeGreaterThan(80);
    const open = given.filter(([, schema]) => UNSTORABLE_ANYWHERE.some((value) => z.safeParse(schema, value).success));
    expect(open.map(([at]) => at)).toEqual([]);
  });
});

it.each([['9999999999', false], ['2147483648', false], ['-1', false], ['2147483647', true], ['1', true]])('a version %s read before is taken: %s', (value, taken) => {
  expect(ifMatch.safeParse(value).success).toBe(taken);
});

import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { OPERATIONS } from './index.js';
import { definitionOf, holdsSecret, isSecret, maskInput, maskOutput, maskSecrets } from './masking.js';
import { defineOperation } from './operation.js';
import { json, secretText, shownSecret, text, webUrl } from './scalars.js';

/** Every member below a schema by its path, with its own schema. */
function members(schema: z.core.$ZodType, at: string, name: string, seen: z.core.$ZodType[] = []): { at: string; name: string; schema: z.core.$ZodType }[] {
  if (seen.includes(schema)) return [];
  const { shape = {}, element, valueType, options = [], innerType, in: before, out } = definitionOf(schema);
  const within = [element, valueType, innerType, before, out, ...options].filter((part) => part !== undefined);
  return [
    { at, name, schema },
    ...within.flatMap((part) => members(part, at, name, [...seen, schema])),
    ...Object.entries(shape).flatMap(([member, part]) => members(part, `${at}.${member}`, member, [...seen, schema])),
  ];
}

/** Whether a schema is, or wraps, a text. */
const isText = (schema: z.core.$ZodType): boolean => {
  const { type, innerType } = definitionOf(schema);
  return innerType ? isText(innerType) : type === 'string';
};
const isMarked = (schema: z.core.$ZodType): boolean => {
  const { innerType } = definitionOf(schema);
  return isSecret(schema) || (innerType !== undefined && isMarked(innerType));
};

const LOOKS_SECRET = /secret|password|passphrase|credential|token|key$|ticket|verifier|url$|link$/i;

/** What looks like a secret by its name and is none, by the end of its path, with the reason. */
const NONE: [end: RegExp, reason: string][] = [
  [/\.dedupeKey$/, 'identifies an occurrence'],
  [/\.docsUrl$/, 'a page of documentation'],
  [/\.tokenType$/, 'says how a token is sent'],
  [/^tokens\.\w+ input\.token$/, 'the id of a token'],
  [/\.spec\.url$/, 'where an HTTP target is called, which everybody in the workspace reads'],
  [/\.hosts\.url$/, 'the host of a service'],
  [/\.oidc\.startUrl$/, 'the same for everybody'],
  [/^subscriptions\.reregister output\.publicUrl$/, 'the address of the installation, which every service is told'],
  [/^notifications?\..*\.link$/, 'a page of the console'],
];

describe('every operation', () => {
  const all = OPERATIONS.flatMap((operation) => [
    ...members(operation.input, `${operation.name} input`, '').map((member) => ({ ...member, operation })),
    ...members(operation.output, `${operation.name} output`, '').map((member) => ({ ...member, operation })),
  ]);

  it('marks what its name says is a secret, or a reason is given here', () => {
    const unmarked = all.filter(({ at, name, schema, operation }) => {
      const revealed = at === `${operation.name} output.${name}` && operation.http?.revealsSecret?.includes(name);
      return LOOKS_SECRET.test(name) && !name.endsWith('At') && isText(schema) && !isMarked(schema) && !revealed && !NONE.some(([end]) => end.test(at));
    });
    expect([...new Set(unmarked.map(({ at }) => at))]).toEqual([]);
  });

  it('is known to take a secret when one of its members is one', () => {
    for (const operation of OPERATIONS) {
      expect([operation.name, holdsSecret(operation.input)]).toEqual([operation.name, members(operation.input, '', '').some(({ schema }) => isSecret(schema))]);
    }
    expect(OPERATIONS.filter(({ input }) => holdsSecret(input)).map(({ name }) => name)).toEqual(expect.arrayContaining(['secrets.put', 'triggers.create']));
  });

  it('has what the list of exceptions names', () => {
    for (const [end] of NONE) expect([String(end), all.some(({ at }) => end.test(at))]).toEqual([String(end), true]);
  });

  it('marks what it shows once', () => {
    for (const operation of OPERATIONS) {
      const { shape } = definitionOf(operation.output);
      for (const name of operation.http?.revealsSecret ?? []) expect([operation.name, name, isMarked(shape![name]!)]).toEqual([operation.name, name, true]);
    }
  });

  it('takes secrets as texts that are never shown', () => {
    const taken = all.filter(({ at, schema, operation }) => at.startsWith(`${operation.name} input`) && isSecret(schema));
    expect(taken.length).toBeGreaterThan(5);
    for (const { at, schema } of taken) expect([at, z.globalRegistry.get(schema as z.ZodType)]).toEqual([at, expect.objectContaining({ writeOnly: true })]);
  });
});

describe('masking', () => {
  const spec = z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('a'), secret: secretText() }),
    z.object({ kind: z.literal('b'), url: z.string() }),
  ]);
  const schema = z.object({
    name: text(),
    secret: secretText().min(3).optional(),
    deep: z.object({ list: z.array(z.object({ token: shownSecret().nullable() })) }).optional(),
    byName: z.record(z.string(), shownSecret()).default({}),
    spec: spec.optional(),
    config: json.optional(),
    piped: secretText().transform(String).optional(),
  });

  it('replaces every secret, however deep, and nothing else', () => {
    const value = {
      name: 'x',
      secret: 'hush',
      deep: { list: [{ token: 'hush' }, { token: null }] },
      byName: { one: 'hush' },
      spec: { kind: 'a', secret: 'hush' },
      config: { any: ['thing', 1, null] },
      piped: 'hush',
    };
    expect(maskSecrets(schema, value)).toEqual({
      name: 'x',
      secret: '***',
      deep: { list: [{ token: '***' }, { token: null }] },
      byName: { one: '***' },
      spec: { kind: 'a', secret: '***' },
      config: { any: ['thing', 1, null] },
      piped: '***',
    });
    expect(value.secret).toBe('hush');
  });

  it('keeps nothing that the schema does not name, or that does not fit it', () => {
    expect(maskSecrets(schema, { name: 'x', more: 'hush', deep: 'hush', byName: 'hush', spec: { kind: 'c', secret: 'hush' } })).toEqual({
      name: 'x', deep: '***', byName: '***', spec: '***',
    });
    expect(maskSecrets(spec, { kind: 'b', url: 'https://e.example', secret: 'hush' })).toEqual({ kind: 'b', url: 'https://e.example' });
  });

  it.each([
    ['https://user:pw@host.example/path?token=abc', 'https://***@host.example/path?***'],
    ['https://user@b:pw@host.example', 'https://***@host.example'],
    ['HTTPS:user:pw@host.example/#token=abc', 'HTTPS:***@host.example/#***'],
    ['ftp://user:pw@host.example/', 'ftp://***@host.example/'],
    ['https://user:p/w@host.example/', '***'],
    ['https://user:pw@ho st/?token=abc', '***'],
    ['https://host.example/@me/x', 'https://host.example/@me/x'],
    ['http://127.0.0.1:8080', 'http://127.0.0.1:8080'],
    ['ann@example.com', 'ann@example.com'],
    ['what is this? #1', 'what is this? #1'],
  ])('leaves of the text %s what is no credential: %s', (value, masked) => {
    const url = z.object({ target: text().optional(), hosts: z.record(z.string(), webUrl()).optional() });
    expect(maskSecrets(url, { target: value, hosts: { api: value } })).toEqual({ target: masked, hosts: { api: masked } });
  });

  it('masks an operation as a whole, and what it shows once even where that is not marked', () => {
    const operation = defineOperation({
      name: 'things.make', owner: 'api-gateway', summary: 'x', access: 'admin',
      http: { method: 'POST', path: '/things', revealsSecret: ['shown', 'none'] },
      input: z.object({ password: secretText() }),
      output: z.object({ id: z.string(), shown: z.string(), none: z.string().nullable() }),
    });
    expect(maskInput(operation, { password: 'hush' })).toEqual({ password: '***' });
    expect(maskOutput(operation, { id: '1', shown: 'hush', none: null })).toEqual({ id: '1', shown: '***', none: null });
  });
});

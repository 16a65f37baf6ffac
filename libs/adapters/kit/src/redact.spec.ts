import { describe, expect, it } from '@jest/globals';
import { valueTextAt } from './json-text.js';
import { redact } from './redact.js';

const cutting = (body: string, ...pointers: string[]) => {
  const result = redact(Buffer.from(body), pointers.map((pointer) => ({ pointer })));
  return result.ok ? { body: Buffer.from(result.body).toString(), cut: result.cut } : result;
};

describe('cutting members', () => {
  it.each<[string, string[], string, Record<string, unknown>]>([
    ['{"a":1,"b":2,"c":3}', ['/a'], '{"b":2,"c":3}', { '/a': 1 }],
    ['{"a":1,"b":2,"c":3}', ['/b'], '{"a":1,"c":3}', { '/b': 2 }],
    ['{"a":1,"b":2,"c":3}', ['/c', '/b'], '{"a":1}', { '/b': 2, '/c': 3 }],
    ['{"a":1}', ['/a'], '{}', { '/a': 1 }],
    ['{"a":{"b":{"c":[1,2]}},"d":0}', ['/a/b/c'], '{"a":{"b":{}},"d":0}', { '/a/b/c': [1, 2] }],
    ['{"a":[{"t":1,"u":2},{"t":3}]}', ['/a/1/t'], '{"a":[{"t":1,"u":2},{}]}', { '/a/1/t': 3 }],
    ['[1,{"x":2},3]', ['/1'], '[1,null,3]', { '/1': { x: 2 } }],
    ['{"a/b":1,"m~n":2,"":3}', ['/a~1b', '/m~0n', '/'], '{}', { '/a~1b': 1, '/m~0n': 2, '/': 3 }],
    ['{"~1":1,"/":2}', ['/~01'], '{"/":2}', { '/~01': 1 }],
    ['{"a":{"b":1,"c":2}}', ['/a', '/a/b'], '{}', { '/a': { b: 1, c: 2 }, '/a/b': 1 }],
    ['{"a":{"b":1}}', ['/a', '/a/c'], '{}', { '/a': { b: 1 } }],
    ['{"a":{"b":1}}', ['/a', '/a/constructor'], '{}', { '/a': { b: 1 } }],
    ['{"a":1}', [''], 'null', { '': { a: 1 } }],
    [' { "a" : "x,}\\"" , "b" : 1 } ', ['/a'], '{"b" : 1}', { '/a': 'x,}"' }],
    ['{"\\u0061uth":"t","b":1}', ['/auth'], '{"b":1}', { '/auth': 't' }],
    ['{"__proto__":{"t":1},"b":1}', ['/__proto__/t'], '{"__proto__":{},"b":1}', { '/__proto__/t': 1 }],
  ])('%s without %j', (body, pointers, left, cut) => {
    expect(cutting(body, ...pointers)).toStrictEqual({ body: left, cut });
  });

  it('cuts every repetition of a member, also below a repeated parent', () => {
    expect(cutting('{"t":1,"x":0,"t":2}', '/t')).toEqual({ body: '{"x":0}', cut: { '/t': 2 } });
    expect(cutting('{"a":{"t":"secret"},"a":{}}', '/a/t')).toEqual({ body: '{"a":{},"a":{}}', cut: { '/a/t': 'secret' } });
  });

  it('leaves numbers and text of what stays as the sender wrote them', () => {
    const rest = '"id":12345678901234567890,"f":1.10,"e":1E400,"s":"\\u00e9\\/","u":"é😀"';
    expect(cutting(`{${rest},"t":1}`, '/t')).toEqual({ body: `{${rest}}`, cut: { '/t': 1 } });
  });

  it.each(['/x', '/a/b', '/a/0', '/l/2', '/l/-', '/l/01', '/n/x'])('hands the same bytes back when %s names nothing', (pointer) => {
    const body = Buffer.from(' {"a":"text", "l":[1,2], "n":null}\n');
    const result = redact(body, [{ pointer }]);
    expect(result).toEqual({ ok: true, body, cut: {} });
    expect(result.ok && result.body).toBe(body);
  });

  it('does not read the body without redactions', () => {
    const body = Buffer.from([0xff, 0x00]);
    expect(redact(body, [])).toEqual({ ok: true, body, cut: {} });
  });

  it.each(['', 'a=b', '{"a":1', '{"a":1}x', "{'a':1}", '{"a":1,}'])('says that %p is not JSON', (body) => {
    expect(cutting(body, '/a')).toEqual({ ok: false });
  });

  it('says that bytes which are no UTF-8 are not JSON', () => {
    expect(redact(Buffer.from('{"a":"\xff"}', 'latin1'), [{ pointer: '/a' }])).toEqual({ ok: false });
  });

  it('survives nesting that would exhaust the stack of a recursive reader', () => {
    const deep = '['.repeat(200_000) + ']'.repeat(200_000);
    const result = cutting(`{"keep":${deep},"t":1}`, '/t');
    expect(result).toEqual({ body: `{"keep":${deep}}`, cut: { '/t': 1 } });
  });

  it.each(['a', 'a/b', '/a~', '/a~2'])('refuses %p as a pointer', (pointer) => {
    expect(() => cutting('{}', pointer)).toThrow(/is no JSON Pointer/);
  });

  it('agrees with parsing, deleting and writing again on generated documents', () => {
    let seed = 7;
    const next = (below: number): number => (seed = (seed * 48271) % 2147483647) % below;
    const keys = ['a', 'b', 'c"', 'd/e', '~'];
    const value = (depth: number): unknown => {
      const kind = next(depth > 3 ? 4 : 6);
      if (kind === 4) return Array.from({ length: next(4) }, () => value(depth + 1));
      if (kind === 5) return Object.fromEntries(keys.slice(0, next(6)).map((key) => [key, value(depth + 1)]));
      return [null, true, next(1000) / 8, 'x,"]}\\'][kind];
    };
    for (let round = 0; round < 300; round++) {
      const document = { a: value(1), b: value(1), 'd/e': value(1) };
      const text = JSON.stringify(document, null, next(3));
      const expected = structuredClone(document) as Record<string, unknown>;
      delete expected.a;
      const inner = expected['d/e'] as Record<string, unknown> | null;
      if (inner && typeof inner === 'object' && !Array.isArray(inner)) delete inner['~'];
      const result = cutting(text, '/a', '/d~1e/~0');
      expect('body' in result && JSON.parse(result.body)).toEqual(expected);
    }
  });
});

describe('reading the text at a pointer', () => {
  it.each<[string, string, string | undefined]>([
    ['{"id":12345678901234567890}', '/id', '12345678901234567890'],
    ['{"a":[{"b":"x"}]}', '/a/0/b', '"x"'],
    ['{"a":1,"a":2}', '/a', '2'],
    [' [1 , 2 ] ', '/1', '2'],
    [' "x" ', '', '"x"'],
    ['{"a":1}', '/b', undefined],
    ['{"a":1}', '/a/b', undefined],
  ])('%s at %s', (text, pointer, expected) => expect(valueTextAt(text, pointer)).toBe(expected));
});

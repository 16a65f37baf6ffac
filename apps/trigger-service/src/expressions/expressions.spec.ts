import { describe, expect, it } from '@jest/globals';
import { MAX_STEPS } from './budget.js';
import { Expression, ExpressionError, mapped, passes, readable, readFilter, type Subject } from './language.js';
import { requireReadable, TriggerExpressions, type Judged } from './trigger-expressions.js';

const event = { id: 'evt_1', type: 'push', service: 'acme', occurredAt: null, receivedAt: '2026-03-02T10:00:00.000Z' };
const subject = (payload: unknown): Subject => ({ event, trigger: { id: 'trg_1', name: 'mine' }, payload: readable(payload, JSON.stringify(payload)) });
const passesFor = (filter: string, payload: unknown = {}) => passes(readFilter(filter), subject(payload));
const mapOf = (mapping: string, payload: unknown = {}) => JSON.parse(mapped(new Expression(mapping), subject(payload))) as unknown;
const items = Array.from({ length: 2_000 }, (_, n) => ({ n, name: `item ${n}` }));

describe('a filter', () => {
  it.each([
    ['payload.action == "opened"', { action: 'opened' }, true],
    ['payload.action == "opened"', { action: 'closed' }, false],
    ['payload.n > 2 && payload.n % 2 == 1.0 && payload.n + 1 == 4.0', { n: 3 }, true],
    ['has(payload.amount) && payload.amount > 1000', {}, false],
    ['payload.labels.exists(l, l.name == "urgent")', { labels: [{ name: 'x' }, { name: 'urgent' }] }, true],
    ['payload.ref.matches("^refs/heads/(main|release-[0-9]+)$")', { ref: 'refs/heads/release-12' }, true],
    ['payload.ref.matches("^main$")', { ref: 'refs/heads/main' }, false],
    ['event.type == "push" && event.service == "acme" && trigger.name == "mine"', {}, true],
    ['timestamp(event.receivedAt).getDayOfWeek() in [1, 2, 3, 4, 5]', {}, true],
    ['"bug" in payload.labels', { labels: ['bug'] }, true],
    ['payload.constructor == "x" && payload.__proto__ == 1', JSON.parse('{"constructor": "x", "__proto__": 1}'), true],
  ])('%s', (filter, payload, verdict) => expect(passesFor(filter, payload)).toBe(verdict));

  it.each([
    ['payload.missing == 1', {}, 'No such key: missing. (line 1, column 9)'],
    ['payload.n', { n: 'no' }, 'came to something else'],
    ['payload.n < 3', { n: '2' }, 'no such overload'],
  ])('that cannot be evaluated says why: %s', (filter, payload, message) => expect(() => passesFor(filter, payload)).toThrow(message));

  it.each([
    ['payload.a ==', 'line 1, column 13'],
    ['true &&\n  nobody', 'Unknown variable: nobody. (line 2, column 3)'],
    ['"a" + "b"', 'a value of type string'],
    ['payload.s.matches("(a")', 'regular expression cannot be used'],
    ['payload.s.matches("a(?=b)")', 'regular expression cannot be used'],
    ['bytes("x").size() > 1', 'bytes cannot be used here'],
    [`${'('.repeat(60)}true${')'.repeat(60)}`, 'maxDepth'],
    [Array.from({ length: 700 }, () => '1').join('+'), 'maxAstNodes'],
    [' '.repeat(4_001), 'at most 4000'],
  ])('that cannot be used is refused with its place: case %#', (filter, message) => expect(() => readFilter(filter)).toThrow(message));
});

describe('a mapping', () => {
  it('makes JSON of an event', () => {
    expect(mapOf('{"n": payload.n, "next": payload.n + 1, "all": payload.list.map(x, x * 2), "who": trigger.name, "none": null}', { n: 1.5, list: [1, 2] }))
      .toEqual({ n: 1.5, next: 2.5, all: [2, 4], who: 'mine', none: null });
    expect(mapOf('[2 * 4503599627370496, 7, timestamp(event.receivedAt), duration("3500ms")]')).toEqual(['9007199254740992', 7, event.receivedAt, '3.5s']);
    expect(mapOf('payload', { constructor: { name: [1] } })).toEqual({ constructor: { name: [1] } });
  });

  it.each([
    ['payload.n / 0', { n: 1 }, 'division by zero'],
    ['type(1)', {}, 'something that JSON does not know'],
    ['payload.items.map(x, payload.items)', { items }, 'larger than 262144'],
  ])('that JSON cannot hold is refused: %s', (mapping, payload, message) => expect(() => mapOf(mapping, payload)).toThrow(message));
});

describe('a hostile expression', () => {
  const long = 'a'.repeat(1_000_000);
  const doubling = `["${'x'.repeat(100)}"]${'.map(a, a + a)'.repeat(40)}.size() > 0`;
  it.each([
    ['loops in loops', 'payload.items.all(a, payload.items.all(b, payload.items.all(c, a.n + b.n + c.n >= 0)))', { items }, 'steps'],
    ['loops whose errors would be swallowed', 'payload.items.exists(a, payload.items.exists(b, a.n + b.n < 0) || payload.nothing) || true', { items }, 'steps'],
    ['texts that double', doubling, {}, 'characters'],
    ['bound names that double', `${Array.from({ length: 20 }, (_, n) => `cel.bind(a${n + 1}, a${n} + a${n}, `).join('').replace('a0 + a0', 'payload.s + payload.s')}true${')'.repeat(20)}`, { s: long }, 'cannot be used'],
    ['lists that are joined', 'payload.items.map(x, payload.s).join() == ""', { items, s: 'x'.repeat(600) }, 'characters'],
    ['long texts that are joined', 'payload.items.map(x, payload.s).join() == ""', { items, s: long }, 'steps'],
    ['a text that is taken apart', 'payload.s.split("").size() > 1', { s: long }, 'too long for split'],
    ['comparisons of all with all', 'payload.items.exists(a, payload.items == [a])', { items }, 'steps'],
    ['a regular expression over a long text', 'payload.s.matches("(a+)+$")', { s: long }, 'too long for matches'],
    ['a large regular expression', 'payload.s.matches("(.*)a{1,900}(.*)b")', { s: 'a'.repeat(10_000) }, 'steps'],
    ['a regular expression made of the event', '"a".matches(payload.p)', { p: 'a' }, 'written as a text'],
    ['a regular expression too large to compile', '"a".matches("(a{1,1000}){1,1000}")', {}, 'repeats its parts'],
    ['long texts searched for in longer ones', 'payload.s.contains("b" + payload.s.substring(0, 200000))', { s: 'a'.repeat(250_000) }, 'searched for'],
    ['long texts looked up in longer ones', 'dyn(payload.s) in payload.s + payload.s', { s: 'a'.repeat(50_000) }, 'searched for'],
    ['many searches from behind', 'payload.items.all(x, payload.s.lastIndexOf(payload.t) < 0)', { items, s: 'a'.repeat(200_000), t: `b${'a'.repeat(900)}` }, 'steps'],
    ['a duration of many digits', 'duration(payload.s) == duration("1s")', { s: '1'.repeat(200_000) }, 'too long for duration'],
    ['time zones looked up in loops', 'payload.items.all(x, timestamp(event.receivedAt).getHours("Europe/Berlin") > 0)', { items }, 'steps'],
  ])('is stopped by what it costs: %s', (_, filter, payload, message) => {
    expect(() => passesFor(filter, payload)).toThrow(message);
  });

  it('takes linear time where JavaScript would take for ever', () => {
    expect(passesFor('payload.s.matches("^(a+)+$")', { s: `${'a'.repeat(5_000)}!` })).toBe(false);
  });

  it.each(['payload.constructor', 'payload.__proto__', 'payload["__proto__"]', 'payload.toString', 'payload.s.constructor', 'payload.l.constructor', 'event.constructor', 'payload.l.__proto__'])(
    'reaches nothing that is not in the event: %s', (mapping) => expect(() => mapOf(mapping, { s: 'x', l: [1] })).toThrow(/No such key|Cannot index|no such overload|nsupported/i),
  );

  it.each(['payload.m[payload.s]', 'bool(payload.s)', 'duration(payload.s)', 'timestamp(payload.s)', 'int(payload.s)', 'payload.s[payload.s]', 'payload.s.getHours(payload.s)', 'timestamp(event.receivedAt).getHours(payload.s)'])(
    'has no value of the event in what is said of it: %s', (mapping) => {
      const failing = () => mapOf(mapping, { s: 'hunter2', m: {} });
      expect(failing).toThrow(ExpressionError);
      expect(failing).not.toThrow('unter2');
    },
  );

  it('can neither change the event nor keep anything for the next', () => {
    const one = new Expression('payload.items.map(x, x.n).filter(n, n > 1997)');
    expect([1, 2].map(() => mapped(one, subject({ items })))).toEqual(['[1998,1999]', '[1998,1999]']);
    expect(() => passesFor('payload.items.size() == 2000 && payload.items[0].n == 0', { items })).not.toThrow();
  });

  it('has as many steps for each event as for the first', () => {
    const filter = readFilter('payload.items.all(a, a.n >= 0)');
    for (let total = 0; total < 2 * MAX_STEPS; total += 4 * items.length) expect(passes(filter, subject({ items }))).toBe(true);
  });
});

describe('the expressions of a trigger', () => {
  const judged: Judged = { ...event, payload: { n: 1 }, payloadText: '{"n":1}' };
  const judge = (filter: string | null, mapping: string | null) => new TriggerExpressions().judge({ id: 'trg_1', name: 'mine', filter, mapping }, judged);

  it('say whether an event starts a run, with what, and why not', () => {
    expect(judge(null, null)).toEqual({ starts: true, input: null });
    expect(judge('payload.n == 1', '{"m": payload.n}')).toEqual({ starts: true, input: '{"m":1}' });
    expect(judge('payload.n == 2', 'payload.nothing')).toEqual({ starts: false, code: 'filtered', message: 'The filter says no: payload.n == 2' });
    expect(judge('payload.x == 2', null)).toMatchObject({ starts: false, code: 'filter_failed', message: expect.stringContaining('No such key: x') });
    expect(judge(null, 'payload.x')).toMatchObject({ starts: false, code: 'mapping_failed', message: expect.stringContaining('line 1, column 9') });
  });

  it('are refused together when they are saved', () => {
    expect(() => requireReadable({ filter: 'a', mapping: '1 +' })).toThrow(expect.objectContaining({
      code: 'invalid_config',
      fields: [{ path: 'filter', message: 'Unknown variable: a. (line 1, column 1)' }, { path: 'mapping', message: expect.stringContaining('column 4') }],
    }));
    expect(() => requireReadable({ filter: null, mapping: undefined })).not.toThrow();
  });
});

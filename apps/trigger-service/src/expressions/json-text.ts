import { Duration, UnsignedInt } from '@marcbachmann/cel-js/evaluator';

const MAX_DEPTH = 100;

/** A value that is no JSON, or too much of it. */
export class NoJson extends Error {}

/**
 * What an expression has come to, as JSON text of at most `limit` UTF-16 units. Whole numbers beyond 2^53 become texts, as do
 * times (ISO 8601) and durations (`3.5s`). Stops at the limit: a value may be small and its text endless.
 *
 * @throws NoJson
 */
export function jsonText(value: unknown, limit: number): string {
  const parts: string[] = [];
  let left = limit;
  const put = (text: string) => {
    left -= text.length;
    if (left < 0) throw new NoJson(`The value is larger than ${limit} characters as JSON.`);
    parts.push(text);
  };
  const members = (names: Iterable<[unknown, unknown]>, depth: number) => {
    let first = true;
    put('{');
    for (const [name, member] of names) {
      if (member === undefined) continue;
      put(`${first ? '' : ','}${JSON.stringify(String(name))}:`);
      first = false;
      write(member, depth + 1);
    }
    put('}');
  };
  const write = (one: unknown, depth: number): void => {
    if (depth > MAX_DEPTH) throw new NoJson(`The value is nested more than ${MAX_DEPTH} deep.`);
    if (one === undefined) throw new NoJson('The value is nothing at all.');
    if (one === null || typeof one === 'boolean') return put(String(one));
    if (typeof one === 'string') return put(one.length > left ? ' '.repeat(left + 1) : JSON.stringify(one));
    if (typeof one === 'number') return put(finite(one));
    if (typeof one === 'bigint') return put(whole(one));
    if (one instanceof UnsignedInt) return put(whole(BigInt(one.toString())));
    if (one instanceof Date) return put(JSON.stringify(one));
    if (one instanceof Duration) return put(JSON.stringify(one.toString()));
    if (Array.isArray(one)) {
      put('[');
      one.forEach((member, index) => {
        if (index > 0) put(',');
        write(member, depth + 1);
      });
      return put(']');
    }
    if (one instanceof Map) return members(one, depth);
    if (typeof one === 'object' && Object.getPrototypeOf(one) === Object.prototype) return members(Object.entries(one), depth);
    throw new NoJson('The value holds something that JSON does not know.');
  };
  write(value, 0);
  return parts.join('');
}

function finite(value: number): string {
  if (Number.isFinite(value)) return JSON.stringify(value);
  throw new NoJson('The value holds a number that JSON does not know, such as the result of a division by zero.');
}

const whole = (value: bigint): string => (value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER ? String(value) : `"${value}"`);

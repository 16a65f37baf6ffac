import { stringify } from './bridge.js';

const longest = 8000;

export type ErrorText = { name: string; message: string; stack: string };

/** Reads a thrown value without trusting it; whatever it does, three bounded texts come out. */
export function describeError(error: unknown): ErrorText {
  try {
    if (error instanceof Error) {
      return { name: String(error.name).slice(0, 200), message: String(error.message).slice(0, longest), stack: String(error.stack ?? '').slice(0, longest) };
    }
    return { name: '', message: formatValue(error).slice(0, longest), stack: '' };
  } catch {
    return { name: '', message: 'a value that cannot be shown', stack: '' };
  }
}

function replacer() {
  const above: unknown[] = [];
  return function (this: unknown, _key: string, value: unknown): unknown {
    if (typeof value === 'bigint') return `${value}n`;
    if (typeof value === 'function') return `[Function ${value.name}]`;
    if (typeof value !== 'object' || value === null) return value;
    while (above.length > 0 && above.at(-1) !== this) above.pop();
    if (above.includes(value)) return '[Circular]';
    above.push(value);
    if (value instanceof Map) return { Map: [...value] };
    if (value instanceof Set) return { Set: [...value] };
    if (value instanceof Error) return `${value.name}: ${value.message}`;
    return value;
  };
}

/** One console argument as text: texts as they are, objects as JSON, errors with their stack. */
export function formatValue(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return `[Function ${value.name}]`;
  if (value instanceof Error) return `${value.name}: ${value.message}\n${value.stack ?? ''}`.trimEnd();
  if (typeof value === 'object' && value !== null) return stringify(value, replacer()) ?? String(value);
  return String(value);
}

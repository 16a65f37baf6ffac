import type { Bridge } from './bridge.js';
import { formatValue } from './format.js';

const levels = ['log', 'info', 'warn', 'error', 'debug'] as const;

function safely(value: unknown): string {
  try {
    return formatValue(value);
  } catch {
    return '[a value that cannot be shown]';
  }
}

/** A console whose lines go to the host, cut there to `longest` so that no huge text leaves the interpreter. */
export function createConsole(call: Bridge, longest: number) {
  const print = (level: string) => (...values: unknown[]) => {
    const text = values.map(safely).join(' ');
    call('log', level, text.slice(0, longest), text.length > longest);
  };
  const methods = Object.fromEntries(levels.map((level) => [level, print(level)]));
  return { ...methods, trace: print('debug') };
}

import { randomBytes, randomUUID } from 'node:crypto';
import type { ScriptLogLevel } from './script-types.js';

/** What the interpreter's one door leads to: named operations on plain JSON arguments, none of them trusted. */
export type HostOperation = (args: unknown[]) => unknown;

const urlMembers = new Set(['href', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash']);
const levels = new Set(['log', 'info', 'warn', 'error', 'debug']);

/** Returns `value` as a text of at most `longest` characters, or throws what the script then sees. */
export function asText(value: unknown, longest = 64 * 1024): string {
  if (typeof value !== 'string') throw new TypeError('expected a text');
  if (value.length > longest) throw new RangeError(`a text longer than ${longest} characters is not accepted here`);
  return value;
}

export function asLevel(value: unknown): ScriptLogLevel {
  return levels.has(value as string) ? (value as ScriptLogLevel) : 'log';
}

export function asId(value: unknown): number {
  if (!Number.isSafeInteger(value)) throw new TypeError('expected an id');
  return value as number;
}

function partsOf(url: URL) {
  const { href, origin, protocol, username, password, host, hostname, port, pathname, search, hash } = url;
  return { href, origin, protocol, username, password, host, hostname, port, pathname, search, hash };
}

function parseUrl([href, base]: unknown[]) {
  const text = asText(href);
  if (!URL.canParse(text, base === null ? undefined : asText(base))) throw new TypeError(`Invalid URL: ${text.slice(0, 200)}`);
  return partsOf(new URL(text, base === null ? undefined : asText(base)));
}

function changeUrl([href, member, value]: unknown[]) {
  const url = new URL(asText(href));
  if (!urlMembers.has(member as string)) throw new TypeError('no such member of URL');
  (url as unknown as Record<string, string>)[member as string] = asText(value);
  return partsOf(url);
}

function formatQuery([pairs]: unknown[]) {
  if (!Array.isArray(pairs)) throw new TypeError('expected pairs');
  return new URLSearchParams(pairs.map((pair: unknown): [string, string] => (Array.isArray(pair) ? [asText(pair[0]), asText(pair[1])] : ['', '']))).toString();
}

function random([length]: unknown[]) {
  const count = asId(length);
  if (count < 0 || count > 65_536) throw new RangeError('at most 65536 random bytes at a time');
  return [...randomBytes(count)];
}

/** Operations that concern no particular run. */
export const pureOperations: Record<string, HostOperation> = {
  uuid: () => randomUUID(),
  random,
  parseUrl,
  changeUrl,
  parseQuery: ([query]) => [...new URLSearchParams(asText(query))],
  formatQuery,
};

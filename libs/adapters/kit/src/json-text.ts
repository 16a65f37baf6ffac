/**
 * Reads and cuts JSON as text, so that what stays is byte for byte what the sender wrote: parsing and writing again would
 * round large numbers and drop repeated members. Every function here expects text that JSON.parse accepts.
 */

export type Span = { start: number; end: number };

/** A member of an object or an element of an array: its key, the span of its value, and of key and value together. */
export type Entry = { key: string; value: Span; whole: Span };

/** The steps of an RFC 6901 JSON Pointer, unescaped. @throws TypeError when it is none. */
export function parsePointer(pointer: string): string[] {
  if (pointer === '') return [];
  if (!pointer.startsWith('/') || /~(?![01])/.test(pointer)) {
    throw new TypeError(`${JSON.stringify(pointer)} is no JSON Pointer (RFC 6901): start with /, write ~ as ~0 and / as ~1.`);
  }
  return pointer
    .slice(1)
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** The text as JSON text decoded from UTF-8, or undefined when it is not JSON. */
export function jsonTextOf(body: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body);
    JSON.parse(text);
    return text;
  } catch {
    return undefined;
  }
}

/** The text of the value a pointer names, as written; of repeated members the last, as JSON.parse reads them. */
export function valueTextAt(text: string, pointer: string): string | undefined {
  let at = trimmed(text);
  for (const step of parsePointer(pointer)) {
    const found = entriesOf(text, at)?.findLast((entry) => entry.key === step);
    if (!found) return undefined;
    at = found.value;
  }
  return text.slice(at.start, at.end);
}

/** The span of the document without white space around it. */
export function trimmed(text: string): Span {
  const start = skipSpace(text, 0);
  return { start, end: endOfValue(text, start) };
}

/** What an object or array contains, in order and with repetitions; undefined for any other value. */
export function entriesOf(text: string, container: Span): Entry[] | undefined {
  const open = text[container.start];
  if (open !== '{' && open !== '[') return undefined;
  const entries: Entry[] = [];
  let at = skipSpace(text, container.start + 1);
  while (at < container.end - 1) {
    const start = at;
    let key = String(entries.length);
    if (open === '{') {
      const keyEnd = endOfString(text, at);
      key = JSON.parse(text.slice(at, keyEnd)) as string;
      at = skipSpace(text, skipSpace(text, keyEnd) + 1);
    }
    const end = endOfValue(text, at);
    entries.push({ key, value: { start: at, end }, whole: { start, end } });
    at = skipSpace(text, skipSpace(text, end) + 1);
  }
  return entries;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\r' || text[at] === '\t') at++;
  return at;
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

/** Counts brackets instead of recursing, so that a deeply nested body cannot exhaust the stack. */
function endOfValue(text: string, start: number): number {
  let depth = 0;
  let at = start;
  do {
    const char = text[at];
    if (char === '"') at = endOfString(text, at);
    else {
      if (char === '{' || char === '[') depth++;
      else if (char === '}' || char === ']') depth--;
      else if (depth === 0) return endOfScalar(text, at);
      at++;
    }
  } while (depth > 0);
  return at;
}

function endOfScalar(text: string, start: number): number {
  let at = start;
  while (at < text.length && !',]} \n\r\t'.includes(text[at] as string)) at++;
  return at;
}

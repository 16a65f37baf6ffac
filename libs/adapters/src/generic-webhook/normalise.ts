import { valueTextAt, type Json, type NormalisedEvent, type StoredRequest } from '@vane/kit';
import { z } from 'zod';
import type { Want } from './scheme.js';

const UNNAMED = 'webhook';
const LONGEST_TYPE = 200;

/** One request is one event. Throws when the body is not what the config says it is. */
export function normalise(request: StoredRequest, want: Want): NormalisedEvent[] {
  const { payload, at } = read(request.body, want.bodyFormat);
  const named = (header: string | null, pointer: string | null): string | null => {
    const value = header === null ? pointer !== null && at(pointer) : request.headers[header];
    return value || null;
  };
  return [
    {
      type: named(want.typeHeader, want.typePointer)?.slice(0, LONGEST_TYPE) ?? UNNAMED,
      dedupeKey: named(want.idHeader, want.idPointer),
      occurredAt: instantOf(named(null, want.timePointer)),
      payload,
    },
  ];
}

type Body = {
  payload: Json;
  /** The string or number at a pointer, as the sender wrote it: a parsed number could make two long ids one. */
  at(pointer: string): string | undefined;
};

function read(bytes: Uint8Array, format: Want['bodyFormat']): Body {
  const text = utf8(bytes);
  if (format === 'text') return { payload: text, at: () => undefined };
  if (format === 'json') return { payload: parse(text), at: (pointer) => scalar(valueTextAt(text, pointer)) };
  const payload = formOf(text);
  const asJson = JSON.stringify(payload);
  return { payload, at: (pointer) => scalar(valueTextAt(asJson, pointer)) };
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Error('The body is not UTF-8 text.');
  }
}

function parse(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw new Error('The body is not JSON: let the sender send JSON, or set the body of this trigger to text or form.');
  }
}

/** Fields by name; one that is repeated becomes a list (https://url.spec.whatwg.org/#urlencoded-parsing). */
function formOf(text: string): Json {
  const fields = new Map<string, Json>();
  for (const [name, value] of new URLSearchParams(text)) {
    const before = fields.get(name);
    fields.set(name, before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value]);
  }
  return Object.fromEntries(fields);
}

function scalar(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (text.startsWith('"')) return JSON.parse(text) as string;
  return /^-?[0-9]/.test(text) ? text : undefined;
}

const instant = z.iso.datetime({ offset: true });

function instantOf(value: string | null): string | null {
  return value !== null && instant.safeParse(value).success ? value : null;
}

import { createHash } from 'node:crypto';

/** Longer texts, such as scripts, are kept as what tells one from another. */
const LONGEST_TEXT = 2_000;
/** Longest document, and from where on a member counts as what makes it too long. Characters of JSON. */
const LONGEST_DOCUMENT = 65_536;
const LONG_MEMBER = 4_096;

/**
 * A value as the audit trail keeps it: texts of more than 2,000 characters, and the long members of a document that is
 * too long as a whole, become `{ sha256, characters }`. Characters that Postgres cannot store become U+FFFD.
 */
export function documentOf(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  const shortened = shorten(value);
  const document = JSON.stringify(shortened);
  if (document.length <= LONGEST_DOCUMENT) return document;
  if (typeof shortened !== 'object' || shortened === null || Array.isArray(shortened)) return JSON.stringify(digest(document));
  const members = Object.entries(shortened).map(([name, member]) => {
    const text = JSON.stringify(member) ?? 'null';
    return [name, text.length > LONG_MEMBER ? digest(text) : member];
  });
  const left = JSON.stringify(Object.fromEntries(members));
  return left.length <= LONGEST_DOCUMENT ? left : JSON.stringify(digest(document));
}

const digest = (text: string) => ({ sha256: createHash('sha256').update(text).digest('hex'), characters: text.length });

function shorten(value: unknown): unknown {
  if (typeof value === 'string') return value.length > LONGEST_TEXT ? digest(value) : storable(value);
  if (Array.isArray(value)) return value.map(shorten);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [storable(name), shorten(member)]));
}

/** A text that Postgres can store in JSON. */
export const storable = (text: string): string => text.replaceAll('\0', '\ufffd').replaceAll(/\p{Surrogate}/gu, '\ufffd');

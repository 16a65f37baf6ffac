import { VaultError } from './vault-error.js';

/** One key of a ring; `bytes` is 32 bytes of a symmetric or private key, or 65 of a public one. */
export type RingKey = { readonly id: string; readonly bytes: Buffer };

/**
 * Keys by id; new values are encrypted with `current`, the others only decrypt what was encrypted before. Ask it anew for
 * every use and keep nothing of the answer: the keys of a ring in a file change when it is rotated.
 */
export type KeyRing = { readonly current: RingKey; readonly all: ReadonlyMap<string, RingKey> };

/** What the keys of a ring are and what messages call the ring. */
export type RingForm = { bytes?: number; name?: string };

const KEY_ID = /^[a-z][a-z0-9-]{0,31}$/;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

export const isKeyId = (id: string): boolean => KEY_ID.test(id);

/**
 * Reads `k2:<base64>,k1:<base64>`, the current key first. Throws a VaultError that names the entry by its position and
 * never repeats what was given.
 */
export function parseKeyRing(text: string, form: RingForm = {}): KeyRing {
  const { bytes = 32, name = 'key ring' } = form;
  const keys = text.split(',').map((entry, index) => parseKey(entry.trim(), `Key ${index + 1} of the ${name}`, bytes));
  const all = new Map(keys.map((key) => [key.id, key]));
  if (all.size < keys.length) throw new VaultError(`The ${name} names one key id twice; give every key an id of its own.`);
  return { current: keys[0]!, all };
}

/** The text that `parseKeyRing` reads; the first key becomes the current one. */
export function formatKeyRing(keys: readonly RingKey[]): string {
  return keys.map(({ id, bytes }) => `${id}:${bytes.toString('base64')}`).join(',');
}

function parseKey(entry: string, what: string, bytes: number): RingKey {
  const colon = entry.indexOf(':');
  const id = entry.slice(0, Math.max(colon, 0));
  if (!isKeyId(id)) {
    throw new VaultError(`${what} has no valid id; write <id>:<base64>, the id in lower case letters, digits and hyphens.`);
  }
  const encoded = entry.slice(colon + 1);
  const decoded = BASE64.test(encoded) ? Buffer.from(encoded, 'base64') : Buffer.alloc(0);
  if (decoded.length !== bytes) throw new VaultError(`${what} is not ${bytes} bytes in base64; make one with keys-cli.`);
  return { id, bytes: decoded };
}

import { VaultError } from './vault-error.js';

/** One key of a ring; `bytes` is 32 bytes of a symmetric or private key, or 65 of a public one. */
export type RingKey = { readonly id: string; readonly bytes: Buffer };

/** Keys by id; new values are encrypted with `current`, the others only decrypt what was encrypted before. */
export type KeyRing = { readonly current: RingKey; readonly all: ReadonlyMap<string, RingKey> };

const KEY_ID = /^[a-z][a-z0-9-]{0,31}$/;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/**
 * Reads `k2:<base64>,k1:<base64>`, the current key first. Throws a VaultError that names the entry by its position and
 * never repeats what was given.
 */
export function parseKeyRing(text: string, options: { bytes?: number; name?: string } = {}): KeyRing {
  const { bytes = 32, name = 'key ring' } = options;
  const keys = text.split(',').map((entry, index) => parseKey(entry.trim(), `Key ${index + 1} of the ${name}`, bytes));
  const all = new Map(keys.map((key) => [key.id, key]));
  if (all.size < keys.length) throw new VaultError(`The ${name} names one key id twice; give every key an id of its own.`);
  return { current: keys[0]!, all };
}

function parseKey(entry: string, what: string, bytes: number): RingKey {
  const colon = entry.indexOf(':');
  const id = entry.slice(0, Math.max(colon, 0));
  if (!KEY_ID.test(id)) {
    throw new VaultError(`${what} has no valid id; write <id>:<base64>, the id in lower case letters, digits and hyphens.`);
  }
  const encoded = entry.slice(colon + 1);
  const decoded = BASE64.test(encoded) ? Buffer.from(encoded, 'base64') : Buffer.alloc(0);
  if (decoded.length !== bytes) throw new VaultError(`${what} is not ${bytes} bytes in base64; make one with keys-cli.`);
  return { id, bytes: decoded };
}

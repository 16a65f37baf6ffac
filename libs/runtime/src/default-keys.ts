import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/**
 * SHA-256 in hex of keys that stand in public: example keys of standards, which people paste. A key that looks random
 * enough for the other checks and stands in this repository belongs here too; default-keys.spec.ts finds those.
 */
const PUBLISHED = new Set<string>([
  'b93c72b74bc8487d29827005f80d635918f91bc22b14d7ed05714d58f96702dd', // AES-256 example key of NIST SP 800-38A, F.1.5
  'b70385660302dca892f74cdb6d75f73fd85e7564306616e1910970462f7110f0', // P-256 private key of RFC 6979, A.2.5
  'b18b86ce1389e46de87aa4a5131ce83c1160fa33c087ab15b863574d31d8ff3c', // and its public half
  '644d50ab64864c20a12b3c4656d46b4a48f69ef7c47ecdc8415cd28316b22ef5', // Ed25519 private key of RFC 8032, 7.1, test 1
  'e2d444685ed86e26c68bb03e07a40897875a5c549b0855c4b80e883aae7d67cb', // P-256 recipient key of RFC 9180, A.3.1
  '8710cee59cfe355aed7b658ce51b8269ee732b1f70a97c25c7e9cece1e6b14aa', // and its public half
]);

/** Of 32 random bytes, fewer than 16 different ones come up once in 10^10 keys. */
const LEAST_DIFFERENT = 16;
const LEAST_BYTES = 32;
const TOKEN = /^vat_([\w-]+)$/;

/**
 * Refuses keys that somebody else could know: too short, patterns, readable text, or published ones. Throws one sentence
 * that names the setting and shows nothing of its value. Looks at every VANE_KEYS_* (and what its _FILE holds),
 * VANE_INGRESS_KEY_SECRET and VANE_BOOTSTRAP_TOKEN among the settings; their form is checked by whoever uses them.
 */
export function refuseDefaultKeys(settings: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(settings)) {
    if (typeof value !== 'string') continue;
    const weak = keysIn(name, value).map(weakness).find((reason) => reason !== undefined);
    if (weak) throw new Error(`${name} is no key for production, because ${weak}: make a random one ("node dist/keys-cli.js" makes rings).`);
  }
}

/** Why a key must not be used; undefined when nothing speaks against it. */
export function weakness(key: Buffer): string | undefined {
  if (key.length < LEAST_BYTES) return `it is shorter than ${LEAST_BYTES} bytes`;
  if (PUBLISHED.has(createHash('sha256').update(key).digest('hex'))) return 'it was published as an example';
  const steps = new Set(key.subarray(1).map((byte, index) => byte - key[index]!));
  if (steps.size === 1 || new Set(key).size < LEAST_DIFFERENT) return 'its bytes follow a pattern';
  if (key.every((byte) => byte >= 0x20 && byte < 0x7f)) return 'it is text and not random bytes';
  return undefined;
}

/** The bytes of the keys that a setting holds; none for a setting that is no key. */
function keysIn(name: string, value: string): Buffer[] {
  if (name === 'VANE_BOOTSTRAP_TOKEN') return [Buffer.from(TOKEN.exec(value)?.[1] ?? '', 'base64url')];
  if (name === 'VANE_INGRESS_KEY_SECRET') return [Buffer.from(value, 'base64')];
  if (!name.startsWith('VANE_KEYS_')) return [];
  const ring = name.endsWith('_FILE') ? textOf(name, value) : value;
  return ring.split(',').map((entry) => Buffer.from(entry.slice(entry.indexOf(':') + 1).trim(), 'base64'));
}

function textOf(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(`${name} names ${path}, which cannot be read (${(error as NodeJS.ErrnoException).code}).`);
  }
}

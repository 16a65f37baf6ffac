import { createECDH, type webcrypto } from 'node:crypto';
import { Aes256Gcm, CipherSuite, DhkemP256HkdfSha256, HkdfSha256 } from '@hpke/core';
import { bindTo } from './cell.js';
import type { Cell } from './cell.js';
import { formatKeyRing, parseKeyRing } from './key-ring.js';
import type { KeyRing, RingKey } from './key-ring.js';
import { VaultError } from './vault-error.js';

/**
 * HPKE in base mode (RFC 9180, https://www.rfc-editor.org/rfc/rfc9180): DHKEM(P-256, HKDF-SHA256), HKDF-SHA256,
 * AES-256-GCM. P-256 rather than X25519, because Node 20's WebCrypto still calls the latter experimental.
 */
const suite = new CipherSuite({ kem: new DhkemP256HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
const PURPOSE = 'vane sealed v1';
/** P-256 under the name that OpenSSL has for it. */
const CURVE = 'prime256v1';
const PUBLIC_BYTES = 65;
const PRIVATE_BYTES = 32;

/** The public half of ring `data`: whoever has it can seal, and cannot open. */
export type SealingKey = { current(): Promise<{ keyId: string; key: webcrypto.CryptoKey }> };
/** The private halves of ring `data` by their ids; several, so that what was sealed to an older one can be opened. */
export type OpeningKeys = { find(keyId: string): Promise<webcrypto.CryptoKey | undefined> };

/** Seals to the current key of the ring, as it is at every use. Throws a VaultError when that is no public key. */
export async function sealingKey(ring: KeyRing): Promise<SealingKey> {
  const load = importer('public', (bytes) => suite.kem.deserializePublicKey(bytes));
  const current = async () => {
    const key = ring.current;
    return { keyId: key.id, key: await load(key) };
  };
  await current();
  return { current };
}

/** Opens with the keys of the ring, as they are at every use. Throws a VaultError when one is no private key. */
export async function openingKeys(ring: KeyRing): Promise<OpeningKeys> {
  const load = importer('private', (bytes) => suite.kem.deserializePrivateKey(bytes));
  await Promise.all([...ring.all.values()].map(load));
  return {
    find: async (keyId) => {
      const key = ring.all.get(keyId);
      return key && load(key);
    },
  };
}

/** Reads `k1:<base64 of 65 bytes>`, or a ring of those, of which the first is used. Throws a VaultError. */
export async function parseSealingKey(text: string): Promise<SealingKey> {
  return sealingKey(parseKeyRing(text, { bytes: PUBLIC_BYTES, name: 'public key of the data ring' }));
}

/** Reads `k2:<base64 of 32 bytes>,k1:...`. Throws a VaultError. */
export async function parseOpeningKeys(text: string): Promise<OpeningKeys> {
  return openingKeys(parseKeyRing(text, { bytes: PRIVATE_BYTES, name: 'private keys of the data ring' }));
}

/** Encrypts for the holder of the private key, bound to its place: `h1.<key id>.<encapsulated key>.<ciphertext and tag>`. */
export async function seal(publicKey: SealingKey, plaintext: string, where: Cell): Promise<string> {
  const { keyId, key } = await publicKey.current();
  const { enc, ct } = await suite.seal({ recipientPublicKey: key, info: bindTo(PURPOSE, where) }, Buffer.from(plaintext));
  return `h1.${keyId}.${Buffer.from(enc).toString('base64url')}.${Buffer.from(ct).toString('base64url')}`;
}

/** Opens what `seal` made for the same place. Throws a VaultError that says why it cannot. */
export async function open(privateKeys: OpeningKeys, sealed: string, where: Cell): Promise<string> {
  const [version, keyId = '', enc, ct, ...rest] = sealed.split('.');
  if (version !== 'h1' || !enc || !ct || rest.length > 0) {
    throw new VaultError(`${where.table}.${where.column} holds no value that this version can open.`);
  }
  const recipientKey = await privateKeys.find(keyId);
  if (!recipientKey) throw new VaultError(`${where.table}.${where.column} is sealed to a key that the data ring lacks; add its private half again.`);
  const params = { recipientKey, enc: Buffer.from(enc, 'base64url'), info: bindTo(PURPOSE, where) };
  const plaintext = await suite.open(params, Buffer.from(ct, 'base64url')).catch(() => undefined);
  if (!plaintext) {
    throw new VaultError(
      `${where.table}.${where.column} of ${where.row} cannot be opened: it was changed, or belongs to another row, column or workspace.`,
    );
  }
  return Buffer.from(plaintext).toString();
}

/** The id of the key that a value is sealed to; undefined for what `seal` did not make. */
export function sealedToKey(sealed: string): string | undefined {
  const [version, keyId] = sealed.split('.');
  return version === 'h1' ? keyId : undefined;
}

/** A new key pair of ring `data`. */
export function newKeyPair(id: string): { public: RingKey; private: RingKey } {
  const pair = createECDH(CURVE);
  const publicKey = { id, bytes: pair.generateKeys() };
  // Without leading zeros, as OpenSSL returns it, it would be shorter than 32 bytes now and then.
  const scalar = pair.getPrivateKey();
  return { public: publicKey, private: { id, bytes: Buffer.concat([Buffer.alloc(PRIVATE_BYTES - scalar.length), scalar]) } };
}

/** The public half of a private key of ring `data`. Throws a VaultError when it is none. */
export function publicHalf({ id, bytes }: RingKey): RingKey {
  const pair = createECDH(CURVE);
  try {
    pair.setPrivateKey(bytes);
  } catch {
    throw noKey(id, 'private');
  }
  return { id, bytes: pair.getPublicKey() };
}

/** A new key pair of ring `data` in the form that `parseSealingKey` and `parseOpeningKeys` read. */
export async function newSealingKeyPair(keyId: string): Promise<{ public: string; private: string }> {
  const pair = newKeyPair(keyId);
  return { public: formatKeyRing([pair.public]), private: formatKeyRing([pair.private]) };
}

/** Imports each key once, however often it is asked for. */
function importer(half: string, load: (bytes: Buffer) => Promise<webcrypto.CryptoKey>): (key: RingKey) => Promise<webcrypto.CryptoKey> {
  const imported = new Map<string, Promise<webcrypto.CryptoKey>>();
  return ({ id, bytes }) => {
    const name = `${id}:${bytes.toString('base64')}`;
    const known = imported.get(name) ?? load(bytes).catch(() => { throw noKey(id, half); });
    imported.set(name, known);
    return known;
  };
}

const noKey = (id: string, half: string) => new VaultError(`Key ${id} is no ${half} key of the data ring; make a pair with keys-cli data.`);

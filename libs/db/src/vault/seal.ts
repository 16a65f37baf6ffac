import type { webcrypto } from 'node:crypto';
import { Aes256Gcm, CipherSuite, DhkemP256HkdfSha256, HkdfSha256 } from '@hpke/core';
import { bindTo } from './cell.js';
import type { Cell } from './cell.js';
import { parseKeyRing } from './key-ring.js';
import type { KeyRing, RingKey } from './key-ring.js';
import { VaultError } from './vault-error.js';

/**
 * HPKE in base mode (RFC 9180, https://www.rfc-editor.org/rfc/rfc9180): DHKEM(P-256, HKDF-SHA256), HKDF-SHA256,
 * AES-256-GCM. P-256 rather than X25519, because Node 20's WebCrypto still calls the latter experimental.
 */
const suite = new CipherSuite({ kem: new DhkemP256HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
const PURPOSE = 'vane sealed v1';
const PUBLIC_BYTES = 65;
const PRIVATE_BYTES = 32;

/** The public half of ring `data`: whoever has it can seal, and cannot open. */
export type SealingKey = { readonly keyId: string; readonly key: webcrypto.CryptoKey };
/** The private halves of ring `data` by their ids; several, so that what was sealed to an older one can be opened. */
export type OpeningKeys = { readonly keys: ReadonlyMap<string, webcrypto.CryptoKey> };

/** Reads `k1:<base64 of 65 bytes>`, or a ring of those, of which the first is used. Throws a VaultError. */
export async function parseSealingKey(text: string): Promise<SealingKey> {
  const { current } = parseKeyRing(text, { bytes: PUBLIC_BYTES, name: 'public key of the data ring' });
  return { keyId: current.id, key: await imported(current, 'public', suite.kem.deserializePublicKey(current.bytes)) };
}

/** Reads `k2:<base64 of 32 bytes>,k1:...`. Throws a VaultError. */
export async function parseOpeningKeys(text: string): Promise<OpeningKeys> {
  const ring: KeyRing = parseKeyRing(text, { bytes: PRIVATE_BYTES, name: 'private keys of the data ring' });
  const entries = [...ring.all.values()].map(
    async (key) => [key.id, await imported(key, 'private', suite.kem.deserializePrivateKey(key.bytes))] as const,
  );
  return { keys: new Map(await Promise.all(entries)) };
}

/** Encrypts for the holder of the private key, bound to its place: `h1.<key id>.<encapsulated key>.<ciphertext and tag>`. */
export async function seal(publicKey: SealingKey, plaintext: string, where: Cell): Promise<string> {
  const { enc, ct } = await suite.seal({ recipientPublicKey: publicKey.key, info: bindTo(PURPOSE, where) }, Buffer.from(plaintext));
  return `h1.${publicKey.keyId}.${Buffer.from(enc).toString('base64url')}.${Buffer.from(ct).toString('base64url')}`;
}

/** Opens what `seal` made for the same place. Throws a VaultError that says why it cannot. */
export async function open(privateKeys: OpeningKeys, sealed: string, where: Cell): Promise<string> {
  const [version, keyId = '', enc, ct, ...rest] = sealed.split('.');
  if (version !== 'h1' || !enc || !ct || rest.length > 0) {
    throw new VaultError(`${where.table}.${where.column} holds no value that this version can open.`);
  }
  const recipientKey = privateKeys.keys.get(keyId);
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

/** A new key pair of ring `data` in the form that `parseSealingKey` and `parseOpeningKeys` read. */
export async function newSealingKeyPair(keyId: string): Promise<{ public: string; private: string }> {
  const pair = await suite.kem.generateKeyPair();
  const text = (bytes: ArrayBuffer) => `${keyId}:${Buffer.from(bytes).toString('base64')}`;
  return {
    public: text(await suite.kem.serializePublicKey(pair.publicKey)),
    private: text(await suite.kem.serializePrivateKey(pair.privateKey)),
  };
}

async function imported(key: RingKey, half: string, loading: Promise<webcrypto.CryptoKey>): Promise<webcrypto.CryptoKey> {
  return loading.catch(() => {
    throw new VaultError(`Key ${key.id} is no ${half} key of the data ring; make a pair with keys-cli data.`);
  });
}

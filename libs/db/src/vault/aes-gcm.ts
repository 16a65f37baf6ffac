import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

const IV_BYTES = 12;
const TAG_BYTES = 16;

/**
 * AES-256-GCM with a random 96-bit nonce (NIST SP 800-38D, 8.2.2: at most 2^32 messages under one key), as
 * `<nonce>.<ciphertext and tag>` in base64url.
 */
export function encryptAesGcm(key: Buffer, plaintext: Buffer, additionalData: Buffer): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(additionalData);
  const sealed = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  return `${iv.toString('base64url')}.${sealed.toString('base64url')}`;
}

/** Undefined when the text was changed, or encrypted with another key or other additional data. */
export function decryptAesGcm(key: Buffer, text: string, additionalData: Buffer): Buffer | undefined {
  const [iv, sealed, ...rest] = text.split('.').map((part) => Buffer.from(part, 'base64url'));
  if (iv?.length !== IV_BYTES || !sealed || sealed.length < TAG_BYTES || rest.length > 0) return undefined;
  const split = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES }).setAAD(additionalData);
  decipher.setAuthTag(sealed.subarray(split));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, split)), decipher.final()]);
  } catch {
    return undefined;
  }
}

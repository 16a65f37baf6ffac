import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** A bearer secret for tickets, states and cookies: 32 random bytes as base64url. */
export const newSecret = (): string => randomBytes(32).toString('base64url');

/** What is stored of such a secret. It is random, so a plain hash cannot be guessed. */
export const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('base64url');

/** Compares a secret with the stored hash in constant time. */
export function matches(secret: string, storedHash: string): boolean {
  const [given, stored] = [Buffer.from(hashOf(secret)), Buffer.from(storedHash)];
  return given.length === stored.length && timingSafeEqual(given, stored);
}

/** Words of a service, fit for an error: one line, short, without any of the secrets we sent. */
export function cleanWords(words: string | undefined, secrets: readonly string[]): string | undefined {
  if (words === undefined) return undefined;
  const masked = secrets.filter((secret) => secret.length >= 4).reduce((text, secret) => text.replaceAll(secret, '***'), words);
  // eslint-disable-next-line no-control-regex
  const line = masked.replace(/[\u0000-\u001f\u007f\s]+/g, ' ').trim();
  return line === '' ? undefined : line.slice(0, 300);
}

import { createHash, randomBytes } from 'node:crypto';

/** An API token: `vat_` and 32 random bytes as base64url. */
export const TOKEN_PATTERN = /^vat_[A-Za-z0-9_-]{43}$/;

/** A new token; it is shown once and never stored. */
export const newToken = (): string => `vat_${randomBytes(32).toString('base64url')}`;

/**
 * What is stored of a token: its SHA-256 in hex. A plain hash is enough, because the token itself has 256 random bits and
 * cannot be guessed from a list.
 */
export const hashToken = (token: string): string => createHash('sha256').update(token).digest('hex');

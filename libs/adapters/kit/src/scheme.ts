/** How the key string becomes key bytes: as UTF-8, or base64 after an optional prefix such as `whsec_`. */
export type KeyDerivation = { as: 'utf8' } | { as: 'base64'; prefix?: string };

/**
 * How the signature header is written:
 * `plain`: the signature alone; `prefix`: after a fixed text (`sha256=`);
 * `versioned-list`: space separated `version,signature` entries of which any may match (Standard Webhooks).
 */
export type SignatureFormat =
  | { form: 'plain' }
  | { form: 'prefix'; prefix: string }
  | { form: 'versioned-list'; version: string };

/** Pieces that are concatenated to what is signed. */
export type SignedPart = { literal: string } | { header: string } | { part: 'body' };

export type TimestampRule = {
  header: string;
  unit: 's' | 'ms';
  /** Refused when further from now than this, in either direction. */
  toleranceSeconds: number;
};

export type HmacScheme = {
  kind: 'hmac';
  hash: 'sha256' | 'sha512' | 'sha1';
  header: string;
  key: KeyDerivation;
  encoding: 'hex' | 'base64';
  format: SignatureFormat;
  signed: SignedPart[];
  timestamp?: TimestampRule;
};

/** The service echoes our secret in a header, after an optional prefix. The body is not signed. */
export type SharedSecretScheme = { kind: 'shared-secret'; header: string; prefix?: string };

/** No verification: the key in the URL is the only credential, and the trigger is shown as unverified. */
export type NoneScheme = { kind: 'none' };

/** A verification scheme as data; `verify` is the only code that reads it. */
export type VerificationScheme = HmacScheme | SharedSecretScheme | NoneScheme;

/**
 * Why a request was not believed. `no_secret`: no usable secret is known here, so nothing can be believed.
 * `missing_*` counts an empty value as missing; a repeated signed header is `missing_signed_header` and a repeated
 * timestamp is `malformed_timestamp`, because neither says which value was signed. `wrong_binding`: the secret is right, and
 * the headers say that it was sent for another subscription.
 */
export type RefusalReason =
  | 'no_secret'
  | 'missing_signature'
  | 'duplicate_signature'
  | 'malformed_signature'
  | 'bad_signature'
  | 'missing_signed_header'
  | 'missing_timestamp'
  | 'malformed_timestamp'
  | 'stale_timestamp'
  | 'future_timestamp'
  | 'wrong_binding';

/** `secretIndex` is the place of the secret that matched in the list given, -1 for the scheme `none`. */
export type Verdict = { ok: true; secretIndex: number } | { ok: false; reason: RefusalReason };

/** Header names a scheme reads secrets or signatures from: never stored, never logged. */
export function credentialHeaders(scheme: VerificationScheme): string[] {
  return scheme.kind === 'none' ? [] : [scheme.header.toLowerCase()];
}

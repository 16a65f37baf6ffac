import { createHash, createHmac, createSecretKey, timingSafeEqual, type KeyObject } from 'node:crypto';
import type { RawRequest } from './request.js';
import type {
  HmacScheme,
  KeyDerivation,
  RefusalReason,
  SharedSecretScheme,
  SignatureFormat,
  SignedPart,
  TimestampRule,
  VerificationScheme,
  Verdict,
} from './scheme.js';

/** Judges one request at a given time. Pure, synchronous, never throws. */
export type Verifier = (request: RawRequest, now: Date) => Verdict;

const DIGEST_BYTES = { sha1: 20, sha256: 32, sha512: 64 } as const;
const INTEGER = /^[0-9]{1,15}$/;
// eslint-disable-next-line no-control-regex
const BEYOND_LATIN1 = /[^\u0000-\u00ff]/;

/**
 * Prepares a scheme and its live secrets for many requests: keys are derived once, so a caller caches the result beside
 * the subscription. A secret that is empty or that the scheme cannot read (no base64 where base64 is due) never matches;
 * when none is left every request is refused with `no_secret`.
 *
 * @throws TypeError when the scheme itself is none this engine knows, or an hmac that leaves the body unsigned.
 */
export function compileVerifier(scheme: VerificationScheme, secrets: readonly string[]): Verifier {
  switch (scheme.kind) {
    case 'none':
      return () => ({ ok: true, secretIndex: -1 });
    case 'shared-secret':
      return compileSharedSecret(scheme, secrets);
    case 'hmac':
      return compileHmac(scheme, secrets);
    default:
      throw new TypeError(`Verification scheme ${JSON.stringify(scheme)} is unknown; use hmac, shared-secret or none.`);
  }
}

/** Judges one request; what receives many with the same secrets uses `compileVerifier`. */
export function verify(scheme: VerificationScheme, request: RawRequest, secrets: readonly string[], now: Date): Verdict {
  return compileVerifier(scheme, secrets)(request, now);
}

type Keyed<Key> = { index: number; key: Key };

function compileHmac(scheme: HmacScheme, secrets: readonly string[]): Verifier {
  assertHmacScheme(scheme);
  const keys = usable(secrets, (secret) => {
    const bytes = keyBytes(secret, scheme.key);
    return bytes && createSecretKey(bytes);
  });
  if (keys.length === 0) return () => refused('no_secret');

  const header = scheme.header.toLowerCase();
  const { hash, timestamp } = scheme;
  const decode = scheme.encoding === 'hex' ? decodeHex : decodeBase64;
  const signed = scheme.signed.map((part) => ('header' in part ? { header: part.header.toLowerCase() } : part));

  return (request, now) => {
    const given = readHeader(request, header);
    if (given === REPEATED) return refused('duplicate_signature');
    if (given === undefined || given === '') return refused('missing_signature');
    const candidates = signaturesIn(given, scheme.format).flatMap((text) => decode(text, DIGEST_BYTES[hash]) ?? []);
    if (candidates.length === 0) return refused('malformed_signature');

    const untimely = timestamp && checkTimestamp(request, timestamp, now);
    if (untimely) return refused(untimely);

    const content = signedContent(request, signed);
    if (!content) return refused('missing_signed_header');
    for (const { index, key } of keys) {
      const expected = digest(hash, key, content);
      if (candidates.some((candidate) => timingSafeEqual(candidate, expected))) return { ok: true, secretIndex: index };
    }
    return refused('bad_signature');
  };
}

function compileSharedSecret(scheme: SharedSecretScheme, secrets: readonly string[]): Verifier {
  const header = scheme.header.toLowerCase();
  const prefix = scheme.prefix ?? '';
  const keys = usable(secrets, (secret) => (secret === '' ? undefined : sha256(Buffer.from(secret, 'utf8'))));
  if (keys.length === 0) return () => refused('no_secret');

  return (request) => {
    const given = readHeader(request, header);
    if (given === REPEATED) return refused('duplicate_signature');
    if (given === undefined || given === '') return refused('missing_signature');
    if (!given.startsWith(prefix) || given.length === prefix.length || BEYOND_LATIN1.test(given)) {
      return refused('malformed_signature');
    }
    // Digests have one length whatever was sent, so the comparison says nothing about the length of the secret.
    const candidate = sha256(Buffer.from(given.slice(prefix.length), 'latin1'));
    const match = keys.find(({ key }) => timingSafeEqual(candidate, key));
    return match ? { ok: true, secretIndex: match.index } : refused('bad_signature');
  };
}

function assertHmacScheme(scheme: HmacScheme): void {
  if (!Object.hasOwn(DIGEST_BYTES, scheme.hash)) {
    throw new TypeError(`Hash ${JSON.stringify(scheme.hash)} is unknown; use sha256, sha512 or sha1.`);
  }
  if (scheme.encoding !== 'hex' && scheme.encoding !== 'base64') {
    throw new TypeError(`Signature encoding ${JSON.stringify(scheme.encoding)} is unknown; use hex or base64.`);
  }
  if (!scheme.signed.some((part) => 'part' in part && part.part === 'body')) {
    throw new TypeError('An hmac scheme must sign the body; what only echoes a secret is a shared-secret scheme.');
  }
}

function usable<Key>(secrets: readonly string[], derive: (secret: string) => Key | undefined): Keyed<Key>[] {
  return secrets.flatMap((secret, index) => {
    const key = typeof secret === 'string' ? derive(secret) : undefined;
    return key === undefined ? [] : [{ index, key }];
  });
}

function keyBytes(secret: string, derivation: KeyDerivation): Buffer | undefined {
  if (derivation.as === 'utf8') return secret === '' ? undefined : Buffer.from(secret, 'utf8');
  const prefix = derivation.prefix ?? '';
  const bytes = decodeBase64(secret.startsWith(prefix) ? secret.slice(prefix.length) : secret);
  return bytes && bytes.length > 0 ? bytes : undefined;
}

function signaturesIn(header: string, format: SignatureFormat): string[] {
  switch (format.form) {
    case 'plain':
      return [header];
    case 'prefix':
      return header.startsWith(format.prefix) ? [header.slice(format.prefix.length)] : [];
    case 'versioned-list':
      return header
        .split(' ')
        .filter((entry) => entry.startsWith(`${format.version},`))
        .map((entry) => entry.slice(format.version.length + 1));
    default:
      return [];
  }
}

function checkTimestamp(request: RawRequest, rule: TimestampRule, now: Date): RefusalReason | undefined {
  const given = readHeader(request, rule.header.toLowerCase());
  if (given === undefined || given === '') return 'missing_timestamp';
  if (given === REPEATED || !INTEGER.test(given)) return 'malformed_timestamp';
  // Whole units on both sides, as senders count them: a message of exactly the tolerance's age is still accepted.
  const unitMs = rule.unit === 's' ? 1000 : 1;
  const age = Math.floor(now.getTime() / unitMs) - Number(given);
  const tolerance = rule.toleranceSeconds * (1000 / unitMs);
  if (age < -tolerance) return 'future_timestamp';
  return age <= tolerance ? undefined : 'stale_timestamp';
}

/** The pieces that are signed, in order; undefined when a header among them is absent, empty or repeated. */
function signedContent(request: RawRequest, parts: SignedPart[]): (Uint8Array | Buffer)[] | undefined {
  const pieces: Uint8Array[] = [];
  for (const part of parts) {
    if ('literal' in part) pieces.push(Buffer.from(part.literal, 'utf8'));
    else if ('part' in part) pieces.push(request.body);
    else {
      const value = readHeader(request, part.header);
      if (typeof value !== 'string' || value === '' || BEYOND_LATIN1.test(value)) return undefined;
      // Node reads header bytes as latin1; writing them the same way gives back the bytes the sender signed.
      pieces.push(Buffer.from(value, 'latin1'));
    }
  }
  return pieces;
}

function digest(hash: HmacScheme['hash'], key: KeyObject, content: Uint8Array[]): Buffer {
  const hmac = createHmac(hash, key);
  for (const piece of content) hmac.update(piece);
  return hmac.digest();
}

/** Both cases of hex digits are read, as RFC 4648 section 8 tells decoders: they are the same bytes, and no easier to forge. */
function decodeHex(text: string, bytes: number): Buffer | undefined {
  if (text.length !== bytes * 2) return undefined;
  const decoded = Buffer.from(text, 'hex');
  return decoded.length === bytes ? decoded : undefined;
}

/** Canonical padded base64 only (RFC 4648 sections 3.2 to 3.5): Node's decoder skips what it does not know. */
function decodeBase64(text: string, bytes?: number): Buffer | undefined {
  const decoded = Buffer.from(text, 'base64');
  if (bytes !== undefined && decoded.length !== bytes) return undefined;
  return decoded.toString('base64') === text ? decoded : undefined;
}

const REPEATED = Symbol('repeated');

function readHeader(request: RawRequest, name: string): string | undefined | typeof REPEATED {
  const value = Object.hasOwn(request.headers, name) ? request.headers[name] : undefined;
  if (typeof value === 'string') return value;
  return value === undefined ? undefined : REPEATED;
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}

function refused(reason: RefusalReason): Verdict {
  return { ok: false, reason };
}

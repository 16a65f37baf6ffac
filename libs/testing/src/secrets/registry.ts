import { randomBytes } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { SHORT_SECRETS } from './exemptions.js';

/** Names the file in which the processes of one tier keep their secrets together; without it each keeps its own. */
export const SECRETS_FILE_VARIABLE = 'VANE_TEST_SECRETS';

/** Shorter ones, and what people type, could stand somewhere by chance. */
export const SECRET_LENGTH = 24;

/** A secret of a test. Findings name it, and never show its value. */
export type Secret = { name: string; value: string };

const kept = new Map<string, Secret>();
const refused = new Set<string>();

/** A fresh secret of 32 random characters (base64url), kept in the registry: no scan may find it anywhere. */
export function newSecret(name: string): string {
  const value = randomBytes(24).toString('base64url');
  keepSecret(name, value);
  return value;
}

/**
 * Keeps a secret that something else has made. Of a URL the secret is its `state` (RFC 6749 section 4.1.1) or else the last
 * part of its path; a prefix such as `whsec_` is not part of it. The empty text stands for none.
 *
 * @throws Error for one that is too short to be looked for and is not among SHORT_SECRETS. Whoever swallows it is told by the
 * next scan.
 */
export function keepSecret(name: string, value: string): void {
  const random = randomPartOf(value);
  if (random.length < SECRET_LENGTH) return refuseShort(name, random);
  if (kept.has(random)) return;
  kept.set(random, { name, value: random });
  const file = process.env[SECRETS_FILE_VARIABLE];
  if (file) appendFileSync(file, `${JSON.stringify({ name, value: random })}\n`, { mode: 0o600 });
}

function refuseShort(name: string, random: string): void {
  if (random === '' || SHORT_SECRETS.some(({ secret, value }) => secret.test(name) && (value?.test(random) ?? true))) return;
  const sentence = `${name} has ${random.length} characters, too few to be looked for: take one from newSecret, or enter it with a reason in SHORT_SECRETS.`;
  refused.add(sentence);
  throw new Error(sentence);
}

/** Keeps a text, or, where it is JSON, what its members called secret, token and the like hold: other members are no secrets. */
export function keepSecretsIn(name: string, text: string): void {
  const parsed = parse(text);
  if (typeof parsed !== 'object' || parsed === null) keepSecret(name, text);
  else for (const value of secretsIn(parsed, Array.isArray(parsed))) keepSecret(name, value);
}

/**
 * Every secret that was kept so far: by this process, and, where the tier shares a file, by all of them.
 *
 * @throws Error when this process was to keep one that is too short
 */
export function keptSecrets(): Secret[] {
  if (refused.size > 0) throw new Error([...refused].join('\n'));
  const file = process.env[SECRETS_FILE_VARIABLE];
  const lines = file && existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
  const shared = lines.map((line) => JSON.parse(line) as Secret);
  return [...new Map([...shared, ...kept.values()].map((secret) => [secret.value, secret])).values()];
}

function randomPartOf(value: string): string {
  if (!/^https?:\/\//.test(value)) return withoutPrefix(value);
  const { pathname, searchParams } = new URL(value);
  return withoutPrefix(searchParams.get('state') ?? pathname.split('/').at(-1) ?? '');
}

function withoutPrefix(value: string): string {
  return value.replace(/^(?:[a-z]{2,8}_)+/, '');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const SECRET_MEMBER = /secret|token|verifier|password|key/i;
/** Members of what a service grants that are no secrets, whatever stands around them. */
const PUBLIC_MEMBER = /^(?:token_?type|scopes?)$/i;

function secretsIn(value: unknown, secret: boolean): string[] {
  if (typeof value === 'string') return secret ? [value] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, below]) => (PUBLIC_MEMBER.test(name) ? [] : secretsIn(below, secret || SECRET_MEMBER.test(name))));
}

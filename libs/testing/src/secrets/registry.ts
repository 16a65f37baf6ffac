import { randomBytes } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';

/** Names the file in which the processes of one tier keep their secrets together; without it each keeps its own. */
export const SECRETS_FILE_VARIABLE = 'VANE_TEST_SECRETS';

/** Shorter ones, and what people type, could stand somewhere by chance. */
export const SECRET_LENGTH = 24;

/** A secret of a test. Findings name it, and never show its value. */
export type Secret = { name: string; value: string };

const kept = new Map<string, Secret>();

/** A fresh secret of 32 random characters (base64url), kept in the registry: no scan may find it anywhere. */
export function newSecret(name: string): string {
  const value = randomBytes(24).toString('base64url');
  keepSecret(name, value);
  return value;
}

/**
 * Keeps a secret that something else has made. Of a URL, the last part of its path is the secret; a prefix such as
 * `whsec_` is not part of it.
 *
 * @returns false for one that is too short to be looked for
 */
export function keepSecret(name: string, value: string): boolean {
  const random = randomPartOf(value);
  if (random.length < SECRET_LENGTH) return false;
  if (kept.has(random)) return true;
  kept.set(random, { name, value: random });
  const file = process.env[SECRETS_FILE_VARIABLE];
  if (file) appendFileSync(file, `${JSON.stringify({ name, value: random })}\n`, { mode: 0o600 });
  return true;
}

/** Keeps a text, or, where it is JSON, what its members called secret, token and the like hold: other members are no secrets. */
export function keepSecretsIn(name: string, text: string): void {
  const parsed = parse(text);
  if (typeof parsed !== 'object' || parsed === null) keepSecret(name, text);
  else for (const value of secretsIn(parsed, Array.isArray(parsed))) keepSecret(name, value);
}

/** Every secret that was kept so far: by this process, and, where the tier shares a file, by all of them. */
export function keptSecrets(): Secret[] {
  const file = process.env[SECRETS_FILE_VARIABLE];
  const lines = file && existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
  const shared = lines.map((line) => JSON.parse(line) as Secret);
  return [...new Map([...shared, ...kept.values()].map((secret) => [secret.value, secret])).values()];
}

function randomPartOf(value: string): string {
  const last = /^https?:\/\//.test(value) ? (new URL(value).pathname.split('/').at(-1) ?? '') : value;
  return last.replace(/^(?:[a-z]{2,8}_)+/, '');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const SECRET_MEMBER = /secret|token|verifier|password|key/i;

function secretsIn(value: unknown, secret: boolean): string[] {
  if (typeof value === 'string') return secret ? [value] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, below]) => secretsIn(below, secret || SECRET_MEMBER.test(name)));
}

import { FileKeyRing } from './key-ring-file.js';
import { parseKeyRing } from './key-ring.js';
import type { KeyRing, RingForm } from './key-ring.js';
import { VaultError } from './vault-error.js';

/**
 * Rings of symmetric keys: credentials of oauth-service, hook secrets that ingress reads, what api-gateway keeps for
 * people. Each has its data keys in table `data_key`.
 */
export const SYMMETRIC_RINGS = ['oauth', 'hooks', 'access'] as const;
export type SymmetricRing = (typeof SYMMETRIC_RINGS)[number];

/** Every ring; `data` is a ring of key pairs, to which values for scripts are sealed one by one. */
export const RINGS = [...SYMMETRIC_RINGS, 'data'] as const;
export type Ring = (typeof RINGS)[number];

const PUBLIC_BYTES = 65;

/** The settings that can hold rings, and the form of each. */
export const RING_SETTINGS = {
  VANE_KEYS_OAUTH: { name: 'ring oauth' },
  VANE_KEYS_HOOKS: { name: 'ring hooks' },
  VANE_KEYS_ACCESS: { name: 'ring access' },
  VANE_KEYS_DATA_PUBLIC: { name: 'public half of ring data', bytes: PUBLIC_BYTES },
  VANE_KEYS_DATA_PRIVATE: { name: 'private half of ring data' },
} as const satisfies Record<string, RingForm>;

export type RingSetting = keyof typeof RING_SETTINGS;

/** Which settings hold a ring: for `data` the public half first. */
export function settingsOfRing(ring: Ring): RingSetting[] {
  return ring === 'data' ? ['VANE_KEYS_DATA_PUBLIC', 'VANE_KEYS_DATA_PRIVATE'] : [`VANE_KEYS_${ring.toUpperCase()}` as RingSetting];
}

/** Settings by name: `VANE_KEYS_OAUTH` holds a ring itself, `VANE_KEYS_OAUTH_FILE` the path of a file that does. */
export type RingSources = { readonly [name: string]: unknown };

/**
 * The ring that a setting gives, in itself or in the file it names. Throws a VaultError that names the setting.
 * `onProblem` is told when a file can no longer be read.
 */
export function openKeyRing(sources: RingSources, name: RingSetting, onProblem?: (error: VaultError) => void): KeyRing {
  const [text, path] = [sources[name], sources[`${name}_FILE`]];
  const form = { ...RING_SETTINGS[name], name: `${RING_SETTINGS[name].name} (${name})` };
  if (typeof text === 'string' && text !== '') return parseKeyRing(text, form);
  if (typeof path === 'string' && path !== '') return new FileKeyRing(path, form, onProblem);
  throw new VaultError(`Set ${name}, or ${name}_FILE to the path of the file that holds it.`);
}

import type pg from 'pg';
import { decryptAesGcm, encryptAesGcm } from './aes-gcm.js';
import type { RingKey } from './key-ring.js';
import type { SymmetricRing } from './rings.js';
import { VaultError } from './vault-error.js';

/** A row of `data_key`: the key of a scope, wrapped by the ring's key `ring_key_id`. */
export type DataKeyRow = { id: string; scope: string; ring_key_id: string; wrapped: string };

/** First of two numbers that name the lock; any constant that nobody else uses. */
const LOCK = 7_264_112;

export function wrapDataKey(ring: SymmetricRing, by: RingKey, { id, scope }: Pick<DataKeyRow, 'id' | 'scope'>, key: Buffer): string {
  return encryptAesGcm(by.bytes, key, binding(ring, id, scope));
}

/** The 32 bytes of a data key, or why they cannot be had. */
export function unwrapDataKey(ring: SymmetricRing, keys: ReadonlyMap<string, RingKey>, row: DataKeyRow): Buffer | VaultError {
  const ringKey = keys.get(row.ring_key_id);
  if (!ringKey) return new VaultError(`Ring ${ring} has no key ${row.ring_key_id}, which data is encrypted with; add it to the ring again.`);
  const key = decryptAesGcm(ringKey.bytes, row.wrapped, binding(ring, row.id, row.scope));
  return key ?? new VaultError(`Key ${row.ring_key_id} of ring ${ring} is not the one that data was encrypted with; put the right one back.`);
}

/**
 * Held to the end of the transaction: shared by whoever makes a data key with the ring's current key, exclusive for a
 * rotation that wants to know that nobody is about to use the key before.
 */
export async function lockWrapping(tx: Pick<pg.ClientBase, 'query'>, ring: SymmetricRing, mode: 'shared' | 'exclusive'): Promise<void> {
  const lock = mode === 'shared' ? 'pg_advisory_xact_lock_shared' : 'pg_advisory_xact_lock';
  await tx.query(`SELECT ${lock}($1, hashtext($2))`, [LOCK, ring]);
}

function binding(ring: SymmetricRing, id: string, scope: string): Buffer {
  return Buffer.from(JSON.stringify(['vane data key v1', ring, id, scope]));
}

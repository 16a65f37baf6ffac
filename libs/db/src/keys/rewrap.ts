import type { Database } from '../database.js';
import type { KeyRing } from '../vault/key-ring.js';
import type { SymmetricRing } from '../vault/rings.js';
import { unwrapDataKey, wrapDataKey, type DataKeyRow } from '../vault/wrapping.js';

/** What became of values of an older key; `unreadable` ones were left as they are. */
export type Moved = { moved: number; unreadable: number };
export type Progress = (done: number) => void;

const BATCH = 200;

/**
 * Wraps every data key that an older key of the ring wraps with the current one, in batches that are each committed: what
 * was interrupted goes on. Values need not be touched. `progress` hears how many were done so far.
 */
export async function rewrapDataKeys(database: Database, ring: SymmetricRing, { current, all }: KeyRing, progress: Progress): Promise<Moved> {
  const total: Moved = { moved: 0, unreadable: 0 };
  for (let after = ''; ; ) {
    const { rows } = await database.pool.query<DataKeyRow>(
      'SELECT id, scope, ring_key_id, wrapped FROM data_key WHERE ring = $1 AND ring_key_id <> $2 AND id > $3 ORDER BY id LIMIT $4',
      [ring, current.id, after, BATCH],
    );
    const wrapped = rows.flatMap((row) => {
      const key = unwrapDataKey(ring, all, row);
      return Buffer.isBuffer(key) ? [{ row, wrapped: wrapDataKey(ring, current, row, key) }] : [];
    });
    const { rowCount } = await database.pool.query(
      `UPDATE data_key d SET wrapped = n.wrapped, ring_key_id = $1
       FROM unnest($2::text[], $3::text[], $4::text[]) AS n (id, ring_key_id, wrapped)
       WHERE d.id = n.id AND d.ring_key_id = n.ring_key_id`,
      [current.id, wrapped.map(({ row }) => row.id), wrapped.map(({ row }) => row.ring_key_id), wrapped.map((one) => one.wrapped)],
    );
    total.moved += rowCount ?? 0;
    total.unreadable += rows.length - wrapped.length;
    if (rows.length > 0) progress(total.moved);
    if (rows.length < BATCH) return total;
    after = rows.at(-1)!.id;
  }
}

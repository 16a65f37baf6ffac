import type { Database } from '../database.js';

/** Two numbers that name the lock; the launcher's backup takes the same one. */
export const KEYS_LOCK = [7_264_112, 1] as const;

/** Runs work that changes which keys there are while nobody else does, and while no backup is made. Throws a sentence when somebody is at it. */
export async function withKeysLock<T>(database: Database, work: () => Promise<T>): Promise<T> {
  const client = await database.pool.connect();
  try {
    const { rows } = await client.query<{ locked: boolean }>('SELECT pg_try_advisory_lock($1, $2) AS locked', [...KEYS_LOCK]);
    if (!rows[0]?.locked) throw new Error('Another command is changing keys of this database, or a backup is being made: wait for it to end and try again.');
    return await work();
  } finally {
    // The lock goes with the connection.
    client.release(true);
  }
}

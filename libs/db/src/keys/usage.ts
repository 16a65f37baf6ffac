import type { Database } from '../database.js';
import type { Ring } from '../vault/rings.js';

/** What a key of a ring is needed for, by what it is: `data keys`, or for ring data `secrets`, `targets` and `deliveries`. */
export type KeyUse = Record<string, number>;

const DAY_MS = 86_400_000;

/** For every key id that something in the database is encrypted with: what. Looks at deliveries of the last day: what is sealed in one is used for an hour. */
export async function keyUsage(database: Database, ring: Ring, now: Date): Promise<Map<string, KeyUse>> {
  const counted = ring === 'data'
    ? await database.pool.query<{ id: string; what: string; count: number }>(
        `SELECT split_part(sealed, '.', 2) AS id, 'secrets' AS what, count(*)::int FROM secret GROUP BY 1
         UNION ALL
         SELECT split_part(secret_sealed, '.', 2), 'targets', count(*)::int FROM runnable WHERE secret_sealed IS NOT NULL GROUP BY 1
         UNION ALL
         SELECT split_part(sealed_auth, '.', 2), 'deliveries', count(*)::int FROM delivery
         WHERE received_at > $2 AND sealed_auth IS NOT NULL AND auth_until > $1 GROUP BY 1`,
        [now, new Date(now.getTime() - DAY_MS)],
      )
    : await database.pool.query<{ id: string; what: string; count: number }>(
        `SELECT ring_key_id AS id, 'data keys' AS what, count(*)::int FROM data_key WHERE ring = $1 GROUP BY 1`,
        [ring],
      );
  const usage = new Map<string, KeyUse>();
  for (const { id, what, count } of counted.rows) usage.set(id, { ...usage.get(id), [what]: count });
  return usage;
}

import { Database, newId } from '@vane/db';
import type { Clock, Logger } from '@vane/runtime';
import { hashToken } from './token.js';

/** Serialises gateways that start at once; any constant that nobody else uses. */
const LOCK = 7_264_111_101;

/**
 * Makes the first superadmin out of a token that the operator chose, so that a fresh instance can be used at all. Does
 * nothing when a superadmin token exists, whichever gateway made it. Returns whether it made one.
 */
export async function bootstrapSuperadmin(database: Database, clock: Clock, logger: Logger, token: string): Promise<boolean> {
  const now = clock.now();
  const made = await database.transaction(async (tx) => {
    await tx.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
    const { rowCount } = await tx.query(
      `INSERT INTO api_token (id, workspace_id, name, role, scopes, created_by, token_hash, created_at)
       SELECT $1, NULL, 'bootstrap', 'superadmin', '{write}', 'VANE_BOOTSTRAP_TOKEN', $2, $3
       WHERE NOT EXISTS (SELECT 1 FROM api_token WHERE role = 'superadmin' AND (expires_at IS NULL OR expires_at > $3))`,
      [newId('token', now), hashToken(token), now],
    );
    return rowCount === 1;
  });
  if (made) logger.info({}, 'superadmin made out of the bootstrap setting');
  return made;
}

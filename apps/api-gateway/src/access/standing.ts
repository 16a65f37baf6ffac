import { atLeast, VaneError, type Actor, type Role } from '@vane/contracts';
import type { PoolClient } from 'pg';
import { lockUser, roleOfUser } from './user-rows.js';

/** `expiresAt` is null for what does not end by itself; a session does, but what is made in it is the person's. */
export type Standing = { role: Role; scopes: readonly string[]; expiresAt: Date | null };

/**
 * What somebody may do in a workspace at this moment, whatever was true when the request was let in. Nothing of it can be
 * taken away before the transaction ends, so what is made in it is seen by whoever takes it away. Throws `forbidden` when
 * nothing is left of it.
 */
export async function standingOf(tx: PoolClient, { kind, id, userId, sessionId }: Actor, workspaceId: string): Promise<Standing> {
  const person = userId === null ? undefined : await roleOfUser(tx, await lockUser(tx, userId), workspaceId);
  if (userId !== null && person === undefined) throw gone();
  if (kind === 'user') {
    // Whatever ends sessions locks the user first, as was done above.
    const { rowCount } = await tx.query('SELECT 1 FROM session WHERE id = $1 AND user_id = $2', [sessionId ?? null, id]);
    if (!rowCount) throw gone();
    return { role: person!, scopes: ['write'], expiresAt: null };
  }
  const { rows } = await tx.query<Standing>(
    `SELECT role, scopes, expires_at AS "expiresAt" FROM api_token
     WHERE id = $1 AND (workspace_id = $2 OR (workspace_id IS NULL AND role = 'superadmin')) FOR SHARE`,
    [id, workspaceId],
  );
  const token = rows[0];
  if (!token) throw gone();
  return { role: person === undefined || atLeast(person, token.role) ? token.role : person, scopes: token.scopes, expiresAt: token.expiresAt };
}

const gone = () => new VaneError('forbidden', 'Your access to this workspace was taken away meanwhile.');

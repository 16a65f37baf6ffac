import { VaneError } from '@vane/contracts';
import type { PoolClient } from 'pg';

export type OpenInvitation = { id: string; workspaceId: string; email: string; role: string };

/**
 * The invitation of a token that can still be accepted, locked until the transaction ends. Throws `not_found` or `conflict`
 * with a sentence that says what to do.
 */
export async function openInvitation(tx: PoolClient, tokenHash: string, now: Date): Promise<OpenInvitation> {
  const { rows } = await tx.query<OpenInvitation & { expiresAt: Date; acceptedAt: Date | null }>(
    `SELECT id, workspace_id AS "workspaceId", email, role, expires_at AS "expiresAt", accepted_at AS "acceptedAt"
     FROM invitation WHERE token_hash = $1 FOR UPDATE`,
    [tokenHash],
  );
  const found = rows[0];
  if (!found) throw new VaneError('not_found', 'This invitation is unknown or was revoked. Ask for a new one.');
  if (found.acceptedAt) throw new VaneError('conflict', 'This invitation was accepted already. Sign in.');
  if (found.expiresAt <= now) throw new VaneError('conflict', 'This invitation has expired. Ask for a new one.');
  return found;
}

/** Makes a user a member, who keeps the role of a membership that exists, and uses the invitation up. */
export async function joinByInvitation(tx: PoolClient, { id, workspaceId, role }: OpenInvitation, userId: string, now: Date): Promise<void> {
  await tx.query(
    `INSERT INTO membership (workspace_id, user_id, role, version, created_at) VALUES ($1, $2, $3, 1, $4)
     ON CONFLICT (workspace_id, user_id) DO NOTHING`,
    [workspaceId, userId, role, now],
  );
  await tx.query('UPDATE invitation SET accepted_at = $2 WHERE id = $1', [id, now]);
}

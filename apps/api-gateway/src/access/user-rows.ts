import { VaneError, WORKSPACE_ROLES, type Role, type UserView } from '@vane/contracts';
import { isUniqueViolation, newId } from '@vane/db';
import type { PoolClient } from 'pg';

export type UserRow = {
  id: string; email: string; name: string; password_hash: string | null; superadmin: boolean; version: number;
  created_at: Date; updated_at: Date; disabled_at: Date | null;
};
export type NewUser = { email: string; name: string; passwordHash: string | null; superadmin: boolean };

export const userViewOf = (row: UserRow): UserView => ({
  id: row.id,
  email: row.email,
  name: row.name,
  superadmin: row.superadmin,
  hasPassword: row.password_hash !== null,
  disabledAt: row.disabled_at?.toISOString() ?? null,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
  version: row.version,
});

/**
 * A user, whose rights cannot change until the transaction ends: every change of them, and every use that must not overlap
 * with one, locks this row first. Throws `not_found`.
 */
export async function lockUser(tx: PoolClient, id: string): Promise<UserRow> {
  const { rows } = await tx.query<UserRow>('SELECT * FROM users WHERE id = $1 FOR NO KEY UPDATE', [id]);
  if (!rows[0]) throw new VaneError('not_found', 'There is no such user.');
  return rows[0];
}

/** Makes a user. Throws `conflict` when the address, in lower case, is taken. */
export async function insertUser(tx: PoolClient, now: Date, { email, name, passwordHash, superadmin }: NewUser): Promise<UserRow> {
  const { rows } = await uniqueEmail(
    tx.query<UserRow>(
      `INSERT INTO users (id, email, name, password_hash, superadmin, version, created_at, updated_at)
       VALUES ($1, $2, $3, $4, $5, 1, $6, $6) RETURNING *`,
      [newId('user', now), email, name, passwordHash, superadmin, now],
    ),
  );
  return rows[0]!;
}

/** Waits for a statement that stores an e-mail address. */
export async function uniqueEmail<T>(statement: Promise<T>): Promise<T> {
  try {
    return await statement;
  } catch (error) {
    if (isUniqueViolation(error)) throw new VaneError('conflict', 'There is a user with this e-mail address already.', { cause: error });
    throw error;
  }
}

/**
 * Deletes every API token of a person that has more than the person has now: all of one who is disabled, those of a
 * workspace the person has left, those with a stronger role. To be called wherever rights shrink, in the same transaction
 * and after `lockUser`. A superadmin may have tokens anywhere.
 */
export async function revokeExcess(tx: PoolClient, userId: string): Promise<void> {
  await tx.query(
    `DELETE FROM api_token t WHERE t.user_id = $1 AND NOT EXISTS (
       SELECT 1 FROM users u LEFT JOIN membership m ON m.user_id = u.id AND m.workspace_id = t.workspace_id
       WHERE u.id = $1 AND u.disabled_at IS NULL
         AND (u.superadmin OR array_position($2::text[], m.role) >= array_position($2::text[], t.role)))`,
    [userId, WORKSPACE_ROLES],
  );
}

/** The role a person has in a workspace now; undefined for none. */
export async function roleOfUser(tx: PoolClient, { id, superadmin, disabled_at }: UserRow, workspaceId: string): Promise<Role | undefined> {
  if (disabled_at) return undefined;
  if (superadmin) return 'superadmin';
  const { rows } = await tx.query<{ role: Role }>('SELECT role FROM membership WHERE workspace_id = $1 AND user_id = $2', [workspaceId, id]);
  return rows[0]?.role;
}

/** Makes every token to choose a password that a user has been given useless. To be called after `lockUser`. */
export async function useUpResets(tx: PoolClient, userId: string, now: Date): Promise<void> {
  await tx.query('UPDATE password_reset SET used_at = $2 WHERE user_id = $1 AND used_at IS NULL', [userId, now]);
}

/** How much was taken from a user: whether there was a password, and how many sessions and API tokens. */
export type Cleared = { password: boolean; sessions: number; tokens: number };

/**
 * Ends every way in that a user has but identities at a provider: password, sessions, tokens to choose a password, API
 * tokens. To be called after `lockUser`, in the same transaction.
 */
export async function clearCredentials(tx: PoolClient, userId: string, now: Date): Promise<Cleared> {
  const password = await tx.query(
    'UPDATE users SET password_hash = NULL, version = version + 1, updated_at = $2 WHERE id = $1 AND password_hash IS NOT NULL',
    [userId, now],
  );
  await tx.query('DELETE FROM password_reset WHERE user_id = $1', [userId]);
  const sessions = await tx.query('DELETE FROM session WHERE user_id = $1', [userId]);
  const tokens = await tx.query('DELETE FROM api_token WHERE user_id = $1', [userId]);
  return { password: password.rowCount === 1, sessions: sessions.rowCount ?? 0, tokens: tokens.rowCount ?? 0 };
}

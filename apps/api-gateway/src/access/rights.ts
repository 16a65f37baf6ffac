import { atLeast, authorizeConnection, coversScope, scopeOf, type Actor, type Operation, type Role } from '@vane/contracts';
import type { Database } from '@vane/db';

/** What a person ($1) may do in a workspace ($2): no row for nothing. */
const OF_USER = `
  SELECT CASE WHEN u.superadmin THEN 'superadmin' ELSE m.role END AS role, ARRAY['write'] AS scopes
  FROM users u LEFT JOIN membership m ON m.user_id = u.id AND m.workspace_id = $2
  WHERE u.id = $1 AND u.disabled_at IS NULL AND (u.superadmin OR m.role IS NOT NULL)`;
/** The same of a token, at a moment ($3). A person's tokens never have more than the person. */
const OF_TOKEN = `
  SELECT role, scopes FROM api_token
  WHERE id = $1 AND (workspace_id = $2 OR (workspace_id IS NULL AND role = 'superadmin')) AND (expires_at IS NULL OR expires_at > $3)`;

const SCOPE = scopeOf(authorizeConnection as Operation);

/**
 * Whether somebody who started to connect an account could do so at `now`, too. Asked when the browser comes back, which
 * brings no session and no token: rights may have been taken away on the way.
 */
export async function mayConnect(database: Database, { kind, id }: Pick<Actor, 'kind' | 'id'>, workspaceId: string, now: Date): Promise<boolean> {
  const { rows } = await (kind === 'user'
    ? database.pool.query<{ role: Role; scopes: string[] }>(OF_USER, [id, workspaceId])
    : database.pool.query<{ role: Role; scopes: string[] }>(OF_TOKEN, [id, workspaceId, now]));
  const [rights] = rows;
  return rights !== undefined && atLeast(rights.role, 'editor') && coversScope(rights.scopes, SCOPE);
}

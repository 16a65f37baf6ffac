import { randomUUID } from 'node:crypto';
import { systemCall } from '@vane/contracts';
import { Database, newId } from '@vane/db';
import type { Clock, Logger } from '@vane/runtime';
import type { PoolClient } from 'pg';
import type { AuditTrail } from '../audit/audit-trail.js';
import { hashToken } from './token.js';

/** Serialises gateways that start at once; any constant that nobody else uses. */
const LOCK = 7_264_111_101;
/** Name in the audit trail. */
const OPERATION = 'tokens.replace-bootstrap';

export type Bootstrapped = 'made' | 'replaced' | 'unchanged';
export type BootstrapDependencies = { database: Database; clock: Clock; trail: AuditTrail; logger: Logger };

/**
 * Keeps one superadmin whose token is the one that the operator chose, so that a fresh instance can be used at all, and one
 * whose token is lost or known to others again. Another token than before takes its place: the old one ends, its id stays,
 * and the audit trail has an entry. Makes none while there is a superadmin token of another origin. Of gateways with
 * different settings the one that starts last counts.
 */
export async function bootstrapSuperadmin(dependencies: BootstrapDependencies, token: string): Promise<Bootstrapped> {
  const { database, logger } = dependencies;
  const became = await database.transaction(async (tx): Promise<Bootstrapped> => {
    await tx.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
    const { rows } = await tx.query<{ id: string; token_hash: string }>(
      "SELECT id, token_hash FROM api_token WHERE workspace_id IS NULL AND role = 'superadmin' AND name = 'bootstrap' FOR UPDATE",
    );
    const [row] = rows;
    if (!row) return make(tx, dependencies, token);
    if (row.token_hash === hashToken(token)) return 'unchanged';
    return replace(tx, dependencies, { id: row.id, token });
  });
  if (became !== 'unchanged') logger.info({}, `superadmin ${became} out of the bootstrap setting`);
  return became;
}

async function make(tx: PoolClient, { clock }: BootstrapDependencies, token: string): Promise<Bootstrapped> {
  const now = clock.now();
  const { rowCount } = await tx.query(
    `INSERT INTO api_token (id, workspace_id, name, role, scopes, created_by, token_hash, created_at)
     SELECT $1, NULL, 'bootstrap', 'superadmin', '{write}', 'VANE_BOOTSTRAP_TOKEN', $2, $3
     WHERE NOT EXISTS (SELECT 1 FROM api_token WHERE role = 'superadmin' AND (expires_at IS NULL OR expires_at > $3))`,
    [newId('token', now), hashToken(token), now],
  );
  return rowCount === 1 ? 'made' : 'unchanged';
}

/** With its entry in one transaction, so that there is none without the other. */
async function replace(tx: PoolClient, { trail }: BootstrapDependencies, { id, token }: { id: string; token: string }): Promise<Bootstrapped> {
  await tx.query('UPDATE api_token SET token_hash = $2 WHERE id = $1', [id, hashToken(token)]);
  const { actor, correlationId } = systemCall('api-gateway', randomUUID());
  await trail.note({ workspaceId: null, actor, operation: OPERATION, targetId: id, correlationId, address: '' }, { outcome: 'ok', status: 200 }, tx);
  return 'replaced';
}

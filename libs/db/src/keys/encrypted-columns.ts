import type { Database } from '../database.js';
import type { SymmetricRing } from '../vault/rings.js';
import { VaultError } from '../vault/vault-error.js';
import type { Vault } from '../vault/vault.js';

/** A table with columns that the vault of a ring encrypts; every row has an `id` and belongs to `workspace_id`. */
export type EncryptedTable = { table: string; ring: SymmetricRing; columns: string[] };

export const ENCRYPTED_TABLES: readonly EncryptedTable[] = [
  { table: 'integration', ring: 'oauth', columns: ['client_secret_enc', 'previous_secret_enc'] },
  { table: 'connection', ring: 'oauth', columns: ['access_token_enc', 'refresh_token_enc'] },
  { table: 'authorisation', ring: 'oauth', columns: ['verifier_enc', 'grant_enc'] },
  { table: 'subscription', ring: 'hooks', columns: ['secrets_enc'] },
  { table: 'notification_channel', ring: 'access', columns: ['secret_enc'] },
];

export type UnreadableCell = { table: string; column: string; row: string; workspaceId: string | null };

const BATCH = 500;

/** Decrypts every cell of the symmetric rings; tells how many it tried, and of those that do not decrypt. */
export async function findUnreadableCells(database: Database, vaults: Partial<Record<SymmetricRing, Vault>>): Promise<{ tried: number; unreadable: UnreadableCell[] }> {
  let tried = 0;
  const unreadable: UnreadableCell[] = [];
  for (const { table, ring, columns } of ENCRYPTED_TABLES) {
    for (const column of columns) {
      for (let after = ''; ; ) {
        const { rows } = await database.pool.query<{ id: string; workspaceId: string | null; text: string }>(
          `SELECT id, workspace_id AS "workspaceId", ${column} AS text FROM ${table}
           WHERE ${column} IS NOT NULL AND ${column} <> '' AND id > $1 ORDER BY id LIMIT ${BATCH}`,
          [after],
        );
        tried += rows.length;
        for (const { id, workspaceId, text } of rows) {
          const readable = vaults[ring] !== undefined && (await decrypts(vaults[ring], text, { table, row: id, column, workspaceId }));
          if (!readable) unreadable.push({ table, column, row: id, workspaceId });
        }
        if (rows.length < BATCH) break;
        after = rows.at(-1)!.id;
      }
    }
  }
  return { tried, unreadable };
}

async function decrypts(vault: Vault, text: string, cell: { table: string; row: string; column: string; workspaceId: string | null }): Promise<boolean> {
  try {
    await vault.decrypt(text, cell);
    return true;
  } catch (error) {
    if (error instanceof VaultError) return false;
    throw error;
  }
}

import type { Database } from '../database.js';
import type { Cell } from '../vault/cell.js';
import { open, seal, type OpeningKeys, type SealingKey } from '../vault/seal.js';
import { runnableSecretCell, secretValueCell } from '../vault/sealed-cells.js';
import { VaultError } from '../vault/vault-error.js';
import type { Moved, Progress } from './rewrap.js';

/** A table with values sealed to ring data that stay; what is sealed in deliveries ends by itself. */
export type SealedTable = {
  table: 'secret' | 'runnable';
  /** Name of the row within its workspace, and the sealed column. */
  row: string;
  column: string;
  cell: (workspaceId: string, row: string) => Cell;
};
export type SealedRow = { workspaceId: string; row: string; sealed: string };

export const SEALED_TABLES: readonly SealedTable[] = [
  { table: 'secret', row: 'name', column: 'sealed', cell: secretValueCell },
  { table: 'runnable', row: 'id', column: 'secret_sealed', cell: runnableSecretCell },
];

const BATCH = 100;

/** Rows of a sealed table in the order of workspace and row, after the one given; those sealed to `except` left out. */
export async function sealedRows(database: Database, { table, row, column }: SealedTable, after: SealedRow | undefined, except = ''): Promise<SealedRow[]> {
  const { rows } = await database.pool.query<SealedRow>(
    `SELECT workspace_id AS "workspaceId", ${row} AS row, ${column} AS sealed FROM ${table}
     WHERE ${column} IS NOT NULL AND split_part(${column}, '.', 2) <> $1 AND (workspace_id, ${row}) > ($2, $3)
     ORDER BY workspace_id, ${row} LIMIT ${BATCH}`,
    [except, after?.workspaceId ?? '', after?.row ?? ''],
  );
  return rows;
}

/**
 * Opens every value that is sealed to an older key of ring data and seals it to the current one. A value that somebody
 * sets meanwhile is left to them: the old text is compared when the new one is saved. Interrupted, it goes on.
 */
export async function resealValues(database: Database, to: SealingKey, from: OpeningKeys, progress: Progress): Promise<Moved> {
  const total: Moved = { moved: 0, unreadable: 0 };
  const { keyId } = await to.current();
  for (const place of SEALED_TABLES) {
    for (let after: SealedRow | undefined; ; ) {
      const rows = await sealedRows(database, place, after, keyId);
      for (const row of rows) {
        const outcome = await reseal(database, place, row, to, from);
        if (outcome !== 'changed') total[outcome] += 1;
      }
      if (rows.length > 0) progress(total.moved);
      if (rows.length < BATCH) break;
      after = rows.at(-1);
    }
  }
  return total;
}

async function reseal(database: Database, place: SealedTable, row: SealedRow, to: SealingKey, from: OpeningKeys): Promise<keyof Moved | 'changed'> {
  const cell = place.cell(row.workspaceId, row.row);
  const value = await open(from, row.sealed, cell).catch((error: unknown) => {
    if (error instanceof VaultError) return undefined;
    throw error;
  });
  if (value === undefined) return 'unreadable';
  const { rowCount } = await database.pool.query(
    `UPDATE ${place.table} SET ${place.column} = $4 WHERE workspace_id = $1 AND ${place.row} = $2 AND ${place.column} = $3`,
    [row.workspaceId, row.row, row.sealed, await seal(to, value, cell)],
  );
  return rowCount === 1 ? 'moved' : 'changed';
}

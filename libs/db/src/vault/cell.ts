/**
 * Where an encrypted value is kept. It is authenticated with the value, which therefore cannot be read from any other
 * row, column or workspace. `workspaceId` is null for what belongs to the instance.
 */
export type Cell = { table: string; row: string; column: string; workspaceId: string | null };

/** The cell as bytes to authenticate; JSON keeps the parts apart whatever they contain. */
export const bindTo = (purpose: string, cell: Cell): Buffer =>
  Buffer.from(JSON.stringify([purpose, cell.table, cell.row, cell.column, cell.workspaceId]));

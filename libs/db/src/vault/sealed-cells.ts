import type { Cell } from './cell.js';

/** Where each value sealed to the data ring lives: who seals and who opens must name the same place. */

/** Signing secret of an HTTP target. */
export const runnableSecretCell = (workspaceId: string, runnableId: string): Cell => ({
  table: 'runnable', row: runnableId, column: 'secret_sealed', workspaceId,
});

/** Value of a named secret. */
export const secretValueCell = (workspaceId: string, name: string): Cell => ({
  table: 'secret', row: name, column: 'sealed', workspaceId,
});

/** What was cut out of a delivery for scripts to use as `ctx.auth`. */
export const deliveryAuthCell = (workspaceId: string, deliveryId: string): Cell => ({
  table: 'delivery', row: deliveryId, column: 'sealed_auth', workspaceId,
});

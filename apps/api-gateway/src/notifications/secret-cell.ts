import type { Cell } from '@vane/db';

/** Where the signing secret of a channel lives. */
export const secretCell = (workspaceId: string, channelId: string): Cell => ({
  table: 'notification_channel', row: channelId, column: 'secret_enc', workspaceId,
});

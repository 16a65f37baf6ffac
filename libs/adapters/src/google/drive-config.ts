import { z } from 'zod';
import type { ChangesWant } from './changes-feed.js';

const idOf = (what: string) =>
  z
    .string()
    .trim()
    .regex(/^[A-Za-z0-9_-]{1,200}$/, `is not the id of ${what}: it is the last part of its address`)
    .refine((id) => id !== 'root', `is not the id of ${what}: the id of My Drive is the one that the picker gives`);

const driveId = idOf('a shared drive').optional().meta({ title: 'Shared drive', description: 'Id of a shared drive; left out: what the account itself sees' });

export const fileConfig = z.strictObject({ fileId: idOf('a file').meta({ title: 'File', description: 'Id of the file, in My Drive or in a shared drive' }) });

export const changesConfig = z
  .strictObject({
    driveId,
    restrictToMyDrive: z.boolean().default(false).meta({ title: 'My Drive only', description: 'Leaves out what others share with the account, and shared drives' }),
  });

export const folderConfig = z.strictObject({
  folderId: idOf('a folder').meta({ title: 'Folder', description: 'Id of the folder' }),
  driveId: driveId.meta({ title: 'Shared drive', description: 'Id of the shared drive that the folder lies in, if it lies in one' }),
  includeSubfolders: z.boolean().default(false).meta({ title: 'With subfolders', description: 'Also what lies in folders of this folder' }),
});

/** The feed of the account has one resource, that of each shared drive another. A shared drive is never in My Drive. */
export function changesPlan(config: { driveId?: string | undefined; restrictToMyDrive?: boolean }): { resource: string; want: ChangesWant } {
  const { driveId: drive = null } = config;
  const restrictToMyDrive = drive === null && config.restrictToMyDrive === true;
  return { resource: drive === null ? (restrictToMyDrive ? 'my-drive' : 'account') : `drive/${drive}`, want: { driveId: drive, restrictToMyDrive } };
}

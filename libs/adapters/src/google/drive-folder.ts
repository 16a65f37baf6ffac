import { defineTriggerType, type NormalisedEvent } from '@vane/kit';
import { z } from 'zod';
import { changesPull, changesRemote } from './changes-feed.js';
import { changesPlan, folderConfig } from './drive-config.js';
import { drivesPicker, foldersPicker } from './drive-pickers.js';
import { scope } from './oauth.js';
import { driveScript } from './starter-scripts.js';
import { webhook } from './webhook.js';

const placed = z.object({ file: z.object({ parents: z.array(z.string()).optional() }).optional(), ancestors: z.array(z.string()).optional() });

/** Changes of the files in one folder. All folders of an account share its feed, and those of a shared drive that of the drive. */
export const driveFolder = defineTriggerType({
  label: 'Change in a Drive folder',
  description: 'Runs for every file that is created, changed, moved to or trashed in a folder of Google Drive.',
  config: folderConfig,
  summary: ({ folderId, includeSubfolders }) => `Changes in folder ${folderId.slice(0, 60)}${includeSubfolders ? ' and its subfolders' : ''}`,
  starterScript: driveScript,
  scopes: [scope('drive.metadata.readonly')],
  sharing: 'feed',
  plan: ({ driveId }) => changesPlan({ driveId }),
  matches: ({ folderId, includeSubfolders }, event) => foldersOf(event, includeSubfolders).includes(folderId),
  webhook,
  remote: changesRemote,
  pull: changesPull({ withAncestors: true }),
  pickers: { folders: foldersPicker, drives: drivesPicker },
});

/** Of a file that is gone Google says no folder any more. */
function foldersOf({ payload }: NormalisedEvent, all: boolean): string[] {
  const { file, ancestors } = placed.safeParse(payload).data ?? {};
  return (all ? ancestors : file?.parents) ?? [];
}

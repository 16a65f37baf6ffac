import type { Json, JsonObject, NormalisedEvent } from '@vane/kit';
import { z } from 'zod';
import { timeOf } from './answers.js';

/**
 * What is asked of a file: https://developers.google.com/workspace/drive/api/reference/rest/v3/files. Named, because of
 * everything (`*`) a thousand permissions may come with each file.
 */
export const FILE_FIELDS = [
  'kind,id,name,mimeType,description,starred,trashed,explicitlyTrashed,trashedTime,parents,driveId,spaces,properties,appProperties,version',
  'createdTime,modifiedTime,modifiedByMe,lastModifyingUser,owners,ownedByMe,shared,sharedWithMeTime,sharingUser,shortcutDetails,resourceKey',
  'originalFilename,fileExtension,size,md5Checksum,sha256Checksum,headRevisionId,iconLink,webViewLink',
].join(',');

export const FOLDER = 'application/vnd.google-apps.folder';

export const driveFile = z.looseObject({
  id: z.string().min(1),
  /** Grows with every change: https://developers.google.com/workspace/drive/api/reference/rest/v3/files#File.FIELDS.version */
  version: z.string().min(1),
  mimeType: z.string().optional(),
  parents: z.array(z.string()).optional(),
});
export type DriveFile = z.output<typeof driveFile>;

export const change = z.looseObject({
  changeType: z.string().optional(),
  time: z.string().optional(),
  removed: z.boolean().optional(),
  fileId: z.string().optional(),
  driveId: z.string().optional(),
  file: driveFile.optional(),
});
export type Change = z.output<typeof change>;

/** Set where folders are told apart: the folders a file lies in, the nearest first. */
export type Ancestors = string[] | undefined;

/** An entry of the changes feed. A file is told by its id and version, so two channels, a replay and a late page agree. */
export function eventOfChange(entry: Change, ancestors?: Ancestors): NormalisedEvent {
  const { changeType, time, removed = false, fileId, driveId, file } = entry;
  const isDrive = changeType === 'drive';
  const id = (isDrive ? driveId : (fileId ?? file?.id)) ?? null;
  const state = file && !removed ? file.version : `${removed ? 'removed' : 'changed'}:${time ?? ''}`;
  return {
    type: `${isDrive ? 'drive' : 'file'}.${removed ? 'removed' : 'changed'}`,
    dedupeKey: id === null ? null : `${isDrive ? 'drive:' : ''}${id}:${state}`,
    occurredAt: timeOf(time),
    payload: payloadOf(entry, ancestors),
  };
}

/** A file that was read by itself, in the shape of an entry of the changes feed and with its identity. */
export function eventOfFile(file: DriveFile, ancestors?: Ancestors): NormalisedEvent {
  return eventOfChange({ changeType: 'file', removed: false, fileId: file.id, file }, ancestors);
}

const payloadOf = (entry: Change, ancestors: Ancestors): JsonObject => ({ ...(entry as { [key: string]: Json }), ...(ancestors === undefined ? {} : { ancestors }) });

import { ServiceError, type JsonObject, type NormalisedEvent, type PullSpec, type ServiceHttp, type ServiceRequest } from '@vane/kit';
import { z } from 'zod';
import { ancestorFinder } from './ancestors.js';
import { get, getBehind, readCursor, writeCursor } from './answers.js';
import { channelRemote } from './channels.js';
import { change, driveFile, eventOfChange, eventOfFile, FILE_FIELDS, type DriveFile } from './drive-events.js';

/** The changes feed of the account, or of one shared drive. */
export type ChangesWant = JsonObject & { driveId: string | null; restrictToMyDrive: boolean };

const PUSH_DOCS = 'https://developers.google.com/workspace/drive/api/guides/push';

/** The flags that select a feed: the same for the watch, the list and the start. */
function flagsOf({ driveId, restrictToMyDrive }: ChangesWant): Record<string, string> {
  return {
    supportsAllDrives: 'true',
    includeItemsFromAllDrives: 'true',
    includeRemoved: 'true',
    ...(driveId === null ? {} : { driveId }),
    ...(restrictToMyDrive ? { restrictToMyDrive: 'true' } : {}),
  };
}

const startToken = z.object({ startPageToken: z.string().min(1) });

/** https://developers.google.com/workspace/drive/api/reference/rest/v3/changes/getStartPageToken */
async function begin(http: ServiceHttp, { driveId }: ChangesWant): Promise<string> {
  const query = { supportsAllDrives: 'true', ...(driveId === null ? {} : { driveId }) };
  return (await get(http, { path: '/drive/v3/changes/startPageToken', query }, startToken, 'the start of a feed')).startPageToken;
}

/** https://developers.google.com/workspace/drive/api/reference/rest/v3/changes/watch */
export const changesRemote = channelRemote<ChangesWant>({
  api: 'drive/v3',
  longestSeconds: 604_800,
  docsUrl: PUSH_DOCS,
  call: async (http, { want }) => ({ path: '/changes/watch', query: { pageToken: await begin(http, want), ...flagsOf(want) } }),
});

const changeList = z.object({ changes: z.array(change), nextPageToken: z.string().min(1).optional(), newStartPageToken: z.string().min(1).optional() });
const fileList = z.object({ files: z.array(driveFile), nextPageToken: z.string().min(1).optional() });
const replayCursor = z.strictObject({ start: z.string(), page: z.string() });

/**
 * Fetches changes. A cursor is a page token of the feed, which does not expire by itself. `withAncestors` puts the folders
 * that a file lies in into its payload, which costs a call for each folder that a page does not show.
 */
export function changesPull({ withAncestors }: { withAncestors: boolean }): PullSpec<ChangesWant> {
  // A page is answered for as a whole, so that the calls for its folders stay within bounds.
  const pageSize = withAncestors ? 50 : 200;
  const ancestorsFor = (http: ServiceHttp, files: DriveFile[]) => (withAncestors ? ancestorFinder(http, files) : async () => undefined);
  return {
    begin: (http, { want }) => begin(http, want),

    async page(http, { want }, cursor) {
      const fields = `nextPageToken,newStartPageToken,changes(changeType,time,removed,fileId,driveId,drive(id,name),file(${FILE_FIELDS}))`;
      const query = { pageToken: cursor, pageSize, ...flagsOf(want), fields };
      const list = await getBehind(http, { path: '/drive/v3/changes', query }, changeList, 'changes');
      const next = list.nextPageToken ?? list.newStartPageToken;
      if (next === undefined) throw new ServiceError('garbage', 'Google answered a page of changes that does not say where to go on; it will be tried again.');
      const ancestorsOf = ancestorsFor(http, list.changes.flatMap(({ file }) => file ?? []));
      const events: NormalisedEvent[] = [];
      for (const entry of list.changes) events.push(eventOfChange(entry, entry.file && (await ancestorsOf(entry.file))));
      return { events, cursor: next, more: list.nextPageToken !== undefined };
    },

    async replay(http, { want }, cursor) {
      // The feed's position is taken before the first file is read, so what changes meanwhile is behind it.
      const { start, page } = cursor === null ? { start: await begin(http, want), page: undefined } : readCursor(replayCursor, cursor);
      const query = { ...everything(want), pageSize, pageToken: page, fields: `nextPageToken,files(${FILE_FIELDS})` };
      const { files, nextPageToken } = await getBehind(http, { path: '/drive/v3/files', query }, fileList, 'files');
      const ancestorsOf = ancestorsFor(http, files);
      const events: NormalisedEvent[] = [];
      for (const file of files) events.push(eventOfFile(file, await ancestorsOf(file)));
      if (nextPageToken === undefined) return { events, cursor: start, more: false };
      return { events, cursor: writeCursor({ start, page: nextPageToken }), more: true };
    },
  };
}

/** The files whose changes the feed shows, in an order in which what is new comes last. */
function everything({ driveId, restrictToMyDrive }: ChangesWant): NonNullable<ServiceRequest['query']> {
  const shown = { supportsAllDrives: 'true', includeItemsFromAllDrives: 'true', orderBy: 'createdTime' };
  if (driveId !== null) return { ...shown, corpora: 'drive', driveId };
  if (restrictToMyDrive) return { corpora: 'user', orderBy: 'createdTime', q: "'me' in owners" };
  return { ...shown, corpora: 'user' };
}

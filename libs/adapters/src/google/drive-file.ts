import { defineTriggerType, ServiceError, type PullSpec, type ServiceHttp } from '@vane/kit';
import { z } from 'zod';
import { find, readCursor, writeCursor } from './answers.js';
import { channelRemote } from './channels.js';
import { fileConfig } from './drive-config.js';
import { driveFile as file, eventOfFile, FILE_FIELDS, type DriveFile } from './drive-events.js';
import { filesPicker } from './drive-pickers.js';
import { scope } from './oauth.js';
import { driveScript } from './starter-scripts.js';
import { webhook } from './webhook.js';

const path = (fileId: string): string => `/files/${encodeURIComponent(fileId)}`;

/** Null when it is deleted or hidden from the account, which Google does not tell apart. */
const read = (http: ServiceHttp, fileId: string): Promise<DriveFile | null> =>
  find(http, { path: `/drive/v3${path(fileId)}`, query: { fields: FILE_FIELDS, supportsAllDrives: 'true' } }, file, 'a file');

/** `version`: of the file as it was last seen, null when it was not there. */
const cursorShape = z.strictObject({ version: z.string().nullable() });
const cursorOf = (found: DriveFile | null): string => writeCursor({ version: found?.version ?? null });

/**
 * The file itself is asked, in one call, and not the changes feed of its account, which would have to be read through for
 * every change of any other file. Its version is the cursor, which never gets stale.
 */
const pull: PullSpec = {
  async begin(http, { resource }) {
    const found = await read(http, resource);
    if (found) return cursorOf(found);
    throw new ServiceError('not_found', `Google Drive has no file ${resource}, or hides it from the connected account (HTTP 404).`, { status: 404 });
  },

  async page(http, { resource }, cursor) {
    const { version } = readCursor(cursorShape, cursor);
    const found = await read(http, resource);
    const next = { cursor: cursorOf(found), more: false };
    if ((found?.version ?? null) === version) return { events: [], ...next };
    if (found) return { events: [eventOfFile(found)], ...next };
    const removed = { type: 'file.removed', dedupeKey: `${resource}:removed:${version}`, occurredAt: null, payload: { changeType: 'file', removed: true, fileId: resource } };
    return { events: [removed], ...next };
  },

  async replay(http, { resource }) {
    const found = await read(http, resource);
    return { events: found ? [eventOfFile(found)] : [], cursor: cursorOf(found), more: false };
  },
};

/** Changes of one file, wherever it lies. */
export const driveFile = defineTriggerType({
  label: 'Drive file',
  description: 'Runs when one file in Google Drive is changed, moved, shared, trashed or removed.',
  config: fileConfig,
  summary: ({ fileId }) => `Changes of file ${fileId.slice(0, 100)}`,
  starterScript: driveScript,
  scopes: [scope('drive.metadata.readonly')],
  sharing: 'feed',
  plan: ({ fileId }) => ({ resource: fileId, want: {} }),
  webhook,
  // https://developers.google.com/workspace/drive/api/reference/rest/v3/files/watch
  remote: channelRemote({
    api: 'drive/v3',
    longestSeconds: 86_400,
    docsUrl: 'https://developers.google.com/workspace/drive/api/guides/push',
    call: async (_http, { resource }) => ({ path: `${path(resource)}/watch`, query: { supportsAllDrives: 'true' } }),
  }),
  pull,
  pickers: { files: filesPicker },
});

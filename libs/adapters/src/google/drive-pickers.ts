import { ServiceError, type Picker, type PickerPage, type ServiceHttp, type ServiceRequest } from '@vane/kit';
import { z } from 'zod';
import { get } from './answers.js';
import { FOLDER } from './drive-events.js';
import { scope } from './oauth.js';

const PAGE_SIZE = 100;
const SHARED_WITH_ME = 'shared-with-me';
const SHARED_DRIVES = 'shared-drives';

const files = z.object({
  files: z.array(z.object({ id: z.string(), name: z.string(), mimeType: z.string(), driveId: z.string().optional() })),
  nextPageToken: z.string().optional(),
});
const drives = z.object({ drives: z.array(z.object({ id: z.string(), name: z.string() })), nextPageToken: z.string().optional() });
const root = z.object({ id: z.string() });

/** Folders to walk into and to choose, with the shared drive they lie in. */
export const foldersPicker: Picker = { field: 'folderId', pick: (http, input) => browse(http, input, true) };

/** Files and folders to choose, folders to walk into. */
export const filesPicker: Picker = { field: 'fileId', pick: (http, input) => browse(http, input, false) };

export const drivesPicker: Picker = { field: 'driveId', pick: (http, { q, cursor }) => sharedDrives(http, { q, cursor }, (id) => ({ value: id })) };

type Asked = Parameters<Picker['pick']>[1];

async function browse(http: ServiceHttp, { q = '', cursor, parent }: Asked, foldersOnly: boolean): Promise<PickerPage> {
  const name = q.trim();
  if (parent === SHARED_DRIVES) {
    return sharedDrives(http, { q, cursor }, (id) => ({ value: foldersOnly ? id : null, inside: id, ...(foldersOnly ? { also: { driveId: id } } : {}) }));
  }
  if (parent === undefined && name === '') return places(http, foldersOnly);
  const terms = [
    'trashed = false',
    ...(foldersOnly ? [`mimeType = ${quoted(FOLDER)}`] : []),
    ...(name === '' ? [] : [`name contains ${quoted(name)}`]),
    ...(parent === undefined ? [] : [parent === SHARED_WITH_ME ? 'sharedWithMe = true' : `${quoted(parent)} in parents`]),
  ];
  return search(http, terms.join(' and '), cursor, foldersOnly);
}

/** Where walking begins. */
async function places(http: ServiceHttp, foldersOnly: boolean): Promise<PickerPage> {
  const { id } = await get(http, { path: '/drive/v3/files/root', query: { fields: 'id' } }, root, 'My Drive');
  return {
    items: [
      { value: foldersOnly ? id : null, label: 'My Drive', inside: id },
      { value: null, label: 'Shared with me', inside: SHARED_WITH_ME },
      { value: null, label: 'Shared drives', inside: SHARED_DRIVES },
    ],
    next: null,
  };
}

/** https://developers.google.com/workspace/drive/api/guides/search-files */
async function search(http: ServiceHttp, q: string, cursor: string | undefined, foldersOnly: boolean): Promise<PickerPage> {
  const query: ServiceRequest['query'] = {
    q,
    corpora: 'allDrives',
    supportsAllDrives: 'true',
    includeItemsFromAllDrives: 'true',
    orderBy: 'folder,name_natural',
    pageSize: PAGE_SIZE,
    pageToken: cursor,
    fields: 'nextPageToken,files(id,name,mimeType,driveId)',
  };
  const found = await get(http, { path: '/drive/v3/files', query }, files, 'a list of files');
  const items = found.files.map(({ id, name, mimeType, driveId }) => ({
    value: id,
    label: name,
    description: mimeType === FOLDER ? 'Folder' : mimeType,
    ...(mimeType === FOLDER ? { inside: id } : {}),
    ...(foldersOnly && driveId !== undefined ? { also: { driveId } } : {}),
  }));
  return { items, next: found.nextPageToken ?? null };
}

type Item = Omit<PickerPage['items'][number], 'label'>;

async function sharedDrives(http: ServiceHttp, { q = '', cursor }: Asked, itemOf: (id: string) => Item): Promise<PickerPage> {
  try {
    const query = { pageSize: PAGE_SIZE, pageToken: cursor, fields: 'nextPageToken,drives(id,name)' };
    const found = await get(http, { path: '/drive/v3/drives', query }, drives, 'a list of shared drives');
    const wanted = found.drives.filter(({ name }) => name.toLowerCase().includes(q.trim().toLowerCase()));
    return { items: wanted.map(({ id, name }) => ({ ...itemOf(id), label: name })), next: found.nextPageToken ?? null };
  } catch (error) {
    if (!(error instanceof ServiceError) || error.kind !== 'forbidden') throw error;
    const message = `Google lists shared drives only with the scope ${scope('drive.readonly')}: connect with it, or enter the id, the last part of the drive's address.`;
    throw new ServiceError('forbidden', message, error.details);
  }
}

const quoted = (text: string): string => `'${text.replace(/[\\']/g, '\\$&')}'`;

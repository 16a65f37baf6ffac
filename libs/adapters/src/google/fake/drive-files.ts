import type { drive_v3 } from '@googleapis/drive';
import { badParameter, failure, flag, pack, unpack, wholeNumber } from './api.js';
import type { Call } from './api.js';
import { watch } from './channels.js';
import { parseQuery } from './drive-query.js';
import { audience, createFile, deleteFile, folderId, inMyDrive, updateFile } from './drive-store.js';
import type { FileEdit } from './drive-store.js';
import { driveListNames, driveNames, driveView, fileListNames, fileNames, fileView, standardDriveList, standardFile, standardFileList } from './drive-views.js';
import { answerFields } from './fields.js';
import type { DriveFile } from './state.js';
import { jsonObject } from './wire.js';
import type { Answer } from './wire.js';

const fileScope = 'https://www.googleapis.com/auth/drive.file';

/** Whether a call may know of a file. With nothing but `drive.file` an app knows what it made itself. */
export function knows({ state, account, token }: Call, file: DriveFile): boolean {
  if (!audience(state, file).has(account.email)) return false;
  const narrow = token.scopes.includes(fileScope) && !token.scopes.some((scope) => /\/auth\/drive(\.readonly|\.metadata|\.metadata\.readonly)?$/.test(scope));
  return !narrow || file.clientId === token.clientId;
}

/** The file of the path, or 404; files of shared drives show only to who says that shared drives are supported. */
function named(call: Call): DriveFile | Answer {
  const { state, account, request, parameters } = call;
  const id = parameters['fileId'] ?? '';
  const file = state.files.get(id === 'root' ? account.rootId : id);
  const supported = flag(request.query, 'supportsAllDrives') ?? flag(request.query, 'supportsTeamDrives') ?? false;
  if (file && knows(call, file) && (file.driveId === null || supported)) return file;
  return failure(404, 'notFound', `File not found: ${id}.`, { location: 'fileId', locationType: 'parameter' });
}

const isFile = (found: DriveFile | Answer): found is DriveFile => 'mimeType' in found;

/** Where files.list looks: null when the parameters contradict each other. */
function corpus({ state, account, request: { query } }: Call): Iterable<string> | Answer {
  const driveId = query.get('driveId');
  const corpora = query.get('corpora') ?? (driveId === null ? 'user' : 'drive');
  const [supports, includes] = [flag(query, 'supportsAllDrives') ?? false, flag(query, 'includeItemsFromAllDrives') ?? false];
  if (includes && !supports) return badParameter('includeItemsFromAllDrives', 'The supportsAllDrives parameter must be set to true when the includeItemsFromAllDrives parameter is set to true.');
  if (!['user', 'drive', 'allDrives', 'domain'].includes(corpora)) return badParameter('corpora');
  const drives = [...state.drives.values()].filter(({ members }) => members.has(account.email));
  if (corpora === 'drive') {
    if (driveId === null) return badParameter('driveId', 'The driveId parameter must be specified if the corpora parameter is set to drive.');
    if (!includes) return badParameter('includeItemsFromAllDrives', 'The includeItemsFromAllDrives parameter must be set to true when the driveId parameter is specified or the corpora parameter contains drive or allDrives.');
    return drives.find(({ id }) => id === driveId)?.files ?? failure(404, 'notFound', `Shared drive not found: ${driveId}`, { location: 'driveId', locationType: 'parameter' });
  }
  if (driveId !== null) return badParameter('driveId', 'The driveId parameter must not be specified if the corpora parameter is not drive.');
  const mine = [...account.visible].filter((id) => includes || state.files.get(id)?.driveId === null);
  return corpora === 'allDrives' ? new Set([...mine, ...drives.flatMap(({ files }) => [...files])]) : mine;
}

const orders: Record<string, (one: DriveFile, other: DriveFile) => number> = {
  name: (one, other) => one.name.localeCompare(other.name),
  name_natural: (one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }),
  folder: (one, other) => Number(other.mimeType.endsWith('.folder')) - Number(one.mimeType.endsWith('.folder')),
  modifiedTime: (one, other) => one.modifiedAt - other.modifiedAt,
  createdTime: (one, other) => one.createdAt - other.createdAt,
};

function sorter(orderBy: string | null): ((one: DriveFile, other: DriveFile) => number) | null {
  const keys = (orderBy ?? 'modifiedTime desc').split(',').map((key) => key.trim().split(/\s+/));
  if (keys.some(([name = '', direction]) => orders[name] === undefined || (direction !== undefined && direction !== 'desc'))) return null;
  return (one, other) => keys.reduce((sum, [name = '', direction]) => sum || (orders[name]?.(one, other) ?? 0) * (direction === 'desc' ? -1 : 1), 0) || one.id.localeCompare(other.id);
}

/** `GET /drive/v3/files` */
export function listFiles(call: Call): Answer {
  const { state, account, request } = call;
  const { query } = request;
  const size = wholeNumber(query, 'pageSize', 100, 1000);
  if (size === null) return badParameter('pageSize');
  const within = corpus(call);
  if ('status' in within) return within;
  const asked = query.get('q');
  const search = asked === null || asked === '' ? { test: () => true, parent: null } : parseQuery(state, account, asked);
  if (search === null) return badParameter('q');
  const order = sorter(query.get('orderBy'));
  if (order === null) return badParameter('orderBy');
  const token = query.get('pageToken');
  const page = token === null ? { o: 0 } : unpack(token);
  if (typeof page?.['o'] !== 'number') return badParameter('pageToken');
  const places = search.parent === null ? null : new Set(within);
  const candidates = search.parent === null ? within : [...(state.children.get(search.parent) ?? [])].filter((id) => places?.has(id));
  const found = [...candidates]
    .map((id) => state.files.get(id))
    .filter((file): file is DriveFile => file !== undefined && knows(call, file) && search.test(file))
    .sort(order);
  const until = page['o'] + size;
  const list: drive_v3.Schema$FileList = {
    kind: 'drive#fileList',
    incompleteSearch: false,
    files: found.slice(page['o'], until).map((file) => fileView(state, file, account)),
    ...(until < found.length ? { nextPageToken: pack({ o: until }) } : {}),
  };
  return answerFields(request, list, fileListNames, standardFileList);
}

/** `GET /drive/v3/files/{fileId}` */
export function getFile(call: Call): Answer {
  const file = named(call);
  return isFile(file) ? answerFields(call.request, fileView(call.state, file, call.account), fileNames, standardFile) : file;
}

/** What a body sets on a file; null when it is no JSON object. */
function editOf(call: Call): FileEdit | null {
  const body = jsonObject(call.request.raw) as (drive_v3.Schema$File & Record<string, unknown>) | null;
  if (body === null) return null;
  const names = ['name', 'mimeType', 'parents', 'trashed', 'description', 'starred', 'properties', 'appProperties'] as const;
  return Object.fromEntries(names.filter((name) => body[name] !== undefined && body[name] !== null).map((name) => [name, body[name]]));
}

const unreadable = (): Answer => failure(400, 'parseError', 'Parse Error');
const noFolder = (id: string): Answer => failure(404, 'notFound', `File not found: ${id}.`, { location: 'fileId', locationType: 'parameter' });

/** `POST /drive/v3/files`, metadata only. */
export function insertFile(call: Call): Answer {
  const { state, account, token, request } = call;
  const edit = editOf(call);
  if (edit === null) return unreadable();
  if ((edit.parents?.length ?? 0) > 1) return failure(400, 'teamDrivesParentLimit', 'A file must have exactly one parent.');
  const parent = edit.parents?.[0] ?? 'root';
  if (folderId(state, account, parent) === null) return noFolder(parent);
  const file = createFile(state, { account, clientId: token.clientId }, edit);
  return answerFields(request, fileView(state, file, account), fileNames, standardFile);
}

/** `PATCH /drive/v3/files/{fileId}`, metadata only; parents change by `addParents` and `removeParents`. */
export function patchFile(call: Call): Answer {
  const { state, account, token, request } = call;
  const file = named(call);
  if (!isFile(file)) return file;
  const edit = editOf(call);
  if (edit === null) return unreadable();
  if (edit.parents) return failure(403, 'fieldNotWritable', 'The parents field is not directly writable in update requests. Use the addParents and removeParents parameters instead.');
  if (file.owner !== account.email && file.driveId === null) return failure(403, 'insufficientFilePermissions', 'The user does not have sufficient permissions for this file.');
  const [added, removed] = ['addParents', 'removeParents'].map((name) => (request.query.get(name) ?? '').split(',').filter(Boolean));
  const target = added?.[0] ?? null;
  const to = target === null ? null : folderId(state, account, target);
  if (target !== null && to === null) return noFolder(target);
  const kept = file.parents.filter((parent) => !removed?.includes(parent) && to === null);
  const moved = to !== null || (removed?.length ?? 0) > 0;
  updateFile(state, { account, clientId: token.clientId }, file, { ...edit, ...(moved ? { parents: to === null ? kept : [to] } : {}) });
  return answerFields(request, fileView(state, file, account), fileNames, standardFile);
}

/** `DELETE /drive/v3/files/{fileId}`: for ever, and for owners only. */
export function removeFile(call: Call): Answer {
  const file = named(call);
  if (!isFile(file)) return file;
  const root = file.id === call.account.rootId || call.state.drives.has(file.id);
  if (root || (file.driveId === null && !inMyDrive(call.account, file))) return failure(403, 'insufficientFilePermissions', 'The user does not have sufficient permissions for this file.');
  deleteFile(call.state, file);
  return { status: 204 };
}

/** `POST /drive/v3/files/{fileId}/watch` */
export function watchFile(call: Call): Answer {
  const file = named(call);
  return isFile(file) ? watch(call, { api: 'drive', kind: 'files', path: `files/${file.id}`, uri: `files/${file.id}` }) : file;
}

/** `GET /drive/v3/drives` */
export function listDrives({ state, account, request }: Call): Answer {
  const size = wholeNumber(request.query, 'pageSize', 10, 100);
  if (size === null) return badParameter('pageSize');
  const token = request.query.get('pageToken');
  const from = token === null ? 0 : unpack(token)?.['o'];
  if (typeof from !== 'number') return badParameter('pageToken');
  const mine = [...state.drives.values()].filter(({ members }) => members.has(account.email));
  const list: drive_v3.Schema$DriveList = {
    kind: 'drive#driveList',
    drives: mine.slice(from, from + size).map(driveView),
    ...(from + size < mine.length ? { nextPageToken: pack({ o: from + size }) } : {}),
  };
  return answerFields(request, list, driveListNames, standardDriveList);
}

/** `GET /drive/v3/drives/{driveId}` */
export function getDrive({ state, account, request, parameters }: Call): Answer {
  const id = parameters['driveId'] ?? '';
  const drive = state.drives.get(id);
  if (!drive?.members.has(account.email)) return failure(404, 'notFound', `Shared drive not found: ${id}`, { location: 'driveId', locationType: 'parameter' });
  return answerFields(request, driveView(drive), driveNames, 'kind,id,name');
}

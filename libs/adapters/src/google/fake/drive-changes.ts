import type { drive_v3 } from '@googleapis/drive';
import { badParameter, failure, flag, wholeNumber } from './api.js';
import type { Call } from './api.js';
import type { ChangeLog, Entry } from './change-log.js';
import { watch } from './channels.js';
import type { ChangeScope } from './channels.js';
import { audience, inMyDrive } from './drive-store.js';
import { knows } from './drive-files.js';
import { changeListNames, driveView, fileView, standardChangeList } from './drive-views.js';
import { answerFields } from './fields.js';
import { iso } from './state.js';
import { json } from './wire.js';
import type { Answer } from './wire.js';

type Asked = { log: ChangeLog; scope: ChangeScope; from: number };

/** A position as a page token. Those of a shared drive differ, so that one log's token is none of another's. */
const tokenOf = (scope: ChangeScope, seq: number): string => (scope.driveId === null ? String(seq) : `~!!~${Buffer.from(`${scope.driveId}:${seq}`).toString('base64url')}`);

function positionOf(scope: ChangeScope, token: string): number | null {
  const driveText = token.startsWith('~!!~') ? Buffer.from(token.slice(4), 'base64url').toString('utf8') : null;
  if (scope.driveId === null) return driveText === null && /^\d{1,15}$/.test(token) ? Number(token) : null;
  return driveText?.startsWith(`${scope.driveId}:`) ? Number(driveText.slice(scope.driveId.length + 1)) : null;
}

function scopeOf({ state, account, request: { query } }: Call): { log: ChangeLog; scope: ChangeScope } | Answer {
  const driveId = query.get('driveId') ?? query.get('teamDriveId');
  const supports = flag(query, 'supportsAllDrives') ?? flag(query, 'supportsTeamDrives') ?? false;
  const includes = flag(query, 'includeItemsFromAllDrives') ?? flag(query, 'includeTeamDriveItems') ?? false;
  if ((includes || driveId !== null) && !supports) return badParameter('supportsAllDrives', 'The supportsAllDrives parameter must be set to true for calls that are on or include shared drives.');
  const scope = { driveId, allDrives: includes, myDriveOnly: flag(query, 'restrictToMyDrive') ?? false, includeRemoved: flag(query, 'includeRemoved') ?? true };
  if (driveId === null) return { log: account.files, scope };
  const drive = state.drives.get(driveId);
  if (!drive?.members.has(account.email)) return failure(404, 'notFound', `Shared drive not found: ${driveId}`, { location: 'driveId', locationType: 'parameter' });
  return { log: drive.log, scope };
}

/** Reads the parameters that changes.list and changes.watch share. */
function ask(call: Call): Asked | Answer {
  const found = scopeOf(call);
  if ('status' in found) return found;
  const { log, scope } = found;
  if (scope.driveId !== null && !scope.allDrives) return badParameter('includeItemsFromAllDrives', 'The includeItemsFromAllDrives parameter must be set to true when the driveId parameter is specified.');
  const token = call.request.query.get('pageToken');
  if (token === null) return failure(400, 'required', 'Required parameter: pageToken', { location: 'pageToken', locationType: 'parameter' });
  const from = positionOf(scope, token);
  if (from === null || from > log.head()) return badParameter('pageToken');
  if (from >= log.floor()) return { log, scope, from };
  const status = call.state.settings.staleChangesStatus;
  return failure(status, status === 404 ? 'notFound' : status === 410 ? 'pageTokenExpired' : 'invalid', 'The page token is no longer valid.', { location: 'pageToken', locationType: 'parameter' });
}

/** `GET /drive/v3/changes/startPageToken` */
export function startPageToken(call: Call): Answer {
  const found = scopeOf(call);
  if ('status' in found) return found;
  const answer: drive_v3.Schema$StartPageToken = { kind: 'drive#startPageToken', startPageToken: tokenOf(found.scope, found.log.head()) };
  return json(200, answer);
}

/** Whether an entry shows to a call: a file's state is what it is now, whenever it changed. */
function shows(call: Call, scope: ChangeScope): (entry: Entry) => boolean {
  const { state, account } = call;
  return ({ id }) => {
    if (id.startsWith('drive:')) return scope.allDrives && !scope.myDriveOnly;
    const file = state.files.get(id);
    if (!file || !audience(state, file).has(account.email)) return scope.includeRemoved;
    if (!knows(call, file)) return false;
    if (file.driveId !== null && scope.driveId === null && !scope.allDrives) return false;
    return !scope.myDriveOnly || inMyDrive(account, file);
  };
}

function changeView({ state, account }: Call, entry: Entry): drive_v3.Schema$Change {
  const change = { kind: 'drive#change', time: iso(entry.at) };
  if (entry.id.startsWith('drive:')) {
    const driveId = entry.id.slice('drive:'.length);
    const drive = state.drives.get(driveId);
    if (!drive?.members.has(account.email)) return { ...change, type: 'drive', changeType: 'drive', driveId, removed: true };
    return { ...change, type: 'drive', changeType: 'drive', driveId, removed: false, drive: driveView(drive) };
  }
  const file = state.files.get(entry.id);
  const whole = { ...change, type: 'file', changeType: 'file', fileId: entry.id };
  if (!file || !audience(state, file).has(account.email)) return { ...whole, removed: true };
  return { ...whole, removed: false, file: fileView(state, file, account) };
}

/** `GET /drive/v3/changes`: one entry for each file that changed since the token, with the file's newest state. */
export function listChanges(call: Call): Answer {
  const asked = ask(call);
  if ('status' in asked) return asked;
  const size = wholeNumber(call.request.query, 'pageSize', 100, 1000);
  if (size === null) return badParameter('pageSize');
  const { log, scope, from } = asked;
  const page = log.page(from, size, shows(call, scope));
  const list: drive_v3.Schema$ChangeList = {
    kind: 'drive#changeList',
    changes: page.entries.map((entry) => changeView(call, entry)),
    ...(page.next === null ? { newStartPageToken: tokenOf(scope, log.head()) } : { nextPageToken: tokenOf(scope, page.next) }),
  };
  return answerFields(call.request, list, changeListNames, standardChangeList);
}

/** `POST /drive/v3/changes/watch` */
export function watchChanges(call: Call): Answer {
  const asked = ask(call);
  if ('status' in asked) return asked;
  const { scope } = asked;
  const parameters = call.request.query.toString();
  return watch(call, { api: 'drive', kind: 'changes', path: scope.driveId === null ? 'changes' : `drives/${scope.driveId}/changes`, uri: `changes?${parameters}`, scope });
}

import { createChangeLog } from './change-log.js';
import { notify, resourceName } from './channels.js';
import type { Channel } from './channels.js';
import { opaque, randomText } from './random.js';
import { accountOf, newFileId, nowOf, remember, rootFolder } from './state.js';
import type { Account, DriveFile, SharedDrive, State } from './state.js';

export const folderType = 'application/vnd.google-apps.folder';

/** What can be set on a file; what is absent stays. `sharedWith` is the whole list of readers, `content` any text. */
export type FileEdit = Partial<Pick<DriveFile, 'name' | 'mimeType' | 'parents' | 'trashed' | 'description' | 'starred' | 'properties' | 'appProperties' | 'content'>> & {
  sharedWith?: string[];
};

/** Who does something, and through which OAuth client (null for a person). */
export type Actor = { account: Account; clientId: string | null };

/** Where a new file goes, and its id when it is given one. */
export type Placement = { id?: string; driveId?: string | null };

/** Everybody who sees a file. */
export function audience(state: State, file: DriveFile): Set<string> {
  const drive = file.driveId === null ? undefined : state.drives.get(file.driveId);
  return new Set([...(drive?.members ?? []), ...(file.owner === null ? [] : [file.owner]), ...file.sharedWith.keys()]);
}

/** Whether a file lies in the account's My Drive; what is only shared with it does not. */
export const inMyDrive = (account: Account, file: DriveFile): boolean => file.driveId === null && file.owner === account.email;

/** Whether a channel on changes tells of a change in this file. */
function tellsOf(account: Account, file: DriveFile, gone: boolean): (channel: Channel) => boolean {
  return ({ scope }) => {
    if (scope === null) return true;
    if (gone && !scope.includeRemoved) return false;
    if (file.driveId !== null && scope.driveId === null && !scope.allDrives) return false;
    return !scope.myDriveOnly || inMyDrive(account, file);
  };
}

type Happening = { what: string; state: string; changed?: string };

/** Logs a change for everybody who sees the file or saw it before, and notifies the channels. */
function publish(state: State, file: DriveFile, before: Set<string>, { what, ...told }: Happening): void {
  const after = state.files.has(file.id) ? audience(state, file) : new Set<string>();
  const now = nowOf(state);
  remember(state, { kind: 'file', id: file.id, in: file.driveId ?? file.owner, what, version: String(file.version), name: file.name, parents: file.parents });
  const drive = file.driveId === null ? undefined : state.drives.get(file.driveId);
  drive?.log.append(file.id, now);
  for (const email of new Set([...before, ...after])) {
    const account = state.accounts.get(email);
    if (!account) continue;
    account.files.append(file.id, now);
    if (after.has(email)) account.visible.add(file.id);
    else account.visible.delete(file.id);
    const tells = tellsOf(account, file, !after.has(email));
    notify(state, resourceName(email, 'drive', 'changes'), { state: 'change' }, tells);
    if (drive) notify(state, resourceName(email, 'drive', `drives/${drive.id}/changes`), { state: 'change' }, tells);
    notify(state, resourceName(email, 'drive', `files/${file.id}`), told);
  }
}

/** Tells the watchers of folders that what they contain changed. */
function childrenChanged(state: State, parents: Iterable<string>): void {
  for (const parent of parents) {
    const folder = state.files.get(parent);
    if (!folder) continue;
    for (const email of audience(state, folder)) notify(state, resourceName(email, 'drive', `files/${parent}`), { state: 'update', changed: 'children' });
  }
}

function place(state: State, file: DriveFile, parents: string[]): void {
  for (const parent of file.parents) state.children.get(parent)?.delete(file.id);
  file.parents = parents;
  for (const parent of parents) state.children.set(parent, (state.children.get(parent) ?? new Set()).add(file.id));
}

/** A root folder by the alias `root`, or the folder itself; null when the actor has none of that id. */
export function folderId(state: State, account: Account, id: string): string | null {
  if (id === 'root') return account.rootId;
  const folder = state.files.get(id);
  return folder?.mimeType === folderType && audience(state, folder).has(account.email) ? id : null;
}

/** Creates a file; it goes to the root unless the edit names a parent. Throws a sentence when the place does not exist. */
export function createFile(state: State, { account, clientId }: Actor, edit: FileEdit, placement: Placement = {}): DriveFile {
  const asked = edit.parents?.[0] ?? placement.driveId ?? 'root';
  const parent = folderId(state, account, asked);
  if (parent === null) throw new Error(`There is no folder ${asked} for ${account.email}.`);
  if (placement.id !== undefined && state.files.has(placement.id)) throw new Error(`There is a file ${placement.id} already.`);
  const driveId = state.files.get(parent)?.driveId ?? null;
  const now = nowOf(state);
  const file: DriveFile = {
    id: placement.id ?? newFileId(), name: edit.name ?? 'Untitled', mimeType: edit.mimeType ?? 'application/octet-stream', parents: [],
    owner: driveId === null ? account.email : null, driveId, sharedWith: new Map((edit.sharedWith ?? []).map((email) => [email, now])),
    trashed: false, explicitlyTrashed: false, description: edit.description ?? null, starred: edit.starred ?? false,
    properties: edit.properties ?? {}, appProperties: edit.appProperties ?? {}, content: edit.content ?? '',
    version: 1, createdAt: now, modifiedAt: now, modifiedBy: account.email, clientId,
  };
  state.files.set(file.id, file);
  if (driveId !== null) state.drives.get(driveId)?.files.add(file.id);
  place(state, file, [parent]);
  publish(state, file, new Set(), { what: 'create', state: 'add' });
  childrenChanged(state, file.parents);
  return file;
}

/** What of a file an edit changes, as `X-Goog-Changed` names it. */
function changedParts(file: DriveFile, edit: FileEdit): string[] {
  const parts: string[] = [];
  if (edit.content !== undefined && edit.content !== file.content) parts.push('content');
  const plain = ['name', 'mimeType', 'description', 'starred'] as const;
  if (plain.some((name) => edit[name] !== undefined && edit[name] !== file[name]) || edit.properties || edit.appProperties) parts.push('properties');
  if (edit.parents && edit.parents.join() !== file.parents.join()) parts.push('parents');
  if (edit.sharedWith) parts.push('permissions');
  return parts;
}

/** Applies an edit; a folder takes what it contains along into the trash and out of it. */
export function updateFile(state: State, { account }: Actor, file: DriveFile, edit: FileEdit): void {
  const before = audience(state, file);
  const parts = changedParts(file, edit);
  const trashing = edit.trashed !== undefined && edit.trashed !== file.trashed;
  const now = nowOf(state);
  const { parents, sharedWith, trashed: _trashed, ...plain } = edit;
  const left = file.parents;
  Object.assign(file, plain);
  if (parents) place(state, file, parents);
  if (sharedWith) file.sharedWith = new Map(sharedWith.map((email) => [email, file.sharedWith.get(email) ?? now]));
  // Moving, sharing and trashing are no modification of the file itself.
  if (parts.includes('content') || parts.includes('properties')) Object.assign(file, { modifiedAt: now, modifiedBy: account.email });
  if (parts.length > 0 || !trashing) {
    file.version += 1;
    const what = parts.includes('parents') ? 'move' : parts.join() === 'permissions' ? 'share' : 'update';
    publish(state, file, before, { what, state: 'update', ...(parts.length > 0 ? { changed: parts.join(',') } : {}) });
  }
  if (trashing) trash(state, file, edit.trashed === true, true);
  if (parts.includes('parents') || trashing) childrenChanged(state, new Set([...left, ...file.parents]));
}

function trash(state: State, file: DriveFile, trashed: boolean, explicitly: boolean): void {
  Object.assign(file, { trashed, explicitlyTrashed: trashed && explicitly, version: file.version + 1 });
  publish(state, file, audience(state, file), { what: trashed ? 'trash' : 'untrash', state: trashed ? 'trash' : 'untrash' });
  for (const child of [...(state.children.get(file.id) ?? [])]) {
    const found = state.files.get(child);
    // What was put into the trash by itself stays there.
    if (found && found.trashed !== trashed && !found.explicitlyTrashed) trash(state, found, trashed, false);
  }
}

/** Deletes a file for ever, a folder with all it contains. */
export function deleteFile(state: State, file: DriveFile): void {
  for (const child of [...(state.children.get(file.id) ?? [])]) {
    const found = state.files.get(child);
    if (found) deleteFile(state, found);
  }
  const before = audience(state, file);
  const { parents } = file;
  for (const parent of parents) state.children.get(parent)?.delete(file.id);
  state.children.delete(file.id);
  state.files.delete(file.id);
  if (file.driveId !== null) state.drives.get(file.driveId)?.files.delete(file.id);
  file.version += 1;
  publish(state, file, before, { what: 'delete', state: 'remove' });
  childrenChanged(state, parents);
}

function driveChanged(state: State, drive: SharedDrive, members: Iterable<string>, what: string): void {
  const now = nowOf(state);
  remember(state, { kind: 'drive', id: drive.id, in: null, what, version: null, name: drive.name });
  drive.log.append(`drive:${drive.id}`, now);
  for (const email of members) {
    state.accounts.get(email)?.files.append(`drive:${drive.id}`, now);
    notify(state, resourceName(email, 'drive', 'changes'), { state: 'change' }, ({ scope }) => scope?.allDrives === true && !scope.myDriveOnly);
    notify(state, resourceName(email, 'drive', `drives/${drive.id}/changes`), { state: 'change' });
  }
}

/** Adds a shared drive. */
export function createDrive(state: State, wanted: { id?: string; name: string; members: string[] }): SharedDrive {
  const members = new Set(wanted.members.map((email) => accountOf(state, email).email));
  const id = wanted.id ?? `0A${opaque(randomText(20)).slice(0, 14)}Uk9PVA`;
  const drive: SharedDrive = { id, name: wanted.name, members, createdAt: nowOf(state), log: createChangeLog(), files: new Set() };
  state.drives.set(id, drive);
  state.files.set(id, rootFolder(state, id, 'Drive', null, id));
  driveChanged(state, drive, members, 'create');
  return drive;
}

/** Renames a shared drive or changes who is in it. */
export function updateDrive(state: State, drive: SharedDrive, edit: { name?: string; members?: string[] }): void {
  const before = [...drive.members];
  if (edit.name !== undefined) drive.name = edit.name;
  if (edit.members) drive.members = new Set(edit.members.map((email) => accountOf(state, email).email));
  driveChanged(state, drive, new Set([...before, ...drive.members]), 'update');
}

/** Deletes a shared drive with what it contains. */
export function deleteDrive(state: State, drive: SharedDrive): void {
  for (const id of [...drive.files]) {
    const file = state.files.get(id);
    if (file) deleteFile(state, file);
  }
  state.drives.delete(drive.id);
  state.files.delete(drive.id);
  driveChanged(state, drive, drive.members, 'delete');
}

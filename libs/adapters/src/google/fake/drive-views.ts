import { createHash } from 'node:crypto';
import type { drive_v3 } from '@googleapis/drive';
import { folderType } from './drive-store.js';
import type { Known } from './fields.js';
import { iso } from './state.js';
import type { Account, DriveFile, SharedDrive, State } from './state.js';

/** Every name of `T`: a name that Google adds or drops is an error of the type check. */
type NamesOf<T> = { [Name in keyof T]-?: true | Known };

const any = true as const;

/** The names of a file that can be asked for in `fields`. */
export const fileNames: NamesOf<drive_v3.Schema$File> = {
  appProperties: any, capabilities: any, clientEncryptionDetails: any, contentHints: any, contentRestrictions: any, copyRequiresWriterPermission: any,
  createdTime: any, description: any, downloadRestrictions: any, driveId: any, explicitlyTrashed: any, exportLinks: any, fileExtension: any, folderColorRgb: any,
  fullFileExtension: any, hasAugmentedPermissions: any, hasThumbnail: any, headRevisionId: any, iconLink: any, id: any, imageMediaMetadata: any,
  inheritedPermissionsDisabled: any, isAppAuthorized: any, kind: any, labelInfo: any, lastModifyingUser: any, linkShareMetadata: any, md5Checksum: any,
  mimeType: any, modifiedByMe: any, modifiedByMeTime: any, modifiedTime: any, name: any, originalFilename: any, ownedByMe: any, owners: any, parents: any,
  permissionIds: any, permissions: any, properties: any, quotaBytesUsed: any, resourceKey: any, sha1Checksum: any, sha256Checksum: any, shared: any,
  sharedWithMeTime: any, sharingUser: any, shortcutDetails: any, size: any, spaces: any, starred: any, teamDriveId: any, thumbnailLink: any,
  thumbnailVersion: any, trashed: any, trashedTime: any, trashingUser: any, version: any, videoMediaMetadata: any, viewedByMe: any, viewedByMeTime: any,
  viewersCanCopyContent: any, webContentLink: any, webViewLink: any, writersCanShare: any,
};

export const driveNames: NamesOf<drive_v3.Schema$Drive> = {
  backgroundImageFile: any, backgroundImageLink: any, capabilities: any, colorRgb: any, createdTime: any, hidden: any, id: any, kind: any, name: any,
  orgUnitId: any, restrictions: any, themeId: any,
};

const changeNames: NamesOf<drive_v3.Schema$Change> = {
  changeType: any, drive: driveNames, driveId: any, file: fileNames, fileId: any, kind: any, removed: any, teamDrive: any, teamDriveId: any, time: any, type: any,
};

export const fileListNames: NamesOf<drive_v3.Schema$FileList> = { files: fileNames, incompleteSearch: any, kind: any, nextPageToken: any };
export const changeListNames: NamesOf<drive_v3.Schema$ChangeList> = { changes: changeNames, kind: any, newStartPageToken: any, nextPageToken: any };
export const driveListNames: NamesOf<drive_v3.Schema$DriveList> = { drives: driveNames, kind: any, nextPageToken: any };

/** What is answered when no `fields` are asked: a few names only, and never `parents`, `trashed` or `version`. */
export const standardFile = 'kind,id,name,mimeType,driveId';
export const standardFileList = `kind,incompleteSearch,nextPageToken,files(${standardFile})`;
export const standardChangeList = `kind,newStartPageToken,nextPageToken,changes(kind,type,changeType,time,removed,fileId,driveId,file(${standardFile}),drive(kind,id,name))`;
export const standardDriveList = 'kind,nextPageToken,drives(kind,id,name)';

const digest = (algorithm: string, content: string): string => createHash(algorithm).update(content).digest('hex');

function userView(state: State, email: string, me: Account): drive_v3.Schema$User {
  const account = state.accounts.get(email);
  return { kind: 'drive#user', displayName: account?.name ?? email, emailAddress: email, permissionId: account?.sub ?? '0', me: email === me.email };
}

/** A file as one account sees it, with all that the fake knows of it. */
export function fileView(state: State, file: DriveFile, me: Account): drive_v3.Schema$File {
  const google = file.mimeType.startsWith('application/vnd.google-apps.');
  const sharedSince = file.sharedWith.get(me.email);
  return {
    kind: 'drive#file', id: file.id, name: file.name, mimeType: file.mimeType, parents: file.parents,
    ...(file.driveId === null ? { owners: file.owner === null ? [] : [userView(state, file.owner, me)] } : { driveId: file.driveId, teamDriveId: file.driveId }),
    ownedByMe: file.owner === me.email, shared: file.driveId !== null || file.sharedWith.size > 0,
    ...(sharedSince === undefined ? {} : { sharedWithMeTime: iso(sharedSince) }),
    trashed: file.trashed, explicitlyTrashed: file.explicitlyTrashed, starred: file.starred, version: String(file.version), spaces: ['drive'],
    createdTime: iso(file.createdAt), modifiedTime: iso(file.modifiedAt), modifiedByMe: file.modifiedBy === me.email,
    lastModifyingUser: userView(state, file.modifiedBy, me), webViewLink: `https://drive.google.com/file/d/${file.id}/view`,
    ...(file.description === null ? {} : { description: file.description }),
    ...(Object.keys(file.properties).length > 0 ? { properties: file.properties } : {}),
    ...(Object.keys(file.appProperties).length > 0 ? { appProperties: file.appProperties } : {}),
    ...(google || file.mimeType === folderType ? {} : { size: String(Buffer.byteLength(file.content)), md5Checksum: digest('md5', file.content), originalFilename: file.name, headRevisionId: digest('sha1', `${file.id}${file.content}`) }),
  };
}

/** A shared drive. */
export function driveView(drive: SharedDrive): drive_v3.Schema$Drive {
  return { kind: 'drive#drive', id: drive.id, name: drive.name, createdTime: iso(drive.createdAt), hidden: false };
}

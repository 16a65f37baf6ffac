import type { ServiceHttp } from '@vane/kit';
import { z } from 'zod';
import { find } from './answers.js';
import { FOLDER, type DriveFile } from './drive-events.js';

/** A shared drive nests 100 levels at most: https://support.google.com/a/users/answer/7338880 */
const MOST_FOLDERS = 200;

const folder = z.object({ parents: z.array(z.string()).optional() });

/** Finds out in which folders files lie, asking for each folder once. Made anew for every page: folders move. */
export function ancestorFinder(http: ServiceHttp, page: readonly DriveFile[]): (file: DriveFile) => Promise<string[]> {
  const parents = new Map<string, string[]>();
  for (const { id, mimeType, parents: known } of page) if (mimeType === FOLDER && known) parents.set(id, known);

  /** Empty at the top, and where a folder is hidden from the account: what it lies in is hidden too. */
  const parentsOf = async (id: string): Promise<string[]> => {
    const known = parents.get(id);
    if (known) return known;
    const asked = { path: `/drive/v3/files/${encodeURIComponent(id)}`, query: { fields: 'parents', supportsAllDrives: 'true' } };
    const found = (await find(http, asked, folder, 'a folder'))?.parents ?? [];
    parents.set(id, found);
    return found;
  };

  return async (file) => {
    // A set takes in what is added while it is walked, and ends where folders of an old drive lie in a circle.
    const ancestors = new Set(file.parents ?? []);
    for (const id of ancestors) {
      if (ancestors.size >= MOST_FOLDERS) break;
      for (const parent of await parentsOf(id)) ancestors.add(parent);
    }
    return [...ancestors];
  };
}

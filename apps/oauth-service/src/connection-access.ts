import { VaneError, type Actor } from '@vane/contracts';
import type { Connection } from '@vane/db';

/** Who asks: what decides what that may see and use. */
export type Asker = Pick<Actor, 'kind' | 'role' | 'userId'>;

/** A connection is used by its owner alone, whatever role others have, or by all when it is shared. */
export const isUsable = ({ ownerId }: Pick<Connection, 'ownerId'>, { kind, userId }: Asker): boolean =>
  ownerId === '' || ownerId === userId || kind === 'system';

const isAdmin = ({ role }: Asker): boolean => role === 'admin' || role === 'superadmin';

/** The connections that are shown: shared ones and one's own; to admins also those that they can only remove. */
export const visibleTo = (asker: Asker) => (isAdmin(asker) ? {} : { ownerId: { in: ['', asker.userId ?? ''] } });

/** @throws VaneError `forbidden` */
export function requireVisible(row: Pick<Connection, 'ownerId'>, asker: Asker): void {
  if (!isUsable(row, asker) && !isAdmin(asker)) throw notYours('see');
}

/** @throws VaneError `forbidden` */
export function requireUsable(row: Pick<Connection, 'ownerId'>, asker: Asker): void {
  if (!isUsable(row, asker)) throw notYours('use');
}

const notYours = (what: string): VaneError =>
  new VaneError('forbidden', `This connection is private to another member, who alone may ${what} it. Connect an account of your own, or ask its owner to share it.`);

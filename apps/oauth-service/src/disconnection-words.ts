import type { Connection } from '@vane/db';
import { isDead } from './grant-health.js';

type Leaving = Pick<Connection, 'status' | 'reasonCode'>;

/** What a disconnection waits for that cannot end by itself, or would end late, and how a person ends it. */
export const waitsFor = (row: Leaving): string =>
  isDead(row)
    ? 'The grant does not work any more, so what Vane made at the service cannot be removed with it. Reconnect the same account, and this goes on by itself; or remove it there yourself, then disconnect with force=true.'
    : 'The service has not removed everything yet. This goes on by itself; repeat it with force=true to give up what is left there.';

/** Why a connection does not work, and, where that holds up its disconnection, what is awaited. */
export function reasonOf(row: Leaving & Pick<Connection, 'reason'>): string | null {
  if (row.status !== 'disconnecting') return row.reason;
  return [row.reason, waitsFor(row)].filter((part) => part !== null).join(' ');
}

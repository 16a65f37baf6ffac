import { Injectable } from '@nestjs/common';
import { Database, firstIdAt } from '@vane/db';
import { Clock } from '@vane/runtime';

const BATCH = 5_000;
const DAY_MS = 86_400_000;

/** How long notifications are kept, with what became of them at each channel. */
export const NOTIFICATION_DAYS = 90;
/** How long an invitation is kept after it was accepted or has expired, and a token of the API after its end. */
export const ENDED_DAYS = 30;

/** Ends what is of use for a time only: old notifications, invitations that nobody can accept, tokens that have expired. */
@Injectable()
export class Retention {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** Returns how many rows were deleted; deliveries of notifications go with them and are not counted. */
  async sweep(): Promise<number> {
    const ended = this.clock.in(-ENDED_DAYS * DAY_MS);
    const counts = await Promise.all([
      deleteInBatches(this.database, 'notification', 'id < $1', [firstIdAt('notification', this.clock.in(-NOTIFICATION_DAYS * DAY_MS))]),
      deleteInBatches(this.database, 'invitation', 'accepted_at <= $1 OR expires_at <= $1', [ended]),
      deleteInBatches(this.database, 'api_token', 'expires_at <= $1', [ended]),
    ]);
    return counts.reduce((sum, count) => sum + count, 0);
  }
}

/**
 * Deletes the rows of a table that a condition describes, 5,000 in a statement, so that none holds locks for long. Rows
 * that somebody else has locked are left for the next time. Returns how many were deleted.
 */
export async function deleteInBatches(database: Database, table: string, condition: string, values: readonly unknown[], key = 'id'): Promise<number> {
  for (let deleted = 0; ; ) {
    const { rowCount } = await database.pool.query(
      `WITH old AS MATERIALIZED (SELECT ${key} FROM ${table} WHERE ${condition} LIMIT ${BATCH} FOR UPDATE SKIP LOCKED)
       DELETE FROM ${table} WHERE (${key}) IN (SELECT ${key} FROM old)`,
      [...values],
    );
    deleted += rowCount ?? 0;
    if ((rowCount ?? 0) < BATCH) return deleted;
  }
}

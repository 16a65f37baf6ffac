import type { Database } from '@vane/db';
import { decodeDelivery, type Logger } from '@vane/runtime';
import type { Intake } from './intake.js';
import { takeEach } from './take-each.js';

type Row = { id: string; message: Buffer; created_at: Date };
type Readable = ReturnType<typeof decodeDelivery> & { rowId: string };

/**
 * Takes in what ingress stored while the bus was away. The rows go only after their events are committed: dying in
 * between, or two processes at once, repeats them, which adds nothing. A row that is no delivery was not written by
 * ingress; it stays, is passed over, and is named in the log.
 */
export class InboxRelay {
  constructor(
    private readonly database: Database,
    private readonly intake: Intake,
    private readonly logger: Logger,
  ) {}

  /**
   * Takes in about `limit` rows, oldest first; rows that cannot be taken in are passed over until the next call. `more`
   * says that there are rows behind those looked at. Rejects when Postgres does not answer.
   */
  async relay(limit: number): Promise<{ relayed: number; more: boolean }> {
    let relayed = 0;
    let more = true;
    let after: Pick<Row, 'id'> & { created_at: Date | string } = { created_at: '-infinity', id: '' };
    const unreadable: string[] = [];
    while (more && relayed < limit) {
      const { rows } = await this.database.pool.query<Row>(
        'SELECT id, message, created_at FROM inbox WHERE (created_at, id) > ($1, $2) ORDER BY created_at, id LIMIT $3',
        [after.created_at, after.id, limit],
      );
      relayed += await this.takePage(rows, unreadable);
      after = rows.at(-1) ?? after;
      more = rows.length === limit;
    }
    if (unreadable.length > 0) {
      this.logger.error({ rows: unreadable.length, first: unreadable.slice(0, 10) }, 'inbox holds rows that are no deliveries, they are passed over');
    }
    return { relayed, more };
  }

  private async takePage(rows: Row[], unreadable: string[]): Promise<number> {
    const readable = rows.flatMap((row) => this.decode(row, unreadable));
    if (readable.length === 0) return 0;
    const done: string[] = [];
    await takeEach({ intake: this.intake, database: this.database, logger: this.logger }, readable, { taken: ({ rowId }) => done.push(rowId), left: () => undefined });
    await this.database.pool.query('DELETE FROM inbox WHERE id = ANY($1)', [done]);
    return done.length;
  }

  private decode(row: Row, unreadable: string[]): Readable[] {
    try {
      return [{ rowId: row.id, ...decodeDelivery(row.message) }];
    } catch {
      unreadable.push(row.id);
      return [];
    }
  }
}

import type { Database } from '@vane/db';
import { decodeDelivery, type Logger } from '@vane/runtime';
import type { Intake } from './intake.js';

/**
 * Takes in what ingress stored while the bus was away. The rows go only after their events are committed: dying in
 * between repeats them, which adds nothing.
 */
export class InboxRelay {
  constructor(
    private readonly database: Database,
    private readonly intake: Intake,
    private readonly logger: Logger,
  ) {}

  async relay(limit: number): Promise<{ relayed: number; more: boolean }> {
    const { rows } = await this.database.pool.query<{ id: string; message: Buffer }>(
      'SELECT id, message FROM inbox ORDER BY created_at, id LIMIT $1',
      [limit],
    );
    if (rows.length === 0) return { relayed: 0, more: false };
    const deliveries = rows.map((row) => decodeDelivery(row.message));
    try {
      await this.intake.take(deliveries);
    } catch (error) {
      await this.database.ping();
      this.logger.warn({ err: error, deliveries: rows.length }, 'inbox batch failed, taking its deliveries one by one');
      for (const one of deliveries) await this.takeOne(one);
    }
    await this.database.pool.query('DELETE FROM inbox WHERE id = ANY($1)', [rows.map((row) => row.id)]);
    return { relayed: rows.length, more: rows.length === limit };
  }

  private async takeOne(one: ReturnType<typeof decodeDelivery>): Promise<void> {
    try {
      await this.intake.take([one]);
    } catch (error) {
      await this.database.ping();
      this.logger.error({ err: error, deliveryId: one.header.id }, 'delivery cannot be taken in, it is set aside as unprocessable');
      await this.intake.setAside(one.header, one.body, error instanceof Error ? error.message : String(error));
    }
  }
}

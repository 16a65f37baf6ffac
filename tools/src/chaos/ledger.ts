import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { Database } from '@vane/db';
import { deliveryStream } from '@vane/runtime';

/** What Vane itself holds, read past its apps, so that it can be read while they are dead. */
export type Ledger = {
  /** Runs that are queued or running. */
  unfinished(): Promise<number>;
  /** Attempts under way that were started after `since`. */
  inHand(since: Date): Promise<number>;
  /** Accepted deliveries that have not become events: in the stream or in the inbox. */
  waiting(): Promise<{ stream: number; inbox: number }>;
  /** Attempts that are recorded as cut off. */
  interrupted(): Promise<number>;
  /** Runs by status. */
  statuses(): Promise<Record<string, number>>;
  close(): Promise<void>;
};

export async function openLedger(urls: { database: string; nats: string }, prefix: string): Promise<Ledger> {
  const database = Database.connect({ url: urls.database, applicationName: 'chaos', maxConnections: 2 });
  const nats = await connect({ servers: urls.nats, maxReconnectAttempts: -1, reconnectTimeWait: 250 });
  const manager = await jetstreamManager(nats);
  const count = async (query: string, values: unknown[] = []) => Number((await database.pool.query<{ count: string }>(query, values)).rows[0]?.count);
  return {
    unfinished: () => count(`SELECT count(*) FROM run WHERE status IN ('queued', 'running')`),
    inHand: (since) => count(`SELECT count(*) FROM attempt WHERE outcome = 'running' AND started_at > $1`, [since]),
    waiting: async () => ({ stream: (await manager.streams.info(deliveryStream(prefix))).state.messages, inbox: await count('SELECT count(*) FROM inbox') }),
    interrupted: () => count(`SELECT count(*) FROM attempt WHERE outcome = 'interrupted'`),
    statuses: async () => {
      const { rows } = await database.pool.query<{ status: string; count: string }>('SELECT status, count(*) FROM run GROUP BY status ORDER BY status');
      return Object.fromEntries(rows.map((row) => [row.status, Number(row.count)]));
    },
    close: async () => {
      await nats.close();
      await database.close();
    },
  };
}

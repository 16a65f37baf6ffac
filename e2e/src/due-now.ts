import pg from 'pg';
import { system, type System } from './system.js';

/** Lets the wait of a subscription be over that nobody wants to sit through in a test: its next try is due. */
export async function dueNow(subscription: string, of: Pick<System, 'urls'> = system()): Promise<void> {
  const changed = await write(of, 'UPDATE subscription SET next_attempt_at = now() WHERE id = $1 AND next_attempt_at IS NOT NULL', [subscription]);
  if (changed !== 1) throw new Error(`No try of the subscription ${subscription} is planned.`);
}

/** Lets the access token of a connection end, as it does when its time is over; whoever uses it next notices. */
export async function expired(connection: string, of: Pick<System, 'urls'> = system()): Promise<void> {
  const values = [connection];
  await write(of, `UPDATE connection SET expires_at = now() - interval '1 second', refresh_at = now() + interval '1 hour' WHERE id = $1`, values);
}

async function write({ urls }: Pick<System, 'urls'>, sql: string, values: unknown[]): Promise<number | null> {
  const client = new pg.Client({ connectionString: urls.database });
  await client.connect();
  try {
    return (await client.query(sql, values)).rowCount;
  } finally {
    await client.end();
  }
}

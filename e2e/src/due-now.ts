import pg from 'pg';
import { system, type System } from './system.js';

/** Lets the wait of a subscription be over that nobody wants to sit through in a test: its next try is due. */
export async function dueNow(subscription: string, of: Pick<System, 'urls'> = system()): Promise<void> {
  const changed = await write(of, 'UPDATE subscription SET next_attempt_at = now() WHERE id = $1 AND next_attempt_at IS NOT NULL', [subscription]);
  if (changed !== 1) throw new Error(`No try of the subscription ${subscription} is planned.`);
}

/** Lets it be time to read the log that a service keeps of what it sent. */
export async function logDue(subscription: string, of: Pick<System, 'urls'> = system()): Promise<void> {
  const changed = await write(of, 'UPDATE subscription SET log_at = now() WHERE id = $1 AND log_at IS NOT NULL', [subscription]);
  if (changed !== 1) throw new Error(`No look into the log of the subscription ${subscription} is planned.`);
}

/** Lets the access token of a connection end, as it does when its time is over; whoever uses it next notices. */
export async function expired(connection: string, of: Pick<System, 'urls'> = system()): Promise<void> {
  const values = [connection];
  await write(of, `UPDATE connection SET expires_at = now() - interval '1 second', refresh_at = now() + interval '1 hour' WHERE id = $1`, values);
}

/** Lets it be time to replace a subscription ahead of its end. */
export async function renewalDue(subscription: string, of: Pick<System, 'urls'> = system()): Promise<void> {
  await change(of, subscription, 'renew_at = now()');
}

/** Lets the time be over until which a subscription must have been replaced, if nobody is to be told. */
export async function renewalLate(subscription: string, of: Pick<System, 'urls'> = system()): Promise<void> {
  await change(of, subscription, 'alarm_at = now(), renew_at = now()');
}

/** Lets the service have ended a subscription some time ago, as after a sleep of the machine. */
export async function endedAgo(subscription: string, seconds: number, of: Pick<System, 'urls'> = system()): Promise<void> {
  const ago = (times: number) => `now() - interval '${seconds * times} seconds'`;
  await change(of, subscription, `expires_at = ${ago(1)}, alarm_at = ${ago(2)}, renew_at = ${ago(3)}`);
}

/** Lets the end of a subscription that is on its way out be over, and its next try be due. */
export async function endedNow(subscription: string, of: Pick<System, 'urls'> = system()): Promise<void> {
  await change(of, subscription, 'expires_at = now(), next_attempt_at = now()');
}

/** Lets the timer of a feed of which nothing was heard be over. */
export async function pullDue(feed: string, of: Pick<System, 'urls'> = system()): Promise<void> {
  if ((await write(of, 'UPDATE feed_pull SET due_at = now() WHERE feed_id = $1 AND due_at IS NOT NULL', [feed])) !== 1) throw new Error(`No pull of the feed ${feed} is planned.`);
}

async function change(of: Pick<System, 'urls'>, id: string, what: string): Promise<void> {
  if ((await write(of, `UPDATE subscription SET ${what} WHERE id = $1`, [id])) !== 1) throw new Error(`There is no subscription ${id}.`);
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

import type { Database } from '@vane/db';
import { newId } from '@vane/db';

const DAY_MS = 86_400_000;
const AT_ONCE = 10_000;

/**
 * Feeds with a trigger, a subscription and a cursor each, as they are when all is well, and `due` of the subscriptions, spread
 * evenly among them, whose renewal is due; everything else comes due within the next weeks.
 */
export async function insertSubscriptions(database: Database, { count, due }: { count: number; due: number }): Promise<void> {
  const now = new Date();
  const workspace = newId('workspace', now);
  await database.pool.query('INSERT INTO workspace (id, name, created_at) VALUES ($1, $2, $3)', [workspace, 'Bench', now]);
  const every = count / due;
  for (let from = 0; from < count; from += AT_ONCE) {
    const numbers = Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, index) => from + index);
    const later = () => new Date(now.getTime() + DAY_MS * (1 + Math.random() * 20));
    const renewals = numbers.map((number) => (Math.floor((number + 1) / every) > Math.floor(number / every) ? new Date(now.getTime() - number) : later()));
    await insertChunk(database, { workspace, now, renewals, later });
  }
  for (const table of ['feed', 'trigger', 'subscription', 'feed_pull']) await database.pool.query(`VACUUM ANALYZE ${table}`);
}

type Chunk = { workspace: string; now: Date; renewals: Date[]; later: () => Date };

async function insertChunk(database: Database, { workspace, now, renewals, later }: Chunk): Promise<void> {
  const ids = (kind: 'feed' | 'trigger' | 'subscription') => renewals.map(() => newId(kind, now));
  const times = () => renewals.map(later);
  const [feeds, triggers, subscriptions] = [ids('feed'), ids('trigger'), ids('subscription')];
  await database.pool.query(
    `INSERT INTO feed (id, workspace_id, service, trigger_type, connection_id, resource, created_at)
     SELECT id, $1, 'google', 'calendar-events', 'con_bench', id, $2 FROM unnest($3::text[]) AS id`,
    [workspace, now, feeds],
  );
  await database.pool.query(
    `INSERT INTO trigger (id, workspace_id, feed_id, name, service, type, connection_id, config, want, status, version, resync, on_drift, silence_at, created_at, updated_at)
     SELECT id, $1, feed, 'Bench', 'google', 'calendar-events', 'con_bench', '{}', '{}', 'enabled', 1, 'from_now', 'restore', silence, $2, $2
     FROM unnest($3::text[], $4::text[], $5::timestamptz[]) AS row (id, feed, silence)`,
    [workspace, now, triggers, feeds, times()],
  );
  await database.pool.query(
    `INSERT INTO feed_pull (feed_id, workspace_id, cursor, replaying, wanted, done, due_at, failures, recovered, created_at)
     SELECT feed, $1, '{}', false, 1, 1, due, 0, 0, $2 FROM unnest($3::text[], $4::timestamptz[]) AS row (feed, due)`,
    [workspace, now, feeds, times()],
  );
  await database.pool.query(
    `INSERT INTO subscription (id, workspace_id, feed_id, service, trigger_type, connection_id, resource, key, secrets_enc, secret_version, applied_secret, want, applied,
       external_id, public_url, registered_at, expires_at, renew_at, alarm_at, check_at, log_at, canary_at, status, status_since, attempts, version, created_at)
     SELECT id, $1, feed, 'google', 'calendar-events', 'con_bench', feed, id, repeat('x', 160), 1, 1, '{}', '{}',
       id, 'https://vane.example', $2, renew + interval '2 days', renew, renew + interval '1 day', looked, looked, canary, 'active', $2, 0, 1, $2
     FROM unnest($3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[]) AS row (id, feed, renew, looked, canary)`,
    [workspace, now, subscriptions, feeds, renewals, times(), times()],
  );
}

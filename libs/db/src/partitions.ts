import type pg from 'pg';

const TABLES = ['delivery', 'event'] as const;
/** Serialises the processes that make partitions; any constant number that nobody else uses. */
const ADVISORY_LOCK = 7_264_111_002;

type Month = { suffix: string; from: string; to: string };

/**
 * Makes the monthly partitions (UTC) of `delivery` and `event` for the month of `now` and `monthsAhead` months after it,
 * and returns the names of those that were missing. Safe to call from several processes at once. Rows that reached the
 * default partition because nobody made the month in time move into the new one.
 */
export async function ensurePartitions(pool: pg.Pool, now: Date, monthsAhead = 3): Promise<string[]> {
  const wanted = TABLES.flatMap((table) => months(now, monthsAhead).map((month) => ({ table, name: `${table}_${month.suffix}`, month })));
  const existing = await pool.query<{ name: string }>(
    `SELECT child.relname AS name FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
     WHERE inhparent IN (SELECT to_regclass(name) FROM unnest($1::text[]) AS name)`,
    [TABLES],
  );
  const known = new Set(existing.rows.map((row) => row.name));
  const created: string[] = [];
  for (const partition of wanted.filter(({ name }) => !known.has(name))) {
    if (await createPartition(pool, partition)) created.push(partition.name);
  }
  return created;
}

async function createPartition(pool: pg.Pool, partition: { table: string; name: string; month: Month }): Promise<boolean> {
  const { table, name, month } = partition;
  const client = await pool.connect();
  let failure: Error | undefined;
  try {
    await client.query('BEGIN');
    await client.query('SELECT pg_advisory_xact_lock($1)', [ADVISORY_LOCK]);
    const found = await client.query('SELECT to_regclass($1) AS found', [name]);
    const missing = found.rows[0].found === null;
    if (missing) {
      // Postgres refuses a partition whose rows are in the default one. The month is therefore built beside the table,
      // takes its rows over, and is attached; the lock on the default partition keeps new rows out in between.
      await client.query(`LOCK TABLE "${table}_default" IN ACCESS EXCLUSIVE MODE`);
      await client.query(`CREATE TABLE "${name}" (LIKE "${table}" INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)`);
      await client.query(
        `WITH moved AS (DELETE FROM "${table}_default" WHERE received_at >= '${month.from}' AND received_at < '${month.to}' RETURNING *)
         INSERT INTO "${name}" SELECT * FROM moved`,
      );
      await client.query(`ALTER TABLE "${table}" ATTACH PARTITION "${name}" FOR VALUES FROM ('${month.from}') TO ('${month.to}')`);
    }
    await client.query('COMMIT');
    return missing;
  } catch (error) {
    await client.query('ROLLBACK').catch((broken: Error) => {
      failure = broken;
    });
    throw error;
  } finally {
    client.release(failure);
  }
}

function months(now: Date, ahead: number): Month[] {
  return Array.from({ length: ahead + 1 }, (_, index) => {
    const start = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + index, 1));
    const end = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + index + 1, 1));
    return { suffix: start.toISOString().slice(0, 7).replace('-', '_'), from: start.toISOString(), to: end.toISOString() };
  });
}

import pg from 'pg';
import type { Findings } from './findings.js';

type Column = { name: string; bytes: boolean };
type Table = { name: string; columns: Column[] };

type Value = string | Buffer | (Buffer | null)[] | null;

const BATCH = 500;
/** Numbers, booleans, times and ids of types: they hold no text. */
const WITHOUT_TEXT = 'int2 int4 int8 float4 float8 numeric bool date time timetz timestamp timestamptz interval oid xid cid tid money'.split(' ');

/** Looks at every value of every table of a database: bytes as they are, all else (text, JSON, arrays) as its text. */
export async function scanDatabase(url: string, findings: Findings): Promise<void> {
  const client = new pg.Client({ connectionString: url, application_name: 'vane-secret-scan' });
  await client.connect();
  try {
    for (const table of await tablesOf(client)) await scanTable(client, table, findings);
  } finally {
    await client.end();
  }
}

/** Partitions are read through their table. */
async function tablesOf(client: pg.Client): Promise<Table[]> {
  const { rows } = await client.query<{ table: string; column: string; type: string }>(
    `SELECT c.oid::regclass::text AS table, a.attname AS column, t.typname AS type
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
       AND a.attnum > 0 AND NOT a.attisdropped AND t.typname <> ALL ($1) ORDER BY 1, a.attnum`,
    [WITHOUT_TEXT],
  );
  const tables = new Map<string, Table>();
  for (const { table, column, type } of rows) {
    const known = tables.get(table) ?? { name: table, columns: [] };
    known.columns.push({ name: column, bytes: type === 'bytea' || type === '_bytea' });
    tables.set(table, known);
  }
  return [...tables.values()];
}

async function scanTable(client: pg.Client, { name, columns }: Table, findings: Findings): Promise<void> {
  const selected = columns.map((column) => `${client.escapeIdentifier(column.name)}${column.bytes ? '' : '::text'}`);
  await client.query('BEGIN');
  await client.query(`DECLARE scan NO SCROLL CURSOR FOR SELECT ${selected.join(', ')} FROM ${name}`);
  for (;;) {
    const { rows } = await client.query<Value[]>({ text: `FETCH ${BATCH} FROM scan`, rowMode: 'array' });
    for (const row of rows) row.forEach((value, index) => partsOf(value).forEach((part) => findings.look(`${name}.${columns[index]!.name}`, part)));
    if (rows.length < BATCH) break;
  }
  await client.query('COMMIT');
}

const partsOf = (value: Value): (string | Buffer)[] => [value].flat().filter((part) => part !== null);

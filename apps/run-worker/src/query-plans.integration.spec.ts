import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ensurePartitions } from '@vane/db';
import { newSecret } from '@vane/testing';
import { House, type Seeded } from './fixtures/house.js';
import { OVERDUE } from './reconciler.js';
import { DETAILS, RunDetailsReader, wantedOf } from './run-details.js';

type Node = { 'Node Type': string; 'Index Name'?: string; 'Relation Name'?: string; 'Actual Rows'?: number; 'Actual Loops'?: number; Plans?: Node[] };

let house: House;
let seeded: Seeded;

beforeAll(async () => {
  house = await House.open();
  const at = new Date();
  await ensurePartitions(house.database.pool, at);
  seeded = await house.seed({ spec: { kind: 'http', url: 'https://example.com', timeoutMs: 1_000 }, auth: { value: newSecret('what was cut out'), until: at } }, at);
  await house.database.pool.query(
    `INSERT INTO run (id, workspace_id, trigger_id, event_id, event_received_at, replay, status, attempts, fence, correlation_id, created_at,
                      next_attempt_at)
     SELECT $1 || i, workspace_id, trigger_id, event_id, event_received_at, i, 'queued', 0, 0, 'c', created_at - i * interval '1 s',
            CASE WHEN i % 2 = 0 THEN created_at - i * interval '2 s' END
       FROM run, generate_series(1, 20000) i WHERE id = $2`,
    ['run_many_', seeded.runId],
  );
  for (const [table, time] of [['event', 'e'], ['delivery', 'd']] as const) {
    await house.database.pool.query(
      `INSERT INTO ${table} SELECT (jsonb_populate_record(${time}, jsonb_build_object('id', id || i))).* FROM ${table} ${time}, generate_series(1, 5000) i`,
    );
  }
  await house.database.pool.query('ANALYZE run, event, delivery');
});
afterAll(() => house?.close());

/** As planned for tables that are large: joins by index only. */
async function plan(sql: string, parameters: unknown[]): Promise<Node[]> {
  const { rows } = await house.database.transaction(async (tx) => {
    await tx.query('SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off');
    return tx.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(`EXPLAIN (ANALYZE, FORMAT JSON) ${sql}`, parameters);
  });
  const nodes = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(nodes)];
  return nodes(rows[0]!['QUERY PLAN'][0].Plan);
}

test('looking for overdue runs reads as many as it returns, without sorting the queue', async () => {
  const nodes = await plan(OVERDUE, [new Date(), 100]);
  expect(nodes.map((node) => node['Node Type'])).not.toContain('Sort');
  expect(nodes.find((node) => node['Index Name'] === 'run_queued_idx')).toMatchObject({ 'Actual Rows': 100 });
});

test('what a run is about is read from one partition of events and one of deliveries', async () => {
  const { workspaceId, runId, deliveryId } = seeded;
  const read = (await plan(DETAILS, [wantedOf([{ workspaceId, runId }])])).filter((node) => (node['Actual Loops'] ?? 0) > 0);
  for (const table of ['event', 'delivery']) {
    const relations = read.map((node) => node['Relation Name']).filter((name) => name?.startsWith(`${table}_`));
    expect(relations).toHaveLength(1);
    expect(relations[0]).toMatch(/_\d{4}_?\d{2}$/);
  }
  const claim = { workspaceId, runId, fence: 1, attempt: 1, correlationId: 'c', createdAt: seeded.at };
  await expect(new RunDetailsReader(house.database).read(claim)).resolves.toMatchObject({ auth: { deliveryId } });
});

test('what a run is about is planned once for a connection, and not at each call', async () => {
  const client = await house.database.pool.connect();
  try {
    for (let call = 0; call < 10; call += 1) await client.query(DETAILS, [wantedOf([seeded])]);
    const { rows } = await client.query<{ generic: string }>('SELECT generic_plans AS generic FROM pg_prepared_statements WHERE statement = $1', [DETAILS]);
    expect(Number(rows[0]?.generic)).toBeGreaterThan(0);
  } finally {
    client.release();
  }
});

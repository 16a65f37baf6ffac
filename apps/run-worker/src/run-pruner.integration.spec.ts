import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { House } from './fixtures/house.js';
import { MovableClock } from './fixtures/movable-clock.js';
import { RunPruner } from './run-pruner.js';

const DAY_MS = 86_400_000;
const spec = { kind: 'http' as const, url: 'https://target.example/hook', timeoutMs: 1000 };
const clock = new MovableClock();
let house: House;

beforeAll(async () => {
  house = await House.open();
});
afterAll(() => house.close());

const daysAgo = (days: number) => clock.in(-days * DAY_MS);
const there = async (runId: string) => (await house.database.pool.query('SELECT 1 FROM run WHERE id = $1', [runId])).rowCount === 1;

it('ended runs go after the days of their workspace, with their attempts, what has not ended stays', async () => {
  const old = await house.seed({ spec, status: 'succeeded' }, daysAgo(91));
  const { workspaceId } = old;
  const young = await house.seed({ spec, status: 'succeeded', workspaceId }, daysAgo(89));
  const held = await house.seed({ spec, status: 'held', workspaceId }, daysAgo(200));
  const elsewhere = await house.seed({ spec, status: 'failed' }, daysAgo(10));
  const forEver = await house.seed({ spec, status: 'failed' }, daysAgo(2_000));
  for (const [workspace, days] of [[elsewhere.workspaceId, 5], [forEver.workspaceId, 0]] as const) {
    await house.database.pool.query('INSERT INTO retention (workspace_id, deliveries_days, events_days, runs_days, version, updated_at) VALUES ($1, 0, 0, $2, 1, $3)', [workspace, days, clock.now()]);
  }
  await house.database.pool.query(`INSERT INTO attempt (run_id, number, workspace_id, started_at, outcome, logs) VALUES ($1, 1, $2, $3, 'succeeded', '')`, [old.runId, workspaceId, old.at]);
  const pruner = new RunPruner(house.database, clock);
  expect(await pruner.prune(1)).toEqual({ deleted: 1, more: true });
  expect(await pruner.prune(100)).toEqual({ deleted: 1, more: false });
  expect(await Promise.all([old, young, held, elsewhere, forEver].map(({ runId }) => there(runId)))).toEqual([false, true, true, false, true]);
  expect((await house.database.pool.query('SELECT 1 FROM attempt WHERE run_id = $1', [old.runId])).rowCount).toBe(0);
});

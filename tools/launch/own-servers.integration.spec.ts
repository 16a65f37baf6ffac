import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { findServers } from './find-servers.mjs';
import { killServer, runningOwnServers, startOwnServers, stopOwnServers } from './own-servers.mjs';
import { isRunning } from './processes.mjs';
import { readState } from './state.mjs';

let dir: string;
beforeEach(() => { dir = mkdtempSync(join(tmpdir(), 'vane-own-')); });
afterEach(async () => {
  await stopOwnServers({ dir, removeData: true });
  rmSync(dir, { recursive: true, force: true });
});

/** Runs one statement on a connection of its own. */
async function query(url: string, sql: string) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

it('Postgres of our own keeps what was committed when it is killed and started again on its port', async () => {
  const { postgres } = await startOwnServers({ dir, postgres: true });
  expect(await query(postgres!, 'show fsync')).toEqual([{ fsync: 'on' }]);
  await query(postgres!, 'create table kept as select 42 as answer');
  const killed = await killServer(dir, 'postgres');
  expect(runningOwnServers(dir)).toEqual([]);
  expect(await startOwnServers({ dir, postgres: true })).toEqual({ postgres });
  expect(await query(postgres!, 'select answer from kept')).toEqual([{ answer: 42 }]);
  expect(readState(dir).servers!.postgres!.pid).not.toBe(killed);
});

it('all three start on ports of their own, are kept while they run, and leave nothing when removed', async () => {
  const lines: string[] = [];
  const env = { VANE_SERVERS: 'own', VANE_STATE_DIR: dir, VANE_REDIS_URL: 'redis://nobody.invalid' };
  const found = await findServers({ env, dir, say: (line: string) => lines.push(line) });
  const first = readState(dir).servers!;
  expect(lines).toEqual([
    `postgres: our own, on port ${first.postgres!.port}`, `redis: our own, on port ${first.redis!.port}`, `nats: our own, on port ${first.nats!.port}`,
  ]);
  for (const name of ['postgres', 'redis', 'nats'] as const) expect([5432, 6379, 4222]).not.toContain(Number(new URL(found[name].url).port));

  await findServers({ env: {}, dir, say: () => undefined });
  expect(readState(dir).servers).toEqual(first);

  expect(await stopOwnServers({ dir, removeData: true })).toEqual(['nats', 'postgres', 'redis']);
  for (const server of Object.values(first)) {
    expect(isRunning(server)).toBe(false);
    expect(existsSync(server!.data)).toBe(false);
  }
  expect(readState(dir).servers).toEqual({});
});

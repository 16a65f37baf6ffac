import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { parseOpeningKeys, type OpeningKeys } from '@vane/db';
import { SystemClock } from '@vane/runtime';
import { newSecret } from '@vane/testing';
import { House } from './fixtures/house.js';
import { SealedValues } from './sealed-values.js';

let house: House;
beforeAll(async () => {
  house = await House.open();
});
afterAll(() => house?.close());

/** Counts how often a private key is looked up, which is once per value that is opened. */
async function countedKeys(): Promise<{ keys: OpeningKeys; opened: () => number }> {
  const real = await parseOpeningKeys(house.privateKeys);
  let count = 0;
  return { keys: { find: (id) => ((count += 1), real.find(id)) }, opened: () => count };
}

const [FIRST, SECOND, THIRD, MINE, VALUE] = ['first', 'second', 'third', 'mine', 'value'].map(newSecret) as [string, string, string, string, string];

test('a value is opened once, and anew when it was set anew', async () => {
  const { keys, opened } = await countedKeys();
  const sealed = new SealedValues(house.database, keys, new SystemClock());
  const workspace = await house.workspace();
  await house.putSecret(workspace, 'ONE', FIRST);
  await house.putSecret(workspace, 'TWO', SECOND);
  for (let round = 0; round < 3; round += 1) expect(await sealed.secrets(workspace, '')).toEqual({ ONE: FIRST, TWO: SECOND });
  expect(opened()).toBe(2);
  await house.database.pool.query('DELETE FROM secret WHERE workspace_id = $1', [workspace]);
  expect(await sealed.secrets(workspace, '')).toEqual({});
  await house.putSecret(workspace, 'ONE', THIRD);
  expect(await sealed.secrets(workspace, '')).toEqual({ ONE: THIRD });
  expect(opened()).toBe(3);
});

test('what was opened for one workspace or name is not taken for another that holds the same sealed text', async () => {
  const sealed = new SealedValues(house.database, await parseOpeningKeys(house.privateKeys), new SystemClock());
  const [mine, theirs] = [await house.workspace(), await house.workspace()];
  await house.putSecret(mine, 'ONE', MINE);
  expect(await sealed.secrets(mine, '')).toEqual({ ONE: MINE });
  await house.database.pool.query(
    `INSERT INTO secret (workspace_id, name, sealed, updated_at) SELECT $2, name, sealed, updated_at FROM secret WHERE workspace_id = $1`,
    [mine, theirs],
  );
  await expect(sealed.secrets(theirs, 'ctx.secrets.ONE')).rejects.toThrow('cannot be opened');
});

test('a secret that cannot be opened fails the scripts that name it, and no other', async () => {
  const sealed = new SealedValues(house.database, await parseOpeningKeys(house.privateKeys), new SystemClock());
  const workspace = await house.workspace();
  await house.putSecret(workspace, 'GOOD', VALUE);
  await house.putSecret(workspace, 'BAD', VALUE);
  await house.database.pool.query(`UPDATE secret SET sealed = 'h1.lost.AAAA.AAAA' WHERE workspace_id = $1 AND name = 'BAD'`, [workspace]);
  expect(await sealed.secrets(workspace, 'return ctx.secrets.GOOD')).toEqual({ GOOD: VALUE });
  await expect(sealed.secrets(workspace, 'return ctx.secrets.BAD')).rejects.toThrow('add its private half again');
});

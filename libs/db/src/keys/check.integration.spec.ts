import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { writeKeyRingFile } from '../vault/key-ring-file.js';
import { openOpeningKeys, openVault } from '../vault/open-vault.js';
import { newKeyPair } from '../vault/seal.js';
import { check, discard, status } from './commands.js';
import type { AffectedWorkspace } from './affected.js';
import { KeyHouse } from './fixtures/key-house.js';

let house: KeyHouse;

beforeEach(async () => {
  house = await KeyHouse.open();
  for (const id of ['wsp_a', 'wsp_b']) await house.workspace(id);
});
afterEach(() => house.close());

const counts = (workspaces: unknown) =>
  Object.fromEntries((workspaces as AffectedWorkspace[]).map(({ id, objects }) => [id, Object.fromEntries(Object.entries(objects).map(([title, list]) => [title, list.length]))]));
const newKey = (id: string) => ({ id, bytes: randomBytes(32) });

it('finds nothing where nothing is lost, on the surface and deep down', async () => {
  expect(await check(house.host, false)).toMatchObject({ ok: true, facts: { tried: 0, cells: 0, workspaces: [] } });
  expect(await check(house.host, true)).toMatchObject({ ok: true, facts: { tried: expect.any(Number), cells: 0, workspaces: [] } });
  expect(house.said.join('\n')).toMatch(/can be read\. Tried: [1-9]\d* values/);
  expect(await status(house.host)).toMatchObject({ ok: true });
});

it.each([
  ['a lost key', 'k2', 'missing', 'is missing'],
  ['another key of the same name', 'k1', 'wrong', 'is not the one that was used'],
])('%s: names the key, the workspaces and what is to be done', async (_what, id, state, words) => {
  writeKeyRingFile(house.path('VANE_KEYS_OAUTH'), [newKey(id)]);
  const { ok, facts } = await check(house.host, false);
  expect(ok).toBe(false);
  expect(facts['rings']).toEqual(expect.arrayContaining([{ ring: 'oauth', problem: null, keys: [{ id: 'k1', state, count: 2 }], scopes: 2, values: 0 }]));
  expect(counts(facts['workspaces'])).toEqual({
    wsp_a: { integrations: expect.any(Number), connections: expect.any(Number) }, wsp_b: { integrations: expect.any(Number), connections: expect.any(Number) },
  });
  const said = house.said.join('\n');
  expect(said).toContain(`key k1 ${words}`);
  expect(said).toContain('Workspace wsp_a (wsp_a):');
  expect(said).toMatch(/connections, connect the account again: accountLabel-\d+ \(service-\d+\)/);
});

it('each ring has its own victims', async () => {
  writeKeyRingFile(house.path('VANE_KEYS_HOOKS'), [newKey('k9')]);
  writeKeyRingFile(house.path('VANE_KEYS_ACCESS'), [newKey('k9')]);
  const pair = newKeyPair('k9');
  writeKeyRingFile(house.path('VANE_KEYS_DATA_PUBLIC'), [pair.public]);
  writeKeyRingFile(house.path('VANE_KEYS_DATA_PRIVATE'), [pair.private]);
  await house.database.pool.query(`UPDATE runnable SET deleted_at = now() WHERE workspace_id = 'wsp_b'`);
  const { facts } = await check(house.host, false);
  expect(counts(facts['workspaces'])).toEqual({
    wsp_a: { subscriptions: 1, 'notification channels': 1, secrets: 1, 'HTTP targets': 1 },
    wsp_b: { subscriptions: 1, 'notification channels': 1, secrets: 1 },
  });
  expect((await status(house.host)).ok).toBe(false);
});

it('a ring that is not there at all is said to be so, and the others are looked at', async () => {
  rmSync(house.path('VANE_KEYS_OAUTH'));
  const { ok, facts } = await check(house.host, true);
  expect(ok).toBe(false);
  expect(house.said.join('\n')).toContain('cannot be read (ENOENT)');
  expect(facts['rings']).toEqual(expect.arrayContaining([expect.objectContaining({ ring: 'hooks', keys: [] })]));
});

it('single values that were changed are found by trying every one', async () => {
  const { rows } = await house.database.pool.query<{ id: string }>(
    `UPDATE connection SET access_token_enc = access_token_enc || 'AAAA' WHERE workspace_id = 'wsp_a' RETURNING id`);
  const spare = await house.row('secret', 'wsp_b');
  await house.database.pool.query(`UPDATE secret SET sealed = sealed || 'AAAA' WHERE name = $1`, [spare['name']]);
  expect(await check(house.host, true)).toMatchObject({ ok: false, facts: { cells: rows.length } });
  const { facts } = await check(house.host, true);
  expect(facts['workspaces']).toEqual([
    expect.objectContaining({ id: 'wsp_a', objects: { connections: rows.map(({ id }) => expect.objectContaining({ id })) } }),
    expect.objectContaining({ id: 'wsp_b', objects: { secrets: [{ id: spare['name'], label: spare['name'] }] } }),
  ]);
});

it('an app whose ring lacks a key says so in its log, fails for whom it concerns with a sentence, and serves the others', async () => {
  writeKeyRingFile(house.path('VANE_KEYS_OAUTH'), [newKey('k2')]);
  const logged: [Record<string, unknown>, string][] = [];
  const told = new Promise<void>((resolve) => logger.heard.push(resolve));
  const vault = openVault('oauth', house.settings, { database: house.database, clock: house.host.clock, logger: logger.to(logged) });
  await told;
  expect(logged).toEqual([[{ missing: ['k1'] }, expect.stringContaining('ring oauth lacks keys')]]);
  const refused = await vault.encrypt('x', { table: 't', row: 'r', column: 'c', workspaceId: 'wsp_a' }).catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: 'undecryptable', message: expect.stringContaining('Ring oauth has no key k1') });
  const cell = { table: 't', row: 'r', column: 'c', workspaceId: 'wsp_new' };
  expect(await vault.decrypt(await vault.encrypt('x', cell), cell)).toBe('x');
});

it('says which private halves are missing when run-worker starts', async () => {
  const pair = newKeyPair('k2');
  writeKeyRingFile(house.path('VANE_KEYS_DATA_PRIVATE'), [pair.private]);
  const logged: [Record<string, unknown>, string][] = [];
  const told = new Promise<void>((resolve) => logger.heard.push(resolve));
  await openOpeningKeys(house.settings, { database: house.database, logger: logger.to(logged) });
  await told;
  expect(logged[0]?.[0]).toEqual({ missing: ['k1'] });
});

it('lost data keys are set aside when that is confirmed, and what is lost can be entered again', async () => {
  const lost = house.text('VANE_KEYS_OAUTH');
  writeKeyRingFile(house.path('VANE_KEYS_OAUTH'), [newKey('k2')]);
  const cell = { table: 't', row: 'r', column: 'c', workspaceId: 'wsp_a' };
  expect(await discard(house.host, 'oauth', false)).toMatchObject({ ok: false, facts: { discarded: 0, scopes: 2 } });
  await expect(house.vault('oauth').encrypt('again', cell)).rejects.toThrow('Ring oauth has no key k1');
  expect(await discard(house.host, 'oauth', true)).toMatchObject({ ok: true, facts: { discarded: 2 } });
  expect(await house.vault('oauth').decrypt(await house.vault('oauth').encrypt('again', cell), cell)).toBe('again');
  // The wrapped keys are still there, should the lost one be found.
  const { rows } = await house.database.pool.query(`SELECT ring FROM data_key WHERE ring LIKE 'lost:oauth:%'`);
  expect(rows).toHaveLength(2);
  expect(lost).toMatch(/^k1:/);
});

const logger = {
  heard: [] as (() => void)[],
  to: (logged: [Record<string, unknown>, string][]) => ({
    error: (fields: Record<string, unknown>, message: string) => {
      logged.push([fields, message]);
      logger.heard.splice(0).forEach((resolve) => resolve());
    },
  }),
};

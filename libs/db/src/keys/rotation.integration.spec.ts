import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { eventually } from '@vane/testing';
import { openKeyRing, RINGS, settingsOfRing, SYMMETRIC_RINGS } from '../vault/rings.js';
import { newKeyPair, open, openingKeys, seal, sealingKey } from '../vault/seal.js';
import { secretValueCell } from '../vault/sealed-cells.js';
import { lockWrapping } from '../vault/wrapping.js';
import { rewrap, rotate } from './commands.js';
import { ConfiguredRings } from './configured-rings.js';
import { ENCRYPTED_TABLES } from './encrypted-columns.js';
import { KeyHouse, models } from './fixtures/key-house.js';
import { withKeysLock } from './keys-lock.js';
import { resealValues, SEALED_TABLES } from './reseal.js';
import { retireKeys, rotateRing } from './rotation.js';
import { keyUsage } from './usage.js';

const HOUR = 3_600_000;
let house: KeyHouse;

beforeEach(async () => {
  house = await KeyHouse.open();
});
afterEach(() => house.close());

/** Runs work again and again, in turn with everything else, until it is stopped; the first failure ends it. */
function keepDoing(work: (round: number) => Promise<void>): { stop(): Promise<number> } {
  let stopped = false;
  const rounds = (async () => {
    let round = 0;
    for (; !stopped; round += 1) await work(round);
    return round;
  })();
  rounds.catch(() => undefined);
  return { stop: () => ((stopped = true), rounds) };
}

it('knows every column of the schema that holds something encrypted', () => {
  const named = models.flatMap(({ table, fields }) => fields.filter(({ column }) => /_enc$|sealed/.test(column)).map(({ column }) => `${table}.${column}`));
  const known = [...ENCRYPTED_TABLES.flatMap(({ table, columns }) => columns.map((column) => `${table}.${column}`)), ...SEALED_TABLES.map(({ table, column }) => `${table}.${column}`)];
  expect(named.sort()).toEqual([...known, 'delivery.sealed_auth'].sort());
});

describe('a rotation while others work', () => {
  it('disturbs nobody who encrypts and decrypts, and leaves nothing that needs an older key', async () => {
    for (const id of ['wsp_a', 'wsp_b']) await house.workspace(id);
    const work = SYMMETRIC_RINGS.flatMap((ring) => [1, 2].map((process) => {
      const old = house.vault(ring);
      return keepDoing(async (round) => {
        const cell = { table: 't', row: 'r', column: 'c', workspaceId: `wsp_new_${process}_${round}` };
        // A process that was started before, one that starts now, and one that reads what another wrote.
        const text = await old.encrypt('new', cell);
        expect(await house.vault(ring, house.settings, house.database).decrypt(text, cell)).toBe('new');
      });
    }));
    const [sealing, opening] = [await sealingKey(openKeyRing(house.settings, 'VANE_KEYS_DATA_PUBLIC')), await openingKeys(openKeyRing(house.settings, 'VANE_KEYS_DATA_PRIVATE'))];
    work.push(keepDoing(async (round) => {
      const cell = secretValueCell('wsp_a', 'X');
      expect(await open(opening, await seal(sealing, `value ${round}`, cell), cell)).toBe(`value ${round}`);
    }));
    for (let generation = 2; generation <= 4; generation += 1) {
      for (const ring of RINGS) await rotateRing(house.host, ring);
    }
    const rounds = await Promise.all(work.map((one) => one.stop()));
    expect(Math.min(...rounds)).toBeGreaterThan(2);
    for (const ring of SYMMETRIC_RINGS) {
      expect([...(await keyUsage(house.database, ring, new Date(0))).keys()]).toEqual(['k4']);
      expect(house.keyIds(settingsOfRing(ring)[0]!)).toEqual(['k4']);
    }
    expect(house.keyIds('VANE_KEYS_DATA_PRIVATE')).toEqual(['k4', 'k3', 'k2', 'k1']);
    expect(await house.readAll()).toBeGreaterThanOrEqual(20);
  });

  it('keeps a key that a data key is being made with until that is done', async () => {
    const ring = 'oauth';
    const slow = house.connect();
    // Somebody who has read the ring and not yet committed.
    const client = await slow.pool.connect();
    await client.query('BEGIN');
    await lockWrapping(client, ring, 'shared');
    const rotation = rotateRing(house.host, ring);
    await eventually('the rotation waits', async () => {
      const { rows } = await house.database.pool.query(`SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`);
      return rows.length > 0;
    });
    expect(house.keyIds('VANE_KEYS_OAUTH')).toEqual(['k2', 'k1']);
    await client.query(`INSERT INTO data_key SELECT 'dk_x', $1, 'wsp_late', 'k1', 'x', now()`, [ring]);
    await client.query('COMMIT');
    client.release();
    const { unreadable, kept } = await rotation;
    expect({ unreadable, kept }).toEqual({ unreadable: 1, kept: [{ id: 'k1', reason: '1 data keys need it' }] });
    expect(house.keyIds('VANE_KEYS_OAUTH')).toEqual(['k2', 'k1']);
  });

  it('leaves a secret that is set meanwhile to whoever sets it', async () => {
    await house.workspace('wsp_a');
    const row = await house.row('secret', 'wsp_a');
    const cell = secretValueCell('wsp_a', String(row['name']));
    const set = async () => {
      const sealed = await seal(await sealingKey(openKeyRing(house.settings, 'VANE_KEYS_DATA_PUBLIC')), 'set meanwhile', cell);
      await house.database.pool.query('UPDATE secret SET sealed = $2 WHERE name = $1', [row['name'], sealed]);
    };
    const keys = await openingKeys(openKeyRing(house.settings, 'VANE_KEYS_DATA_PRIVATE'));
    const to = await sealingKey({ current: newKeyPair('k9').public, all: new Map() });
    // The value changes between being read and being saved.
    const meddling = { find: async (id: string) => (await set(), keys.find(id)) };
    await resealValues(house.database, to, meddling, () => undefined);
    const { rows } = await house.database.pool.query<{ sealed: string }>('SELECT sealed FROM secret WHERE name = $1', [row['name']]);
    expect(await open(keys, rows[0]!.sealed, cell)).toBe('set meanwhile');
  });
});

describe('a key of ring data', () => {
  it('stays for the hour in which deliveries can need it, and goes then', async () => {
    await house.workspace('wsp_a');
    const { kept, retired } = await rotateRing(house.host, 'data');
    expect(retired).toEqual([]);
    expect(kept).toEqual([{ id: 'k1', reason: expect.stringContaining('deliveries on their way may need it until') }]);
    house.offsetMs = HOUR + 1_000;
    expect(await retireKeys(house.host, 'data')).toEqual({ retired: ['k1'], kept: [] });
    expect([house.keyIds('VANE_KEYS_DATA_PUBLIC'), house.keyIds('VANE_KEYS_DATA_PRIVATE')]).toEqual([['k2'], ['k2']]);
    await house.readAll();
  });

  it('stays as long as a stored delivery holds something sealed to it', async () => {
    await house.workspace('wsp_a');
    const row = await house.row('delivery', 'wsp_a');
    const now = house.host.clock.now();
    await house.database.pool.query('UPDATE delivery SET received_at = $2, sealed_auth = $3, auth_until = $4 WHERE id = $1', [
      row['id'], now, 'h1.k1.AAAA.AAAA', new Date(now.getTime() + 2 * HOUR),
    ]);
    await rotateRing(house.host, 'data');
    house.offsetMs = HOUR + 1_000;
    expect((await retireKeys(house.host, 'data')).kept).toEqual([{ id: 'k1', reason: '1 deliveries need it' }]);
    house.offsetMs = 2 * HOUR + 1_000;
    expect((await retireKeys(house.host, 'data')).retired).toEqual(['k1']);
  });
});

/** The command as a process of its own, killed as soon as it says something that matches. */
function runCli(args: string[], killAt?: RegExp): Promise<{ code: number | null; output: string }> {
  const program = fileURLToPath(new URL('../../dist/keys-cli.js', import.meta.url));
  const child = spawn(process.execPath, [program, ...args], { env: { PATH: process.env['PATH'], VANE_DATABASE_URL: house.url, ...house.settings } });
  let output = '';
  return new Promise((resolve) => {
    const hear = (chunk: Buffer) => {
      output += chunk.toString();
      if (killAt?.test(output)) child.kill('SIGKILL');
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.on('close', (code) => resolve({ code, output }));
  });
}

describe('a rotation that is killed', () => {
  it.each([
    ['after the new key is known', /is known/],
    ['after it is the current one', /is the current key/],
    ['amid the data keys', /hooks: 200 done/],
    ['amid the sealed values', /data: 100 done/],
  ])('%s goes on when it is run again', async (_when, killAt) => {
    await house.workspace('wsp_a');
    await house.manyDataKeys('hooks', 450);
    await house.manySecrets('wsp_a', 250);
    const killed = await runCli(['rotate', 'hooks', 'data'], killAt);
    expect(killed.output).toMatch(killAt);
    expect(killed.code).toBeNull();
    await house.readAll();
    const { code, output } = await runCli(['rotate', 'hooks', 'data']);
    expect({ code, output }).toMatchObject({ code: 0 });
    expect(JSON.parse(output.trim().split('\n').at(-1)!)).toMatchObject({ ok: true, rings: { hooks: { unreadable: 0 }, data: { unreadable: 0 } } });
    await house.readAll();
    const [hooks, data] = [await keyUsage(house.database, 'hooks', new Date(0)), await keyUsage(house.database, 'data', new Date(0))];
    expect([hooks.size, data.size]).toEqual([1, 1]);
    expect(house.keyIds('VANE_KEYS_HOOKS')).toEqual([...hooks.keys()]);
    expect(house.keyIds('VANE_KEYS_DATA_PUBLIC')[0]).toEqual([...data.keys()][0]);
  }, 120_000);

  it('is not joined by a second one', async () => {
    await withKeysLock(house.database, async () => {
      const { code, output } = await runCli(['rotate', 'oauth']);
      expect(code).toBe(1);
      expect(output).toContain('Another command is changing keys');
    });
    expect(house.keyIds('VANE_KEYS_OAUTH')).toEqual(['k1']);
  });
});

it('a ring that opens nothing of what is stored is not rotated: the apps have another', async () => {
  await house.workspace('wsp_a');
  for (const ring of RINGS) {
    const foreign = await KeyHouse.open();
    try {
      const host = { ...house.host, rings: new ConfiguredRings(foreign.settings) };
      await expect(rotate(host, [ring])).rejects.toThrow(`Ring ${ring} as it is set here opens nothing of what is stored`);
      expect(foreign.keyIds(settingsOfRing(ring).at(-1)!)).toEqual(['k1']);
    } finally {
      await foreign.close();
    }
  }
});

describe('rings out of the environment', () => {
  it('are rotated by hand: the command says what to set, and moves what older keys encrypt', async () => {
    await house.workspace('wsp_a');
    const settings = Object.fromEntries(Object.keys(house.settings).map((name) => [name.slice(0, -'_FILE'.length), house.text(name.slice(0, -'_FILE'.length))]));
    const host = { ...house.host, rings: new ConfiguredRings(settings) };
    expect(await rotate(host, ['oauth', 'data'])).toMatchObject({ ok: false, facts: { rings: { oauth: { byHand: ['VANE_KEYS_OAUTH'] } } } });
    const said = house.said.join('\n');
    expect(said).toMatch(/keys-cli.js oauth k2[\s\S]*Append it to VANE_KEYS_OAUTH[\s\S]*Move it to the front[\s\S]*keys rewrap oauth/);
    expect(said).not.toContain(settings['VANE_KEYS_OAUTH']!.slice(3, 20));
    const rotated = `k2:${randomBytes(32).toString('base64')},${settings['VANE_KEYS_OAUTH']}`;
    const after = { ...house.host, rings: new ConfiguredRings({ ...settings, VANE_KEYS_OAUTH: rotated }) };
    expect(await rewrap(after, ['oauth'])).toMatchObject({ ok: true });
    expect([...(await keyUsage(house.database, 'oauth', new Date(0))).keys()]).toEqual(['k2']);
  });
});

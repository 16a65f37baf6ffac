import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, createServer, type AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { parseKeyRing } from '../vault/key-ring.js';
import { writeKeyRingFile } from '../vault/key-ring-file.js';
import { KeyHouse } from './fixtures/key-house.js';

const vane = fileURLToPath(new URL('../../../../vane', import.meta.url));
let house: KeyHouse;
let folder: string;

beforeEach(async () => {
  house = await KeyHouse.open();
  folder = join(house.dir, 'backup');
  for (const id of ['wsp_a', 'wsp_b']) await house.workspace(id, `Workspace of ${id}`);
  const environment = { VANE_INGRESS_KEY_SECRET: randomBytes(32).toString('base64'), VANE_BOOTSTRAP_TOKEN: `vat_${randomBytes(32).toString('base64url')}` };
  writeFileSync(join(house.dir, 'settings.json'), JSON.stringify({ instance: 'abcd1234', tokenShown: true, environment }), { mode: 0o600 });
  await mark('vane abcd1234');
});
afterEach(() => house.close());

/** Runs `./vane` on the house as if it were an installation of its own. */
function runVane(...words: (string | Record<string, string>)[]): Promise<{ code: number | null; output: string; last: Record<string, unknown> }> {
  const args = words.filter((word) => typeof word === 'string');
  const env = Object.assign({ ...process.env, NODE_OPTIONS: '', VANE_STATE_DIR: house.dir, VANE_DATABASE_URL: house.url }, ...words.filter((word) => typeof word !== 'string'));
  const child = spawn(vane, args, { env });
  let output = '';
  child.stdout.on('data', (chunk) => { output += chunk; });
  child.stderr.on('data', (chunk) => { output += chunk; });
  return new Promise((resolve) => child.on('close', (code) => {
    const line = output.trim().split('\n').findLast((one) => one.startsWith('{'));
    resolve({ code, output, last: JSON.parse(line ?? '{}') as Record<string, unknown> });
  }));
}

async function onServer(sql: (client: pg.Client) => string): Promise<void> {
  const url = new URL(house.url);
  url.pathname = '/postgres';
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    await client.query(sql(client));
  } finally {
    await client.end();
  }
}

const name = () => new URL(house.url).pathname.slice(1);
const mark = (comment: string) => onServer((client) => `COMMENT ON DATABASE ${client.escapeIdentifier(name())} IS ${client.escapeLiteral(comment)}`);

async function destroyDatabase(): Promise<void> {
  await house.disconnect();
  await onServer((client) => `DROP DATABASE ${client.escapeIdentifier(name())} WITH (FORCE)`);
}

function destroyState(): void {
  for (const entry of ['keys', 'settings.json']) rmSync(join(house.dir, entry), { recursive: true });
}

it('what was backed up with its keys can be read again when everything else is gone', async () => {
  const before = await house.readAll();
  const settings = readFileSync(join(house.dir, 'settings.json'), 'utf8');
  const made = await runVane('backup', folder);
  expect(made).toMatchObject({ code: 0, last: { ok: true, withKeys: true } });
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  for (const file of ['database.dump', 'manifest.json', 'settings.json', 'keys/oauth.ring']) expect(statSync(join(folder, file)).mode & 0o777).toBe(0o600);
  const manifest = readFileSync(join(folder, 'manifest.json'), 'utf8');
  expect(JSON.parse(manifest)).toMatchObject({ format: 1, instance: 'abcd1234', keys: { VANE_KEYS_OAUTH: ['k1'], VANE_KEYS_DATA_PRIVATE: ['k1'] } });
  expect(manifest + made.output).not.toContain(house.text('VANE_KEYS_OAUTH').slice(3, 20));
  await destroyDatabase();
  destroyState();
  const restored = await runVane('restore', folder);
  expect(restored).toMatchObject({ code: 0, last: { ok: true, readable: true } });
  expect(restored.output).toContain('Everything that is encrypted can be read.');
  expect(await house.readAll()).toBe(before);
  expect(readFileSync(join(house.dir, 'settings.json'), 'utf8')).toBe(settings);
});

it('with a ring that is not the one of then, a restore names what cannot be read', async () => {
  expect(await runVane('backup', folder, '--without-keys')).toMatchObject({ code: 0, last: { withKeys: false } });
  expect(readdirSync(folder).sort()).toEqual(['database.dump', 'manifest.json']);
  await destroyDatabase();
  writeKeyRingFile(house.path('VANE_KEYS_OAUTH'), [{ id: 'k1', bytes: randomBytes(32) }]);
  const restored = await runVane('restore', folder);
  expect(restored).toMatchObject({ code: 1, last: { ok: false, restored: true, readable: false } });
  expect(restored.output).toContain('Ring oauth: key k1 is not the one that was used; 2 data keys');
  expect(restored.output).toMatch(/Workspace of wsp_b \(wsp_b\):\n.*integrations, enter the client secret again.*\n.*connections, connect the account again/);
  expect(restored.output).not.toContain('subscriptions, choose');
  const checked = await runVane('keys', 'check');
  expect(checked).toMatchObject({ code: 1, last: { ok: false } });
});

it('a backup from before a rotation comes back with the keys of before', async () => {
  await runVane('backup', folder);
  const rotated = await runVane('keys', 'rotate', 'oauth', 'hooks');
  expect(rotated).toMatchObject({ code: 0, last: { ok: true, rings: { oauth: { current: 'k2', retired: ['k1'] } } } });
  expect(await runVane('keys', 'status')).toMatchObject({ code: 0, last: { ok: true } });
  await house.disconnect();
  const refused = await runVane('restore', folder);
  expect(refused).toMatchObject({ code: 1, last: { ok: false, error: expect.stringContaining('has other keys or settings than the backup') } });
  const restored = await runVane('restore', folder, '--replace');
  expect(restored).toMatchObject({ code: 0, last: { readable: true } });
  expect(house.keyIds('VANE_KEYS_OAUTH')).toEqual(['k1']);
  const [aside] = readdirSync(house.dir).filter((entry) => entry.startsWith('replaced-'));
  expect(readFileSync(join(house.dir, aside!, 'keys/oauth.ring'), 'utf8')).toMatch(/^k2:/);
  await house.readAll();
});

it('a backup with keys that do not open the database says so', async () => {
  writeKeyRingFile(house.path('VANE_KEYS_HOOKS'), [{ id: 'k7', bytes: randomBytes(32) }]);
  const made = await runVane('backup', folder);
  expect(made).toMatchObject({ code: 1, last: { ok: false } });
  expect(made.output).toContain('Ring hooks: key k1 is missing; 2 data keys');
});

it('takes the rings as they are once no key can be retired any more, and judges those', async () => {
  const k1 = parseKeyRing(house.text('VANE_KEYS_OAUTH')).current;
  const k2 = { id: 'k2', bytes: randomBytes(32) };
  const server = new URL(house.url);
  // Between the command and Postgres: a rotation ends before the lock is had, and the ring is lost after the copy.
  const between = createServer((near) => {
    const far = connect(Number(server.port || 5432), server.hostname);
    near.on('data', (chunk) => {
      if (chunk.includes('pg_try_advisory_lock')) writeKeyRingFile(house.path('VANE_KEYS_OAUTH'), [k2, k1]);
      if (existsSync(join(folder, 'keys'))) writeKeyRingFile(house.path('VANE_KEYS_OAUTH'), [{ id: 'k9', bytes: randomBytes(32) }]);
      far.write(chunk);
    });
    far.pipe(near);
    for (const [one, other] of [[near, far], [far, near]] as const) one.on('error', () => undefined).on('close', () => other.destroy());
  });
  await new Promise<void>((resolve) => between.listen(0, '127.0.0.1', resolve));
  try {
    const through = new URL(house.url);
    through.host = `127.0.0.1:${(between.address() as AddressInfo).port}`;
    expect(await runVane('backup', folder, { VANE_DATABASE_URL: through.href })).toMatchObject({ code: 0, last: { ok: true } });
  } finally {
    await new Promise((resolve) => between.close(resolve));
  }
  expect(house.keyIds('VANE_KEYS_OAUTH')).toEqual(['k9']);
  expect(readFileSync(join(folder, 'keys/oauth.ring'), 'utf8').trim()).toBe([k2, k1].map(({ id, bytes }) => `${id}:${bytes.toString('base64')}`).join(','));
  expect(JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'))).toMatchObject({ keys: { VANE_KEYS_OAUTH: ['k2', 'k1'] } });
});

it('nothing is overwritten that was not meant: a database in use, one of others, a folder', async () => {
  await runVane('backup', folder);
  expect(await runVane('backup', folder)).toMatchObject({ code: 1, last: { error: expect.stringContaining('is there already') } });
  expect(await runVane('restore', folder)).toMatchObject({ code: 1, last: { error: expect.stringContaining('is not empty: --replace') } });
  await mark('vane ffff0000');
  expect(await runVane('restore', folder, '--replace')).toMatchObject({ code: 1, last: { error: expect.stringContaining('belongs to another installation') } });
  await mark('somebody else');
  expect(await runVane('restore', folder, '--replace')).toMatchObject({ code: 1, last: { error: expect.stringContaining('was not created by Vane') } });
  expect(await house.readAll()).toBeGreaterThan(0);
});

it('a backup that is damaged or not whole is refused before anything is touched', async () => {
  await runVane('backup', folder);
  appendFileSync(join(folder, 'database.dump'), 'x');
  expect(await runVane('restore', folder, '--replace')).toMatchObject({ code: 1, last: { error: expect.stringContaining('is damaged: database.dump') } });
  rmSync(join(folder, 'keys/oauth.ring'));
  rmSync(join(folder, 'manifest.json'));
  expect(await runVane('restore', folder, '--replace')).toMatchObject({ code: 1, last: { error: expect.stringContaining('it has no manifest.json') } });
  expect(existsSync(house.path('VANE_KEYS_OAUTH'))).toBe(true);
  expect(await house.readAll()).toBeGreaterThan(0);
});

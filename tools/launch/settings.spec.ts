import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newSealingKeyPair } from '@vane/db';
import { inlineRings } from './key-files.mjs';
import { readSettings, updateSettings } from './settings.mjs';

let dir: string;
let made = 0;
const dataKeys = (id: string) => { made += 1; return newSealingKeyPair(id); };

beforeEach(() => { made = 0; dir = mkdtempSync(join(tmpdir(), 'vane-settings-')); });
afterEach(() => rmSync(dir, { recursive: true, force: true }));

it('the first read makes every secret, in files that only their owner may read', async () => {
  const settings = await readSettings({ dir, dataKeys });
  expect(settings.created).toBe(true);
  const { environment } = settings;
  const rings = ['OAUTH', 'HOOKS', 'ACCESS', 'DATA_PUBLIC', 'DATA_PRIVATE'].map((name) => environment[`VANE_KEYS_${name}_FILE`]!);
  for (const path of [join(dir, 'settings.json'), ...rings]) expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(join(dir, 'keys')).mode & 0o777).toBe(0o700);
  const texts = rings.map((path) => readFileSync(path, 'utf8').trim());
  for (const text of texts) expect(text).toMatch(/^k1:/);
  expect(texts.map((text) => Buffer.from(text.slice(3), 'base64').length)).toEqual([32, 32, 32, 65, 32]);
  expect(new Set(texts).size).toBe(5);
  expect(readFileSync(join(dir, 'settings.json'), 'utf8')).not.toContain('VANE_KEYS');
  expect(Buffer.from(environment.VANE_INGRESS_KEY_SECRET!, 'base64')).toHaveLength(32);
  expect(environment.VANE_BOOTSTRAP_TOKEN).toMatch(/^vat_[\w-]{43}$/);
});

it('rings that an earlier version kept in the settings move to files', async () => {
  const pair = await dataKeys('k9');
  const old = { VANE_KEYS_OAUTH: 'k2:new,k1:old', VANE_KEYS_HOOKS: 'k1:hooks', VANE_KEYS_DATA_PUBLIC: pair.public, VANE_KEYS_DATA_PRIVATE: pair.private, VANE_PUBLIC_URL: 'https://h' };
  writeFileSync(join(dir, 'settings.json'), JSON.stringify({ instance: 'abc', tokenShown: true, environment: old }));
  const { environment } = await readSettings({ dir, dataKeys });
  const ring = (name: string) => readFileSync(environment[`${name}_FILE`]!, 'utf8').trim();
  for (const name of Object.keys(old).filter((one) => one.startsWith('VANE_KEYS'))) expect(ring(name)).toBe(old[name as keyof typeof old]);
  expect(ring('VANE_KEYS_ACCESS')).toMatch(/^k1-[0-9a-f]{4}:/);
  expect(environment).toMatchObject({ VANE_PUBLIC_URL: 'https://h' });
  expect(readFileSync(join(dir, 'settings.json'), 'utf8')).not.toContain('VANE_KEYS');
  expect(inlineRings(environment)).toMatchObject(old);
});

it('a private half that is lost is not replaced while its public half is there; a public half is made again', async () => {
  const { environment } = await readSettings({ dir, dataKeys });
  const publicFile = environment.VANE_KEYS_DATA_PUBLIC_FILE!;
  const text = readFileSync(publicFile, 'utf8');
  rmSync(publicFile);
  await readSettings({ dir, dataKeys });
  expect(readFileSync(publicFile, 'utf8')).toBe(text);
  rmSync(environment.VANE_KEYS_DATA_PRIVATE_FILE!);
  await expect(readSettings({ dir, dataKeys })).rejects.toThrow('data-private.ring is missing: put it back');
});

it('later reads change nothing', async () => {
  const first = await readSettings({ dir, dataKeys });
  const text = readFileSync(join(dir, 'settings.json'), 'utf8');
  const second = await readSettings({ dir, dataKeys });
  expect(second).toEqual({ ...first, created: false });
  expect(readFileSync(join(dir, 'settings.json'), 'utf8')).toBe(text);
  expect(made).toBe(1);
});

it('a secret that a newer Vane needs is added and the others are kept', async () => {
  const { environment } = await readSettings({ dir, dataKeys });
  updateSettings(dir, (stored: { environment: Record<string, string> }) => { delete stored.environment.VANE_INGRESS_KEY_SECRET; });
  const after = await readSettings({ dir, dataKeys });
  expect(after.environment.VANE_INGRESS_KEY_SECRET).toHaveLength(44);
  expect(after.environment).toEqual({ ...environment, VANE_INGRESS_KEY_SECRET: after.environment.VANE_INGRESS_KEY_SECRET });
});

it('rights that were loosened are tightened again', async () => {
  await readSettings({ dir, dataKeys });
  const path = join(dir, 'settings.json');
  const text = readFileSync(path);
  rmSync(path);
  writeFileSync(path, text, { mode: 0o644 });
  await readSettings({ dir, dataKeys });
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

it('a broken file is reported and not replaced', async () => {
  writeFileSync(join(dir, 'settings.json'), '{"environment":');
  await expect(readSettings({ dir, dataKeys })).rejects.toThrow('settings.json is not valid JSON');
  expect(readFileSync(join(dir, 'settings.json'), 'utf8')).toBe('{"environment":');
});

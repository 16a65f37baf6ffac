import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSettings, updateSettings } from './settings.mjs';

let dir: string;
let made = 0;
const dataKeys = async () => { made += 1; return { public: `public ${made}`, private: `private ${made}` }; };

beforeEach(() => { made = 0; dir = mkdtempSync(join(tmpdir(), 'vane-settings-')); });
afterEach(() => rmSync(dir, { recursive: true, force: true }));

it('the first read makes every secret, in a file that only its owner may read', async () => {
  const settings = await readSettings({ dir, dataKeys });
  expect(settings.created).toBe(true);
  expect(statSync(join(dir, 'settings.json')).mode & 0o777).toBe(0o600);
  const { environment } = settings;
  for (const name of ['VANE_KEYS_OAUTH', 'VANE_KEYS_HOOKS', 'VANE_KEYS_ACCESS']) {
    expect(environment[name]).toMatch(/^k1:/);
    expect(Buffer.from(environment[name]!.slice(3), 'base64')).toHaveLength(32);
  }
  expect(environment.VANE_KEYS_OAUTH).not.toBe(environment.VANE_KEYS_HOOKS);
  expect(Buffer.from(environment.VANE_INGRESS_KEY_SECRET!, 'base64')).toHaveLength(32);
  expect(environment.VANE_BOOTSTRAP_TOKEN).toMatch(/^vat_[\w-]{43}$/);
  expect(environment).toMatchObject({ VANE_KEYS_DATA_PUBLIC: 'public 1', VANE_KEYS_DATA_PRIVATE: 'private 1' });
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

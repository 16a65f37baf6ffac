import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.mjs';
import { Problem } from './problem.mjs';
import { run } from './run.mjs';
import { readJson, writePrivateJson } from './state.mjs';

/** @typedef {import('./index.mjs').Settings} Settings */

const secret = () => randomBytes(32).toString('base64');
const keyRing = () => `k1:${secret()}`;

async function makeDataKeys() {
  const made = await run(process.execPath, [join(root, 'libs/db/dist/keys-cli.js'), 'data']);
  // Nothing of its output may be shown: it could be half a key.
  if (made.code !== 0) throw new Problem(`The key pair for secrets could not be made: "node libs/db/dist/keys-cli.js data" ended with code ${made.code}.`);
  const keys = JSON.parse(made.stdout);
  return { public: String(keys.public), private: String(keys.private) };
}

/** @param {Record<string, string>} environment @param {() => Promise<{ public: string, private: string }>} dataKeys */
async function complete(environment, dataKeys) {
  const generators = {
    VANE_KEYS_OAUTH: keyRing,
    VANE_KEYS_HOOKS: keyRing,
    VANE_KEYS_ACCESS: keyRing,
    VANE_INGRESS_KEY_SECRET: secret,
    VANE_BOOTSTRAP_TOKEN: () => `vat_${randomBytes(32).toString('base64url')}`,
  };
  const full = { ...environment };
  for (const [name, generate] of Object.entries(generators)) full[name] ??= generate();
  if (!full.VANE_KEYS_DATA_PUBLIC || !full.VANE_KEYS_DATA_PRIVATE) {
    const keys = await dataKeys();
    full.VANE_KEYS_DATA_PUBLIC = keys.public;
    full.VANE_KEYS_DATA_PRIVATE = keys.private;
  }
  return full;
}

/** @param {string} dir */
const pathIn = (dir) => join(dir, 'settings.json');

/** @type {typeof import('./index.mjs').readSettings} */
export async function readSettings({ dir, dataKeys = makeDataKeys }) {
  mkdirSync(dir, { recursive: true });
  /** @type {Settings | undefined} */
  const stored = readJson(pathIn(dir));
  /** @type {Settings} */
  const settings = {
    instance: stored?.instance ?? randomBytes(4).toString('hex'),
    tokenShown: stored?.tokenShown ?? false,
    environment: await complete(stored?.environment ?? {}, dataKeys),
  };
  if (JSON.stringify(settings) !== JSON.stringify(stored)) writePrivateJson(pathIn(dir), settings);
  chmodSync(pathIn(dir), 0o600);
  return { ...settings, created: stored === undefined };
}

/** Changes stored settings. @param {string} dir @param {(settings: Settings) => void} change */
export function updateSettings(dir, change) {
  const settings = readJson(pathIn(dir));
  change(settings);
  writePrivateJson(pathIn(dir), settings);
}

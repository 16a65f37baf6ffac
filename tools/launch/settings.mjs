import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { keepRingFiles, ringNames } from './key-files.mjs';
import { root } from './paths.mjs';
import { Problem } from './problem.mjs';
import { run } from './run.mjs';
import { readJson, writePrivateJson } from './state.mjs';

/** @typedef {import('./index.mjs').Settings} Settings */

const secret = () => randomBytes(32).toString('base64');

/** @param {string} id */
async function makeDataKeys(id) {
  const made = await run(process.execPath, [join(root, 'dist/keys-cli.js'), 'data', id]);
  // Nothing of its output may be shown: it could be half a key.
  if (made.code !== 0) throw new Problem(`The key pair for secrets could not be made: "node dist/keys-cli.js data" ended with code ${made.code}.`);
  const keys = JSON.parse(made.stdout);
  return { public: String(keys.public), private: String(keys.private) };
}

/** @param {Record<string, string>} environment @returns {Record<string, string>} */
function complete(environment) {
  const generators = { VANE_INGRESS_KEY_SECRET: secret, VANE_BOOTSTRAP_TOKEN: () => `vat_${randomBytes(32).toString('base64url')}` };
  const full = { ...environment };
  for (const [name, generate] of Object.entries(generators)) full[name] ??= generate();
  // Earlier versions kept the rings here; they have moved to files.
  for (const name of ringNames) delete full[name];
  return full;
}

/** @param {string} dir */
const pathIn = (dir) => join(dir, 'settings.json');

/** @type {typeof import('./index.mjs').readSettings} */
export async function readSettings({ dir, dataKeys = makeDataKeys }) {
  mkdirSync(dir, { recursive: true });
  /** @type {Settings | undefined} */
  const stored = readJson(pathIn(dir));
  const files = await keepRingFiles(dir, stored?.environment ?? {}, { fresh: stored === undefined, dataKeys });
  /** @type {Settings} */
  const settings = {
    instance: stored?.instance ?? randomBytes(4).toString('hex'),
    tokenShown: stored?.tokenShown ?? false,
    environment: complete(stored?.environment ?? {}),
  };
  if (JSON.stringify(settings) !== JSON.stringify(stored)) writePrivateJson(pathIn(dir), settings);
  chmodSync(pathIn(dir), 0o600);
  return { ...settings, environment: { ...settings.environment, ...files }, created: stored === undefined };
}

/** Changes stored settings. @param {string} dir @param {(settings: Settings) => void} change */
export function updateSettings(dir, change) {
  const settings = readJson(pathIn(dir));
  change(settings);
  writePrivateJson(pathIn(dir), settings);
}

// Writes a .env for docker compose with fresh passwords and keys. Never overwrites one: what it encrypts needs its keys.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { appNames } from './launch/app-environments.mjs';
import { inlineRings } from './launch/key-files.mjs';
import { root } from './launch/paths.mjs';
import { prepare } from './launch/prepare.mjs';
import { say } from './launch/problem.mjs';
import { variableSuffix } from './launch/ports.mjs';
import { readSettings } from './launch/settings.mjs';

// Letters and digits, a letter first: it stands in URLs, and NATS reads what looks like a number as one.
const password = () => `p${randomBytes(24).toString('hex')}`;

/** @returns {Promise<Record<string, string>>} */
async function freshKeys() {
  const folder = mkdtempSync(join(tmpdir(), 'vane-env-'));
  try {
    return inlineRings((await readSettings({ dir: folder })).environment);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const file = process.argv[2] ?? join(root, '.env');
if (existsSync(file)) {
  process.stderr.write(`${file} is there already: move it away if you want new passwords and keys. What the old ones encrypted needs the old ones.\n`);
  process.exit(1);
}
await prepare();
const values = {
  VANE_PUBLIC_URL: 'http://localhost:3001',
  VANE_API_URL: 'http://localhost:3000',
  VANE_POSTGRES_PASSWORD: password(),
  VANE_REDIS_PASSWORD: password(),
  ...Object.fromEntries(appNames.map((app) => [`VANE_NATS_PASSWORD_${variableSuffix(app)}`, password()])),
  ...await freshKeys(),
};
// Single quotes keep docker compose from reading a $ as the start of a variable.
writeFileSync(file, Object.entries(values).map(([name, value]) => `${name}='${value}'\n`).join(''), { mode: 0o600, flag: 'wx' });
say(`Wrote ${file}. Set VANE_PUBLIC_URL and VANE_API_URL to where this machine is reached, then: docker compose up -d`);

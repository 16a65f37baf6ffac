import { randomBytes } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keepSecret, SECRETS_FILE_VARIABLE, tapDeliveries } from '@vane/testing';
import { startInstance } from '../tools/launch/index.mjs';
import { secretsOf } from './rings.mjs';

/**
 * Starts the whole of Vane once for the end-to-end tier, as processes of their own: own database, prefix and ports, two
 * ingresses, the probe adapters. Specs that kill something start an instance of their own.
 */
export default async function setup() {
  const name = `e2e_${randomBytes(5).toString('hex')}`;
  const dir = mkdtempSync(join(tmpdir(), 'vane-e2e-'));
  const instance = await startInstance({
    env: {
      ...process.env,
      // Whose servers they are was settled by who started this tier; their URLs are in the environment.
      VANE_SERVERS: undefined,
      VANE_ENV: 'test',
      VANE_STATE_DIR: dir,
      VANE_DATABASE_NAME: `vane_${name}`,
      VANE_PREFIX: name,
      VANE_PORTS: 'free',
      VANE_SCALE: 'webhook-ingress=2',
      VANE_EGRESS_ALLOW: '127.0.0.1',
      VANE_EXTRA_ADAPTERS: ['oauth-probe', 'handshake-probe'].map((name) => join(import.meta.dirname, `../libs/testing/dist/probe/${name}.js`)).join(','),
      LOG_LEVEL: 'info',
    },
    say: () => undefined,
  });
  process.env[SECRETS_FILE_VARIABLE] = join(dir, 'secrets');
  for (const [name, value] of Object.entries(secretsOf(dir))) keepSecret(name, value);
  globalThis.endOfTap = await tapDeliveries(instance.urls.nats, name, dir);
  const file = join(dir, 'system.json');
  writeFileSync(file, JSON.stringify({ ...instance, prefix: name }));
  process.env.VANE_E2E_SYSTEM = file;
}

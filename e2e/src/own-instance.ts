import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expectNoSecretsInSystem, keepSecret } from '@vane/testing';
import { startInstance, stopInstance } from '../../tools/launch/index.mjs';
import { ringsOf, secretsOf } from '../rings.mjs';
import type { System } from './system.js';

export type OwnInstance = Pick<System, 'api' | 'ingress' | 'adminToken' | 'dir' | 'urls'> & { stop(): Promise<void> };

/** A whole system with servers of its own, for specs that kill or flush. Its end fails when it left a secret readable. */
export async function startOwnInstance(env: Record<string, string> = {}): Promise<OwnInstance> {
  const dir = mkdtempSync(join(tmpdir(), 'vane-e2e-own-'));
  const stop = async (): Promise<void> => {
    await stopInstance({ dir, removeData: true });
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    const { VANE_DATABASE_NAME: _shared, ...outer } = process.env;
    const instance = await startInstance({
      env: {
        ...outer, VANE_ENV: 'test', VANE_STATE_DIR: dir, VANE_SERVERS: 'own', VANE_PORTS: 'free', VANE_EGRESS_ALLOW: '127.0.0.1', LOG_LEVEL: 'info', ...env,
      },
      say: () => undefined,
    });
    for (const [name, value] of Object.entries(secretsOf(dir))) keepSecret(name, value);
    const { urls } = instance;
    const scanAndStop = () => expectNoSecretsInSystem({ dir, prefix: env['VANE_PREFIX'] ?? 'vane', urls, rings: ringsOf(dir) }).then(() => undefined).finally(stop);
    return { ...instance, stop: scanAndStop };
  } catch (error) {
    await stop();
    throw error;
  }
}

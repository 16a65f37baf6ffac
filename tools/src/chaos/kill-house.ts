import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRunnable, createToken, createTrigger, createWorkspace } from '@vane/contracts';
import { ApiClient } from '@vane/testing';
import { Problem, startInstance, type Instance } from '../../launch/index.mjs';
import type { Target } from './target.js';

export const PREFIX = 'chaos';

/** A state directory of its own, which Postgres can enter when it runs as another account. */
export function newStateDirectory(): string {
  const dir = mkdtempSync(join(tmpdir(), 'vane-chaos-'));
  chmodSync(dir, 0o755);
  return dir;
}

/** A Vane of its own with servers of its own: what happens to it happens to nobody else. */
export function startHouse(dir: string, target: Target, say: (line: string) => void): Promise<Instance> {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('VANE_')));
  const env = {
    ...inherited, VANE_STATE_DIR: dir, VANE_SERVERS: 'own', VANE_PORTS: 'free', VANE_PREFIX: PREFIX, LOG_LEVEL: 'warn',
    VANE_EGRESS_ALLOW: new URL(target.url).host,
  };
  return startInstance({ env, say });
}

/** A trigger that takes Standard Webhooks and calls the target; returns where to post and how to sign. */
export async function createPath(instance: Instance, target: Target): Promise<{ url: string; secret: string }> {
  const root = new ApiClient(instance.api, instance.adminToken);
  const { id: workspace } = await root.call(createWorkspace, { name: 'Chaos' });
  const { token } = await root.call(createToken, { workspace, name: 'chaos', role: 'admin' });
  const api = new ApiClient(instance.api, token);
  const runnable = await api.call(createRunnable, {
    workspace, name: 'Target', spec: { kind: 'http', url: target.url }, retry: { maxAttempts: 20, backoffMs: 200 },
  });
  target.setSecret(runnable.secret ?? '');
  const trigger = await api.call(createTrigger, {
    workspace, name: 'Chaos', service: 'generic-webhook', type: 'webhook', config: { scheme: 'standard-webhooks' }, runnableId: runnable.id,
  });
  if (!trigger.secret) throw new Problem('The trigger was created without a secret to sign with.');
  return { url: trigger.callbackUrl, secret: trigger.secret };
}

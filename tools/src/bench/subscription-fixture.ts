import { randomBytes } from 'node:crypto';
import { loadAdapters } from '@vane/adapters';
import { Database, newId, openKeyRing, Vault } from '@vane/db';
import { HookKeys, hookUrl } from '@vane/runtime';
import { Problem } from '../../launch/index.mjs';

export const SIGNATURE_HEADER = 'x-signature';
export const ID_HEADER = 'x-delivery-id';

/** One subscription that accepts bodies with an HMAC-SHA256 in hex, as trigger-service would have left it. */
export async function insertSubscription(options: {
  databaseUrl: string; environment: Record<string, string>; ingressUrl: string;
}): Promise<{ url: string; secret: string }> {
  const { environment } = options;
  const now = new Date();
  const type = (await loadAdapters()).get('generic-webhook')?.triggerTypes['webhook'];
  if (!type) throw new Problem('The adapter generic-webhook with its trigger type webhook is not installed: build Vane first.');
  const config = type.config.parse({ scheme: 'hmac', header: SIGNATURE_HEADER, hash: 'sha256', encoding: 'hex', idHeader: ID_HEADER });
  const { want } = type.plan(config as never);
  const [workspace, feed, subscription] = [newId('workspace', now), newId('feed', now), newId('subscription', now)];
  const key = new HookKeys(environment['VANE_INGRESS_KEY_SECRET'] ?? '').mint();
  const secret = randomBytes(32).toString('base64url');
  const database = Database.connect({ url: options.databaseUrl, applicationName: 'bench', maxConnections: 2 });
  try {
    const vault = new Vault({ database, ring: 'hooks', keys: openKeyRing(environment, 'VANE_KEYS_HOOKS'), clock: { now: () => now } });
    const cell = { table: 'subscription', row: subscription, column: 'secrets_enc', workspaceId: workspace };
    const secrets = await vault.encrypt(JSON.stringify([secret]), cell);
    await database.pool.query('INSERT INTO workspace (id, name, created_at) VALUES ($1, $2, $3)', [workspace, 'Bench', now]);
    await database.pool.query(
      `INSERT INTO feed (id, workspace_id, service, trigger_type, connection_id, resource, created_at)
       VALUES ($1, $2, 'generic-webhook', 'webhook', '', $1, $3)`,
      [feed, workspace, now],
    );
    await database.pool.query(
      `INSERT INTO subscription (id, workspace_id, feed_id, service, trigger_type, resource, key, secrets_enc, want, status,
         status_since, attempts, version, created_at, secret_version)
       VALUES ($1, $2, $3, 'generic-webhook', 'webhook', $3, $4, $5, $6, 'active', $7, 0, 1, $7, 1)`,
      [subscription, workspace, feed, key, secrets, JSON.stringify(want), now],
    );
  } finally {
    await database.close();
  }
  return { url: hookUrl(options.ingressUrl, key), secret };
}

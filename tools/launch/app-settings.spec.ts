import { expect, it } from '@jest/globals';
import { APPS, type AppName } from '@vane/contracts';
import { z } from 'zod';
import { appEnvironments } from './app-environments.mjs';

const urls = { database: 'postgres://h/vane', redis: 'redis://h', nats: 'nats://h' };
const ports = { 'api-gateway': 1, 'webhook-ingress': 2, 'oauth-service': 3, 'trigger-service': 4, 'sync-worker': 5, 'run-worker': 6 };

async function settingsOf(app: AppName): Promise<string[]> {
  const { settingsShape } = (await import(`../../apps/${app}/src/config.ts`)) as { settingsShape: z.ZodRawShape };
  return Object.keys(settingsShape);
}

it.each(APPS)('whatever %s lets one set reaches it when it is set for ./vane', async (app) => {
  const names = await settingsOf(app);
  const all = (await Promise.all(APPS.map(settingsOf))).flat();
  const given = Object.fromEntries(all.map((name) => [name, 'set by hand']));
  const environment = appEnvironments({ environment: {} }, urls, ports, { ...given, VANE_HOST: '0.0.0.0' })[app];
  expect(names.filter((name) => !(name in environment))).toEqual([]);
  expect(environment).toMatchObject({ HOST: '0.0.0.0', PORT: String(ports[app]) });
});

it.each(APPS)('%s is given no server that it has no setting for', async (app) => {
  const names = await settingsOf(app);
  const required = { VANE_BOOTSTRAP_TOKEN: 'x', VANE_KEYS_HOOKS: 'x', VANE_KEYS_ACCESS: 'x', VANE_KEYS_OAUTH: 'x', VANE_KEYS_DATA_PUBLIC: 'x', VANE_KEYS_DATA_PRIVATE: 'x', VANE_INGRESS_KEY_SECRET: 'x' };
  const environment = appEnvironments({ environment: required }, urls, ports, {})[app];
  const servers = ['VANE_DATABASE_URL', 'VANE_REDIS_URL', 'VANE_NATS_URL'];
  expect(servers.filter((name) => name in environment)).toEqual(servers.filter((name) => names.includes(name)));
});

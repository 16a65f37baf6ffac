import { describe, expect, it } from '@jest/globals';
import { appEnvironments, appNames, parseScale } from './app-environments.mjs';

const settings = {
  environment: {
    VANE_KEYS_OAUTH: 'oauth ring', VANE_KEYS_HOOKS: 'hook ring', VANE_KEYS_ACCESS: 'access ring', VANE_KEYS_DATA_PUBLIC: 'public half',
    VANE_KEYS_DATA_PRIVATE: 'private half', VANE_INGRESS_KEY_SECRET: 'ingress secret', VANE_BOOTSTRAP_TOKEN: 'first token',
  },
};
const urls = { database: 'postgres://h/vane', redis: 'redis://h', nats: 'nats://h' };
const ports = { 'api-gateway': 1, 'webhook-ingress': 2, 'oauth-service': 3, 'trigger-service': 4, 'sync-worker': 5, 'run-worker': 6 };
const environments = (env = {}) => appEnvironments(settings, urls, ports, env);

/** Which apps hold a variable. */
const holders = (name: string, env = {}) => appNames.filter((app) => name in environments(env)[app]).sort();

describe('each key reaches only the apps that need it', () => {
  it.each([
    ['VANE_KEYS_OAUTH', ['oauth-service']],
    ['VANE_KEYS_HOOKS', ['trigger-service', 'webhook-ingress']],
    ['VANE_KEYS_ACCESS', ['api-gateway']],
    ['VANE_KEYS_DATA_PUBLIC', ['trigger-service', 'webhook-ingress']],
    ['VANE_KEYS_DATA_PRIVATE', ['run-worker']],
    ['VANE_INGRESS_KEY_SECRET', ['trigger-service', 'webhook-ingress']],
    ['VANE_BOOTSTRAP_TOKEN', ['api-gateway']],
    ['VANE_DATABASE_URL', ['api-gateway', 'oauth-service', 'run-worker', 'trigger-service', 'webhook-ingress']],
    ['VANE_REDIS_URL', ['run-worker', 'sync-worker', 'trigger-service']],
  ])('%s: %j', (name, apps) => {
    expect(holders(name)).toEqual(apps);
    expect(holders(name, { [name]: 'given from outside' })).toEqual(apps);
  });

  it('and nothing else of the environment does', () => {
    expect(holders('AWS_SECRET_ACCESS_KEY', { AWS_SECRET_ACCESS_KEY: 'x' })).toEqual([]);
    expect(holders('VANE_SOMETHING', { VANE_SOMETHING: 'x' })).toEqual([]);
  });
});

it('every app knows its port, the bus and the common settings', () => {
  const all = environments({ LOG_LEVEL: 'debug', VANE_EGRESS_ALLOW: '127.0.0.1' });
  for (const app of appNames) {
    expect(all[app]).toMatchObject({
      PORT: String(ports[app]), VANE_NATS_URL: 'nats://h', VANE_ENV: 'development', VANE_PREFIX: 'vane', LOG_LEVEL: 'debug',
      VANE_EGRESS_ALLOW: '127.0.0.1', VANE_PUBLIC_URL: 'http://127.0.0.1:2', VANE_API_URL: 'http://127.0.0.1:1',
    });
  }
});

it('the address to listen on is asked for by VANE_HOST, not by the HOST of a shell', () => {
  expect(holders('HOST', { HOST: 'my-laptop' })).toEqual([]);
  expect(environments({ HOST: 'my-laptop', VANE_HOST: '0.0.0.0' })['webhook-ingress'].HOST).toBe('0.0.0.0');
});

it('what the environment gives wins over the settings', () => {
  const all = environments({ VANE_KEYS_OAUTH: 'mine', VANE_PREFIX: 'p', VANE_PUBLIC_URL: 'https://hooks.example.com' });
  expect(all['oauth-service']).toMatchObject({ VANE_KEYS_OAUTH: 'mine', VANE_PREFIX: 'p', VANE_PUBLIC_URL: 'https://hooks.example.com' });
});

it('a ring in a file reaches the apps that need the ring, and a given one replaces it in either form', () => {
  const files = { environment: { ...settings.environment, VANE_KEYS_OAUTH: '', VANE_KEYS_OAUTH_FILE: '/state/keys/oauth.ring' } };
  const of = (env: Record<string, string>) => appEnvironments(files, urls, ports, env);
  expect(of({})['oauth-service']).toMatchObject({ VANE_KEYS_OAUTH_FILE: '/state/keys/oauth.ring' });
  expect(appNames.filter((app) => 'VANE_KEYS_OAUTH_FILE' in of({})[app])).toEqual(['oauth-service']);
  expect(of({ VANE_KEYS_OAUTH: 'mine' })['oauth-service']).toMatchObject({ VANE_KEYS_OAUTH: 'mine' });
  expect(of({ VANE_KEYS_OAUTH: 'mine' })['oauth-service']).not.toHaveProperty('VANE_KEYS_OAUTH_FILE');
  expect(of({ VANE_KEYS_OAUTH_FILE: '/run/secrets/oauth' })['oauth-service']).toMatchObject({ VANE_KEYS_OAUTH_FILE: '/run/secrets/oauth' });
});

it('settings named after an app go to that app', () => {
  expect(holders('VANE_RUN_WORKER_CONCURRENCY', { VANE_RUN_WORKER_CONCURRENCY: '4' })).toEqual(['run-worker']);
  expect(environments({ VANE_NATS_URL_SYNC_WORKER: 'nats://sync@h' })['sync-worker'].VANE_NATS_URL).toBe('nats://sync@h');
});

it('a key that is missing is named', () => {
  expect(() => appEnvironments({ environment: { ...settings.environment, VANE_KEYS_OAUTH: '' } }, urls, ports, {}))
    .toThrow('oauth-service needs VANE_KEYS_OAUTH');
});

it('the scale counts processes per app and refuses what it does not know', () => {
  expect(parseScale('run-worker=2, webhook-ingress=3')).toMatchObject({ 'run-worker': 2, 'webhook-ingress': 3, 'api-gateway': 1 });
  expect(() => parseScale('worker=2')).toThrow('VANE_SCALE has "worker=2"');
  expect(() => parseScale('run-worker=many')).toThrow('VANE_SCALE has "run-worker=many"');
});

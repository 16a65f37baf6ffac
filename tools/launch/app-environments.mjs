import { ringNames } from './key-files.mjs';
import { Problem } from './problem.mjs';
import { variableSuffix } from './ports.mjs';

/**
 * @typedef {import('./index.mjs').AppName} AppName
 * @typedef {'database' | 'redis' | 'nats'} UrlName
 * @typedef {{ urls: UrlName[], secrets: string[], options?: string[] }} Needs
 */

/**
 * What each app may know. A key that is not in an app's row never reaches its process: ingress faces the internet and
 * can encrypt for scripts but not decrypt, and only run-worker can.
 * @type {Record<AppName, Needs>}
 */
export const appNeeds = {
  'api-gateway': { urls: ['database', 'nats'], secrets: ['VANE_BOOTSTRAP_TOKEN', 'VANE_KEYS_ACCESS'] },
  'webhook-ingress': {
    urls: ['database', 'nats'], secrets: ['VANE_KEYS_HOOKS', 'VANE_KEYS_DATA_PUBLIC', 'VANE_INGRESS_KEY_SECRET'],
  },
  'oauth-service': { urls: ['database', 'nats'], secrets: ['VANE_KEYS_OAUTH'] },
  'trigger-service': {
    urls: ['database', 'redis', 'nats'], secrets: ['VANE_KEYS_HOOKS', 'VANE_KEYS_DATA_PUBLIC', 'VANE_INGRESS_KEY_SECRET'],
    options: ['VANE_PULL_EVERY_SECONDS', 'VANE_CHECK_EVERY_SECONDS', 'VANE_LOG_EVERY_SECONDS', 'VANE_CANARY_EVERY_SECONDS'],
  },
  'sync-worker': { urls: ['redis', 'nats'], secrets: [] },
  'run-worker': {
    urls: ['database', 'redis', 'nats'], secrets: ['VANE_KEYS_DATA_PRIVATE'], options: ['VANE_RUN_CONCURRENCY', 'VANE_SCRIPT_PROCESSES'],
  },
};

/** In the order in which they are started and shown. */
export const appNames = /** @type {AppName[]} */ (Object.keys(appNeeds));

const urlVariables = { database: 'VANE_DATABASE_URL', redis: 'VANE_REDIS_URL', nats: 'VANE_NATS_URL' };

/** Passed on when they are set: what every program needs to run, and the settings common to all apps. */
const passedOn = [
  'PATH', 'HOME', 'TMPDIR', 'TZ', 'LANG', 'LC_ALL', 'NODE_ENV', 'NODE_EXTRA_CA_CERTS',
  'LOG_LEVEL', 'VANE_EGRESS_ALLOW', 'VANE_EXTRA_ADAPTERS', 'VANE_NATS_TLS', 'VANE_DATABASE_CONNECTIONS',
];

/** @param {import('./index.mjs').Environment} env @param {string[]} names */
function pick(env, names) {
  return Object.fromEntries(names.flatMap((name) => (env[name] === undefined ? [] : [[name, /** @type {string} */ (env[name])]])));
}

/** The app's own settings: VANE_RUN_WORKER_* goes to run-worker and to nobody else. @param {import('./index.mjs').Environment} env @param {AppName} app */
function ownSettings(env, app) {
  const prefix = `VANE_${variableSuffix(app)}_`;
  return pick(env, Object.keys(env).filter((name) => name.startsWith(prefix)));
}

/**
 * What the environment gives wins over the settings: a ring in either form replaces ours in either form.
 * @param {Record<string, string>} settings @param {Record<string, string>} env @returns {Record<string, string>}
 */
export function withRings(settings, env) {
  const replaced = ringNames.filter((name) => env[name] || env[`${name}_FILE`]).flatMap((name) => [name, `${name}_FILE`]);
  return { ...Object.fromEntries(Object.entries(settings).filter(([name]) => !replaced.includes(name))), ...env };
}

/** @type {typeof import('./index.mjs').appEnvironments} */
export function appEnvironments(settings, urls, ports, env = process.env) {
  const given = withRings(settings.environment, pick(env, Object.keys(env)));
  const common = {
    ...pick(given, passedOn),
    // Not HOST itself: some shells export it as the name of the machine.
    ...(given.VANE_HOST ? { HOST: given.VANE_HOST } : {}),
    VANE_ENV: given.VANE_ENV || 'development',
    VANE_PREFIX: given.VANE_PREFIX || 'vane',
    VANE_PUBLIC_URL: given.VANE_PUBLIC_URL || `http://127.0.0.1:${ports['webhook-ingress']}`,
    VANE_API_URL: given.VANE_API_URL || `http://127.0.0.1:${ports['api-gateway']}`,
  };
  /** @param {AppName} app */
  const forApp = (app) => {
    const { urls: urlNames, secrets, options = [] } = appNeeds[app];
    const missing = secrets.filter((name) => !given[name] && !given[`${name}_FILE`]);
    if (missing.length) throw new Problem(`${app} needs ${missing.join(' and ')}: set it, or leave it out of the environment to have it generated.`);
    const addresses = Object.fromEntries(urlNames.map((name) => [urlVariables[name], urls[name]]));
    // Where the bus gives every app a user of its own, each has its own URL.
    if (given[`VANE_NATS_URL_${variableSuffix(app)}`]) addresses.VANE_NATS_URL = given[`VANE_NATS_URL_${variableSuffix(app)}`] ?? '';
    return { ...common, ...addresses, ...pick(given, [...secrets, ...secrets.map((name) => `${name}_FILE`), ...options]), ...ownSettings(env, app), PORT: String(ports[app]) };
  };
  return /** @type {any} */ (Object.fromEntries(appNames.map((app) => [app, forApp(app)])));
}

/** How many processes of each app: VANE_SCALE="run-worker=2 webhook-ingress=2", else one. @param {string | undefined} text */
export function parseScale(text) {
  const scale = /** @type {Record<AppName, number>} */ (Object.fromEntries(appNames.map((app) => [app, 1])));
  for (const part of (text ?? '').split(/[\s,]+/).filter(Boolean)) {
    const [app = '', count = ''] = part.split('=');
    if (!appNames.includes(/** @type {AppName} */ (app)) || !/^\d{1,2}$/.test(count)) {
      throw new Problem(`VANE_SCALE has "${part}": write APP=COUNT, with an app out of ${appNames.join(', ')}.`);
    }
    scale[/** @type {AppName} */ (app)] = Number(count);
  }
  return scale;
}

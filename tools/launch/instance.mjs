import { join } from 'node:path';
import { appEnvironments, appNames, parseScale } from './app-environments.mjs';
import { composeStop } from './compose.mjs';
import { databaseNameIn, ensureDatabase, migrate } from './database.mjs';
import { findServers } from './find-servers.mjs';
import { ringNames } from './key-files.mjs';
import { stopOwnServers } from './own-servers.mjs';
import { root, stateDirectory } from './paths.mjs';
import { choosePorts, freePort } from './ports.mjs';
import { Problem, say as sayAloud } from './problem.mjs';
import { readSettings, updateSettings } from './settings.mjs';
import { readState, updateState, withLock } from './state.mjs';
import { hasCrashed, isUp, startSupervisor, stopSupervisor, waitReady } from './supervisor-control.mjs';

/**
 * @typedef {import('./index.mjs').Environment} Environment
 * @typedef {import('./index.mjs').Ports} Ports
 * @typedef {Awaited<ReturnType<typeof readSettings>>} Settings
 */

/**
 * The database of this installation. The one called `vane` may belong to another checkout on this machine, whose keys
 * we do not have: unless a name was asked for, we then take one of our own, and the same word as prefix on the bus.
 * @param {string} dir @param {string} serverUrl @param {Settings} settings @param {Environment} env @param {(line: string) => void} say
 */
async function openDatabase(dir, serverUrl, settings, env, say) {
  const asked = env.VANE_DATABASE_NAME || databaseNameIn(serverUrl);
  const name = asked ?? settings.environment.VANE_DATABASE_NAME ?? 'vane';
  const database = await ensureDatabase(serverUrl, { name, instance: settings.instance });
  const foreign = database.instance !== undefined && database.instance !== settings.instance;
  if (!foreign) return database.url;
  if (asked) {
    if (!ringNames.every((name) => env[name] || env[`${name}_FILE`])) {
      say(`Warning: the database "${name}" was made by another installation. What it encrypted can only be read with that one's VANE_KEYS_* variables.`);
    }
    return database.url;
  }
  const ownName = `vane_${settings.instance}`;
  say(`The database "${name}" belongs to another installation of Vane; this one uses "${ownName}".`);
  const own = await ensureDatabase(serverUrl, { name: ownName, instance: settings.instance });
  const chosen = { VANE_DATABASE_NAME: ownName, VANE_PREFIX: ownName };
  Object.assign(settings.environment, chosen);
  updateSettings(dir, (stored) => { Object.assign(stored.environment, chosen); });
  return own.url;
}

/**
 * @param {Record<string, Record<string, string>>} environments @param {Ports} ports @param {Record<string, number>} scale
 * @returns {Promise<import('./index.mjs').PlannedApp[]>}
 */
async function planApps(environments, ports, scale) {
  const planned = [];
  for (const name of appNames) {
    for (let instance = 1; instance <= (scale[name] ?? 1); instance += 1) {
      const port = instance === 1 ? ports[name] : await freePort();
      planned.push({
        name, instance, port, command: process.execPath,
        args: ['--enable-source-maps', join(root, 'dist', `${name}.js`)],
        environment: { ...environments[name], PORT: String(port) },
      });
    }
  }
  return planned;
}

/** @param {string} dir @param {Environment} env @param {number} startedAt @param {boolean} started @returns {Promise<import('./index.mjs').Instance>} */
async function describe(dir, env, startedAt, started) {
  const { supervisor, apps = [] } = readState(dir);
  if (!supervisor) throw new Problem('Vane is not up: start it with ./vane up.');
  const settings = await readSettings({ dir });
  const ports = /** @type {Ports} */ (Object.fromEntries(apps.filter((app) => app.instance === 1).map((app) => [app.name, app.port])));
  return {
    dir, urls: supervisor.urls, ports, started,
    api: `http://127.0.0.1:${ports['api-gateway']}`,
    ingress: `http://127.0.0.1:${ports['webhook-ingress']}`,
    adminToken: env.VANE_BOOTSTRAP_TOKEN || settings.environment.VANE_BOOTSTRAP_TOKEN || '',
    seconds: Math.round((performance.now() - startedAt) / 100) / 10,
  };
}

/** @param {string} dir @param {Environment} env @param {(line: string) => void} say */
async function start(dir, env, say) {
  if (hasCrashed(dir)) say('The supervisor of the last start has crashed: cleaning up after it.');
  await stopSupervisor(dir);
  const scale = parseScale(env.VANE_SCALE);
  const ports = await choosePorts(env);
  const servers = await findServers({ dir, env, say });
  const settings = await readSettings({ dir });
  const database = await openDatabase(dir, servers.postgres.url, settings, env, say);
  say('Bringing the database up to date ...');
  await migrate(database);
  const urls = { database, redis: servers.redis.url, nats: servers.nats.url };
  const apps = await planApps(appEnvironments(settings, urls, ports, env), ports, scale);
  say(`Starting ${apps.length} apps ...`);
  await startSupervisor({ dir, apps, urls });
  try {
    await waitReady(dir);
  } catch (problem) {
    await stopSupervisor(dir); // half a Vane would look like a running one to the next `up`
    throw problem;
  }
}

/** @type {typeof import('./index.mjs').startInstance} */
export async function startInstance({ env = process.env, say = sayAloud } = {}) {
  const dir = stateDirectory(env);
  const startedAt = performance.now();
  return withLock(dir, 'up', async () => {
    const alreadyUp = isUp(dir);
    if (alreadyUp) await waitReady(dir);
    else await start(dir, env, say);
    return describe(dir, env, startedAt, !alreadyUp);
  });
}

/** @type {typeof import('./index.mjs').stopInstance} */
export async function stopInstance({ dir, removeData = false }) {
  const apps = await stopSupervisor(dir);
  const servers = await stopOwnServers({ dir, removeData });
  const compose = readState(dir).compose ?? [];
  await composeStop(compose);
  if (compose.length) updateState(dir, (state) => { delete state.compose; });
  return [...apps, ...servers, ...compose];
}

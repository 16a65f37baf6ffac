import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { withRings } from './app-environments.mjs';
import { databaseNameIn, databaseUrl } from './database.mjs';
import { findServers } from './find-servers.mjs';
import { runningOwnServers, stopOwnServers } from './own-servers.mjs';
import { root } from './paths.mjs';
import { prepare } from './prepare.mjs';
import { Problem } from './problem.mjs';
import { run } from './run.mjs';
import { readSettings } from './settings.mjs';
import { readState } from './state.mjs';
import { isUp } from './supervisor-control.mjs';

/** @typedef {import('./index.mjs').Environment} Environment */

/** The settings of an installation that is there already. @param {string} dir */
export async function existingSettings(dir) {
  if (!existsSync(join(dir, 'settings.json'))) {
    throw new Problem(`There is no installation in ${dir}: start one with ./vane up, or say where it is with VANE_STATE_DIR.`);
  }
  return readSettings({ dir });
}

/**
 * What the key commands of libs/db need: the database and the rings, from the environment where it gives them, else from
 * the settings. @param {Record<string, string>} settings @param {string} url @param {Environment} env
 */
export function keysEnvironment(settings, url, env) {
  const given = Object.fromEntries(Object.entries(env).flatMap(([name, value]) => (value ? [[name, value]] : [])));
  return { ...withRings(settings, given), VANE_DATABASE_URL: url };
}

/** What `keys check` says about a database and the rings of an environment. @param {Record<string, string>} environment @param {string[]} options */
export async function checkKeys(environment, ...options) {
  const { code, output } = await run(process.execPath, [join(root, 'dist/keys-cli.js'), 'check', ...options], { env: environment });
  return { ok: code === 0, text: output.trim().split('\n').slice(0, -1).join('\n') };
}

/**
 * Does something with the Postgres server of an installation, whether Vane is up or not; servers that were started for it
 * are stopped again. `url` names the installation's database, which need not exist.
 * @template T @param {string} dir @param {Record<string, string>} settings @param {Environment} env
 * @param {(url: string) => Promise<T>} work @param {(line: string) => void} [say] @returns {Promise<T>}
 */
export async function withDatabase(dir, settings, env, work, say = () => undefined) {
  const running = isUp(dir) ? readState(dir).supervisor : undefined;
  if (running) return work(running.urls.database);
  // What is built is good enough: a backup is made before an upgrade, and of what the old version left.
  if (!existsSync(join(root, 'dist/keys-cli.js'))) await prepare();
  const before = runningOwnServers(dir);
  try {
    const server = (await findServers({ dir, env, say })).postgres.url;
    return await work(databaseUrl(server, env.VANE_DATABASE_NAME || databaseNameIn(server) || settings.VANE_DATABASE_NAME || 'vane'));
  } finally {
    const ours = runningOwnServers(dir).filter((name) => !before.includes(name));
    if (ours.length && !isUp(dir)) await stopOwnServers({ dir, only: ours });
  }
}

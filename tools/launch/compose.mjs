import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.mjs';
import { findProgram, run, runAttached } from './run.mjs';

/** @typedef {import('./index.mjs').ServerName} ServerName */

const containerPorts = { postgres: 5432, redis: 6379, nats: 4222 };
const file = join(root, 'deploy/servers.compose.yml');
const compose = ['compose', '-f', file];

/** Whether there is a compose file and a Docker engine that answers within three seconds. */
export async function composeAnswers() {
  const docker = findProgram(['docker']);
  if (!docker || !existsSync(file)) return false;
  const info = await run(docker, ['info', '--format', '{{.ServerVersion}}'], { timeoutMs: 3_000 });
  return info.code === 0 && (await run(docker, [...compose, 'version'], { timeoutMs: 10_000 })).code === 0;
}

/** @param {ServerName[]} names @returns {Promise<ServerName[]>} those of them that were not running before */
export async function composeUp(names) {
  const before = await run('docker', [...compose, 'ps', '--services', '--status', 'running']);
  const running = new Set(before.stdout.split('\n').map((line) => line.trim()));
  const code = await runAttached('docker', [...compose, 'up', '-d', ...names, '--wait']);
  return code === 0 ? names.filter((name) => !running.has(name)) : [];
}

/** @param {ServerName[]} names */
export async function composeStop(names) {
  if (names.length) await run('docker', [...compose, 'stop', ...names]);
}

/**
 * Where a service of the compose file answers on this machine, with the credentials the file gives it.
 * @param {ServerName} name @returns {Promise<string | undefined>}
 */
export async function composeUrl(name) {
  const [published, config] = await Promise.all([
    run('docker', [...compose, 'port', name, String(containerPorts[name])]),
    run('docker', [...compose, 'config', '--format', 'json']),
  ]);
  const port = /:(\d+)\s*$/.exec(published.stdout.split('\n')[0] ?? '')?.[1];
  if (published.code !== 0 || !port) return undefined;
  const environment = config.code === 0 ? JSON.parse(config.stdout).services?.[name]?.environment ?? {} : {};
  if (name !== 'postgres') return `${name}://127.0.0.1:${port}`;
  const user = encodeURIComponent(environment.POSTGRES_USER ?? 'postgres');
  const password = environment.POSTGRES_PASSWORD ? `:${encodeURIComponent(environment.POSTGRES_PASSWORD)}` : '';
  return `postgres://${user}${password}@127.0.0.1:${port}/`;
}

import { userInfo } from 'node:os';
import { composeAnswers, composeUp, composeUrl } from './compose.mjs';
import { canStartOwn, runningOwnServers, startOwnServers } from './own-servers.mjs';
import { stateDirectory } from './paths.mjs';
import { maskUrl, Problem, say as sayAloud } from './problem.mjs';
import { probeNats, probePostgres, probeRedis } from './probes.mjs';
import { findProgram, runAttached } from './run.mjs';
import { readState, updateState } from './state.mjs';

/**
 * @typedef {import('./index.mjs').ServerName} ServerName
 * @typedef {import('./index.mjs').FoundServer} FoundServer
 * @typedef {{ title: string, variable: string, example: string, standardPort: number, package: string }} Kind
 * @typedef {Partial<Record<ServerName, FoundServer>>} Found
 */

/** @type {ServerName[]} */
const names = ['postgres', 'redis', 'nats'];

/** @type {Record<ServerName, Kind>} */
const kinds = {
  postgres: { title: 'PostgreSQL 15 or later', variable: 'VANE_DATABASE_URL', example: 'postgres://user:password@host:5432/', standardPort: 5432, package: 'postgresql' },
  redis: { title: 'Redis 7 (or Valkey)', variable: 'VANE_REDIS_URL', example: 'redis://host:6379', standardPort: 6379, package: 'redis-server' },
  nats: { title: 'NATS 2.9 or later with JetStream', variable: 'VANE_NATS_URL', example: 'nats://host:4222', standardPort: 4222, package: 'nats-server' },
};

/** @param {ServerName} name @param {string} text */
function parseUrl(name, text) {
  const first = text.split(',')[0] ?? '';
  try {
    return new URL(name === 'nats' && !first.includes('://') ? `nats://${first}` : first);
  } catch {
    throw new Problem(`${kinds[name].variable} is no URL: write it like ${kinds[name].example}.`);
  }
}

/** Asks the address of a URL who it is. @param {ServerName} name @param {string} text @param {number} [timeoutMs] */
export function probeUrl(name, text, timeoutMs = 5_000) {
  const url = parseUrl(name, text);
  const address = { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port) || kinds[name].standardPort, timeoutMs };
  const user = decodeURIComponent(url.username) || undefined;
  if (name === 'nats') return probeNats(address);
  if (name === 'redis') return probeRedis({ ...address, tls: url.protocol === 'rediss:', user, password: decodeURIComponent(url.password) || undefined });
  return probePostgres({ ...address, user: user ?? 'postgres', database: decodeURIComponent(url.pathname.slice(1)) || 'postgres' });
}

/** @param {ServerName} name @param {string} url @returns {Promise<FoundServer>} */
async function fromEnvironment(name, url) {
  const { variable, title } = kinds[name];
  const probe = await probeUrl(name, url);
  // A Postgres that only wants a password or another database is the one that was meant: opening it shows the rest.
  if (probe.ok || (name === 'postgres' && probe.present)) return { url, how: `${maskUrl(url)}, from ${variable}` };
  throw new Problem(`${variable} names ${maskUrl(url)}, but ${probe.reason}: start ${title} there, correct ${variable}, or unset it.`);
}

/** @param {ServerName} name @param {(line: string) => void} say @returns {Promise<FoundServer | undefined>} */
async function fromStandardPort(name, say) {
  const port = kinds[name].standardPort;
  const users = name === 'postgres' ? [...new Set(['postgres', userInfo().username])] : [''];
  let reason = '';
  for (const user of users) {
    const url = name === 'postgres' ? `postgres://${encodeURIComponent(user)}@127.0.0.1:${port}/` : `${name}://127.0.0.1:${port}`;
    const probe = await probeUrl(name, url, 2_000);
    if (probe.ok) return { url, how: `127.0.0.1:${port}` };
    if (probe.present) reason ||= probe.reason;
  }
  if (reason) say(`${name}: the one on 127.0.0.1:${port} cannot be used, because ${reason}. To use it, set ${kinds[name].variable}.`);
  return undefined;
}

/** @param {string} dir @param {ServerName[]} missing @param {(line: string) => void} say @returns {Promise<Found>} */
async function fromCompose(dir, missing, say) {
  if (!missing.length || !(await composeAnswers())) return {};
  say(`Starting ${missing.join(', ')} with docker compose ...`);
  const started = await composeUp(missing);
  updateState(dir, (state) => { state.compose = [...new Set([...(state.compose ?? []), ...started])]; });
  /** @type {Found} */
  const found = {};
  for (const name of missing) {
    const url = await composeUrl(name);
    if (url && (await probeUrl(name, url)).present) found[name] = { url, how: 'docker compose' };
  }
  return found;
}

/** @param {string} dir @param {ServerName[]} wanted @returns {Promise<Found>} */
async function fromPrograms(dir, wanted) {
  const possible = wanted.filter(canStartOwn);
  const urls = await startOwnServers({ dir, postgres: possible.includes('postgres'), redis: possible.includes('redis'), nats: possible.includes('nats') });
  const servers = readState(dir).servers;
  return Object.fromEntries(possible.map((name) => [name, { url: urls[name], how: `our own, on port ${servers?.[name]?.port}` }]));
}

/** @param {ServerName[]} missing @param {(line: string) => void} say */
async function installPackages(missing, say) {
  const apt = findProgram(['apt-get']);
  if (!missing.length || !apt || process.getuid?.() !== 0) return;
  const packages = missing.map((name) => kinds[name].package);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  say(`Installing ${packages.join(', ')} with apt-get ...`);
  await runAttached(apt, ['update', '-qq'], { env });
  for (const name of packages) await runAttached(apt, ['install', '-y', '-qq', name], { env });
}

/** @param {ServerName[]} missing */
function missingServers(missing) {
  return new Problem(missing.map((name) => {
    const { title, variable, example, package: debianPackage } = kinds[name];
    return `Vane needs ${title} and found none: set ${variable} (like ${example}), or install ${debianPackage}, or start Docker.`;
  }).join('\n'));
}

/** @type {typeof import('./index.mjs').findServers} */
export async function findServers({ env = process.env, dir = stateDirectory(env), say = sayAloud } = {}) {
  /** @type {Found} */
  const found = {};
  const missing = () => names.filter((name) => !found[name]);
  if (env.VANE_SERVERS && env.VANE_SERVERS !== 'own') throw new Problem(`VANE_SERVERS is "${env.VANE_SERVERS}": the only value it knows is "own".`);
  if (env.VANE_SERVERS !== 'own') {
    for (const name of names) {
      const url = env[kinds[name].variable];
      if (url) found[name] = await fromEnvironment(name, url);
    }
    // What an earlier start gave its data to is kept, even if a server has since appeared on the standard port.
    Object.assign(found, await fromPrograms(dir, missing().filter((name) => runningOwnServers(dir).includes(name))));
    for (const name of missing()) {
      const server = await fromStandardPort(name, say);
      if (server) found[name] = server;
    }
    Object.assign(found, await fromCompose(dir, missing(), say));
  }
  Object.assign(found, await fromPrograms(dir, missing()));
  if (missing().length) {
    await installPackages(missing(), say);
    Object.assign(found, await fromPrograms(dir, missing()));
  }
  if (missing().length) throw missingServers(missing());
  for (const name of names) say(`${name}: ${found[name]?.how}`);
  return /** @type {import('./index.mjs').FoundServers} */ (found);
}

import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Problem } from './problem.mjs';
import { endProcess, isRunning, recordProcess, sendSignal } from './processes.mjs';
import { freePort, isPortFree } from './ports.mjs';
import { findPostgres, preparePostgres } from './own-postgres.mjs';
import { probeNats, probePostgres, probeRedis } from './probes.mjs';
import { findProgram, waitFor } from './run.mjs';
import { readState, updateState } from './state.mjs';

/**
 * @typedef {import('./index.mjs').ServerName} ServerName
 * @typedef {import('./index.mjs').OwnServer} OwnServer
 * @typedef {{ command: string, args: string[], marker: string, data: string, uid?: number, gid?: number, cwd?: string }} Launch
 * @typedef {{
 *   find: () => string | undefined,
 *   launch: (program: string, folder: string, port: number) => Launch | Promise<Launch>,
 *   probe: (port: number) => Promise<import('./probes.mjs').Probe>,
 *   url: (port: number) => string,
 *   stop: NodeJS.Signals,
 * }} Kind
 */

const systemFolders = ['/usr/sbin', '/usr/local/sbin', '/usr/local/bin', '/opt/homebrew/bin'];

/** @type {Record<ServerName, Kind>} */
const kinds = {
  postgres: {
    find: findPostgres,
    launch: preparePostgres,
    probe: (port) => probePostgres({ host: '127.0.0.1', port }),
    url: (port) => `postgres://postgres@127.0.0.1:${port}/`,
    stop: 'SIGINT', // fast shutdown: does not wait for clients to leave
  },
  redis: {
    find: () => findProgram(['redis-server', 'valkey-server'], systemFolders),
    launch: (program, folder, port) => ({
      command: program,
      args: ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no',
        '--maxmemory-policy', 'noeviction', '--daemonize', 'no', '--dir', folder],
      marker: String(port), // Redis rewrites its command line to its name and address
      data: folder,
    }),
    probe: (port) => probeRedis({ host: '127.0.0.1', port }),
    url: (port) => `redis://127.0.0.1:${port}`,
    stop: 'SIGTERM',
  },
  nats: {
    find: () => findProgram(['nats-server'], systemFolders),
    launch: (program, folder, port) => ({
      command: program,
      args: ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', folder],
      marker: folder,
      data: folder,
    }),
    probe: (port) => probeNats({ host: '127.0.0.1', port }),
    url: (port) => `nats://127.0.0.1:${port}`,
    stop: 'SIGTERM',
  },
};

/** Whether this machine has the program for a server of our own. @param {ServerName} name */
export function canStartOwn(name) {
  return kinds[name].find() !== undefined;
}

/** The last lines of a text file, for error messages. @param {string} path @param {number} count */
export function lastLines(path, count) {
  try {
    return readFileSync(path, 'utf8').trimEnd().split('\n').slice(-count).join('\n');
  } catch {
    return '(nothing was logged)';
  }
}

/** @param {Launch} launch @param {string} log */
function spawnServer(launch, log) {
  const output = openSync(log, 'a', 0o600);
  try {
    const child = spawn(launch.command, launch.args, {
      detached: true, stdio: ['ignore', output, output], uid: launch.uid, gid: launch.gid, cwd: launch.cwd ?? launch.data,
    });
    child.unref();
    return child;
  } finally {
    closeSync(output);
  }
}

/**
 * One try on one port. @param {string} dir @param {ServerName} name @param {string} program @param {number} port
 * @returns {Promise<OwnServer | undefined>} undefined when the server ended before it answered
 */
async function startOnPort(dir, name, program, port) {
  const kind = kinds[name];
  const folder = join(dir, 'servers', name);
  mkdirSync(folder, { recursive: true });
  const launch = await kind.launch(program, folder, port);
  const child = spawnServer(launch, join(dir, 'logs', `${name}.log`));
  let ended = false;
  child.once('exit', () => { ended = true; });
  child.once('error', () => { ended = true; });
  await waitFor(async () => ended || (await kind.probe(port)).ok, 60_000);
  if (ended || child.pid === undefined) return undefined;
  return { ...recordProcess(child.pid, launch.marker), port, url: kind.url(port), data: launch.data };
}

/** @param {string} dir @param {ServerName} name @returns {Promise<OwnServer>} */
async function startOne(dir, name) {
  const program = kinds[name].find();
  if (!program) throw new Problem(`No program to start ${name} with was found on this machine: install it.`);
  mkdirSync(join(dir, 'logs'), { recursive: true });
  const before = readState(dir).servers?.[name];
  for (let attempt = 0; attempt < 3; attempt += 1) {
    // A killed Postgres holds its port until its last child has noticed.
    const again = before && attempt < 2 && (await waitFor(() => isPortFree(before.port), 10_000));
    const port = again ? before.port : await freePort();
    const server = await startOnPort(dir, name, program, port);
    if (server) return server;
  }
  const log = join(dir, 'logs', `${name}.log`);
  throw new Problem(`Our own ${name} does not start: see ${log}, which ends with:\n${lastLines(log, 10)}`);
}

/** @type {typeof import('./index.mjs').startOwnServers} */
export async function startOwnServers(options) {
  const { dir } = options;
  const wanted = /** @type {ServerName[]} */ (['postgres', 'redis', 'nats']).filter((name) => options[name]);
  const started = await Promise.all(wanted.map(async (name) => {
    const known = readState(dir).servers?.[name];
    const server = known && isRunning(known) && (await kinds[name].probe(known.port)).ok ? known : await startOne(dir, name);
    updateState(dir, (state) => { state.servers = { ...state.servers, [name]: server }; });
    return [name, server.url];
  }));
  return Object.fromEntries(started);
}

/** The names of our own servers that run now. @param {string} dir */
export function runningOwnServers(dir) {
  const servers = Object.entries(readState(dir).servers ?? {});
  return /** @type {ServerName[]} */ (servers.filter(([, server]) => isRunning(server)).map(([name]) => name));
}

/** @type {typeof import('./index.mjs').stopOwnServers} */
export async function stopOwnServers({ dir, only, removeData = false }) {
  const servers = readState(dir).servers ?? {};
  const names = /** @type {ServerName[]} */ (Object.keys(servers)).filter((name) => !only || only.includes(name));
  /** @type {ServerName[]} */
  const stopped = [];
  await Promise.all(names.map(async (name) => {
    const server = servers[name];
    if (await endProcess(server, { signal: kinds[name].stop })) stopped.push(name);
    if (removeData && server) rmSync(server.data, { recursive: true, force: true });
  }));
  if (names.length) {
    updateState(dir, (state) => {
      for (const name of names) delete state.servers?.[name];
    });
  }
  return stopped.sort();
}

/** @type {typeof import('./index.mjs').killServer} */
export async function killServer(dir, name, signal = 'SIGKILL') {
  const server = readState(dir).servers?.[name];
  if (!server || !isRunning(server)) throw new Problem(`There is no running ${name} of our own in ${dir}.`);
  sendSignal(server.pid, signal);
  if (signal === 'SIGKILL' || signal === kinds[name].stop) await waitFor(() => !isRunning(server), 15_000);
  return server.pid;
}

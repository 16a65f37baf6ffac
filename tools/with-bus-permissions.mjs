// node tools/with-bus-permissions.mjs COMMAND...: runs a command of ./vane with servers of its own, of which NATS has the
// configuration that docker compose gives it: every app is a user of its own. Fails when NATS refused an app anything.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startOwnServers, stopInstance } from './launch/index.mjs';
import { appNames } from './launch/app-environments.mjs';
import { root } from './launch/paths.mjs';
import { freePort, variableSuffix } from './launch/ports.mjs';
import { probeNats } from './launch/probes.mjs';
import { say } from './launch/problem.mjs';
import { findProgram, runAttached, waitFor } from './launch/run.mjs';

/** @param {string} app any password that NATS does not read as a number */
const passwordOf = (app) => `p${Buffer.from(app).toString('hex')}`;

/** The shipped configuration, on free ports and with its files in `folder`. @param {string} folder */
async function startNats(folder) {
  const [port, httpPort] = [await freePort(), await freePort()];
  const configuration = readFileSync(join(root, 'deploy/nats.conf'), 'utf8')
    .replace(/^port: \d+$/m, `listen: "127.0.0.1:${port}"`)
    .replace(/^http_port: \d+$/m, `http: "127.0.0.1:${httpPort}"`)
    .replace('"/data"', JSON.stringify(join(folder, 'jetstream')));
  writeFileSync(join(folder, 'nats.conf'), configuration);
  const program = findProgram(['nats-server'], ['/usr/sbin', '/usr/local/sbin']) ?? 'nats-server';
  const passwords = Object.fromEntries(appNames.map((app) => [`VANE_NATS_PASSWORD_${variableSuffix(app)}`, passwordOf(app)]));
  const child = spawn(program, ['-c', join(folder, 'nats.conf'), '-l', join(folder, 'nats.log')], { env: { PATH: process.env.PATH, ...passwords }, stdio: 'ignore' });
  let ended = false;
  child.once('exit', () => { ended = true; });
  child.once('error', () => { ended = true; });
  await waitFor(async () => ended || (await probeNats({ host: '127.0.0.1', port })).present, 30_000);
  if (ended) throw new Error('nats-server does not start with deploy/nats.conf.');
  return { port, stop: () => { child.kill('SIGTERM'); return waitFor(() => ended, 15_000); } };
}

/** @param {string} folder @param {string[]} command */
async function runRestricted(folder, [command = '', ...args]) {
  const dir = join(folder, 'state');
  const servers = join(folder, 'servers');
  mkdirSync(servers, { recursive: true });
  const own = await startOwnServers({ dir: servers, postgres: true, redis: true });
  const nats = await startNats(folder);
  const urls = Object.fromEntries(appNames.map((app) => [`VANE_NATS_URL_${variableSuffix(app)}`, `nats://${app}:${passwordOf(app)}@127.0.0.1:${nats.port}`]));
  try {
    return await runAttached(command, args, { env: {
      ...process.env, VANE_SERVERS: undefined, VANE_STATE_DIR: dir, VANE_PORTS: 'free', VANE_PREFIX: 'vane',
      VANE_DATABASE_URL: own.postgres, VANE_REDIS_URL: own.redis, VANE_NATS_URL: `nats://127.0.0.1:${nats.port}`, ...urls,
    } });
  } finally {
    await stopInstance({ dir, removeData: true });
    await stopInstance({ dir: servers, removeData: true });
    await nats.stop();
  }
}

const folder = mkdtempSync(join(tmpdir(), 'vane-restricted-'));
try {
  const code = await runRestricted(folder, process.argv.slice(2));
  const refusals = readFileSync(join(folder, 'nats.log'), 'utf8').split('\n').filter((line) => /violation|authorization error/i.test(line));
  for (const line of refusals) say(line);
  say(JSON.stringify({ ok: code === 0 && refusals.length === 0, code, refusals: refusals.length }));
  process.exitCode = code !== 0 ? code : refusals.length > 0 ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

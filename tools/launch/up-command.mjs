import { join } from 'node:path';
import { startInstance, stopInstance } from './instance.mjs';
import { runningOwnServers } from './own-servers.mjs';
import { stateDirectory } from './paths.mjs';
import { prepare } from './prepare.mjs';
import { maskUrl, Problem, say } from './problem.mjs';
import { isRunning } from './processes.mjs';
import { waitFor } from './run.mjs';
import { readSettings, updateSettings } from './settings.mjs';
import { readState } from './state.mjs';
import { appTitle, hasCrashed, isUp, readiness } from './supervisor-control.mjs';
import { followLogs } from './logs-command.mjs';

/** The last line of a command. @param {Record<string, unknown>} facts */
export function sayJson(facts) {
  say(JSON.stringify(facts));
}

/** @param {import('./index.mjs').Instance} instance */
async function showToken(instance) {
  const settings = await readSettings({ dir: instance.dir });
  if (process.env.VANE_BOOTSTRAP_TOKEN || settings.tokenShown) return;
  say(`Admin token (shown this once; kept in ${join(instance.dir, 'settings.json')}): ${instance.adminToken}`);
  updateSettings(instance.dir, (stored) => { stored.tokenShown = true; });
}

/** Stays until a signal or the end of the supervisor. @param {string} dir @returns {Promise<number>} */
async function stayInForeground(dir) {
  const controller = new AbortController();
  const stop = () => controller.abort();
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  const following = followLogs(dir, controller.signal);
  await waitFor(() => controller.signal.aborted || !isUp(dir), Infinity, 200);
  const asked = controller.signal.aborted;
  controller.abort();
  await following;
  const stopped = await stopInstance({ dir });
  if (!asked) throw new Problem(`The supervisor has ended: see ${join(dir, 'logs', 'supervisor.log')}.`);
  sayJson({ ok: true, stopped });
  return 0;
}

/** @param {string[]} args */
export async function upCommand(args) {
  const foreground = args.includes('--foreground');
  const unknown = args.find((arg) => arg !== '--foreground');
  if (unknown) throw new Problem(`./vane up does not know "${unknown}": its only option is --foreground.`, 2);
  const startedAt = performance.now();
  const dir = stateDirectory();
  // A running Vane is left alone: building would change the programs under its feet.
  if (!isUp(dir)) await prepare();
  const instance = await startInstance();
  if (!instance.started) say('Vane is already up.');
  say(`Console: ${instance.api}/`);
  say(`API: ${instance.api}`);
  say(`Webhooks arrive at: ${process.env.VANE_PUBLIC_URL || instance.ingress}`);
  await showToken(instance);
  const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
  sayJson({ ok: true, seconds, api: instance.api, ingress: instance.ingress });
  return foreground ? stayInForeground(dir) : 0;
}

export async function downCommand() {
  const stopped = await stopInstance({ dir: stateDirectory() });
  say(stopped.length ? `Stopped ${stopped.join(', ')}.` : 'Nothing was running.');
  sayJson({ ok: true, stopped });
  return 0;
}

export async function statusCommand() {
  const dir = stateDirectory();
  const { apps = [], supervisor, servers = {}, compose = [] } = readState(dir);
  const up = isUp(dir);
  if (up) say(`Vane is up since ${supervisor?.startedAt} (supervisor ${supervisor?.pid}).`);
  else say(hasCrashed(dir) ? 'The supervisor has crashed: ./vane up cleans up and starts again, ./vane down only cleans up.' : 'Vane is down.');
  const states = await Promise.all(apps.map(async (app) => {
    const reason = isRunning(app) ? await readiness(app) : 'it does not run';
    const line = `${appTitle(app)}: ${reason || 'ready'}, http://127.0.0.1:${app.port}, ${app.pid ? `pid ${app.pid}` : 'no process'}, ${app.restarts} restarts`;
    return { line, ready: reason === '' };
  }));
  for (const { line } of states) say(line);
  const running = runningOwnServers(dir);
  for (const [name, server] of Object.entries(servers)) {
    const alive = running.some((one) => one === name);
    say(`${name}: ours, ${alive ? `pid ${server.pid}, ${maskUrl(server.url)}` : 'died'}`);
  }
  for (const name of compose) say(`${name}: started with docker compose`);
  const ready = states.filter((state) => state.ready).length;
  const ok = up && ready === apps.length;
  sayJson({ ok, up, crashed: hasCrashed(dir), ready, apps: apps.length, servers: running });
  return ok ? 0 : 1;
}


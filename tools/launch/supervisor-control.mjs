import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { lastLines } from './own-servers.mjs';
import { root } from './paths.mjs';
import { Problem } from './problem.mjs';
import { endProcess, isRunning, sendSignal } from './processes.mjs';
import { waitFor } from './run.mjs';
import { readState, updateState, writePrivateJson } from './state.mjs';
import { logPath } from './supervise.mjs';

/** @typedef {import('./index.mjs').AppRecord} AppRecord */

const program = fileURLToPath(new URL('./supervisor.mjs', import.meta.url));

/** @param {string} dir */
export function isUp(dir) {
  return isRunning(readState(dir).supervisor);
}

/** Whether a supervisor was started here and ended without being told to. @param {string} dir */
export function hasCrashed(dir) {
  const { supervisor } = readState(dir);
  return supervisor !== undefined && !isRunning(supervisor);
}

/** @type {typeof import('./index.mjs').startSupervisor} */
export async function startSupervisor({ dir, apps, urls }) {
  if (isUp(dir)) throw new Problem(`Vane is already up in ${dir}: stop it first with ./vane down.`);
  mkdirSync(join(dir, 'logs'), { recursive: true });
  writePrivateJson(join(dir, 'plan.json'), { apps, urls });
  const log = join(dir, 'logs', 'supervisor.log');
  const output = openSync(log, 'a', 0o600);
  const child = spawn(process.execPath, [program, dir], { detached: true, cwd: root, stdio: ['ignore', output, output] });
  closeSync(output);
  child.unref();
  let ended = false;
  child.once('exit', () => { ended = true; });
  await waitFor(() => ended || readState(dir).supervisor?.pid === child.pid, 15_000);
  const { supervisor } = readState(dir);
  if (ended || !supervisor || supervisor.pid !== child.pid) throw new Problem(`The supervisor did not start: see ${log}, which ends with:\n${lastLines(log, 10)}`);
  return { pid: supervisor.pid };
}

/** @type {typeof import('./index.mjs').stopSupervisor} */
export async function stopSupervisor(dir) {
  const { supervisor, apps = [] } = readState(dir);
  const running = apps.filter(isRunning).map((app) => app.name);
  // Longer than the supervisor gives its apps: it must be able to kill them itself.
  await endProcess(supervisor, { graceMs: 20_000 });
  await Promise.all(apps.map((app) => endProcess(app)));
  if (supervisor || apps.length) {
    updateState(dir, (state) => {
      delete state.supervisor;
      delete state.apps;
    });
  }
  return [...new Set(running)];
}

/** @param {AppRecord} app @returns {Promise<string>} empty when it is ready, else what is wrong */
export async function readiness(app) {
  try {
    const answer = await fetch(`http://127.0.0.1:${app.port}/readyz`, { signal: AbortSignal.timeout(3_000) });
    const text = (await answer.text()).replace(/\s+/g, ' ').slice(0, 300);
    return answer.status === 200 ? '' : `/readyz says ${answer.status} ${text}`.trim();
  } catch {
    return app.restarts > 0 ? `it does not answer and was started ${app.restarts + 1} times` : 'it does not answer';
  }
}

/** @param {AppRecord} app */
export function appTitle(app) {
  return app.instance === 1 ? app.name : `${app.name} (process ${app.instance})`;
}

/** @type {typeof import('./index.mjs').waitReady} */
export async function waitReady(dir, { timeoutMs = 150_000 } = {}) {
  /** @type {Array<{ app: AppRecord, reason: string }>} */
  let waiting = [];
  const ready = await waitFor(async () => {
    if (!isUp(dir)) throw new Problem(`The supervisor has ended: see ${join(dir, 'logs', 'supervisor.log')}.`);
    const states = await Promise.all((readState(dir).apps ?? []).map(async (app) => ({ app, reason: await readiness(app) })));
    waiting = states.filter(({ reason }) => reason);
    return waiting.length === 0;
  }, timeoutMs, 200);
  if (ready) return;
  const lines = waiting.map(({ app, reason }) => {
    const log = logPath(dir, app);
    return `${appTitle(app)} is not ready after ${timeoutMs / 1000} s: ${reason}. The end of ${log}:\n${lastLines(log, 20)}`;
  });
  throw new Problem(lines.join('\n'));
}

/** @type {typeof import('./index.mjs').killApp} */
export function killApp(dir, name, { signal = 'SIGKILL', instance = 1 } = {}) {
  const app = readState(dir).apps?.find((one) => one.name === name && one.instance === instance);
  if (!app || !isRunning(app)) throw new Problem(`${name} does not run now, so it cannot be sent ${signal}.`);
  sendSignal(app.pid, signal);
  return app.pid;
}

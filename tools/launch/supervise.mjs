import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { LogFile } from './log-file.mjs';
import { root } from './paths.mjs';
import { recordProcess } from './processes.mjs';

/** @typedef {import('./index.mjs').PlannedApp} PlannedApp */

const quickDeathMs = 10_000;
const longestDelayMs = 5_000;

/**
 * How long to wait before starting an app again.
 * @param {number} quickDeaths how many times in a row it has now died within ten seconds of its start
 */
export function restartDelay(quickDeaths) {
  return quickDeaths <= 1 ? 0 : Math.min(250 * 2 ** (quickDeaths - 2), longestDelayMs);
}

/** @param {string} dir the state directory @param {{ name: string, instance: number }} app */
export function logPath(dir, { name, instance }) {
  return join(dir, 'logs', instance === 1 ? `${name}.log` : `${name}-${instance}.log`);
}

/**
 * Keeps one app process alive: starts it, writes what it prints to its log, starts it again when it ends.
 */
export class SupervisedApp {
  /** @type {import('node:child_process').ChildProcess | undefined} */ #child;
  /** @type {NodeJS.Timeout | undefined} */ #timer;
  #quickDeaths = 0;
  #stopping = false;
  #restarts = 0;

  /** @param {PlannedApp} plan @param {string} dir the state directory @param {() => void} changed called when the pid changes */
  constructor(plan, dir, changed) {
    this.plan = plan;
    this.changed = changed;
    this.marker = plan.args.at(-1) ?? plan.command;
    this.log = new LogFile(logPath(dir, plan));
  }

  start() {
    const { command, args, environment } = this.plan;
    const startedAt = performance.now();
    const child = spawn(command, args, { cwd: root, env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    child.stdout.on('data', (chunk) => this.log.write(chunk));
    child.stderr.on('data', (chunk) => this.log.write(chunk));
    let ended = false;
    const end = (/** @type {string} */ how) => {
      if (ended) return;
      ended = true;
      this.#child = undefined;
      this.log.write(`${this.#title()} ${how}\n`);
      this.#ended(performance.now() - startedAt);
    };
    child.once('error', (error) => end(`could not be started: ${error.message}`));
    child.once('exit', (code, signal) => end(`ended (${signal ?? `exit code ${code}`})`));
    this.changed();
  }

  #title() {
    return `supervisor: ${this.plan.name} ${this.plan.instance}`;
  }

  /** @param {number} livedMs */
  #ended(livedMs) {
    this.#quickDeaths = livedMs < quickDeathMs ? this.#quickDeaths + 1 : 1;
    if (!this.#stopping) {
      const delay = restartDelay(this.#quickDeaths);
      this.log.write(`${this.#title()} starts again${delay ? ` in ${delay} ms` : ''}\n`);
      this.#timer = setTimeout(() => { this.#restarts += 1; this.start(); }, delay);
    }
    this.changed();
  }

  /** Ends the app for good: SIGTERM, and SIGKILL when it has not ended in time. @param {number} [graceMs] */
  async stop(graceMs = 15_000) {
    this.#stopping = true;
    clearTimeout(this.#timer);
    const child = this.#child;
    if (child && child.exitCode === null && child.signalCode === null) {
      const exit = new Promise((done) => child.once('exit', done));
      child.kill('SIGTERM');
      const killer = setTimeout(() => child.kill('SIGKILL'), graceMs);
      await exit;
      clearTimeout(killer);
    }
    this.log.close();
  }

  /** @returns {import('./index.mjs').AppRecord} */
  record() {
    const { name, instance, port } = this.plan;
    const pid = this.#child?.pid ?? null;
    const base = { name, instance, port, restarts: this.#restarts };
    return pid === null ? { ...base, pid, marker: this.marker } : { ...base, ...recordProcess(pid, this.marker) };
  }
}

import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { root } from './paths.mjs';

/**
 * @typedef {{ cwd?: string, env?: import('./index.mjs').Environment, timeoutMs?: number, uid?: number, gid?: number }} RunOptions
 * @typedef {{ code: number, output: string, stdout: string }} RunResult `code` is 128 after a signal, 127 when it could not start
 */

/**
 * Runs a program to its end and keeps what it prints.
 * @param {string} command @param {string[]} args @param {RunOptions} [options] @returns {Promise<RunResult>}
 */
export function run(command, args, options = {}) {
  return new Promise((done) => {
    const child = spawn(command, args, {
      cwd: options.cwd ?? root, env: options.env ?? process.env, uid: options.uid, gid: options.gid,
      stdio: ['ignore', 'pipe', 'pipe'], timeout: options.timeoutMs, killSignal: 'SIGKILL',
    });
    let output = '';
    let stdout = '';
    child.stdout.on('data', (chunk) => { output += chunk; stdout += chunk; });
    child.stderr.on('data', (chunk) => { output += chunk; });
    child.on('error', (error) => done({ code: 127, output: error.message, stdout }));
    child.on('close', (code) => done({ code: code ?? 128, output, stdout }));
  });
}

/**
 * Runs a program on our own terminal, passing on the signals that ask us to stop.
 * @param {string} command @param {string[]} args @param {RunOptions} [options] @returns {Promise<number>} its exit code
 */
export function runAttached(command, args, options = {}) {
  return new Promise((done) => {
    const child = spawn(command, args, { cwd: options.cwd ?? root, env: options.env ?? process.env, stdio: 'inherit' });
    /** @param {NodeJS.Signals} signal */
    const pass = (signal) => { child.kill(signal); };
    process.on('SIGTERM', pass);
    process.on('SIGINT', pass);
    const finish = (/** @type {number} */ code) => {
      process.off('SIGTERM', pass);
      process.off('SIGINT', pass);
      done(code);
    };
    child.on('error', () => finish(127));
    child.on('close', (code) => finish(code ?? 128));
  });
}

/**
 * The path of the first of these programs that PATH (or one of the extra folders) holds.
 * @param {string[]} names @param {string[]} [folders]
 */
export function findProgram(names, folders = []) {
  const places = [...(process.env.PATH ?? '').split(delimiter), ...folders].filter(Boolean);
  for (const name of names) {
    for (const place of places) {
      const path = join(place, name);
      try {
        accessSync(path, constants.X_OK);
        if (statSync(path).isFile()) return path;
      } catch {
        continue;
      }
    }
  }
  return undefined;
}

/** Calls `check` until it gives something true or time is up. @template T
 * @param {() => T | Promise<T>} check @param {number} timeoutMs @param {number} [everyMs] @returns {Promise<T | undefined>} */
export async function waitFor(check, timeoutMs, everyMs = 50) {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (performance.now() >= end) return undefined;
    await new Promise((next) => setTimeout(next, everyMs));
  }
}

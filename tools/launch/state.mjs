import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Problem } from './problem.mjs';
import { isRunning, recordProcess } from './processes.mjs';
import { waitFor } from './run.mjs';

/** @typedef {import('./index.mjs').State} State */

/** Writes a file that only its owner may read, whole or not at all. @param {string} path @param {unknown} value */
export function writePrivateJson(path, value) {
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  renameSync(draft, path);
}

/** @param {string} path @returns {any} undefined when there is no such file */
export function readJson(path) {
  let text;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem(`${path} is not valid JSON: repair it, or move it away and start again.`);
  }
}

/** @param {string} dir @returns {State} */
export function readState(dir) {
  return readJson(join(dir, 'state.json')) ?? {};
}

/** @param {string} path @returns {boolean} */
function tryLock(path) {
  try {
    const file = openSync(path, 'wx', 0o600);
    writeSync(file, JSON.stringify(recordProcess(process.pid, '')));
    closeSync(file);
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
  }
  let holder;
  try {
    holder = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return false; // being written, or just released
  }
  if (!isRunning(holder)) rmSync(path, { force: true });
  return false;
}

/** Nobody holds this lock for more than a few file operations: the state is small and both writers are ours. */
const pause = new Int32Array(new SharedArrayBuffer(4));

/**
 * Changes the state under a lock, because the launcher and the supervisor both write it.
 * @param {string} dir @param {(state: State) => void} change @returns {State}
 */
export function updateState(dir, change) {
  mkdirSync(dir, { recursive: true });
  const lock = join(dir, 'state.lock');
  const end = performance.now() + 5_000;
  while (!tryLock(lock)) {
    // Longer than any holder needs: an unreadable lock file, left by a kill between its creation and its first byte.
    if (performance.now() > end) rmSync(lock, { force: true });
    Atomics.wait(pause, 0, 0, 5);
  }
  try {
    const state = readState(dir);
    change(state);
    writePrivateJson(join(dir, 'state.json'), state);
    return state;
  } finally {
    rmSync(lock, { force: true });
  }
}

/**
 * Runs `work` while no other launcher does the same thing in this directory.
 * @template T @param {string} dir @param {string} name @param {() => Promise<T>} work @param {number} [timeoutMs]
 */
export async function withLock(dir, name, work, timeoutMs = 600_000) {
  mkdirSync(dir, { recursive: true });
  const lock = join(dir, `${name}.lock`);
  if (!(await waitFor(() => tryLock(lock), timeoutMs, 100))) {
    throw new Problem(`Another Vane command is still busy here: wait for it to end, or delete ${lock} if there is none.`);
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

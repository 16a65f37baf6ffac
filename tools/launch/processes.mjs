import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { waitFor } from './run.mjs';

/** @typedef {import('./index.mjs').ProcessRecord} ProcessRecord */

/** @param {number} pid the words it was started with, or undefined when there is no such process (or it is a zombie) */
function commandLine(pid) {
  if (process.platform === 'linux') {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ') || undefined;
    } catch {
      return undefined;
    }
  }
  const ps = spawnSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  return ps.status === 0 ? ps.stdout.trim() || undefined : undefined;
}

/** When the kernel started it, in clock ticks since boot (proc(5), field 22 of stat); undefined off Linux. @param {number} pid */
export function startTicks(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

/**
 * Notes a process so that it can be recognised later.
 * @param {number} pid @param {string} marker what its command line holds for as long as it runs @returns {ProcessRecord}
 */
export function recordProcess(pid, marker) {
  return { pid, marker, startTicks: startTicks(pid) };
}

/**
 * Whether the noted process still runs; false when its pid has passed to another program.
 * @param {{ pid: number | null, marker: string, startTicks?: string } | undefined} record
 * @returns {record is ProcessRecord}
 */
export function isRunning(record) {
  if (!record?.pid) return false;
  const line = commandLine(record.pid);
  if (line === undefined || !line.includes(record.marker)) return false;
  return record.startTicks === undefined || startTicks(record.pid) === record.startTicks;
}

/** @param {number} pid @param {NodeJS.Signals} signal */
export function sendSignal(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ESRCH') throw error;
  }
}

/**
 * Ends a noted process: first politely, with SIGKILL when it has not ended in time.
 * @param {{ pid: number | null, marker: string, startTicks?: string } | undefined} record
 * @param {{ signal?: NodeJS.Signals, graceMs?: number }} [options] @returns {Promise<boolean>} whether there was one to end
 */
export async function endProcess(record, { signal = 'SIGTERM', graceMs = 15_000 } = {}) {
  if (!isRunning(record)) return false;
  sendSignal(record.pid, signal);
  if (await waitFor(() => !isRunning(record), graceMs)) return true;
  sendSignal(record.pid, 'SIGKILL');
  await waitFor(() => !isRunning(record), 5_000);
  return true;
}

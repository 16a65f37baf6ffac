import { fork, spawn, type ChildProcess } from 'node:child_process';
import { openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Problem } from '../../launch/index.mjs';
import type { LoadJob, LoadResult } from './load-job.js';

const START_DEADLINE_MS = 60_000;

/** A program of ours that is being measured. */
export type Server = { pid: number; stop(): Promise<void> };

/** The path of a built file of Vane. */
export const builtFile = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

/**
 * Starts a program and resolves when `isReady` does. Its output goes to `logFile`. Throws a Problem when it ends first
 * or is not ready in time. With `onMessage` it has a channel to us.
 */
export async function startServer(options: {
  name: string; nodeArgs: string[]; env: Record<string, string>; logFile: string; isReady: () => Promise<boolean>; onMessage?: (message: unknown) => void;
}): Promise<Server> {
  const log = openSync(options.logFile, 'a');
  const child = spawn(process.execPath, options.nodeArgs, { env: options.env, stdio: ['ignore', log, log, ...(options.onMessage ? ['ipc' as const] : [])] });
  if (options.onMessage) child.on('message', options.onMessage);
  const deadline = performance.now() + START_DEADLINE_MS;
  while (!(await options.isReady())) {
    if (child.exitCode !== null) throw new Problem(`${options.name} ended before it was ready: see ${options.logFile}.`);
    if (performance.now() > deadline) {
      child.kill('SIGKILL');
      throw new Problem(`${options.name} was not ready after ${START_DEADLINE_MS / 1000} s: see ${options.logFile}.`);
    }
    await new Promise((next) => setTimeout(next, 50));
  }
  return { pid: child.pid!, stop: () => stopChild(child) };
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((done) => child.once('exit', done));
  child.kill('SIGTERM');
  const impatience = setTimeout(() => child.kill('SIGKILL'), 5_000);
  await ended;
  clearTimeout(impatience);
}

/** Runs the load generator in a process of its own. */
export function runLoad(job: LoadJob): Promise<LoadResult> {
  return new Promise((resolve, reject) => {
    const child = fork(builtFile('tools/dist/bench/load.js'), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    child.once('message', (result) => resolve(result as LoadResult));
    child.once('exit', (code) => reject(new Problem(`The load generator ended with code ${code} and without a result.`)));
    child.send(job);
  });
}

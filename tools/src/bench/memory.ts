import { readFileSync } from 'node:fs';

/** What processes have in memory together, in megabytes. Linux only; elsewhere 0. */
export function residentMb(pids: number[]): number {
  return pids.reduce((sum, pid) => sum + residentKb(pid), 0) / 1024;
}

function residentKb(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

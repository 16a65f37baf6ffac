import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks a second in `/proc`, which Linux fixes for programs (https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html). */
const TICKS = 100;

type Process = { parent: number; ms: number };

function readProcess(pid: number): Process | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name before may hold anything, brackets too.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { parent: Number(fields[1]), ms: ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS };
  } catch {
    return undefined;
  }
}

/** Processor milliseconds that each process and all its children that live have used. Linux only; elsewhere nothing. */
export function cpuOf(pids: Record<string, number>): Record<string, number> {
  const all = new Map<number, Process>();
  try {
    for (const name of readdirSync('/proc')) {
      const found = /^\d+$/.test(name) ? readProcess(Number(name)) : undefined;
      if (found) all.set(Number(name), found);
    }
  } catch {
    return {};
  }
  const sum = (pid: number): number =>
    (all.get(pid)?.ms ?? 0) + [...all].filter(([, { parent }]) => parent === pid).reduce((total, [child]) => total + sum(child), 0);
  return Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, sum(pid)]));
}

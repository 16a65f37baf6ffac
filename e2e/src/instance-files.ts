import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readState } from '../../tools/launch/index.mjs';

/** The log lines of one app, all of its processes together; the supervisor's own lines left out. */
export function logLines(dir: string, app: string): Record<string, unknown>[] {
  return readdirSync(join(dir, 'logs'))
    .filter((file) => file === `${app}.log` || (file.startsWith(`${app}-`) && file.endsWith('.log')))
    .flatMap((file) => readFileSync(join(dir, 'logs', file), 'utf8').split('\n'))
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** Everything that any app of the instance has logged. */
export function allLogs(dir: string): string {
  return readdirSync(join(dir, 'logs'))
    .map((file) => readFileSync(join(dir, 'logs', file), 'utf8'))
    .join('\n');
}

/** The ports of all processes of an app. */
export function portsOf(dir: string, app: string): number[] {
  return (readState(dir).apps ?? []).filter(({ name }) => name === app).map(({ port }) => port);
}

/** A setting that the launcher generated, such as a key. */
export function settingOf(dir: string, name: string): string {
  const { environment } = JSON.parse(readFileSync(join(dir, 'settings.json'), 'utf8')) as { environment: Record<string, string> };
  const value = environment[name];
  if (value === undefined) throw new Error(`${name} is not among the settings of ${dir}.`);
  return value;
}

/** The sum of a counter over the processes of an app, for the labels given. */
export async function counterOf(dir: string, app: string, counter: string, labels: Record<string, string>): Promise<number> {
  let sum = 0;
  for (const port of portsOf(dir, app)) {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    for (const line of text.split('\n')) {
      const wanted = line.startsWith(`${counter}{`) && Object.entries(labels).every(([name, value]) => line.includes(`${name}="${value}"`));
      if (wanted) sum += Number(line.slice(line.lastIndexOf(' ') + 1));
    }
  }
  return sum;
}

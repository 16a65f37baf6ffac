import { createServer } from 'node:net';
import { Problem } from '../../launch/index.mjs';

/** Where the demo's stand-ins and its target listen; fixed, because Vane must be told before it starts what it may call. */
export type DemoPorts = { github: number; nextcloud: number; target: number };

const DEFAULT_FIRST = 4801;

/** Three ports in a row from VANE_DEMO_PORT on. Throws a Problem when one is taken. */
export async function demoPorts(env: Record<string, string | undefined> = process.env): Promise<DemoPorts> {
  const first = Number(env['VANE_DEMO_PORT'] || DEFAULT_FIRST);
  if (!Number.isInteger(first) || first < 1 || first > 65_533) {
    throw new Problem(`VANE_DEMO_PORT is "${env['VANE_DEMO_PORT']}", which is no port: give a number from 1 to 65533.`);
  }
  const ports = { github: first, nextcloud: first + 1, target: first + 2 };
  for (const port of Object.values(ports)) {
    if (!(await isFree(port))) {
      throw new Problem(`Port ${port}, which the demo needs, is taken: stop the program there or set VANE_DEMO_PORT to the first of three free ports.`);
    }
  }
  return ports;
}

/** What VANE_EGRESS_ALLOW must hold for the demo. */
export const neededAllowances = (ports: DemoPorts): string[] => Object.values(ports).map((port) => `127.0.0.1:${port}`);

/** A list with what it lacks, in the form of VANE_EGRESS_ALLOW. */
export function withAllowances(list: string | undefined, needed: string[]): string {
  const entries = (list ?? '').split(',').map((entry) => entry.trim()).filter((entry) => entry !== '');
  return [...new Set([...entries, ...needed])].join(',');
}

/** Whether a list allows all of these, by their port or by the whole address. */
export function allowsAll(list: string | undefined, needed: string[]): boolean {
  const entries = new Set((list ?? '').split(',').map((entry) => entry.trim()));
  return needed.every((one) => entries.has(one) || entries.has(one.split(':')[0]!) || entries.has('127.0.0.0/8'));
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}

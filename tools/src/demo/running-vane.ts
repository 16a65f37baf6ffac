import { existsSync, readFileSync } from 'node:fs';
import {
  Problem, readState, startInstance, startSupervisor, stopSupervisor, waitReady, type AppRecord, type Instance, type PlannedApp, type State,
} from '../../launch/index.mjs';
import { allowsAll, neededAllowances, withAllowances, type DemoPorts } from './demo-ports.js';

/** Apps that call out. */
const CALLERS = ['oauth-service', 'trigger-service', 'run-worker'];

/**
 * The running Vane, or one that is started now. It must be allowed to call the demo's stand-ins on loopback: a development
 * instance that is not gets its apps restarted with that permission, and any other is left alone with a Problem.
 */
export async function runningVane(ports: DemoPorts, say: (line: string) => void): Promise<Instance> {
  const needed = neededAllowances(ports);
  const env = { ...process.env, VANE_EGRESS_ALLOW: withAllowances(process.env['VANE_EGRESS_ALLOW'], needed) };
  const instance = await startInstance({ env, say });
  // Elsewhere than on Linux a blocked call shows later, in the sentence of the step that it fails.
  if (instance.started || !existsSync('/proc/self/environ')) return instance;
  const { apps, urls } = runningApps(readState(instance.dir));
  const blocked = apps.filter((app) => CALLERS.includes(app.name) && !allowsAll(app.environment['VANE_EGRESS_ALLOW'], needed));
  if (blocked.length === 0) return instance;
  if (apps.some((app) => app.environment['VANE_ENV'] !== 'development')) {
    throw new Problem(`The running Vane may not call the demo's services at ${needed.join(', ')}: stop it with ./vane down and start the demo again, `
      + `or start it with VANE_EGRESS_ALLOW=${needed.join(',')}.`);
  }
  say(`The running Vane may not call ${needed.join(', ')}: restarting its apps with VANE_EGRESS_ALLOW extended by these.`);
  await stopSupervisor(instance.dir);
  await startSupervisor({ dir: instance.dir, urls, apps: apps.map((app) => allowed(app, needed)) });
  await waitReady(instance.dir);
  return instance;
}

/** The apps as they run now, so that they can be started again just so. */
function runningApps({ apps = [], supervisor }: State): { apps: PlannedApp[]; urls: NonNullable<State['supervisor']>['urls'] } {
  if (!supervisor) throw new Problem('Vane has just been stopped: start the demo again.');
  return { urls: supervisor.urls, apps: apps.map(asPlanned) };
}

function asPlanned({ name, instance, port, pid }: AppRecord): PlannedApp {
  try {
    const read = (file: string) => readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\0').filter((entry) => entry !== '');
    const [command = process.execPath, ...args] = read('cmdline');
    const environment = Object.fromEntries(read('environ').map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]));
    return { name, instance, port, command, args, environment };
  } catch (cause) {
    throw new Problem(`${name} is not running at the moment (${(cause as Error).message}): look at ./vane status and start the demo again.`);
  }
}

function allowed(app: PlannedApp, needed: string[]): PlannedApp {
  const list = withAllowances(app.environment['VANE_EGRESS_ALLOW'], needed);
  return { ...app, environment: { ...app.environment, VANE_EGRESS_ALLOW: list } };
}

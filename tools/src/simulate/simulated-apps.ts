import { join } from 'node:path';
import { bundle } from '../../bundle.mjs';
import { builtFile } from '../bench/child-process.js';
import type { SimulatedApp } from './app-messages.js';

/** What app-process.ts asks an app for. */
const MODULES: Record<SimulatedApp, string[]> = {
  'trigger-service': ['app.module', 'config'],
  'oauth-service': ['app.module', 'config'],
  'webhook-ingress': ['app.module', 'config', 'hook-endpoint', 'receiver'],
};

/**
 * Bundles the process of a simulation with the apps that it can be, as the programs of an installation are. The path of the
 * program. It lies within the checkout, where packages are found.
 */
export async function bundleSimulatedApps(): Promise<string> {
  const outdir = builtFile('.vane/simulate');
  const modules = Object.entries(MODULES).flatMap(([app, files]) =>
    files.map((file) => [`${app}/${file}`, builtFile(`apps/${app}/dist/${file}.js`)]));
  await bundle({ outdir, entries: { ...Object.fromEntries(modules), 'app-process': builtFile('tools/dist/simulate/app-process.js') } });
  return join(outdir, 'app-process.js');
}

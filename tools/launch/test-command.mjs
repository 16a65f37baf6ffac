import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findChromium } from './find-chromium.mjs';
import { findServers } from './find-servers.mjs';
import { runningOwnServers, stopOwnServers } from './own-servers.mjs';
import { root, stateDirectory } from './paths.mjs';
import { prepare } from './prepare.mjs';
import { Problem, say } from './problem.mjs';
import { runAttached } from './run.mjs';
import { readJson } from './state.mjs';
import { isUp } from './supervisor-control.mjs';

/** @typedef {{ passed: number, failed: number }} Count */

const tiers = ['unit', 'integration', 'e2e', 'console'];

/**
 * What one Jest run comes to. A suite that could not run has failed, although Jest counts no test for it, and so has a
 * Jest that ended badly without naming a failure.
 * @param {{ numPassedTests: number, numFailedTests: number, numRuntimeErrorTestSuites: number } | undefined} results
 * @param {number} exitCode @returns {Count}
 */
export function countResults(results, exitCode) {
  const passed = results?.numPassedTests ?? 0;
  const failed = (results?.numFailedTests ?? 0) + (results?.numRuntimeErrorTestSuites ?? 0);
  return { passed, failed: failed === 0 && (exitCode !== 0 || !results) ? 1 : failed };
}

/** @param {string} tier @param {import('./index.mjs').Environment} env @param {string[]} jestArgs @returns {Promise<Count>} */
async function runTier(tier, env, jestArgs) {
  const folder = mkdtempSync(join(tmpdir(), 'vane-test-'));
  const output = join(folder, 'results.json');
  try {
    say(`Running the ${tier} tests ...`);
    const code = await runAttached(process.execPath, [
      '--experimental-vm-modules', '--disable-warning=ExperimentalWarning', join(root, 'node_modules/jest/bin/jest.js'),
      '--config', 'jest.config.mjs', '--json', `--outputFile=${output}`, '--passWithNoTests', ...jestArgs,
    ], { env: { ...env, VANE_TIER: tier } });
    return countResults(readJson(output), code);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param {string} dir @returns {Promise<import('./index.mjs').Environment>} */
async function serverEnvironment(dir) {
  const servers = await findServers({ dir });
  return { VANE_DATABASE_URL: servers.postgres.url, VANE_REDIS_URL: servers.redis.url, VANE_NATS_URL: servers.nats.url };
}

/** @param {string[]} args [tier] and whatever else Jest understands */
export async function testCommand(args) {
  const [first] = args;
  const named = first && !first.startsWith('-') ? first : undefined;
  if (named && !tiers.includes(named)) throw new Problem(`There is no test tier "${named}": choose unit, integration, e2e or console, or none to run all.`, 2);
  const chosen = named ? [named] : tiers;
  await prepare();
  const dir = stateDirectory();
  const before = runningOwnServers(dir);
  // The unit tier touches nothing outside its process.
  const chromium = chosen.includes('console') ? { VANE_CHROMIUM: await findChromium() } : {};
  const servers = chosen.some((tier) => tier !== 'unit') ? await serverEnvironment(dir) : {};
  const total = { passed: 0, failed: 0 };
  try {
    for (const tier of chosen) {
      const count = await runTier(tier, { ...process.env, ...servers, ...chromium }, args.slice(named ? 1 : 0));
      total.passed += count.passed;
      total.failed += count.failed;
    }
  } finally {
    const ours = runningOwnServers(dir).filter((name) => !before.includes(name));
    if (ours.length && !isUp(dir)) await stopOwnServers({ dir, only: ours });
  }
  if (total.passed + total.failed === 0) say('No test ran.');
  say(`${total.passed} passed, ${total.failed} failed`);
  return total.failed === 0 && total.passed > 0 ? 0 : 1;
}

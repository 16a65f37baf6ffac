import { Problem, say } from './problem.mjs';
import { findProgram, run } from './run.mjs';

const names = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];
const missing = 'The console tests need Chromium, and there is none in PATH: install the package "chromium" (Debian: apt-get install chromium), or name a program in VANE_CHROMIUM.';

/** The path of a Chromium; installed where root can do so on Debian or Ubuntu. @returns {Promise<string>} */
export async function findChromium() {
  const found = process.env.VANE_CHROMIUM || findProgram(names);
  if (found) return found;
  const apt = findProgram(['apt-get']);
  if (!apt || process.getuid?.() !== 0) throw new Problem(missing);
  say('Installing chromium with apt-get ...');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await run(apt, ['update', '-qq'], { env });
  const { code, output } = await run(apt, ['install', '-y', '-qq', '--no-install-recommends', 'chromium', 'fonts-dejavu-core'], { env });
  const installed = findProgram(names);
  if (code !== 0 || !installed) throw new Problem(`${missing} apt-get said:\n${output.trim()}`);
  return installed;
}

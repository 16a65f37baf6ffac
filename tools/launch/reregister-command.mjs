import { parseArgs } from 'node:util';
import { apiAccess, askApi } from './ask-api.mjs';
import { Problem, say } from './problem.mjs';

/** Between two waves: what one has begun is told to the services within half a minute. */
const PAUSE_MS = 5_000;
/** Without any progress for so long, the rest needs a person or a service that works again. */
const PATIENCE_MS = 120_000;

/** @typedef {{ publicUrl: string, begun: number, left: number, waiting: number, failing: number, byHand: number }} Wave */

/** @param {string[]} args */
function optionsOf(args) {
  try {
    const { values } = parseArgs({ args, options: { wave: { type: 'string', default: '50' }, 'dry-run': { type: 'boolean', default: false } } });
    const wave = Number(values.wave);
    if (!Number.isInteger(wave) || wave < 1 || wave > 1000) throw new Error('--wave is a number from 1 to 1000');
    return { wave, dryRun: values['dry-run'] };
  } catch (error) {
    throw new Problem(`./vane reregister takes --wave N and --dry-run: ${error instanceof Error ? error.message : error}.`, 2);
  }
}

/** Asks for wave after wave until none is left that can follow now. @param {string[]} args */
export async function reregisterCommand(args) {
  const options = optionsOf(args);
  const access = await apiAccess(process.env);
  /** @returns {Promise<Wave>} */
  const ask = () => askApi(access, 'POST', '/subscriptions/reregister', options);
  let seen = await ask();
  say(`${seen.left} subscriptions are registered with another URL than ${seen.publicUrl}.`);
  for (let since = performance.now(); !options.dryRun && seen.left > seen.waiting; ) {
    if (performance.now() - since > PATIENCE_MS) break;
    await new Promise((next) => { setTimeout(next, PAUSE_MS); });
    const now = await ask();
    if (now.begun > 0 || now.left < seen.left) since = performance.now();
    seen = now;
    say(`${seen.left} left${seen.failing ? `, ${seen.failing} of them refused or not answered by their service` : ''}.`);
  }
  if (seen.waiting) say(`${seen.waiting} wait for their connection to be authorised again, and follow then by themselves.`);
  if (seen.failing) say(`${seen.failing} are tried again until they follow; their triggers say why they do not.`);
  if (seen.byHand) say(`${seen.byHand} URLs were entered by people at the sender: show each trigger's URL anew and enter it there.`);
  const { publicUrl, left, waiting, failing, byHand } = seen;
  const ok = options.dryRun || left === waiting;
  say(JSON.stringify({ ok, publicUrl, left, waiting, failing, byHand }));
  return ok ? 0 : 1;
}

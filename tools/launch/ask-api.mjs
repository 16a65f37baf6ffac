import { Problem } from './problem.mjs';
import { readSettings } from './settings.mjs';
import { readState } from './state.mjs';
import { isUp } from './supervisor-control.mjs';

/**
 * Asks the API of the Vane that runs here, as its superadmin. @param {string} dir @param {string} method @param {string} path below `/api/v1`
 * @param {unknown} [body] @returns {Promise<any>} what it answers
 */
export async function askApi(dir, method, path, body) {
  const gateway = isUp(dir) ? readState(dir).apps?.find(({ name }) => name === 'api-gateway') : undefined;
  if (!gateway) throw new Problem(`Vane does not run in ${dir}: start it with ./vane up, or say where it is with VANE_STATE_DIR.`);
  const token = process.env.VANE_BOOTSTRAP_TOKEN || (await readSettings({ dir })).environment.VANE_BOOTSTRAP_TOKEN;
  const answer = await fetch(`http://127.0.0.1:${gateway.port}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
    signal: AbortSignal.timeout(60_000),
  }).catch(() => { throw new Problem('The API does not answer: see ./vane status.'); });
  const json = await answer.json().catch(() => undefined);
  if (answer.ok) return json;
  throw new Problem(`The API refuses (HTTP ${answer.status}): ${json?.detail ?? json?.title ?? 'it says nothing more'}`);
}

import { stateDirectory } from './paths.mjs';
import { Problem } from './problem.mjs';
import { readState } from './state.mjs';
import { isUp } from './supervisor-control.mjs';
import { existingSettings } from './with-database.mjs';

/** The slowest answer of a service, and some more, is waited for by the gateway. */
const TIMEOUT_MS = 60_000;

/** @typedef {{ api: string, token: string }} Access */

/** Where and as whom to ask: this installation as its superadmin, or, with VANE_API_URL and VANE_TOKEN, any other. @param {import('./index.mjs').Environment} env @returns {Promise<Access>} */
export async function apiAccess(env) {
  const { VANE_API_URL: url, VANE_TOKEN: token } = env;
  if (url && token) return { api: url.replace(/\/+$/, ''), token };
  const dir = stateDirectory();
  const { environment } = await existingSettings(dir);
  const gateway = isUp(dir) ? readState(dir).apps?.find(({ name }) => name === 'api-gateway') : undefined;
  if (!gateway) throw new Problem('Vane is not up here: start it with ./vane up, or set VANE_API_URL and VANE_TOKEN to ask another installation.');
  return { api: `http://127.0.0.1:${gateway.port}`, token: env.VANE_BOOTSTRAP_TOKEN || (environment.VANE_BOOTSTRAP_TOKEN ?? '') };
}

/**
 * Asks a Vane's API; throws a Problem with the API's own sentence when it refuses. @param {Access} access @param {string} method
 * @param {string} path below `/api/v1` @param {unknown} [body] @returns {Promise<any>} what it answers
 */
export async function askApi({ api, token }, method, path, body) {
  const answer = await fetch(`${api}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch(() => { throw new Problem(`The gateway at ${api} does not answer: see ./vane status.`); });
  const json = await answer.json().catch(() => undefined);
  if (answer.ok) return json;
  throw new Problem(json?.detail ?? json?.title ?? `The gateway at ${api} answered ${answer.status}.`);
}

import { stateDirectory } from './paths.mjs';
import { Problem, say } from './problem.mjs';
import { readState } from './state.mjs';
import { isUp } from './supervisor-control.mjs';
import { existingSettings } from './with-database.mjs';

/** @typedef {{ layer: string, state: 'ok' | 'broken' | 'unknown' | 'skipped', message: string, fix: string | null, facts: Record<string, unknown> }} Layer */
/** @typedef {{ trigger: string, name: string, layers: Layer[], firstBroken: string | null }} Diagnosis */

const marks = { ok: 'ok', broken: 'BROKEN', unknown: '?', skipped: '-' };
/** The slowest answer of a service is waited for by the gateway. */
const TIMEOUT_MS = 40_000;

/** What a person reads: one line per layer, the first broken one with what to do. @param {Diagnosis} diagnosis */
export function diagnosisText({ name, trigger, layers, firstBroken }) {
  const lines = layers.flatMap(({ layer, state, message, fix }) => [
    `${layer === firstBroken ? '>' : ' '} ${layer.padEnd(13)} ${marks[state].padEnd(6)}  ${message}`,
    ...(state === 'broken' && fix ? [`  ${''.padEnd(13)} ${''.padEnd(6)}  ${layer === firstBroken ? 'What to do: ' : ''}${fix}`] : []),
  ]);
  const verdict = firstBroken ? `The first broken layer is ${firstBroken}.` : 'No layer is broken.';
  return [`${name} (${trigger})`, ...lines, verdict].join('\n');
}

/** @param {string} api @param {string} token @param {string} path */
async function read(api, token, path) {
  let response;
  try {
    response = await fetch(`${api}/api/v1${path}`, { headers: { authorization: `Bearer ${token}` }, signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch {
    throw new Problem(`The gateway at ${api} does not answer: see ./vane status.`);
  }
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  throw new Problem(body.detail ?? `The gateway at ${api} answered ${response.status}.`);
}

/** Where and as whom to ask: of this installation, or, with VANE_API_URL and VANE_TOKEN, of any other. @param {import('./index.mjs').Environment} env */
async function access(env) {
  const { VANE_API_URL: url, VANE_TOKEN: token } = env;
  if (url && token) return { api: url.replace(/\/+$/, ''), token };
  const dir = stateDirectory();
  const { environment } = await existingSettings(dir);
  const gateway = isUp(dir) ? readState(dir).apps?.find(({ name }) => name === 'api-gateway') : undefined;
  if (!gateway) throw new Problem('Vane is not up here: start it with ./vane up, or set VANE_API_URL and VANE_TOKEN to ask another installation.');
  return { api: `http://127.0.0.1:${gateway.port}`, token: env.VANE_BOOTSTRAP_TOKEN || (environment.VANE_BOOTSTRAP_TOKEN ?? '') };
}

/** Prints why a trigger does not run; the exit code is 1 when a layer is broken. @param {string[]} args */
export async function whyCommand(args) {
  const [trigger, ...more] = args.filter((arg) => !arg.startsWith('--'));
  if (!trigger || more.length) throw new Problem('Say which trigger: ./vane why TRIGGER_ID [--json].', 2);
  const { api, token } = await access(process.env);
  const id = encodeURIComponent(trigger);
  const { workspaceId } = await read(api, token, `/triggers/${id}`);
  /** @type {Diagnosis} */
  const diagnosis = await read(api, token, `/workspaces/${workspaceId}/triggers/${id}/diagnosis`);
  say(diagnosisText(diagnosis));
  if (args.includes('--json')) say(JSON.stringify({ ok: diagnosis.firstBroken === null, workspace: workspaceId, ...diagnosis }));
  return diagnosis.firstBroken === null ? 0 : 1;
}

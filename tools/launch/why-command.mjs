import { apiAccess, askApi } from './ask-api.mjs';
import { Problem, say } from './problem.mjs';

/** @typedef {{ layer: string, state: 'ok' | 'broken' | 'unknown' | 'skipped', message: string, fix: string | null, facts: Record<string, unknown> }} Layer */
/** @typedef {{ trigger: string, name: string, layers: Layer[], firstBroken: string | null }} Diagnosis */

const marks = { ok: 'ok', broken: 'BROKEN', unknown: '?', skipped: '-' };

/** What a person reads: one line per layer, the first broken one with what to do. @param {Diagnosis} diagnosis */
export function diagnosisText({ name, trigger, layers, firstBroken }) {
  const lines = layers.flatMap(({ layer, state, message, fix }) => [
    `${layer === firstBroken ? '>' : ' '} ${layer.padEnd(13)} ${marks[state].padEnd(6)}  ${message}`,
    ...(state === 'broken' && fix ? [`  ${''.padEnd(13)} ${''.padEnd(6)}  ${layer === firstBroken ? 'What to do: ' : ''}${fix}`] : []),
  ]);
  const verdict = firstBroken ? `The first broken layer is ${firstBroken}.` : 'No layer is broken.';
  return [`${name} (${trigger})`, ...lines, verdict].join('\n');
}

/** Prints why a trigger does not run; the exit code is 1 when a layer is broken. @param {string[]} args */
export async function whyCommand(args) {
  const [trigger, ...more] = args.filter((arg) => !arg.startsWith('--'));
  if (!trigger || more.length) throw new Problem('Say which trigger: ./vane why TRIGGER_ID [--json].', 2);
  const access = await apiAccess(process.env);
  const id = encodeURIComponent(trigger);
  const { workspaceId } = await askApi(access, 'GET', `/triggers/${id}`);
  /** @type {Diagnosis} */
  const diagnosis = await askApi(access, 'GET', `/workspaces/${workspaceId}/triggers/${id}/diagnosis`);
  say(diagnosisText(diagnosis));
  if (args.includes('--json')) say(JSON.stringify({ ok: diagnosis.firstBroken === null, workspace: workspaceId, ...diagnosis }));
  return diagnosis.firstBroken === null ? 0 : 1;
}

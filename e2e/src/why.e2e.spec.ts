import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { deleteRunnable, diagnoseTrigger, getTrigger, pauseTrigger, resumeTrigger, updateTrigger, type TriggerView } from '@vane/contracts';
import { eventually } from '@vane/testing';
import { GithubStage, REPOSITORY } from './github-stage.js';
import { system } from './system.js';

const launcher = fileURLToPath(new URL('../../tools/launch/main.mjs', import.meta.url));

let stage: GithubStage;
let trigger: TriggerView;

beforeAll(async () => {
  stage = await GithubStage.open('why');
  trigger = await stage.trigger({ name: 'Deploy' });
});
afterAll(() => stage?.close());

/** `./vane why` as somebody at the installation's machine runs it. */
function why(...args: string[]): Promise<{ code: number | null; output: string; last: Record<string, unknown> }> {
  const { api, adminToken, dir } = system();
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], VANE_STATE_DIR: dir, VANE_API_URL: api, VANE_TOKEN: adminToken };
  const child = spawn(process.execPath, [launcher, 'why', ...args], { env });
  let output = '';
  child.stdout.on('data', (chunk) => { output += chunk; });
  child.stderr.on('data', (chunk) => { output += chunk; });
  return new Promise((resolve) => child.on('close', (code) =>
    resolve({ code, output, last: JSON.parse(output.trim().split('\n').findLast((line) => line.startsWith('{')) ?? '{}') as Record<string, unknown> })));
}

const one = () => ({ workspace: stage.workspace.id, trigger: trigger.id });
const diagnose = () => stage.workspace.api.call(diagnoseTrigger, one());
const hook = () => stage.ourHooks()[0]!;
const push = () => stage.fake.push(REPOSITORY, 'push');

it('finds nothing broken while events come to runs', async () => {
  await push();
  await stage.workspace.endedRuns(trigger.id, 1);
  const { code, output, last } = await why(trigger.id, '--json');
  expect(output).toContain('No layer is broken.');
  expect({ code, last }).toMatchObject({ code: 0, last: { ok: true, workspace: stage.workspace.id, firstBroken: null } });
  expect((await stage.workspace.api.call(getTrigger, one())).health).toMatchObject({ state: 'healthy' });
});

it('names the provider when the hook was switched off there', async () => {
  hook().active = false;
  const { code, output, last } = await why(trigger.id, '--json');
  expect({ code, firstBroken: last['firstBroken'] }).toEqual({ code: 1, firstBroken: 'provider' });
  expect(output).toMatch(/^> provider +BROKEN +.*\n +What to do: /m);
  hook().active = true;
});

it('names ingress when what arrives is signed with another secret', async () => {
  const { secret } = hook().config;
  hook().config.secret = `${secret}x`;
  // GitHub, too, logs that it was answered 401; what it says first is that it was not taken.
  for (let turn = 0; turn < 2; turn += 1) await push();
  const broken = await eventually('the refusals to be stored', async () => {
    const { layers } = await diagnose();
    return layers.filter(({ state }) => state === 'broken').map(({ layer }) => layer).includes('ingress') ? layers : undefined;
  });
  expect(broken.find(({ layer }) => layer === 'ingress')).toMatchObject({ facts: { code: 'bad_signature' }, fix: expect.stringContaining('another secret') });
  expect((await stage.workspace.api.call(getTrigger, one())).health).toMatchObject({ layer: 'ingress', reason: { code: 'bad_signature' } });
  hook().config.secret = secret!;
  await push();
  await stage.workspace.endedRuns(trigger.id, 2);
  await eventually('ingress to be well again', async () => (await diagnose()).firstBroken === null);
});

it('names the filter when the trigger is paused', async () => {
  await stage.workspace.api.call(pauseTrigger, one());
  const { code, output } = await why(trigger.id);
  expect(code).toBe(1);
  expect(output).toMatch(/^> filter +BROKEN +The trigger is paused/m);
  await stage.workspace.api.call(resumeTrigger, one());
});

it('names the run when the script fails, with its error', async () => {
  const runnableId = await stage.workspace.script('export async function main() { throw new Error("no such table"); }');
  const { version } = await stage.workspace.api.call(getTrigger, one());
  await stage.workspace.api.call(updateTrigger, { ...one(), ifMatch: version, runnableId });
  await push();
  await stage.workspace.endedRuns(trigger.id, 3);
  const { firstBroken, layers } = await diagnose();
  expect(firstBroken).toBe('run');
  expect(layers.at(-1)).toMatchObject({ state: 'broken', message: expect.stringContaining('no such table') });
  await stage.workspace.api.call(deleteRunnable, { workspace: stage.workspace.id, runnable: runnableId });
  expect((await diagnose()).firstBroken).toBe('filter');
});

it('says what is wrong with what it was asked', async () => {
  expect(await why()).toMatchObject({ code: 2, output: expect.stringContaining('Say which trigger') });
  expect(await why('trg_00000000000000000000000000')).toMatchObject({ code: 1, output: expect.stringContaining('There is no trigger') });
});

import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { listRuns, pick, putSecret } from '@vane/contracts';
import { eventually, newSecret } from '@vane/testing';
import { killApp, waitReady } from '../../tools/launch/index.mjs';
import { enterIntegration } from './connections.js';
import { GithubStage } from './github-stage.js';
import { allLogs } from './instance-files.js';
import { startOwnInstance, type OwnInstance } from './own-instance.js';
import { githubParty } from './parties.js';
import { postSigned } from './posting.js';
import { Workspace } from './system.js';

const START_MS = 180_000;
const launcher = fileURLToPath(new URL('../../tools/launch/main.mjs', import.meta.url));

let instance: OwnInstance;
let stage: GithubStage;
let mine: Workspace;

beforeAll(async () => {
  instance = await startOwnInstance({ VANE_SCALE: 'oauth-service=2 webhook-ingress=2' });
  stage = await GithubStage.open('keys', { app: { callbackUrl: `${instance.api}/oauth/callback` } }, instance);
  mine = stage.workspace;
}, START_MS);
afterAll(async () => {
  await stage?.fake.close();
  await instance?.stop();
}, START_MS);

/** `./vane keys ...` for this instance, while it is up. */
function keys(...args: string[]): Promise<{ code: number | null; output: string; last: Record<string, unknown> }> {
  const child = spawn(process.execPath, [launcher, 'keys', ...args], { env: { PATH: process.env['PATH'], HOME: process.env['HOME'], VANE_STATE_DIR: instance.dir } });
  let output = '';
  child.stdout.on('data', (chunk) => { output += chunk; });
  child.stderr.on('data', (chunk) => { output += chunk; });
  return new Promise((resolve) => child.on('close', (code) =>
    resolve({ code, output, last: JSON.parse(output.trim().split('\n').findLast((line) => line.startsWith('{')) ?? '{}') as Record<string, unknown> })));
}

const ringFile = (ring: string) => join(instance.dir, 'keys', `${ring}.ring`);
const keyIds = (ring: string) => readFileSync(ringFile(ring), 'utf8').trim().split(',').map((entry) => entry.split(':')[0]);
/** Decrypts the client secret and the access token, and asks the service with it. */
const repositories = () => mine.api.call(pick, { workspace: mine.id, connection: stage.connection, triggerType: 'repository', picker: 'repositories' });

it('every ring is rotated twice while the apps encrypt, decrypt, receive and run, and nothing fails', async () => {
  const reveal = await mine.script('export async function main(event, ctx) { return ctx.secrets.SHARED + event.payload.n; }');
  await mine.api.call(putSecret, { workspace: mine.id, name: 'SHARED', value: 'from the data ring ' });
  const trigger = await mine.genericTrigger(reveal, { scheme: 'standard-webhooks' });
  let rotating = true;
  const work = async (): Promise<number> => {
    let n = 0;
    for (; rotating || n < 3; n += 1) {
      expect(await postSigned(trigger.callbackUrl, trigger.secret ?? '', `msg_${n}`, { n })).toBe(200);
      expect((await repositories()).items.length).toBeGreaterThan(0);
      await mine.api.call(putSecret, { workspace: mine.id, name: `OWN_${n % 5}`, value: newSecret(`OWN_${n % 5}`) });
      // A workspace that is new needs new data keys, in the rings oauth and hooks.
      const other = await Workspace.create(`new ${n}`, instance);
      await enterIntegration(other, githubParty(stage.fake));
      const hook = await other.genericTrigger(await other.script('export async function main() { return 1; }'), { scheme: 'standard-webhooks' });
      expect(await postSigned(hook.callbackUrl, hook.secret ?? '', 'msg_first', { n })).toBe(200);
    }
    return n;
  };
  const working = work();
  working.catch(() => undefined);
  const rotations = [await keys('rotate'), await keys('rotate')];
  rotating = false;
  const count = await working;
  for (const rotation of rotations) expect({ output: rotation.output, code: rotation.code, ok: rotation.last['ok'] }).toMatchObject({ code: 0, ok: true });
  for (const ring of ['oauth', 'hooks', 'access']) expect(keyIds(ring)).toEqual(['k3']);
  // A rotation that finds something sealed with the key before last finishes the rotation before it instead of starting one.
  const sealing = keyIds('data-public')[0];
  expect(['k2', 'k3']).toContain(sealing);
  expect(keyIds('data-private')).toEqual(['k3', 'k2', 'k1'].slice(sealing === 'k3' ? 0 : 1));
  const runs = await mine.endedRuns(trigger.id, count, { timeoutMs: 60_000 });
  expect(runs.map(({ status }) => status)).toEqual(runs.map(() => 'succeeded'));
  const { items } = await mine.api.call(listRuns, { workspace: mine.id, trigger: trigger.id, limit: 200 });
  expect(items).toHaveLength(count);
  expect(await keys('check', '--deep')).toMatchObject({ code: 0, last: { ok: true } });
  expect((await keys('status')).output).toMatch(/k1 +older +nothing; deliveries on their way may need it until/);
}, START_MS);

it('apps that were started after the rotation read what was encrypted before it', async () => {
  for (const number of [1, 2]) killApp(instance.dir, 'oauth-service', { instance: number });
  killApp(instance.dir, 'run-worker');
  await waitReady(instance.dir);
  expect((await repositories()).items.length).toBeGreaterThan(0);
}, START_MS);

it('a lost key fails the workspaces it concerns with a sentence, and no others; once it is back so are they', async () => {
  const ring = readFileSync(ringFile('oauth'), 'utf8');
  writeFileSync(ringFile('oauth'), `k9:${randomBytes(32).toString('base64')}\n`);
  for (const number of [1, 2]) killApp(instance.dir, 'oauth-service', { instance: number });
  await waitReady(instance.dir);
  const refused = await mine.api.send(pick, { workspace: mine.id, connection: stage.connection, triggerType: 'repository', picker: 'repositories' });
  expect(refused).toMatchObject({ status: 503, body: { code: 'undecryptable', detail: expect.stringContaining('Ring oauth has no key k3') } });
  const other = await Workspace.create('after the loss', instance);
  expect(await enterIntegration(other, githubParty(stage.fake))).toMatchObject({ service: 'github' });
  expect(allLogs(instance.dir)).toContain('ring oauth lacks keys that data is encrypted with');
  const checked = await keys('check');
  expect(checked.code).toBe(1);
  expect(checked.output).toContain('Ring oauth: key k3 is missing');
  expect(checked.output).toMatch(/keys \(wsp_\w+\):\n {2}1 integrations, enter the client secret again: .*\n {2}1 connections, connect the account again: octocat \(github\)/);
  // Put back, with the one that was used meanwhile, and without a restart.
  writeFileSync(ringFile('oauth'), `${ring.trim()},${readFileSync(ringFile('oauth'), 'utf8')}`);
  await eventually('the account works again', async () => (await repositories()).items.length > 0);
  expect(await keys('check', '--deep')).toMatchObject({ code: 0 });
}, START_MS);

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { eventually } from '@vane/testing';
import { readState, startInstance, stopSupervisor } from '../../tools/launch/index.mjs';
import { GithubStage } from './github-stage.js';
import { startOwnInstance, type OwnInstance } from './own-instance.js';

const START_MS = 180_000;
const launcher = fileURLToPath(new URL('../../tools/launch/main.mjs', import.meta.url));
const REPOSITORIES = ['octocat/one', 'octocat/two', 'octocat/three'];

let instance: OwnInstance;
let stage: GithubStage;

beforeAll(async () => {
  instance = await startOwnInstance();
  stage = await GithubStage.open('reregister', {}, instance);
}, START_MS);
afterAll(async () => {
  await stage?.close();
  await instance?.stop();
}, START_MS);

/** `./vane reregister ...` for this instance. */
function reregister(...args: string[]): Promise<{ code: number | null; last: Record<string, unknown> }> {
  const child = spawn(process.execPath, [launcher, 'reregister', ...args], { env: { PATH: process.env['PATH'], HOME: process.env['HOME'], VANE_STATE_DIR: instance.dir } });
  let output = '';
  child.stdout.on('data', (chunk) => { output += chunk; });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, last: JSON.parse(output.trim().split('\n').at(-1) ?? '{}') as Record<string, unknown> })));
}

/** The same installation with another public URL, at the same ports. */
async function restartWith(publicUrl: string): Promise<void> {
  const ports = Object.fromEntries((readState(instance.dir).apps ?? []).map(({ name, port }) => [`VANE_PORT_${name.toUpperCase().replaceAll('-', '_')}`, String(port)]));
  const { VANE_DATABASE_NAME: _shared, ...outer } = process.env;
  await stopSupervisor(instance.dir);
  await startInstance({
    env: {
      ...outer, ...ports, VANE_ENV: 'test', VANE_STATE_DIR: instance.dir, VANE_SERVERS: 'own', VANE_EGRESS_ALLOW: '127.0.0.1', LOG_LEVEL: 'info', VANE_PUBLIC_URL: publicUrl,
    },
    say: () => undefined,
  });
}

it('hooks move to another public URL in waves, keep their identity, and deliver under both', async () => {
  for (const repository of REPOSITORIES) {
    stage.fake.addRepo(repository);
    await stage.trigger({ repository, name: repository });
  }
  const hooks = () => REPOSITORIES.flatMap((repository) => stage.fake.state.repos.get(repository)!.hooks);
  const before = hooks().map(({ id, config }) => ({ id, url: config.url }));
  const moved = instance.ingress.replace('127.0.0.1', 'localhost');
  await restartWith(moved);
  expect((await stage.fake.push(REPOSITORIES[0]!, 'push', {}))[0]?.statusCode).toBe(200);
  expect((await reregister('--dry-run')).last).toMatchObject({ ok: true, publicUrl: moved, left: 3 });
  expect(hooks().map(({ id, config }) => ({ id, url: config.url }))).toEqual(before);
  const { code, last } = await reregister('--wave', '2');
  expect([code, last]).toEqual([0, { ok: true, publicUrl: moved, left: 0, waiting: 0, failing: 0, byHand: 0 }]);
  expect(hooks().map(({ id, config }) => ({ id, url: config.url }))).toEqual(before.map(({ id, url }) => ({ id, url: url.replace('127.0.0.1', 'localhost') })));
  await eventually('a delivery under the new URL', async () => (await stage.fake.push(REPOSITORIES[1]!, 'push', {}))[0]?.statusCode === 200);
}, START_MS);

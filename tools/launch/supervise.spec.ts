import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LogFile } from './log-file.mjs';
import { isRunning } from './processes.mjs';
import { waitFor } from './run.mjs';
import { readState } from './state.mjs';
import { SupervisedApp, restartDelay } from './supervise.mjs';
import { hasCrashed, isUp, killApp, startSupervisor, stopSupervisor, waitReady } from './supervisor-control.mjs';

const urls = { database: 'd', redis: 'r', nats: 'n' };
const app = `
  import { createServer } from 'node:http';
  if (process.env.STUBBORN) process.on('SIGTERM', () => console.log('not yet'));
  console.log('started', process.env.PORT, process.env.HOME === undefined);
  createServer((request, response) => response.end('ok')).listen(Number(process.env.PORT), '127.0.0.1');`;
/** Longest wait for what a process of its own does at once; a busy machine takes its time. */
const soon = 20_000;

let dir: string;
let port: number;

/** The plan of an app that runs the program above (or another) on a port of its own. */
function plan(environment: Record<string, string> = {}, program = app) {
  const path = join(dir, 'app.mjs');
  writeFileSync(path, program);
  return { name: 'run-worker', instance: 1, port, command: process.execPath, args: [path], environment: { PORT: String(port), ...environment } };
}
const log = () => readFileSync(join(dir, 'logs', 'run-worker.log'), 'utf8');

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'vane-supervise-'));
  mkdirSync(join(dir, 'logs'));
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
  server.close();
});
afterEach(async () => {
  await stopSupervisor(dir);
  rmSync(dir, { recursive: true, force: true });
});

it('a background supervisor starts the app again after a kill, and stops it for good', async () => {
  await startSupervisor({ dir, apps: [plan()], urls });
  await waitReady(dir, { timeoutMs: soon });
  expect(readState(dir).supervisor!.urls).toEqual(urls);
  expect(() => statSync(join(dir, 'plan.json'))).toThrow('ENOENT');
  const killed = killApp(dir, 'run-worker');
  const record = await waitFor(() => readState(dir).apps!.find((one) => one.pid && one.pid !== killed), soon);
  expect(record).toMatchObject({ name: 'run-worker', restarts: 1, port });
  await waitReady(dir, { timeoutMs: soon });
  expect(log()).toContain('run-worker 1 ended (SIGKILL)');
  await expect(startSupervisor({ dir, apps: [plan()], urls })).rejects.toThrow('already up');

  expect(await stopSupervisor(dir)).toEqual(['run-worker']);
  expect(isUp(dir)).toBe(false);
  expect(isRunning(record!)).toBe(false);
  expect(readState(dir).apps).toBeUndefined();
});

it('a crashed supervisor is noticed and what it left behind is ended', async () => {
  const { pid } = await startSupervisor({ dir, apps: [plan()], urls });
  const [record] = readState(dir).apps!;
  process.kill(pid, 'SIGKILL');
  expect(await waitFor(() => hasCrashed(dir), soon)).toBe(true);
  expect(isUp(dir)).toBe(false);
  await stopSupervisor(dir);
  expect(isRunning(record)).toBe(false);
  expect(hasCrashed(dir)).toBe(false);
});

it('an app that is not ready is named with the end of its log', async () => {
  await startSupervisor({ dir, apps: [plan({}, 'console.log("the setting X is missing"); process.exit(1)')], urls });
  await waitFor(() => log().includes('the setting X is missing'), soon);
  await expect(waitReady(dir, { timeoutMs: 700 })).rejects.toThrow(/^run-worker is not ready after 0\.7 s: [^]*the setting X is missing/);
});

it('an app that ignores SIGTERM is killed when its time is over', async () => {
  let changes = 0;
  const supervised = new SupervisedApp(plan({ STUBBORN: 'yes' }), dir, () => { changes += 1; });
  supervised.start();
  await waitFor(() => log().includes('started'), soon);
  const record = supervised.record();
  expect(isRunning(record)).toBe(true);
  await supervised.stop(1_500);
  expect(isRunning(record)).toBe(false);
  expect(log()).toContain('not yet');
  expect(log()).toContain('ended (SIGKILL)');
  expect(log()).not.toContain('starts again');
  expect(changes).toBe(2);
});

it('an app sees only the environment it was given', async () => {
  const supervised = new SupervisedApp(plan(), dir, () => undefined);
  supervised.start();
  await waitFor(() => log().includes('\n'), soon);
  expect(log()).toContain(`started ${port} true`);
  await supervised.stop();
});

it('a program that does not exist is retried and not fatal', async () => {
  const supervised = new SupervisedApp({ ...plan(), command: join(dir, 'nothing') }, dir, () => undefined);
  supervised.start();
  expect(await waitFor(() => supervised.record().restarts >= 1, soon)).toBe(true);
  await supervised.stop();
  expect(log()).toContain('could not be started');
});

it('the first restart is immediate, and further quick deaths wait longer, up to five seconds', () => {
  expect([1, 2, 3, 4, 5, 6, 7, 50].map(restartDelay)).toEqual([0, 250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]);
});

it('a log that reaches its limit is moved aside, so two limits are the most it takes', () => {
  const path = join(dir, 'logs', 'small.log');
  const file = new LogFile(path, 20);
  for (const line of ['first line\n', 'second line\n', 'third line\n']) file.write(line);
  file.close();
  expect(readFileSync(path, 'utf8')).toBe('third line\n');
  expect(readFileSync(`${path}.1`, 'utf8')).toBe('second line\n');
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

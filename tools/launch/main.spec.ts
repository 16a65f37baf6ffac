import { expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { run } from './run.mjs';
import { countResults } from './test-command.mjs';

const vane = join(process.cwd(), 'vane');

it('an unknown command is named, shown the usage and exits with 2', async () => {
  const result = await run(vane, ['frobnicate']);
  expect(result.code).toBe(2);
  expect(result.output).toMatch(/^There is no command "frobnicate"\.\n\nUsage: \.\/vane COMMAND/);
});

it('a property that every object has is no command', async () => {
  expect((await run(vane, ['constructor'])).code).toBe(2);
});

it('help lists every command and exits with 0', async () => {
  const result = await run(vane, ['help']);
  expect(result.code).toBe(0);
  for (const command of ['up', 'down', 'status', 'logs', 'keys', 'backup', 'restore', 'reregister', 'demo', 'test', 'bench', 'chaos', 'new-service']) expect(result.stdout).toMatch(new RegExp(`^  ${command} `, 'm'));
});

it.each([['test', 'smoke'], ['bench'], ['chaos'], ['new-service'], ['logs'], ['backup'], ['backup', 'x', '--now'], ['restore'], ['reregister', '--wave', '0'], ['up', '--now']])('./vane %s %s is told what is missing and exits with 2', async (...args) => {
  const dir = mkdtempSync(join(tmpdir(), 'vane-main-'));
  const result = await run(vane, args.filter(Boolean), { env: { ...process.env, VANE_STATE_DIR: dir } });
  rmSync(dir, { recursive: true });
  expect(result.code).toBe(2);
  expect(result.output).not.toContain('    at ');
});

it('status in a place where nothing was started says so in its last line', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'vane-main-'));
  const result = await run(vane, ['status'], { env: { ...process.env, VANE_STATE_DIR: dir } });
  rmSync(dir, { recursive: true });
  expect(result.code).toBe(1);
  expect(JSON.parse(result.stdout.trim().split('\n').at(-1)!)).toEqual({ ok: false, up: false, crashed: false, ready: 0, apps: 0, servers: [] });
});

it('an old Node and a missing Node each get one sentence', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'vane-main-'));
  const missing = await run('/bin/sh', [vane, 'help'], { env: { PATH: join(dir, 'nothing') + delimiter + '/nowhere' } });
  writeFileSync(join(dir, 'node'), '#!/bin/sh\n[ "$1" = --version ] && echo v18.20.4\nexit 1\n', { mode: 0o755 });
  const old = await run(vane, ['help'], { env: { ...process.env, PATH: `${dir}${delimiter}${process.env.PATH}` } });
  rmSync(dir, { recursive: true });
  expect(missing.code).toBe(1);
  expect(missing.output).toMatch(/^Vane needs Node\.js 20\.19 or later and found no 'node' in PATH: .*\n$/);
  expect(old.code).toBe(1);
  expect(old.output).toMatch(/^Vane needs Node\.js 20\.19 or later, but 'node' is v18\.20\.4: .*\n$/);
});

it('the count takes a suite that could not run, and a Jest that broke, as failures', () => {
  const results = (numPassedTests: number, numFailedTests: number, numRuntimeErrorTestSuites: number) => ({ numPassedTests, numFailedTests, numRuntimeErrorTestSuites });
  expect(countResults(results(5, 0, 0), 0)).toEqual({ passed: 5, failed: 0 });
  expect(countResults(results(5, 2, 1), 1)).toEqual({ passed: 5, failed: 3 });
  expect(countResults(results(5, 0, 0), 1)).toEqual({ passed: 5, failed: 1 });
  expect(countResults(undefined, 0)).toEqual({ passed: 0, failed: 1 });
});

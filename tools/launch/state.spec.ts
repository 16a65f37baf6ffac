import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endProcess, isRunning, recordProcess } from './processes.mjs';
import { readState, updateState, withLock } from './state.mjs';

let dir: string;
beforeEach(() => { dir = mkdtempSync(join(tmpdir(), 'vane-state-')); });
afterEach(() => rmSync(dir, { recursive: true, force: true }));

it('a pid that has passed to another program is not taken for ours', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000); console.log(1)', 'the-marker']);
  await once(child.stdout, 'data');
  const record = recordProcess(child.pid!, 'the-marker');
  expect(isRunning(record)).toBe(true);
  expect(isRunning({ ...record, marker: 'another-program' })).toBe(false);
  if (process.platform === 'linux') expect(isRunning({ ...record, startTicks: '1' })).toBe(false);
  expect(await endProcess({ ...record, marker: 'another-program' })).toBe(false);
  expect(child.exitCode ?? child.signalCode).toBeNull();
  expect(await endProcess(record)).toBe(true);
  expect(isRunning(record)).toBe(false);
  expect(await endProcess(record)).toBe(false);
});

it('writers in several processes lose nothing of each other', async () => {
  const module = new URL('./state.mjs', `file://${process.cwd()}/tools/launch/`).href;
  const writer = `
    const { updateState } = await import(process.argv[1]);
    for (let n = 0; n < 40; n += 1) updateState(process.argv[2], (state) => { (state.compose ??= []).push(process.argv[3] + n); });`;
  const children = ['a', 'b', 'c'].map((name) => spawn(process.execPath, ['--input-type=module', '-e', writer, module, dir, name], { stdio: 'inherit' }));
  const codes = await Promise.all(children.map(async (child) => (await once(child, 'exit'))[0]));
  expect(codes).toEqual([0, 0, 0]);
  expect(new Set(readState(dir).compose).size).toBe(120);
  expect(statSync(join(dir, 'state.json')).mode & 0o777).toBe(0o600);
});

it('a lock left by a process that is gone is taken over', async () => {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  writeFileSync(join(dir, 'state.lock'), JSON.stringify({ pid: child.pid, marker: '', startTicks: '1' }));
  updateState(dir, (state) => { state.compose = ['redis']; });
  expect(readState(dir)).toEqual({ compose: ['redis'] });
});

it('two launchers take turns, and one that waits in vain is told why', async () => {
  const order: string[] = [];
  let release = () => undefined as void;
  const first = withLock(dir, 'up', () => new Promise<void>((done) => { order.push('first'); release = done; }));
  await expect(withLock(dir, 'up', async () => undefined, 150)).rejects.toThrow('Another Vane command is still busy');
  const second = withLock(dir, 'up', async () => { order.push('second'); });
  order.push('released');
  release();
  await Promise.all([first, second]);
  expect(order).toEqual(['first', 'released', 'second']);
});

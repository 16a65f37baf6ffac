import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashFiles, installMatches, needsInstall } from './prepare.mjs';

const a = { version: '1.0.0', integrity: 'sha512-a' };
const lock = { packages: { '': { version: '0.1.0' }, 'node_modules/a': a, 'node_modules/mac': { version: '2.0.0', optional: true } } };

let base: string;
const write = (path: string, value: unknown) => writeFileSync(join(base, path), JSON.stringify(value));

beforeEach(() => { base = mkdtempSync(join(tmpdir(), 'vane-prepare-')); write('package-lock.json', lock); });
afterEach(() => rmSync(base, { recursive: true, force: true }));

it('a fresh checkout needs an install', () => {
  expect(needsInstall(base)).toBe(true);
});

it('the recorded hash of the same lock file needs none', () => {
  mkdirSync(join(base, 'node_modules'));
  expect(needsInstall(base)).toBe(true);
  writeFileSync(join(base, 'node_modules/.vane-lock'), `${hashFiles(base, ['package-lock.json'])}\n`);
  expect(needsInstall(base)).toBe(false);
  write('package-lock.json', { packages: { ...lock.packages, 'node_modules/b': a } });
  expect(needsInstall(base)).toBe(true);
});

it("a developer's own install of the same packages is adopted and recorded", () => {
  mkdirSync(join(base, 'node_modules'));
  write('node_modules/.package-lock.json', { packages: { 'node_modules/a': a } });
  expect(needsInstall(base)).toBe(false);
  expect(existsSync(join(base, 'node_modules/.vane-lock'))).toBe(true);
  expect(readFileSync(join(base, 'node_modules/.vane-lock'), 'utf8').trim()).toBe(hashFiles(base, ['package-lock.json']));
});

it('an install matches only with every package that is not optional, at its version', () => {
  expect(installMatches(lock, { packages: { 'node_modules/a': a } })).toBe(true);
  expect(installMatches(lock, { packages: { 'node_modules/a': { ...a, version: '1.0.1' } } })).toBe(false);
  expect(installMatches(lock, { packages: { 'node_modules/a': { ...a, integrity: 'sha512-b' } } })).toBe(false);
  expect(installMatches(lock, { packages: { 'node_modules/a': a, 'node_modules/mac': { version: '1.9.0' } } })).toBe(false);
  expect(installMatches(lock, { packages: {} })).toBe(false);
  expect(installMatches(lock, undefined)).toBe(false);
});

it('the hash tells which file has which content', () => {
  const swapped = mkdtempSync(join(base, 'x-'));
  writeFileSync(join(base, 'one'), '1');
  writeFileSync(join(base, 'two'), '2');
  writeFileSync(join(swapped, 'one'), '2');
  writeFileSync(join(swapped, 'two'), '1');
  expect(hashFiles(base, ['one', 'two'])).not.toBe(hashFiles(swapped, ['one', 'two']));
  expect(hashFiles(base, ['one', 'missing'])).toBe(hashFiles(base, ['one']));
});

import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { serviceView } from '@vane/contracts';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { newService } from './generate.js';

const root = resolve(fileURLToPath(new URL('.', import.meta.url)), '../../..');
const NAME = 'acme-tickets';

type Door = typeof import('@vane/adapters');
type Ended = { code: number; output: string };

let copy: string;
let services: string;
let before: string[];
let files: string[];

beforeAll(async () => {
  copy = await mkdtemp(join(tmpdir(), 'vane-new-service-'));
  services = join(copy, 'libs/adapters/src');
  await cp(join(root, 'libs/adapters/src'), services, { recursive: true });
  await cp(join(root, 'libs/adapters/package.json'), join(copy, 'libs/adapters/package.json'));
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  before = await textsBelow(services);
  files = await newService(NAME, services);
});
afterAll(() => rm(copy, { recursive: true }));

/** Every file with its text, as one string each. */
async function textsBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(paths.sort().map(async (path) => `${path}\n${await readFile(path, 'utf8')}`));
}

const run = (args: string[], env: Record<string, string> = {}): Promise<Ended> =>
  new Promise((done) => {
    execFile(process.execPath, args, { cwd: copy, env: { ...process.env, ...env } }, (error, stdout, stderr) =>
      done({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, output: stdout + stderr }));
  });

it('writes one folder and touches nothing else', async () => {
  expect(files).toEqual(['index.ts', 'README.md', 'icon.svg', 'fixtures/README.md', `${NAME}.spec.ts`].map((file) => `${NAME}/${file}`));
  const others = (await textsBelow(services)).filter((text) => !text.startsWith(join(services, NAME)));
  expect(others).toEqual(before);
});

it('makes a service that is found and described with its form, without any other edit', async () => {
  const { loadAdapters, describeAdapter } = (await import(pathToFileURL(join(services, 'index.ts')).href)) as Door;
  const adapter = (await loadAdapters()).get(NAME);
  const view = serviceView.parse(adapter && describeAdapter(adapter));
  expect(view).toMatchObject({ id: NAME, label: 'Acme tickets' });
  expect(view.triggerTypes[0]?.configSchema).toMatchObject({
    type: 'object',
    properties: { resource: { type: 'string', title: 'Resource' } },
    required: ['resource'],
    additionalProperties: false,
  });
});

it('type-checks as it is', async () => {
  const project = {
    extends: join(root, 'tsconfig.base.json'),
    compilerOptions: { noEmit: true, typeRoots: [join(root, 'node_modules/@types')] },
    include: [`libs/adapters/src/${NAME}/*.ts`],
  };
  await writeFile(join(copy, 'tsconfig.json'), JSON.stringify(project));
  const { code, output } = await run([join(root, 'node_modules/typescript-native/bin/tsc'), '-p', 'tsconfig.json']);
  expect({ code, output }).toEqual({ code: 0, output: '' });
});

it('fails its conformance spec with a sentence for each thing that is to be filled in', async () => {
  const swc = JSON.parse(await readFile(join(root, '.swcrc'), 'utf8')) as Record<string, unknown>;
  delete swc.exclude;
  const config = {
    rootDir: services,
    testMatch: [`**/${NAME}.spec.ts`],
    testEnvironment: 'node',
    extensionsToTreatAsEsm: ['.ts'],
    transform: { '^.+\\.ts$': [join(root, 'node_modules/@swc/jest'), { ...swc, swcrc: false, module: { type: 'es6' } }] },
    moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
    testEnvironmentOptions: { customExportConditions: ['@vane/source', 'node', 'node-addons'] },
  };
  const { code, output } = await run([join(root, 'node_modules/jest/bin/jest.js'), '--config', JSON.stringify(config)], {
    NODE_OPTIONS: '--experimental-vm-modules',
  });
  expect(code).toBe(1);
  for (const sentence of [
    'Say how a person sets this service up.',
    'Say in one line what this trigger listens to.',
    'The starter script must export main, but exports nothing.',
    'Put at least one recorded delivery into fixtures/',
    'Give at least one fixture to try it on.',
  ]) {
    expect(output).toContain(sentence);
  }
  expect(output).toContain('✓ the config becomes JSON Schema that refuses unknown fields');
});

it.each(['', 'Acme', '../acme', 'acme tickets', '-a', '1a', 'a'.repeat(64)])('refuses %j as a name', async (name) => {
  await expect(newService(name, services)).rejects.toThrow('cannot be the name of a service');
});

it('leaves a folder that exists as it is', async () => {
  const now = await textsBelow(services);
  await expect(newService(NAME, services)).rejects.toThrow(/exists already: choose another name/);
  expect(await textsBelow(services)).toEqual(now);
});

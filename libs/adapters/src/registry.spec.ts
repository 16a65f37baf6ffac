import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serviceView } from '@vane/contracts';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { describeAdapter, loadAdapters } from './index.js';

const root = resolve(fileURLToPath(new URL('.', import.meta.url)), '../../..');

const source = (id: string, changes = ''): string => `
import { z } from 'zod';
const type = {
  label: 'Thing', description: 'A thing happened.', config: z.strictObject({ name: z.string().meta({ title: 'Name' }) }),
  summary: ({ name }) => name, starterScript: 'export async function main() {}', scopes: ['thing:read'], sharing: 'feed',
  plan: ({ name }) => ({ resource: name, want: {} }),
  webhook: {
    verification: { kind: 'shared-secret', header: 'x-secret' }, methods: ['POST'], ackDeadlineMs: 1000, retries: false,
    keepHeaders: ['x-thing'], normalise: () => [],
  },
};
export const adapter = {
  id: '${id}', label: 'Probe', docsUrl: 'https://example.com/', icon: '<svg></svg>', hosts: { api: null },
  setupSteps: [], triggerTypes: { thing: type },
};
${changes}
`;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vane-registry-'));
  await symlink(join(root, 'node_modules'), join(directory, 'node_modules'));
});
afterEach(() => rm(directory, { recursive: true }));

const write = async (folder: string, text: string): Promise<string> => {
  await mkdir(join(directory, folder), { recursive: true });
  const file = join(directory, folder, 'index.ts');
  await writeFile(file, text);
  return file;
};

describe('the adapters that come with Vane', () => {
  it('are found by looking, load, and are described as the contract says', async () => {
    const registry = await loadAdapters();
    expect(registry.all().length).toBeGreaterThan(0);
    for (const adapter of registry.all()) {
      const view = serviceView.parse(describeAdapter(adapter));
      for (const type of view.triggerTypes) expect(type.configSchema).toMatchObject({ type: 'object', additionalProperties: false });
      expect(registry.get(adapter.id)).toBe(adapter);
    }
  });
});

describe('service folders', () => {
  it('are each one adapter, in order of id; a folder without a door is none', async () => {
    await write('zebra', source('zebra'));
    await write('ant', source('ant'));
    await mkdir(join(directory, 'notes'));
    const registry = await loadAdapters({ directory });
    expect(registry.all().map(({ id }) => id)).toEqual(['ant', 'zebra']);
    expect(registry.get('notes')).toBeUndefined();
  });

  it('show their capabilities as data', async () => {
    await write('ant', source('ant'));
    const [ant] = (await loadAdapters({ directory })).all().map(describeAdapter);
    expect(ant).toMatchObject({ hosts: [{ name: 'api', url: null }], usesOAuth: false });
    expect(ant?.triggerTypes[0]).toMatchObject({
      id: 'thing',
      needsConnection: false,
      scopes: ['thing:read'],
      configSchema: { properties: { name: { type: 'string', title: 'Name' } }, required: ['name'] },
      capabilities: { registersItself: false, verification: 'shared-secret', retries: false, redacts: [] },
    });
  });

  const type = 'adapter.triggerTypes.thing';

  it('may fetch what their messages do not carry', async () => {
    await write('ant', source('ant', `delete ${type}.webhook.normalise; ${type}.pull = { begin() {}, page() {}, replay() {} };`));
    const [ant] = (await loadAdapters({ directory })).all().map(describeAdapter);
    expect(ant?.triggerTypes[0]?.capabilities).toMatchObject({ fetchesEvents: true, listsSubscriptions: false });
  });

  it.each<[string, string, RegExp]>([
    ['has another id than its folder', source('bee'), /^Service folder 'ant' exports an adapter with id 'bee': give both the same name\.$/],
    ['exports nothing', 'export {};', /^Service folder 'ant' must export exactly one thing, 'adapter', but exports: nothing\.$/],
    ['exports more', source('ant', 'export const more = 1;'), /^Service folder 'ant' must export exactly one thing, .* adapter, more\.$/],
    ['cannot be loaded', 'import "./missing.js";', /^Service folder 'ant' cannot be loaded: /],
    ['has no trigger types', source('ant', 'adapter.triggerTypes = {};'), /triggerTypes: must hold at least one/],
    ['has no icon', source('ant', 'adapter.icon = "x.png";'), /icon: must be the text of an SVG/],
    ['has a trigger type without summary', source('ant', `delete ${type}.summary;`), /triggerTypes\.thing\.summary: must be a function/],
    ['has a config that is no object', source('ant', `${type}.config = z.string();`), /config: must be a z\.strictObject/],
    ['has a config no form can show', source('ant', `${type}.config = z.strictObject({ at: z.date() });`), /config cannot be shown as a form/],
    ['keeps headers in upper case', source('ant', `${type}.webhook.keepHeaders = ['X-Thing'];`), /header name in lower case/],
    ['cuts at what is no pointer', source('ant', `${type}.webhook.redact = [{ pointer: 'a' }];`), /redact: "a" is no JSON Pointer/],
    ['verifies nothing without being asked', source('ant', `${type}.webhook.verification = { kind: 'none' };`), /only be chosen by name/],
    ['verifies by an unknown scheme', source('ant', `${type}.webhook.verification = { kind: 'jwt' };`), /Verification scheme .* is unknown/],
    ['authorises at an unknown host', source('ant', "adapter.oauth = { authorize: { host: 'web' }, token: { host: 'api' } };"), /host 'web' is not among/],
    ['neither reads nor fetches events', source('ant', `delete ${type}.webhook.normalise;`), /webhook\.normalise: must be a function where the type has no pull/],
    ['fetches without a beginning', source('ant', `${type}.pull = { page() {}, replay() {} };`), /pull\.begin: must be a function/],
    ['registers and never removes', source('ant', `${type}.remote = { register() {} };`), /remote\.remove: must be a function/],
    ['picks for an unknown field', source('ant', `${type}.pickers = { p: { field: 'other' } };`), /'other', which is no config field/],
  ])('one that %s is refused', async (_name, text, message) => {
    await write('ant', text);
    await expect(loadAdapters({ directory })).rejects.toThrow(message);
  });
});

describe('extra adapters', () => {
  it('join those of the folders', async () => {
    await write('ant', source('ant'));
    const extra = await write('elsewhere/probe', source('probe'));
    const registry = await loadAdapters({ directory, extraPaths: [extra] });
    expect(registry.all().map(({ id }) => id)).toEqual(['ant', 'probe']);
  });

  it('are refused when their id is taken, by a folder or by each other', async () => {
    await write('ant', source('ant'));
    const twin = await write('elsewhere/ant', source('ant'));
    await expect(loadAdapters({ directory, extraPaths: [twin] })).rejects.toThrow(`Extra adapter ${twin} has the id 'ant', which is taken`);
    const [one, two] = [await write('elsewhere/one', source('bee')), await write('elsewhere/two', source('bee'))];
    await expect(loadAdapters({ directory, extraPaths: [one, two] })).rejects.toThrow(`Extra adapter ${two} has the id 'bee'`);
  });

  it('that are not there are named', async () => {
    await expect(loadAdapters({ directory, extraPaths: [join(directory, 'no.js')] })).rejects.toThrow(/Extra adapter .*no\.js cannot be loaded/);
  });
});

import { readdir, readFile } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { loadAdapters } from './index.js';

const here = fileURLToPath(new URL('.', import.meta.url));
const root = resolve(here, '../../..');
const PASSED_OVER = ['node_modules', 'dist', 'generated', '.git'];
/** Specs that run against stand-ins of services, and what they share: the build leaves it out. */
const MAY_NAME_SERVICES = /\.(integration|e2e)\.spec\.tsx?$|^apps\/.*\/fixtures\//;
const READ = /\.(ts|tsx|mts|js|mjs|json|prisma|sql|html|css)$/;

type File = { path: string; text: string };
type Naming = { path: string; line: number; id: string };

/** Where a service is named as a string, outside its own folder. */
function namings(files: File[], ids: string[]): Naming[] {
  const quoted = new RegExp(`(['"\`])(${ids.join('|')})\\1`, 'g');
  return files.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) =>
      [...line.matchAll(quoted)]
        .map((match) => match[2] ?? '')
        .filter((id) => !path.startsWith(`libs/adapters/src/${id}/`))
        .map((id) => ({ path, line: index + 1, id })),
    ),
  );
}

async function filesBelow(folder: string): Promise<File[]> {
  const files: File[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const file = join(folder, entry.name);
    const path = relative(root, file).split(sep).join('/');
    if (entry.isDirectory()) files.push(...(PASSED_OVER.includes(entry.name) ? [] : await filesBelow(file)));
    else if (READ.test(path) && !MAY_NAME_SERVICES.test(path)) files.push({ path, text: await readFile(file, 'utf8') });
  }
  return files;
}

const idsOfServices = async (): Promise<string[]> => (await loadAdapters()).all().map(({ id }) => id);

describe('service names', () => {
  it('occur in their own folder and nowhere else in apps, libs and prisma', async () => {
    const folders = await Promise.all(['apps', 'libs', 'prisma'].map((folder) => filesBelow(join(root, folder))));
    const files = folders.flat();
    expect(files.length).toBeGreaterThan(50);
    expect(namings(files, await idsOfServices())).toEqual([]);
  });

  it('are found wherever they are quoted, in any quotes', async () => {
    const [id] = await idsOfServices();
    const path = 'apps/api-gateway/src/planted.ts';
    for (const quote of ["'", '"', '`']) {
      expect(namings([{ path, text: `\nif (service === ${quote}${id}${quote}) {` }], await idsOfServices())).toEqual([{ path, line: 2, id }]);
    }
  });

  it('are found in the folder of another service, and not in their own', () => {
    const text = "const neighbour = 'ant';";
    expect(namings([{ path: 'libs/adapters/src/bee/index.ts', text }], ['ant', 'bee'])).toHaveLength(1);
    expect(namings([{ path: 'libs/adapters/src/ant/index.ts', text }], ['ant', 'bee'])).toEqual([]);
  });

  it('are not seen in longer words and other strings', () => {
    expect(namings([{ path: 'apps/a.ts', text: "const a = 'antler'; const ant = 'a'; `ant" }], ['ant'])).toEqual([]);
  });
});

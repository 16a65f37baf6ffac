import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { doorOf } from './door-template.js';
import { fixturesReadmeOf, iconOf, readmeOf, specOf } from './templates.js';

/** A name or folder that cannot be used; the message says why and what to do. */
export class NewServiceError extends Error {}

const SLUG = /^[a-z][a-z0-9-]{0,62}$/;

/**
 * Writes the folder of a new service into `directory` (the one that holds all service folders). It loads at once; its
 * conformance spec fails until it is filled in.
 *
 * @returns the files written, relative to `directory`.
 * @throws NewServiceError when the name is no slug or the folder exists; nothing is written then.
 */
export async function newService(name: string, directory: string): Promise<string[]> {
  if (!SLUG.test(name)) {
    throw new NewServiceError(`'${name}' cannot be the name of a service: use a-z, 0-9 and -, and start with a letter, as in my-service.`);
  }
  try {
    await mkdir(join(directory, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new NewServiceError(`The folder ${join(directory, name)} exists already: choose another name, or remove it first.`);
  }
  const files: Record<string, string> = {
    [`${name}/index.ts`]: doorOf(name),
    [`${name}/README.md`]: readmeOf(name),
    [`${name}/icon.svg`]: iconOf(name),
    [`${name}/fixtures/README.md`]: fixturesReadmeOf(),
    [`${name}/${name}.spec.ts`]: specOf(name),
  };
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), text, { flag: 'wx' });
  }
  return Object.keys(files);
}

import { readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Adapter } from '@vane/kit';
import { faultsOf } from './check-adapter.js';

/** The adapters that are installed. A class, so that Nest can inject it by its type. */
export class AdapterRegistry {
  readonly #adapters: ReadonlyMap<string, Adapter>;

  constructor(adapters: readonly Adapter[]) {
    const inOrder = [...adapters].sort((a, b) => (a.id < b.id ? -1 : 1));
    this.#adapters = new Map(inOrder.map((adapter) => [adapter.id, adapter]));
  }

  get(id: string): Adapter | undefined {
    return this.#adapters.get(id);
  }

  /** In order of id. */
  all(): Adapter[] {
    return [...this.#adapters.values()];
  }
}

export type LoadAdaptersOptions = {
  /** Files of modules that export one `adapter`, beside those that come with Vane. */
  extraPaths?: readonly string[];
  /** Where the service folders are; left out: beside this file. */
  directory?: string;
};

/**
 * Loads every service folder and every extra module.
 *
 * @throws Error naming the folder or file when one does not export exactly one valid adapter, when the adapter's id is
 *   not the folder's name, or when an id is taken.
 */
export async function loadAdapters(options: LoadAdaptersOptions = {}): Promise<AdapterRegistry> {
  const directory = options.directory ?? fileURLToPath(new URL('.', import.meta.url));
  const adapters = new Map<string, Adapter>();
  for (const { folder, file } of await serviceFolders(directory)) {
    const adapter = await loadFrom(file, `Service folder '${folder}'`);
    if (adapter.id !== folder) {
      throw new Error(`Service folder '${folder}' exports an adapter with id '${adapter.id}': give both the same name.`);
    }
    adapters.set(adapter.id, adapter);
  }
  for (const path of options.extraPaths ?? []) {
    const adapter = await loadFrom(resolve(path), `Extra adapter ${path}`);
    if (adapters.has(adapter.id)) {
      throw new Error(`Extra adapter ${path} has the id '${adapter.id}', which is taken: give it another id.`);
    }
    adapters.set(adapter.id, adapter);
  }
  return new AdapterRegistry([...adapters.values()]);
}

/** The folders that have a door: `index.ts` in the sources, `index.js` in the build. */
async function serviceFolders(directory: string): Promise<{ folder: string; file: string }[]> {
  const found: { folder: string; file: string }[] = [];
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const names = await readdir(resolve(directory, entry.name));
    const door = ['index.ts', 'index.js'].find((name) => names.includes(name));
    if (door) found.push({ folder: entry.name, file: resolve(directory, entry.name, door) });
  }
  return found;
}

async function loadFrom(file: string, who: string): Promise<Adapter> {
  let module: Record<string, unknown>;
  try {
    module = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  } catch (error) {
    throw new Error(`${who} cannot be loaded: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  const exported = Object.keys(module);
  if (exported.length !== 1 || exported[0] !== 'adapter') {
    throw new Error(`${who} must export exactly one thing, 'adapter', but exports: ${exported.join(', ') || 'nothing'}.`);
  }
  const faults = faultsOf(module.adapter);
  if (faults.length > 0) throw new Error(`${who} does not hold a valid adapter. ${faults.join('. ')}.`);
  return module.adapter as Adapter;
}

// trigger-service as it is built, which tells whoever started it how many statements each search for what is due has sent.
import { AsyncLocalStorage } from 'node:async_hooks';
import pg from 'pg';
import { builtFile } from './child-process.js';

export type Searched = { queries: number };

const search = new AsyncLocalStorage<Searched>();

/** One statement of a pool is not counted again as one of its client. */
function countStatements(prototype: object): void {
  const methods = prototype as { query: (...args: unknown[]) => unknown };
  const original = methods.query;
  methods.query = function counted(this: unknown, ...args: unknown[]) {
    const current = search.getStore();
    if (!current) return original.apply(this, args);
    current.queries += 1;
    return search.exit(() => original.apply(this, args));
  };
}

countStatements(pg.Pool.prototype);
countStatements(pg.Client.prototype);

const { WorkDesk } = (await import(builtFile('apps/trigger-service/dist/work-desk.js'))) as {
  WorkDesk: { prototype: { due(limit: number): Promise<unknown> } };
};
const due = WorkDesk.prototype.due;
WorkDesk.prototype.due = async function counted(limit) {
  const searched: Searched = { queries: 0 };
  const found = await search.run(searched, () => due.call(this, limit));
  process.send?.(searched);
  return found;
};

process.on('disconnect', () => process.exit(0));
await import(builtFile('apps/trigger-service/dist/main.js'));

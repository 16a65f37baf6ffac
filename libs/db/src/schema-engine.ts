import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { ColumnTypeEnum, bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import type { SqlDriverAdapter, SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils';
import { PrismaPg } from '@prisma/adapter-pg';
import type { SchemaEngine } from '@prisma/schema-engine-wasm';
import type pg from 'pg';

type Exports = Record<string, unknown>;
type Bindings = Exports & { SchemaEngine: typeof SchemaEngine; __wbg_set_wasm(exports: Exports): void };
/** What is used of the global, which the type definitions of Node leave out. */
type WebAssemblyGlobal = {
  instantiate(bytes: Uint8Array, imports: Record<string, Exports>): Promise<{ instance: { exports: Exports } }>;
};

let bindings: Promise<Bindings> | undefined;

/** Loads the engine once per process. The package's own entry imports the `.wasm` as a module, which Node 20 cannot. */
const loadBindings = (): Promise<Bindings> => (bindings ??= instantiate());

async function instantiate(): Promise<Bindings> {
  const { WebAssembly } = globalThis as unknown as { WebAssembly: WebAssemblyGlobal };
  const path = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm/schema_engine_bg');
  const loaded = (await import(pathToFileURL(path).href)) as Bindings;
  const imports = { './schema_engine_bg.js': { ...loaded, ...unreferencedTimers(loaded) } };
  const { instance } = await WebAssembly.instantiate(await readFile(path.replace(/\.js$/, '.wasm')), imports);
  // Without a place for its message, a panic of the engine would be reported as a TypeError of this binding.
  const panics = globalThis as { PRISMA_WASM_PANIC_REGISTRY?: { message?: string; set_message(message: string): void } };
  panics.PRISMA_WASM_PANIC_REGISTRY ??= {
    set_message(message) {
      this.message = message;
    },
  };
  loaded.__wbg_set_wasm(instance.exports);
  (instance.exports['__wbindgen_start'] as () => void)();
  return loaded;
}

/** The engine never clears the ten-second timer of its own lock, which would hold every process that long at its end. */
const unreferencedTimers = (loaded: Exports): Exports =>
  Object.fromEntries(
    Object.keys(loaded)
      .filter((name) => name.startsWith('__wbg_setTimeout_'))
      .map((name) => [name, (callback: () => void, ms: number) => setTimeout(callback, ms >>> 0).unref()]),
  );

/** The database's own error when a script failed; the engine drops it. */
export type EngineTrace = { scriptError: unknown };

/**
 * Prisma's schema engine as WebAssembly (https://github.com/prisma/prisma-engines), on one database.
 * `pool` must allow one connection only, so that the engine's session state stays in one session. `shadow`, when given,
 * is an empty database in which the engine may replay migrations; the caller creates and drops it.
 */
export async function withSchemaEngine<T>(
  options: { schema: string; pool: pg.Pool; shadow?: pg.Pool },
  use: (engine: SchemaEngine, trace: EngineTrace) => Promise<T>,
): Promise<T> {
  const { SchemaEngine } = await loadBindings();
  const trace: EngineTrace = { scriptError: undefined };
  const adapter = bindMigrationAwareSqlAdapterFactory(adapterFactory(options, trace));
  const engine = await SchemaEngine.new({ datamodels: [['schema.prisma', options.schema]] }, () => undefined, adapter);
  try {
    return await use(engine, trace);
  } finally {
    engine.free();
  }
}

function adapterFactory(pools: { pool: pg.Pool; shadow?: pg.Pool }, trace: EngineTrace): SqlMigrationAwareDriverAdapterFactory {
  const connect = async (pool: pg.Pool): Promise<SqlDriverAdapter> => {
    const adapter: SqlDriverAdapter = await new PrismaPg(pool).connect();
    readCharColumns(adapter);
    // The adapter's own executeScript splits at every semicolon, also within quotes and function bodies, and runs the
    // pieces one by one. Sent as one simple query, Postgres runs the script in one transaction.
    adapter.executeScript = async (script) => {
      try {
        await pool.query(script);
      } catch (error) {
        trace.scriptError = error;
        throw error;
      }
    };
    return adapter;
  };
  return {
    provider: 'postgres',
    adapterName: '@prisma/adapter-pg',
    connect: () => connect(pools.pool),
    connectToShadowDb: () => {
      if (!pools.shadow) throw new Error('The schema engine asked for a shadow database where none was expected.');
      return connect(pools.shadow);
    },
  };
}

/** Columns of the catalogue that the engine reads as Postgres' internal type "char", with the name each has in the result. */
const CHAR_COLUMNS = [
  { expression: 'constr.contype AS constraint_type', text: 'constr.contype::text AS constraint_type', name: 'constraint_type' },
  { expression: 'con.confdeltype,', text: 'con.confdeltype::text AS confdeltype,', name: 'confdeltype' },
  { expression: 'con.confupdtype,', text: 'con.confupdtype::text AS confupdtype,', name: 'confupdtype' },
];

/** The adapter refuses "char": such columns are asked for as text and handed on as the character that the engine expects. */
function readCharColumns(adapter: SqlDriverAdapter): void {
  const queryRaw = adapter.queryRaw.bind(adapter);
  adapter.queryRaw = async (query) => {
    const columns = CHAR_COLUMNS.filter((column) => query.sql.includes(column.expression));
    if (columns.length === 0) return queryRaw(query);
    const sql = columns.reduce((text, column) => text.replace(column.expression, column.text), query.sql);
    const result = await queryRaw({ ...query, sql });
    const names = new Set(columns.map((column) => column.name));
    const columnTypes = result.columnTypes.map((type, index) =>
      names.has(result.columnNames[index] ?? '') ? ColumnTypeEnum.Character : type,
    );
    return { ...result, columnTypes };
  };
}

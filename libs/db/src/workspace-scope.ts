import { Prisma } from './generated/client.js';
import type { PrismaClient } from './generated/client.js';

type RawQueries = '$queryRaw' | '$queryRawUnsafe' | '$executeRaw' | '$executeRawUnsafe';
type Args = Record<string, unknown>;

/** A Prisma client limited to one workspace; see `scopeToWorkspace`. Raw SQL is not offered, because nothing scopes it. */
export type ScopedPrisma = Omit<PrismaClient, RawQueries | '$extends' | '$on' | '$connect' | '$disconnect'>;

/** Thrown when code asks a scoped client for something outside its workspace, which is always a mistake in that code. */
export class WorkspaceScopeError extends Error {
  override readonly name = 'WorkspaceScopeError';
}

const READS = new Set(['findUnique', 'findUniqueOrThrow', 'findFirst', 'findFirstOrThrow', 'findMany', 'count', 'aggregate', 'groupBy']);
const UPDATES = new Set(['update', 'updateMany', 'updateManyAndReturn']);
const DELETES = new Set(['delete', 'deleteMany']);
const CREATES = new Set(['create', 'createMany', 'createManyAndReturn']);

/**
 * The one place that scopes queries by workspace. Every `where` of every operation gets the workspace as a further
 * condition and every created row gets it as its `workspaceId`. Refused with a WorkspaceScopeError: models without a
 * `workspaceId` column, data that names another workspace, raw SQL, and nested writes (write each row by itself).
 * Reading through relations is allowed: the foreign keys include `workspace_id`, so a row cannot refer to another
 * workspace's row.
 */
export function scopeToWorkspace(prisma: PrismaClient, workspaceId: string): ScopedPrisma {
  if (!workspaceId) throw new WorkspaceScopeError('A scoped client needs the id of a workspace.');
  const extension = Prisma.defineExtension({
    name: 'workspace-scope',
    query: {
      $allOperations: ({ model, operation, args, query }) => {
        if (!model) throw new WorkspaceScopeError(`${operation} is not scoped to a workspace; use the unscoped client for it.`);
        return query(scopeArgs({ model, operation, args: (args ?? {}) as Args, workspaceId }));
      },
    },
  });
  return prisma.$extends(extension) as unknown as ScopedPrisma;
}

function scopeArgs({ model, operation, args, workspaceId }: { model: string; operation: string; args: Args; workspaceId: string }): Args {
  const columns = columnsOf(model);
  if (!columns.has('workspaceId')) {
    throw new WorkspaceScopeError(`${model} belongs to no workspace; use the unscoped client for it.`);
  }
  const where = () => scopeWhere(args['where'], workspaceId);
  const data = (value: unknown) => checkData({ model, columns, value, workspaceId });
  const create = (value: unknown) => ({ ...data(value), workspaceId });
  if (READS.has(operation) || DELETES.has(operation)) return { ...args, where: where() };
  if (UPDATES.has(operation)) return { ...args, where: where(), data: data(args['data']) };
  if (operation === 'upsert') return { ...args, where: where(), create: create(args['create']), update: data(args['update']) };
  if (CREATES.has(operation)) {
    const rows = args['data'];
    return { ...args, data: Array.isArray(rows) ? rows.map(create) : create(rows) };
  }
  throw new WorkspaceScopeError(`${operation} on ${model} is not known to be scoped; use another operation.`);
}

/** Added as a condition of its own, so that neither an OR nor another `workspaceId` in the caller's part can widen it. */
function scopeWhere(where: unknown, workspaceId: string): Args {
  const given = (where ?? {}) as Args;
  const conditions = given['AND'] === undefined ? [] : [given['AND']].flat();
  return { ...given, AND: [{ workspaceId }, ...conditions] };
}

function checkData({ model, columns, value, workspaceId }: { model: string; columns: Set<string>; value: unknown; workspaceId: string }): Args {
  const data = (value ?? {}) as Args;
  for (const [field, content] of Object.entries(data)) {
    if (!columns.has(field) && content !== undefined) {
      throw new WorkspaceScopeError(`${model}.${field} is a relation; write each row by itself, so that its workspace is checked.`);
    }
  }
  const named = data['workspaceId'];
  const target = named !== null && typeof named === 'object' ? (named as { set?: unknown }).set : named;
  if (target !== undefined && target !== workspaceId) {
    throw new WorkspaceScopeError(`Data of ${model} names another workspace than the client is scoped to.`);
  }
  return data;
}

const columnSets = new Map<string, Set<string>>();

/** The columns of a model by their Prisma names, without its relations. */
function columnsOf(model: string): Set<string> {
  const known = columnSets.get(model);
  if (known) return known;
  const columns = (Prisma as unknown as Record<string, Record<string, string> | undefined>)[`${model}ScalarFieldEnum`];
  if (!columns) throw new WorkspaceScopeError(`${model} is not a model of schema.prisma.`);
  const names = new Set(Object.keys(columns));
  columnSets.set(model, names);
  return names;
}

import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createTestDatabase } from '@vane/testing';
import { Database } from './database.js';
import { isUniqueViolation } from './database-errors.js';
import { allowedWords, buildRow, changeOf, delegateOf, isOfWorkspace, keyOf, parseModels } from './fixtures/model-rows.js';
import type { Delegate, Model, Row } from './fixtures/model-rows.js';
import { readSchema } from './migrations.js';
import { WorkspaceScopeError } from './workspace-scope.js';

const A = 'wsp_a';
const B = 'wsp_b';
const models = parseModels(await readSchema());
const ofWorkspaces = models.filter(isOfWorkspace);
const ofNone = models.filter((model) => !ofWorkspaces.includes(model));

let testDatabase: { url: string; drop(): Promise<void> };
let database: Database;
let words: Map<string, string>;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = Database.connect({ url: testDatabase.url, applicationName: 'vane-test', maxConnections: 4 });
  words = await allowedWords(database.pool);
  const createdAt = new Date('2026-01-01T00:00:00Z');
  await database.prisma.workspace.createMany({ data: [A, B].map((id) => ({ id, name: id, createdAt })) });
});

afterAll(async () => {
  await database.close();
  await testDatabase.drop();
});

const create = (model: Model, data: Row): Promise<Row> => delegateOf(database.prisma, model)['create']!({ data });
const build = (model: Model, workspaceId: string) => buildRow({ model, models, words, workspaceId, create });

it('covers the models of the schema', () => {
  expect(models.length).toBeGreaterThanOrEqual(28);
  expect(ofWorkspaces.map(({ name }) => name)).toEqual(expect.arrayContaining(['ApiToken', 'Connection', 'Secret', 'Trigger', 'Run', 'Event', 'Membership', 'Integration', 'IntegrationUse', 'AuditEntry', 'Notification']));
  expect(ofNone.map(({ name }) => name)).toEqual(expect.arrayContaining(['Workspace', 'DataKey', 'EventKey', 'Inbox']));
});

describe.each(ofWorkspaces)('$name of another workspace', (model) => {
  let row: Row;
  let where: Row;
  let mine: Delegate;
  let theirs: Delegate;
  let change: Row;
  /** Its key is the workspace: there is one of each at most. */
  const single = String(model.key) === 'workspaceId';

  beforeEach(async () => {
    if (single) await delegateOf(database.prisma, model)['deleteMany']!({ where: { workspaceId: A } });
    row = await create(model, await build(model, A));
    where = keyOf(model, row);
    theirs = delegateOf(database.forWorkspace(A), model);
    mine = delegateOf(database.forWorkspace(B), model);
    change = changeOf(model, words);
  });

  const current = (): Promise<Row> => delegateOf(database.prisma, model)['findUniqueOrThrow']!({ where });

  it('is found by its own workspace', async () => {
    expect(await theirs['findUnique']!({ where })).toEqual(row);
    expect(await theirs['findMany']!({ where: { AND: [where[model.key[0]!] ? where : {}] } })).toContainEqual(row);
    expect(await theirs['update']!({ where, data: change })).toMatchObject(change);
    expect(await theirs['deleteMany']!({ where: { workspaceId: A } })).not.toEqual({ count: 0 });
  });

  it('is not read by any operation', async () => {
    expect(await mine['findUnique']!({ where })).toBeNull();
    expect(await mine['findFirst']!()).toBeNull();
    expect(await mine['findMany']!()).toEqual([]);
    expect(await mine['count']!()).toBe(0);
    expect(await mine['aggregate']!({ _count: true })).toEqual({ _count: 0 });
    expect(await mine['groupBy']!({ by: ['workspaceId'], _count: true })).toEqual([]);
    await expect(mine['findUniqueOrThrow']!({ where })).rejects.toMatchObject({ code: 'P2025' });
    await expect(mine['findFirstOrThrow']!()).rejects.toMatchObject({ code: 'P2025' });
  });

  it('is not reached by a condition that asks for it', async () => {
    for (const wide of [{ workspaceId: A }, { OR: [{ workspaceId: A }, {}] }, { AND: { workspaceId: A } }, { NOT: { workspaceId: B } }]) {
      expect(await mine['findMany']!({ where: wide })).toEqual([]);
      expect(await mine['count']!({ where: wide })).toBe(0);
      expect(await mine['updateMany']!({ where: wide, data: change })).toEqual({ count: 0 });
      expect(await mine['deleteMany']!({ where: wide })).toEqual({ count: 0 });
    }
    expect(await current()).toEqual(row);
  });

  it('is not written by any operation', async () => {
    await expect(mine['update']!({ where, data: change })).rejects.toMatchObject({ code: 'P2025' });
    await expect(mine['delete']!({ where })).rejects.toMatchObject({ code: 'P2025' });
    expect(await mine['updateMany']!({ data: change })).toEqual({ count: 0 });
    expect(await mine['updateManyAndReturn']!({ data: change })).toEqual([]);
    expect(await mine['deleteMany']!()).toEqual({ count: 0 });
    expect(await current()).toEqual(row);
  });

  it('is not taken over by an upsert', async () => {
    const fresh = await build(model, B);
    const data = { ...fresh, ...Object.fromEntries(model.key.filter((field) => field !== 'workspaceId').map((field) => [field, row[field]])) };
    const outcome = await mine['upsert']!({ where, create: data, update: change }).then(
      (saved: Row) => saved['workspaceId'],
      (error: unknown) => isUniqueViolation(error),
    );
    expect([B, true]).toContain(outcome);
    expect(await current()).toEqual(row);
    await mine['deleteMany']!();
    await clearParents(B);
  });

  it('is not made: data that names it is refused', async () => {
    const data = await build(model, A);
    const count = await delegateOf(database.prisma, model)['count']!();
    for (const make of [
      () => mine['create']!({ data }),
      () => mine['createMany']!({ data: [data] }),
      () => mine['createManyAndReturn']!({ data }),
      () => mine['upsert']!({ where, create: data, update: {} }),
      () => mine['upsert']!({ where, create: { ...data, workspaceId: B }, update: { workspaceId: A } }),
      () => theirs['update']!({ where, data: { workspaceId: B } }),
      () => theirs['updateMany']!({ data: { workspaceId: { set: B } } }),
    ]) {
      await expect(make()).rejects.toThrow(WorkspaceScopeError);
    }
    expect(await delegateOf(database.prisma, model)['count']!()).toBe(count);
  });

  it('is not made: data that names none is written to the own workspace', async () => {
    for (const operation of ['create', 'createMany', 'createManyAndReturn']) {
      const { workspaceId: _, ...data } = await build(model, B);
      await mine[operation]!({ data: operation === 'create' ? data : [data] });
      if (!single) continue;
      expect(await mine['findMany']!()).toMatchObject([{ workspaceId: B }]);
      expect(await mine['deleteMany']!()).toEqual({ count: 1 });
    }
    const made: Row[] = await mine['findMany']!();
    expect(made.map(({ workspaceId }) => workspaceId)).toEqual(single ? [] : [B, B, B]);
    expect(await mine['deleteMany']!()).toEqual({ count: made.length });
    await clearParents(B);
  });
});

/** Removes what `buildRow` made besides, children first, so that the next model starts with an empty workspace B. */
async function clearParents(workspaceId: string): Promise<void> {
  for (const model of [...ofWorkspaces].sort((one, other) => other.parents.length - one.parents.length)) {
    await delegateOf(database.prisma, model)['deleteMany']!({ where: { workspaceId } });
  }
}

describe('a scoped client', () => {
  it.each(ofNone)('refuses $name, which belongs to no workspace', async (model) => {
    await expect(delegateOf(database.forWorkspace(A), model)['findMany']!()).rejects.toThrow(`${model.name} belongs to no workspace`);
  });

  it('refuses raw SQL', async () => {
    const client = database.forWorkspace(A) as unknown as Database['prisma'];
    await expect(client.$queryRaw`SELECT 1`).rejects.toThrow(WorkspaceScopeError);
    await expect(client.$executeRawUnsafe('SELECT 1')).rejects.toThrow(WorkspaceScopeError);
  });

  it('refuses nested writes', async () => {
    const feed = models.find(({ name }) => name === 'Feed')!;
    const data = { ...(await build(feed, A)), triggers: { create: [] } };
    await expect(delegateOf(database.forWorkspace(A), feed)['create']!({ data })).rejects.toThrow('Feed.triggers is a relation');
  });

  it('stays scoped within a transaction', async () => {
    const at = new Date('2026-01-01T00:00:00Z');
    await database.forWorkspace(A).secret.create({ data: { workspaceId: A, name: 'in-transaction', sealed: 'x', updatedAt: at } });
    const seen = await database.forWorkspace(B).$transaction(async (tx) => tx.secret.count());
    expect(seen).toBe(0);
  });

  it('needs a workspace', () => {
    expect(() => database.forWorkspace('')).toThrow(WorkspaceScopeError);
  });
});

it('no row can refer to a row of another workspace, even without a scoped client', async () => {
  const referring = ofWorkspaces.filter(({ parents }) => parents.some(({ fields }) => fields.length > 1 && fields.includes('workspaceId')));
  expect(referring.map(({ name }) => name)).toEqual(expect.arrayContaining(['Connection', 'NotificationDelivery', 'Trigger', 'Subscription', 'Attempt']));
  for (const model of referring) {
    const data = await build(model, A);
    await expect(create(model, { ...data, workspaceId: B })).rejects.toMatchObject({ code: 'P2003' });
  }
});

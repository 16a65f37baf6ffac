import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { deleteOrphan, listOrphans, type TriggerView } from '@vane/contracts';
import { HookKeys } from '@vane/runtime';
import type { Listener } from '../../../../libs/adapters/src/nextcloud/fake/state.js';
import { DriftStage, PUBLIC } from './fixtures/drift-stage.js';

const CREATED = 'OCP\\Files\\Events\\Node\\NodeCreatedEvent';
const WRITTEN = 'OCP\\Files\\Events\\Node\\NodeWrittenEvent';

let stage: DriftStage;
let foreign: Listener[];
const made: TriggerView[] = [];

beforeAll(async () => {
  stage = await DriftStage.open();
  foreign = structuredClone(stage.nextcloud.state.listeners);
});
afterEach(async () => {
  stage.nextcloud.faults.clear();
  for (const trigger of made.splice(0)) await stage.remove(trigger, true);
  stage.nextcloud.state.listeners = structuredClone(foreign);
});
afterAll(() => stage?.close());

async function trigger(wanted: Parameters<DriftStage['trigger']>[0]): Promise<TriggerView> {
  const view = await stage.trigger(wanted);
  made.push(view);
  return view;
}
const listeners = () => stage.nextcloud.state.listeners;
const ours = () => listeners().filter(({ uri }) => uri.startsWith(PUBLIC));
const posts = () => stage.nextcloud.state.requests.filter(({ method, path }) => method === 'POST' && path.includes('/webhooks')).length;
const orphans = (connection: 'github' | 'nextcloud' = 'nextcloud') => stage.ask(listOrphans, { workspace: stage.workspace, connection: stage.connections[connection] });
const removeOrphan = (feed: string, externalId: string) =>
  stage.ask(deleteOrphan, { workspace: stage.workspace, connection: stage.connections.nextcloud, feed, externalId });

describe('hook deleted / disabled / URL edited / event list edited at provider', () => {
  it('finds what Nextcloud hands back of nothing at all as it should be', async () => {
    const view = await trigger({ event: CREATED, onDrift: 'flag' });
    for (const [eventFilter, tokenNeeded] of [[[], null], [{}, { user_ids: [], user_roles: [] }]] as const) {
      Object.assign(ours()[0]!, { eventFilter, tokenNeeded, userIdFilter: '' });
      expect(await stage.check(view)).toMatchObject({ status: 'active', drift: null });
    }
  });

  it('tells a filter that somebody put on it, and a URL that somebody changed', async () => {
    const view = await trigger({ event: CREATED, onDrift: 'flag' });
    ours()[0]!.eventFilter = { 'event.node.path': '/x/' };
    expect(await stage.check(view)).toMatchObject({ status: 'degraded', drift: { kind: 'changed', ours: { filter: null }, theirs: { filter: { 'event.node.path': '/x/' } } } });
    ours()[0]!.uri = 'https://thief.example/a-secret-of-theirs';
    const flagged = await stage.check(view);
    expect(flagged).toMatchObject({ status: 'degraded', drift: { kind: 'url_changed', theirs: { callbackHost: 'thief.example' } } });
    expect(JSON.stringify(flagged)).not.toContain('a-secret-of-theirs');
    expect(await stage.resolve(view, 'restore')).toMatchObject({ status: 'active', drift: null });
    expect(ours()).toEqual([expect.objectContaining({ uri: view.callbackUrl, eventFilter: [] })]);
  });

  it('does not mind the order of a filter', async () => {
    const filter = { 'event.node.path': '/^\\/a/', 'user.uid': 'alice' };
    const view = await trigger({ event: CREATED, filter, onDrift: 'flag' });
    ours()[0]!.eventFilter = Object.fromEntries(Object.entries(filter).reverse());
    expect(await stage.check(view)).toMatchObject({ status: 'active', drift: null });
  });
});

it('Nextcloud update of a deleted id detected', async () => {
  const view = await trigger({ event: CREATED });
  const [old] = ours();
  stage.nextcloud.state.listeners = listeners().filter((one) => one !== old);
  const after = await stage.check(view);
  expect(after).toMatchObject({ status: 'active', externalId: String(ours()[0]!.id) });
  expect(ours()).toEqual([expect.objectContaining({ uri: view.callbackUrl, authData: old!.authData })]);
  expect(after.history.map(({ reason }) => reason?.code)).toContain('missing_at_service');
});

it('foreign hooks untouched (Nextcloud list-all)', async () => {
  const view = await trigger({ event: CREATED });
  const otherInstallation = `${PUBLIC}/hooks/${new HookKeys(Buffer.alloc(32, 7).toString('base64')).mint()}`;
  const theirs = [stage.nextcloud.addListener({ uri: otherInstallation, event: CREATED }), stage.nextcloud.addListener({ uri: 'https://elsewhere.example/hooks/x', event: CREATED })];
  const before = structuredClone([...foreign, ...theirs]);
  stage.nextcloud.state.listeners = listeners().filter(({ uri }) => uri !== view.callbackUrl);
  expect(await stage.check(view)).toMatchObject({ status: 'active' });
  expect(listeners().filter(({ uri }) => uri !== view.callbackUrl)).toEqual(before);
  const { feedId } = view.subscription!;
  expect(await orphans()).toEqual({ items: [], unseen: [], unasked: 0 });
  for (const { id } of [...foreign, ...theirs, ...ours().filter(({ uri }) => uri === view.callbackUrl)]) {
    await expect(removeOrphan(feedId, String(id))).rejects.toMatchObject({ code: 'conflict' });
  }
  expect(listeners()).toHaveLength(before.length + 1);
});

it('list forbidden (403) is not "all gone"', async () => {
  const view = await trigger({ event: CREATED });
  const asked = posts();
  const { externalId } = await stage.subscription(view);
  stage.nextcloud.faults.set({ kind: 'status', status: 403, path: '/ocs/v2.php/apps/webhook_listeners/**', times: 0 });
  expect(await stage.check(view)).toMatchObject({ status: 'degraded', externalId, reason: { code: 'check_refused', message: expect.stringContaining('administrator') } });
  const { items, unseen } = await orphans();
  expect([items, unseen]).toEqual([[], [expect.objectContaining({ message: expect.stringContaining('administrator') })]]);
  stage.nextcloud.faults.clear();
  stage.nextcloud.state.settings.webhooksEnabled = false;
  expect(await stage.check(view)).toMatchObject({ status: 'degraded', externalId });
  stage.nextcloud.state.settings.webhooksEnabled = true;
  expect(await stage.check(view)).toMatchObject({ status: 'active', externalId });
  expect([ours().length, posts()]).toEqual([1, asked]);
});

describe('orphans', () => {
  it('are what a removal that was given up has left, at past resources too, and are deleted one by one on request', async () => {
    const [one, two] = [await trigger({ event: CREATED }), await trigger({ event: WRITTEN })];
    stage.nextcloud.faults.set({ kind: 'status', status: 503, method: 'DELETE', times: 0 });
    for (const view of made.splice(0)) await stage.remove(view, true);
    stage.nextcloud.faults.clear();
    const found = await orphans();
    expect(found.items.map(({ externalId }) => externalId).sort()).toEqual([one, two].map(({ subscription }) => subscription!.externalId).sort());
    expect(JSON.stringify(found)).not.toContain(one.callbackUrl.split('/').at(-1));
    const counted = await stage.sync({ connection: stage.connections.nextcloud });
    expect(counted).toMatchObject({ state: 'done', orphans: 2, findings: [] });
    const [first] = found.items;
    expect(await removeOrphan(first!.feed, first!.externalId)).toEqual({ ok: true });
    await expect(removeOrphan(first!.feed, first!.externalId)).rejects.toMatchObject({ code: 'not_found' });
    expect((await orphans()).items).toEqual(found.items.slice(1));
    expect(ours().map(({ id }) => String(id))).toEqual([found.items[1]!.externalId]);
  });

  it('are not what a tombstone still owes, nor what another workspace has', async () => {
    const view = await trigger({ event: CREATED });
    stage.nextcloud.faults.set({ kind: 'status', status: 503, method: 'DELETE', times: 0 });
    await stage.remove(view);
    expect((await orphans()).items).toEqual([]);
    const { id } = view.subscription!;
    await stage.database.pool.query(`UPDATE subscription SET status = 'removed' WHERE id = $1`, [id]);
    expect((await orphans()).items).toHaveLength(1);
    await stage.database.transaction(async (tx) => {
      await tx.query('SET LOCAL session_replication_role = replica');
      await tx.query(`UPDATE subscription SET workspace_id = 'another' WHERE id = $1`, [id]);
    });
    expect((await orphans()).items).toEqual([]);
    made.splice(0);
  });

  it('list page 2', async () => {
    const repository = 'octocat/crowded';
    const { hooks } = stage.github.addRepo(repository);
    const view = await stage.trigger({ repository });
    const [hook] = hooks;
    hooks.unshift(...Array.from({ length: 120 }, (_, id) => ({ ...hook!, id: id + 1, config: { ...hook!.config, url: `https://elsewhere.example/${id}` } })));
    stage.github.faults.set({ kind: 'status', status: 503, method: 'DELETE', times: 0 });
    await stage.remove(view, true);
    stage.github.faults.clear();
    expect((await orphans('github')).items).toEqual([expect.objectContaining({ externalId: String(hook!.id), resource: repository })]);
    await stage.ask(deleteOrphan, { workspace: stage.workspace, connection: stage.connections.github, feed: view.subscription!.feedId, externalId: String(hook!.id) });
    expect(hooks).toHaveLength(120);
  });
});

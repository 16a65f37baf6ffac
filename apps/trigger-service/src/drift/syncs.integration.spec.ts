import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { doWork, dueWork, getSync, startSync, sweepSubscriptions, type TriggerView } from '@vane/contracts';
import { newId } from '@vane/db';
import { DriftStage } from './fixtures/drift-stage.js';

const CREATED = 'OCP\\Files\\Events\\Node\\NodeCreatedEvent';

let stage: DriftStage;
let [first, second, third]: TriggerView[] = [];

beforeAll(async () => {
  stage = await DriftStage.open();
  for (const name of ['one', 'two']) stage.github.addRepo(`octocat/${name}`);
  first = await stage.trigger({ repository: 'octocat/one', onDrift: 'flag' });
  second = await stage.trigger({ repository: 'octocat/two' });
  third = await stage.trigger({ event: CREATED });
});
afterAll(() => stage?.close());

const start = (of: { trigger?: string; connection?: string } = {}) => stage.ask(startSync, { workspace: stage.workspace, ...of });
const get = (sync: string) => stage.ask(getSync, { workspace: stage.workspace, sync });
const checks = async () => (await stage.ask(dueWork, { limit: 100 })).items.filter(({ kind }) => kind === 'check');
const ids = (...triggers: (TriggerView | undefined)[]) => triggers.map((trigger) => trigger!.subscription!.id);

it('makes due what is in its scope and nothing else, and asks no service itself', async () => {
  const asked = stage.github.state.requests.length + stage.nextcloud.state.requests.length;
  const scopes = [
    [{ trigger: first!.id }, ids(first)], [{ connection: stage.connections.github }, ids(first, second)], [{}, ids(first, second, third)],
  ] as const;
  for (const [scope, expected] of scopes) {
    const sync = await start(scope);
    expect(sync).toMatchObject({ state: 'running', progress: { total: expected.length, done: 0 }, orphans: null, findings: [] });
    const due = (await checks()).map(({ id }) => id);
    expect(due.filter((id) => id.startsWith('sub_')).sort()).toEqual([...expected].sort());
    expect(due).toContain(sync.id);
  }
  expect(stage.github.state.requests.length + stage.nextcloud.state.requests.length).toBe(asked);
});

it('says how far it is, and what was found', async () => {
  stage.github.state.repos.get('octocat/one')!.hooks[0]!.active = false;
  const { id } = await start();
  const seen: number[] = [];
  for (const item of (await checks()).filter((one) => one.id.startsWith('sub_'))) {
    expect(await stage.ask(doWork, item)).toEqual({ done: true });
    seen.push((await get(id)).progress.done);
  }
  expect(seen).toEqual([1, 2, 3]);
  expect(await get(id)).toMatchObject({ state: 'running', orphans: null });
  await stage.doDue();
  expect(await get(id)).toMatchObject({
    state: 'done', progress: { total: 3, done: 3 }, orphans: 0,
    findings: [{ subscriptionId: ids(first)[0], service: 'github', resource: 'octocat/one', status: 'disabled', drift: { kind: 'disabled' } }],
  });
});

it('knows only triggers, connections and syncs of its workspace', async () => {
  for (const scope of [{ trigger: 'trg_unknown' }, { connection: 'con_unknown' }]) await expect(start(scope)).rejects.toMatchObject({ code: 'not_found' });
  await expect(get('syn_unknown')).rejects.toMatchObject({ code: 'not_found' });
  const { id } = await start();
  await expect(stage.ask(getSync, { workspace: 'wsp_other', sync: id })).rejects.toMatchObject({ code: 'not_found' });
});

it('is forgotten after seven days', async () => {
  const [old, young] = [await start(), await start()];
  const before = newId('sync', new Date(Date.parse(old.requestedAt) - 7 * 86_400_000 - 60_000));
  await stage.database.pool.query('UPDATE sync_request SET id = $2 WHERE id = $1', [old.id, before]);
  expect(await get(before)).toMatchObject({ id: before });
  await stage.ask(sweepSubscriptions, { limit: 10 });
  await expect(get(before)).rejects.toMatchObject({ code: 'not_found' });
  expect(await get(young.id)).toMatchObject({ id: young.id });
});

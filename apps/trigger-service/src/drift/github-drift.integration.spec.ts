import { createHmac } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { getProviderView, rotateSubscriptionSecret, updateTrigger, type TriggerView } from '@vane/contracts';
import type { Hook } from '../../../../libs/adapters/src/github/fake/state.js';
import { DriftStage } from './fixtures/drift-stage.js';

let stage: DriftStage;
let repository: string;
let serial = 0;
let made: TriggerView[];

beforeAll(async () => {
  stage = await DriftStage.open();
});
beforeEach(() => {
  serial += 1;
  made = [];
  repository = `octocat/drift-${serial}`;
  stage.github.addRepo(repository);
});
afterEach(async () => {
  stage.github.faults.clear();
  for (const trigger of made) await stage.remove(trigger, true);
});
afterAll(() => stage?.close());

const hooks = (): Hook[] => stage.github.state.repos.get(repository)!.hooks;
async function trigger(onDrift: TriggerView['onDrift'], events = ['push']): Promise<TriggerView> {
  const view = await stage.trigger({ repository, onDrift, events });
  made.push(view);
  return view;
}
const requestsTo = (method: string) => stage.github.state.requests.filter((request) => request.method === method && request.path.includes(repository)).length;

describe('hook deleted / disabled / URL edited / event list edited at provider', () => {
  it('is made again when it was deleted, and its history says so', async () => {
    const view = await trigger('restore');
    const [old] = hooks();
    hooks().splice(0);
    expect(await stage.check(view)).toMatchObject({ status: 'active', reason: null, drift: null, externalId: String(hooks()[0]!.id) });
    expect(hooks()).toEqual([expect.objectContaining({ config: expect.objectContaining({ url: view.callbackUrl, secret: old!.config.secret }) })]);
    const { history } = await stage.subscription(view);
    expect(history.map(({ status, reason }) => [status, reason?.code])).toEqual([['active', undefined], ['missing', 'missing_at_service'], ['active', undefined], ['pending', undefined]]);
    expect(history[1]!.reason!.message).toBe('At GitHub it was gone, so it is made again.');
  });

  it('is flagged when it was deleted, until a person has it restored', async () => {
    const view = await trigger('flag');
    hooks().splice(0);
    const flagged = await stage.check(view);
    expect(flagged).toMatchObject({ status: 'missing', reason: { code: 'missing_at_service', message: expect.stringContaining('"restore"') }, drift: { kind: 'missing', theirs: null } });
    expect(await stage.check(view)).toMatchObject({ status: 'missing', drift: flagged.drift, history: flagged.history });
    expect(hooks()).toEqual([]);
    await expect(stage.resolve(view, 'keep')).rejects.toMatchObject({ code: 'conflict' });
    expect(await stage.resolve(view, 'restore')).toMatchObject({ status: 'active', drift: null });
    expect(hooks()).toHaveLength(1);
    await expect(stage.resolve(view, 'restore')).rejects.toMatchObject({ code: 'conflict' });
  });

  it('is adopted when somebody made it anew, so that there is one', async () => {
    const view = await trigger('restore');
    const [hook] = hooks();
    hook!.id += 100_000;
    expect(await stage.check(view)).toMatchObject({ status: 'active', externalId: String(hook!.id) });
    expect(hooks()).toHaveLength(1);
  });

  it('is restored as soon as one of its triggers wants that', async () => {
    const [flags] = [await trigger('flag'), await trigger('restore')];
    hooks()[0]!.active = false;
    expect(await stage.check(flags)).toMatchObject({ status: 'active' });
    expect(hooks()[0]!.active).toBe(true);
  });

  it('is flagged when it was switched off, and found right when it is switched on there', async () => {
    const view = await trigger('flag');
    hooks()[0]!.active = false;
    expect(await stage.check(view)).toMatchObject({ status: 'disabled', drift: { kind: 'disabled', ours: { active: true }, theirs: { active: false } } });
    hooks()[0]!.active = true;
    expect(await stage.check(view)).toMatchObject({ status: 'active', drift: null, history: expect.arrayContaining([expect.objectContaining({ reason: expect.objectContaining({ code: 'recovered' }) })]) });
  });

  it('gets its events back', async () => {
    const view = await trigger('restore', ['push', 'issues']);
    hooks()[0]!.events = ['release'];
    expect(await stage.check(view)).toMatchObject({ status: 'active', drift: null });
    expect(hooks()[0]).toMatchObject({ events: ['issues', 'push'] });
  });

  it('may keep the events that somebody chose there, until they change again', async () => {
    const view = await trigger('flag');
    hooks()[0]!.events = ['push', 'release'];
    const drift = { kind: 'changed', ours: { events: ['push'] }, theirs: { events: ['push', 'release'] } };
    expect(await stage.check(view)).toMatchObject({ status: 'degraded', reason: { code: 'changed_at_service' }, drift });
    expect(await stage.ask(getProviderView, { workspace: stage.workspace, trigger: view.id })).toMatchObject({ state: 'present', drift });
    expect(await stage.resolve(view, 'keep')).toMatchObject({ status: 'active', drift: null });
    expect(await stage.check(view)).toMatchObject({ status: 'active', drift: null });
    hooks()[0]!.events = ['release'];
    expect(await stage.check(view)).toMatchObject({ status: 'degraded', drift: { theirs: { events: ['release'] } } });
    const config = { repository, events: ['issues'] };
    await stage.ask(updateTrigger, { workspace: stage.workspace, trigger: view.id, ifMatch: view.version, config });
    expect(await stage.check(view)).toMatchObject({ status: 'active', drift: null });
    expect(hooks()[0]!.events).toEqual(['issues']);
  });

  it('that points elsewhere is flagged with the host alone, and never followed there', async () => {
    const view = await trigger('flag');
    hooks()[0]!.config.url = 'https://thief.example/hooks/a-secret-of-theirs';
    const flagged = await stage.check(view);
    expect(flagged).toMatchObject({ status: 'degraded', reason: { code: 'url_changed_at_service' }, drift: { kind: 'url_changed', ours: { callbackHost: 'hooks.example' }, theirs: { callbackHost: 'thief.example' } } });
    expect(JSON.stringify(flagged)).not.toContain('a-secret-of-theirs');
    expect(await stage.resolve(view, 'restore')).toMatchObject({ status: 'active' });
    expect(hooks()[0]!.config.url).toBe(view.callbackUrl);
  });
});

it('list forbidden (403) is not "all gone"', async () => {
  const view = await trigger('restore');
  const before = await stage.subscription(view);
  stage.github.faults.set({ kind: 'status', status: 403, path: `/repos/${repository}/hooks**`, times: 0 });
  const refused = await stage.check(view);
  expect(refused).toMatchObject({ status: 'degraded', externalId: before.externalId, reason: { code: 'check_refused', message: expect.stringContaining('403') }, checkedAt: before.checkedAt });
  stage.github.faults.clear();
  stage.github.state.repos.get(repository)!.admin = false;
  expect(await stage.check(view)).toMatchObject({ status: 'degraded', externalId: before.externalId });
  stage.github.state.repos.get(repository)!.admin = true;
  expect(await stage.check(view)).toMatchObject({ status: 'active', externalId: before.externalId });
  expect([hooks().length, requestsTo('POST')]).toEqual([1, 1]);
});

it.each([
  ['an outage', { kind: 'status', status: 503, times: 0 }],
  ['a refused token', { kind: 'status', status: 401, times: 0 }],
  ['garbage', { kind: 'garbage', form: 'html', times: 0 }],
] as const)('takes %s for no news, and looks again later', async (_what, fault) => {
  const view = await trigger('restore');
  stage.github.faults.set({ ...fault, path: `/repos/${repository}/hooks**` });
  const sync = await stage.sync({ trigger: view.id });
  expect(sync).toMatchObject({ progress: { total: 1, done: 1 }, findings: [{ status: 'active', reason: { code: 'not_checked' } }] });
  expect(await stage.subscription(view)).toMatchObject({ status: 'active', checkedAt: null, reason: null });
  stage.github.faults.clear();
  expect((await stage.check(view)).checkedAt).not.toBeNull();
  expect([hooks().length, requestsTo('POST')]).toEqual([1, 1]);
});

it('secret never reported as drift', async () => {
  const view = await trigger('flag');
  hooks()[0]!.config.secret = 'another secret than ours';
  expect(await stage.check(view)).toMatchObject({ status: 'active', drift: null });
  await stage.ask(rotateSubscriptionSecret, { workspace: stage.workspace, subscription: view.subscription!.id, overlap: 'now' });
  expect(await stage.check(view)).toMatchObject({ status: 'active', drift: null });
});

it('GitHub PATCH keeps the secret', async () => {
  const view = await trigger('restore');
  const { secret } = hooks()[0]!.config;
  hooks()[0]!.events = ['release'];
  await stage.check(view);
  expect(hooks()[0]!.config.secret).toBe(secret);
  const [delivery] = await stage.github.push(repository, 'push');
  expect(delivery!.requestHeaders['X-Hub-Signature-256']).toBe(`sha256=${createHmac('sha256', secret!).update(delivery!.body).digest('hex')}`);
});

it('is not asked about while the connection needs a person', async () => {
  const view = await trigger('restore');
  await stage.database.pool.query(`UPDATE connection SET status = 'auth_required' WHERE id = $1`, [stage.connections.github]);
  try {
    hooks().splice(0);
    const asked = stage.github.state.requests.length;
    expect(await stage.check(view)).toMatchObject({ status: 'active', checkedAt: null });
    expect(stage.github.state.requests).toHaveLength(asked);
  } finally {
    await stage.database.pool.query(`UPDATE connection SET status = 'active' WHERE id = $1`, [stage.connections.github]);
  }
});

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import * as contracts from '@vane/contracts';
import type { TriggerView } from '@vane/contracts';
import { HealthStage } from './fixtures/health-stage.js';

let stage: HealthStage;
let trigger: TriggerView;
let pings: HealthStage['github']['state']['deliveries'];

beforeAll(async () => {
  stage = await HealthStage.open();
});
afterAll(() => stage?.close());

const diagnose = async () => {
  const { firstBroken, layers } = await stage.diagnose(trigger);
  return { firstBroken, layer: (name: string) => layers.find(({ layer }) => layer === name)! };
};
const hook = () => [...stage.github.state.repos.values()].flatMap(({ hooks }) => hooks)[0]!;
const subscribe = (set: string) => stage.sql(`UPDATE subscription SET ${set} WHERE id = $1`, [trigger.subscription!.id]);
const preflight = (more: Partial<contracts.InputOf<typeof contracts.preflightTrigger>> = {}) =>
  stage.bus.ask(
    contracts.preflightTrigger,
    { workspace: stage.workspace, service: 'github', type: 'repository', connectionId: stage.connection, config: { repository: 'octocat/hello-world', events: ['push'] }, ...more }, stage.call,
  );

describe('the diagnosis of a trigger', () => {
  beforeEach(async () => {
    stage.held = { ownerId: null, scopes: ['admin:repo_hook'], login: 'octocat' };
    trigger = await stage.create();
    await stage.github.idle();
    // Nobody answers at the address of the hook, so the ping has failed; only one test wants to know.
    pings = stage.github.state.deliveries.splice(0);
  });
  afterEach(() => stage.remove(trigger));

  it('finds nothing where nothing is wrong, and names every layer in the order of an event', async () => {
    await stage.event(trigger, { status: 'succeeded' });
    const { layers, firstBroken } = await stage.diagnose(trigger);
    expect(firstBroken).toBeNull();
    expect(layers.map(({ layer }) => layer)).toEqual(['connection', 'subscription', 'provider', 'delivery_log', 'ingress', 'pull', 'filter', 'queue', 'run']);
    expect(layers.find(({ layer }) => layer === 'provider')).toMatchObject({ state: 'ok' });
  });

  it('names the connection', async () => {
    await stage.sql(`UPDATE connection SET status = 'auth_required', reason_code = 'dead_grant', reason = 'GitHub says no.' WHERE id = $1`, [stage.connection]);
    const { firstBroken, layer } = await diagnose();
    expect(firstBroken).toBe('connection');
    expect(layer('connection')).toMatchObject({ state: 'broken', message: 'GitHub says no.', fix: expect.any(String) });
    await stage.sql(`UPDATE connection SET status = 'active', reason_code = NULL, reason = NULL WHERE id = $1`, [stage.connection]);
  });

  it('names the subscription, with the words of the service', async () => {
    await subscribe(`status = 'degraded', reason_code = 'forbidden', reason_message = 'Must have admin rights.'`);
    const { firstBroken, layer } = await diagnose();
    expect(firstBroken).toBe('subscription');
    expect(layer('subscription')).toMatchObject({ message: 'Must have admin rights.', facts: { code: 'forbidden' } });
  });

  it('names what the service has of ours: gone, switched off, or pointing elsewhere', async () => {
    hook().active = false;
    expect((await diagnose()).firstBroken).toBe('provider');
    hook().active = true;
    hook().config.url = 'https://elsewhere.example/';
    const elsewhere = await diagnose();
    expect(elsewhere.layer('provider')).toMatchObject({ state: 'broken', message: expect.stringContaining('another address') });
    for (const repo of stage.github.state.repos.values()) repo.hooks = [];
    const gone = await diagnose();
    expect([gone.firstBroken, gone.layer('provider').state]).toEqual(['provider', 'broken']);
  });

  it('names the log of the service when that could not reach us', async () => {
    stage.github.state.deliveries.push(...pings);
    const { firstBroken, layer } = await diagnose();
    expect(firstBroken).toBe('delivery_log');
    expect(layer('delivery_log')).toMatchObject({ state: 'broken', fix: expect.stringContaining('VANE_PUBLIC_URL'), facts: { sent: 1, failed: 1 } });
  });

  it('leaves unknown what a service that is away, or a private connection, does not tell', async () => {
    stage.held.ownerId = 'usr_another';
    const hidden = await diagnose();
    expect(hidden.firstBroken).toBeNull();
    expect(hidden.layer('provider')).toMatchObject({ state: 'unknown', message: expect.stringContaining('private') });
    stage.held.ownerId = null;
    stage.github.faults.set({ kind: 'status', status: 503, method: 'GET', path: '/**', times: 0 });
    const away = await diagnose();
    expect(away.firstBroken).toBeNull();
    expect(away.layer('provider').state).toBe('unknown');
    stage.github.faults.clear();
  });

  it('names ingress that refuses, the filter that lets nothing through, the queue, and the run that fails', async () => {
    await stage.delivered(trigger, 'refused', 'bad_signature');
    expect(await diagnose()).toMatchObject({ firstBroken: 'ingress' });
    await stage.delivered(trigger, 'accepted');
    await stage.delivered(trigger, 'accepted');
    await stage.event(trigger);
    const filtered = await diagnose();
    expect([filtered.firstBroken, filtered.layer('filter').message]).toEqual(['filter', expect.stringContaining('None of the last 1 events')]);
    await stage.event(trigger, { status: 'dead', error: 'ReferenceError: x is not defined' });
    const failed = await diagnose();
    expect([failed.firstBroken, failed.layer('run').message]).toEqual(['run', expect.stringContaining('x is not defined')]);
    await stage.event(trigger, { status: 'held' });
    expect(await diagnose()).toMatchObject({ firstBroken: 'queue' });
    await stage.bus.ask(contracts.pauseTrigger, { workspace: stage.workspace, trigger: trigger.id }, stage.call);
    const paused = await diagnose();
    expect([paused.firstBroken, paused.layer('filter').message]).toEqual(['filter', expect.stringContaining('paused')]);
  });

  it('names a filter that says no to everything, and one that cannot be evaluated', async () => {
    const because = (reason: string) => stage.sql(`UPDATE run SET status = 'skipped', reason = $2, reason_message = 'because of ' || $2 WHERE trigger_id = $1`, [trigger.id, reason]);
    await stage.event(trigger, { status: 'skipped' });
    await because('filtered');
    const filtered = await diagnose();
    expect([filtered.firstBroken, filtered.layer('filter').message]).toEqual(['filter', expect.stringContaining('said no to all of the last 1')]);
    await because('mapping_failed');
    const failed = await diagnose();
    expect([failed.firstBroken, failed.layer('filter')]).toEqual(['filter', expect.objectContaining({ message: expect.stringContaining('because of mapping_failed'), fix: expect.stringContaining('mapping') })]);
    await because('filtered');
    await stage.event(trigger, { status: 'succeeded' });
    expect((await diagnose()).layer('filter')).toMatchObject({ state: 'ok', message: 'Of the last 2 events 1 started a run.' });
  });

  it('is for a trigger that is there, whose workspace can be found', async () => {
    await expect(stage.diagnose({ id: 'trg_nothing' })).rejects.toMatchObject({ code: 'not_found' });
    expect(await stage.bus.ask(contracts.locateTrigger, { trigger: trigger.id }, stage.call)).toMatchObject({ workspaceId: stage.workspace });
    await expect(stage.bus.ask(contracts.locateTrigger, { trigger: 'trg_nothing' }, stage.call)).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('a preflight', () => {
  const states = async (more: Parameters<typeof preflight>[0] = {}) => Object.fromEntries((await preflight(more)).checks.map(({ id, state }) => [id, state]));

  it('says what is there, and registers nothing', async () => {
    stage.held = { ownerId: null, scopes: ['admin:repo_hook'], login: 'octocat' };
    const hooks = [...stage.github.state.repos.values()].flatMap((repo) => repo.hooks).length;
    expect(await states()).toMatchObject({ public_url: 'ok', callback_rules: 'ok', connection: 'ok', scopes: 'ok', clock: 'ok' });
    expect((await stage.sql('SELECT id FROM trigger')).rows).toEqual([]);
    expect([...stage.github.state.repos.values()].flatMap((repo) => repo.hooks)).toHaveLength(hooks);
  });

  it('says what is missing: scopes, a connection that may be used, a clock that is right', async () => {
    stage.held.scopes = ['read:user'];
    stage.clock.aheadMs += 600_000;
    const { ok, checks } = await preflight();
    expect(ok).toBe(false);
    expect(checks).toEqual(expect.arrayContaining([
      expect.objectContaining({ id: 'scopes', state: 'failed', message: expect.stringContaining('admin:repo_hook') }),
      expect.objectContaining({ id: 'clock', state: 'failed', message: expect.stringContaining('ahead of') }),
    ]));
    stage.clock.aheadMs -= 600_000;
    stage.held = { ownerId: 'usr_another', scopes: ['admin:repo_hook'], login: 'octocat' };
    expect(await states()).toMatchObject({ connection: 'failed', scopes: 'skipped' });
    expect(await states({ connectionId: null })).toMatchObject({ connection: 'failed' });
    await expect(preflight({ config: {} })).rejects.toMatchObject({ code: 'invalid_config' });
  });

  it('looks at what needs no connection too', async () => {
    expect(await states({ service: 'generic-webhook', type: 'webhook', connectionId: null, config: { scheme: 'none' } })).toMatchObject({ connection: 'skipped', clock: 'skipped', public_url: 'ok' });
  });
});

import { createHmac } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { deleteOrphan, deleteTrigger, listOrphans, rotateSubscriptionSecret, updateTrigger, type DriftKind, type SubscriptionView } from '@vane/contracts';
import { HookKeys } from '@vane/runtime';
import { newSecret } from '@vane/testing';
import type { Hook } from '../../libs/adapters/src/github/fake/state.js';
import type { Listener } from '../../libs/adapters/src/nextcloud/fake/state.js';
import { DriftStage } from './drift-stage.js';
import { asProblem, type GithubStage } from './github-stage.js';
import { codes } from './google-stage.js';
import { COPIED, CREATED, DELETED, WRITTEN, type NextcloudStage } from './nextcloud-stage.js';
import { system } from './system.js';

/** Where somebody lets a hook of ours point: nobody listens there. */
const ELSEWHERE = 'http://127.0.0.1:9/hooks/a-secret-of-theirs';

let stage: DriftStage;
let github: GithubStage;
let nextcloud: NextcloudStage;

beforeAll(async () => {
  stage = await DriftStage.open('acceptance of drift');
  ({ github, nextcloud } = stage);
});
afterEach(async () => {
  await stage.clear();
  expect([github.ourHooks(), nextcloud.ours()]).toEqual([[], []]);
});
afterAll(() => stage?.close());

type Edit<Object> = { kind: DriftKind; status: SubscriptionView['status']; code: string; ours: object; theirs: object | null; edit: (object: Object) => void };

const GITHUB_EDITS: Edit<Hook[]>[] = [
  { kind: 'missing', status: 'missing', code: 'missing_at_service', ours: { events: ['push'] }, theirs: null, edit: (hooks) => void hooks.splice(0) },
  { kind: 'disabled', status: 'disabled', code: 'disabled_at_service', ours: { active: true }, theirs: { active: false }, edit: ([hook]) => void (hook!.active = false) },
  {
    kind: 'url_changed', status: 'degraded', code: 'url_changed_at_service', ours: { callbackHost: expect.any(String) }, theirs: { callbackHost: '127.0.0.1:9' },
    edit: ([hook]) => void (hook!.config.url = ELSEWHERE),
  },
  { kind: 'changed', status: 'degraded', code: 'changed_at_service', ours: { events: ['push'] }, theirs: { events: ['issues'] }, edit: ([hook]) => void (hook!.events = ['issues']) },
];

const NEXTCLOUD_EDITS: (Edit<Listener> & { event: string })[] = [
  { event: CREATED, kind: 'missing', status: 'missing', code: 'missing_at_service', ours: { event: CREATED }, theirs: null, edit: (hook) => nextcloud.lose(hook) },
  {
    event: WRITTEN, kind: 'url_changed', status: 'degraded', code: 'url_changed_at_service', ours: { callbackHost: expect.any(String) }, theirs: { callbackHost: '127.0.0.1:9' },
    edit: (hook) => void (hook.uri = ELSEWHERE),
  },
  {
    event: COPIED, kind: 'changed', status: 'degraded', code: 'changed_at_service', ours: { event: COPIED }, theirs: { event: DELETED },
    edit: (hook) => void (hook.event = DELETED),
  },
];

describe('hook deleted / disabled / URL edited / event list edited at provider', () => {
  it('is put back at GitHub with onDrift restore, and an event is a run again', async () => {
    const parties = [];
    for (const edit of GITHUB_EDITS) parties.push({ ...edit, ...(await stage.repositoryWith({ onDrift: 'restore' })) });
    const right = new Map(parties.map(({ kind, hooks }) => [kind, structuredClone(hooks[0]!)]));
    for (const { edit, hooks, repository } of parties) {
      edit(hooks);
      // Nothing reaches us any more.
      expect((await github.fake.push(repository, 'push', { n: 0 })).filter(({ statusCode }) => statusCode === 200)).toEqual([]);
    }
    expect(await stage.sync({ connection: github.connection }, { counted: true })).toMatchObject({ progress: { total: 4, done: 4 }, orphans: 0 });
    for (const { kind, status, code, hooks, repository, trigger } of parties) {
      const { history, externalId } = await stage.restored(trigger);
      expect(history).toContainEqual(expect.objectContaining({ status, reason: expect.objectContaining({ code }) }));
      const { config } = right.get(kind)!;
      expect(hooks).toEqual([expect.objectContaining({ id: Number(externalId), active: true, events: ['push'], config })]);
      expect(config.url).toBe(trigger.callbackUrl);
      await stage.pushRuns({ repository, hooks, trigger });
    }
  });

  it('is shown of GitHub with both versions with onDrift flag, until a person decides', async () => {
    const parties = [];
    for (const edit of GITHUB_EDITS) parties.push({ ...edit, ...(await stage.repositoryWith({ onDrift: 'flag' })) });
    for (const { edit, hooks } of parties) edit(hooks);
    const edited = structuredClone(parties.map(({ hooks }) => hooks));
    const { findings } = await stage.sync({ connection: github.connection });
    for (const { kind, status, code, ours, theirs, trigger } of parties) {
      const drift = { kind, ours, theirs };
      expect(await stage.read(trigger)).toMatchObject({ status, drift, reason: { code, message: expect.stringContaining('"restore"') } });
      expect(findings).toContainEqual(expect.objectContaining({ subscriptionId: trigger.subscription!.id, status, drift: expect.objectContaining({ kind }) }));
      expect(await stage.viewOf(trigger)).toMatchObject({ drift });
      const kept = await stage.resolve(trigger, 'keep');
      expect(kept.status).toBe(kind === 'changed' ? 200 : 409);
    }
    expect(JSON.stringify(findings)).not.toContain('a-secret-of-theirs');
    expect(parties.map(({ hooks }) => hooks)).toEqual(edited);

    // What was kept is left alone, until it changes again.
    const changed = parties.find(({ kind }) => kind === 'changed')!;
    expect(await stage.looked(changed.trigger)).toMatchObject({ status: 'active', drift: null });
    expect(changed.hooks[0]!.events).toEqual(['issues']);
    changed.hooks[0]!.events = ['release'];
    expect(await stage.looked(changed.trigger)).toMatchObject({ status: 'degraded', drift: { theirs: { events: ['release'] } } });

    for (const { hooks, repository, trigger } of parties) {
      expect((await stage.resolve(trigger, 'restore')).status).toBeLessThan(300);
      const { externalId } = await stage.restored(trigger);
      expect(hooks).toMatchObject([{ id: Number(externalId), active: true, events: ['push'], config: { url: trigger.callbackUrl } }]);
      await stage.pushRuns({ repository, hooks, trigger });
      expect(asProblem(await stage.resolve(trigger, 'restore')).code).toBe('conflict');
    }
  });

  it('is put back at Nextcloud with onDrift restore, and shown with both versions with onDrift flag', async () => {
    for (const onDrift of ['restore', 'flag'] as const) {
      const parties = [];
      for (const edit of NEXTCLOUD_EDITS) parties.push({ ...edit, trigger: await nextcloud.trigger({ event: edit.event }, { onDrift }) });
      for (const { edit, trigger } of parties) edit(nextcloud.ours().find(({ uri }) => uri === trigger.callbackUrl)!);
      await stage.sync({ connection: nextcloud.connection });
      for (const { kind, status, code, ours, theirs, event, trigger } of parties) {
        if (onDrift === 'flag') {
          const flagged = await stage.read(trigger);
          expect(flagged).toMatchObject({ status, drift: { kind, ours, theirs }, reason: { code } });
          expect(JSON.stringify(flagged)).not.toContain('a-secret-of-theirs');
          expect((await stage.resolve(trigger, 'restore')).status).toBeLessThan(300);
        }
        const now = await stage.restored(trigger);
        expect(codes(now)).toContain(code);
        expect(nextcloud.ours().filter(({ uri }) => uri === trigger.callbackUrl)).toMatchObject([{ id: Number(now.externalId), event }]);
        await stage.fileRuns(event, trigger);
        await stage.api.call(deleteTrigger, stage.inWorkspace({ trigger: trigger.id }));
      }
    }
  });
});

it('foreign hooks untouched (Nextcloud list-all)', async () => {
  const trigger = await nextcloud.trigger({ event: CREATED });
  const otherInstallation = `${system().ingress}/hooks/${new HookKeys(Buffer.alloc(32, 7).toString('base64')).mint()}`;
  const theirs = [otherInstallation, `${system().ingress}/hooks/`, 'https://elsewhere.example/hooks/x'].map((uri) => nextcloud.fake.addListener({ uri, event: DELETED }));
  const foreign = () => nextcloud.fake.state.listeners.filter(({ uri }) => uri !== trigger.callbackUrl);
  const before = structuredClone(foreign());
  nextcloud.lose(nextcloud.ours().find(({ uri }) => uri === trigger.callbackUrl)!);
  expect(await stage.sync({ connection: nextcloud.connection }, { counted: true })).toMatchObject({ orphans: 0 });
  await stage.restored(trigger);
  const connection = { connection: nextcloud.connection };
  expect(await stage.api.call(listOrphans, stage.inWorkspace(connection))).toEqual({ items: [], unseen: [], unasked: 0 });
  for (const { id } of nextcloud.fake.state.listeners) {
    const { feedId: feed } = trigger.subscription!;
    expect(asProblem(await stage.api.send(deleteOrphan, stage.inWorkspace({ ...connection, feed, externalId: String(id) }))).code).toBe('conflict');
  }
  expect(foreign()).toEqual(before);
  await stage.fileRuns(CREATED, trigger);
  for (const hook of theirs) nextcloud.lose(hook);
});

it('list page 2', async () => {
  const { repository, hooks, trigger } = await stage.repositoryWith();
  const [hook] = hooks;
  const others = 'fork gollum label member release star'.split(' ').flatMap((event) => Array.from({ length: 20 }, () => event));
  hooks.unshift(...others.map((event, n) => ({ ...hook!, id: n + 1, events: [event], config: { ...hook!.config, url: `https://elsewhere.example/${n}` } })));
  // Somebody deleted it and made it anew, so that it is found by its URL alone.
  hook!.id += 100_000;
  await stage.sync({ trigger: trigger.id });
  expect(await stage.restored(trigger)).toMatchObject({ externalId: String(hook!.id) });
  const creations = () => github.requests().filter((request) => request === `POST /repos/${repository}/hooks`);
  expect([hooks.length, hooks.at(-1), creations().length]).toEqual([121, hook, 1]);
  await stage.pushRuns({ repository, hooks, trigger });
  expect(await stage.looked(trigger)).toMatchObject({ status: 'active', drift: null });

  github.fake.faults.set({ kind: 'status', status: 503, method: 'DELETE', path: `/repos/${repository}/hooks/*`, times: 0 });
  await stage.api.call(deleteTrigger, stage.inWorkspace({ trigger: trigger.id, force: 'true' }));
  github.fake.faults.clear();
  const connection = { connection: github.connection };
  const { items } = await stage.api.call(listOrphans, stage.inWorkspace(connection));
  expect(items).toMatchObject([{ externalId: String(hook!.id), resource: repository, feed: trigger.subscription!.feedId }]);
  await stage.api.call(deleteOrphan, stage.inWorkspace({ ...connection, feed: items[0]!.feed, externalId: items[0]!.externalId }));
  expect(hooks.map(({ id }) => id)).toEqual(others.map((_, n) => n + 1));
});

it('list forbidden (403) is not "all gone"', async () => {
  const { repository, hooks, trigger } = await stage.repositoryWith();
  const other = await nextcloud.trigger({ event: CREATED });
  const before = structuredClone([hooks, nextcloud.ours()]);
  const [asked, written] = [github.requests().filter((request) => !request.startsWith('GET ')), nextcloud.writes()];
  // GitHub says 404 of a hook as well when the list is what it forbids.
  github.fake.faults.set({ kind: 'status', status: 404, method: 'GET', path: `/repos/${repository}/hooks/*`, times: 0 });
  github.fake.faults.set({ kind: 'status', status: 403, method: 'GET', path: `/repos/${repository}/hooks`, times: 0 });
  nextcloud.fake.faults.set({ kind: 'status', status: 403, method: 'GET', path: '/ocs/v2.php/apps/webhook_listeners/**', times: 0 });
  await stage.sync({});
  for (const one of [trigger, other]) {
    const now = await stage.read(one);
    const reason = { code: 'check_refused', message: expect.stringContaining('403') };
    expect(now).toMatchObject({ status: 'degraded', externalId: one.subscription!.externalId, drift: null, checkedAt: null, reason });
    expect(codes(now)).not.toContain('missing_at_service');
  }
  for (const connection of [github.connection, nextcloud.connection]) {
    const { items, unseen } = await stage.api.call(listOrphans, stage.inWorkspace({ connection }));
    expect([items, unseen.length > 0]).toEqual([[], true]);
  }
  // It is there, and what it sends is a run all the while.
  await stage.pushRuns({ repository, hooks, trigger });
  await stage.fileRuns(CREATED, other);
  github.fake.faults.clear();
  nextcloud.fake.faults.clear();
  await stage.sync({});
  for (const one of [trigger, other]) expect(await stage.read(one)).toMatchObject({ status: 'active', externalId: one.subscription!.externalId, drift: null });
  expect([hooks.map(({ id, config }) => ({ id, config })), nextcloud.ours()]).toEqual([before[0]!.map((hook) => ({ id: hook.id, config: (hook as Hook).config })), before[1]]);
  expect([github.requests().filter((request) => !request.startsWith('GET ')), nextcloud.writes()]).toEqual([asked, written]);
});

it('secret never reported as drift', async () => {
  const { repository, hooks, trigger } = await stage.repositoryWith({ onDrift: 'flag' });
  const other = await nextcloud.trigger({ event: CREATED }, { onDrift: 'flag' });
  const [header] = Object.keys(nextcloud.ours()[0]!.authData!);
  const secrets = [hooks[0]!.config.secret!, nextcloud.ours()[0]!.authData![header!]!, newSecret('secret of somebody at GitHub'), newSecret('secret of somebody at Nextcloud')];
  hooks[0]!.config.secret = secrets[2]!;
  nextcloud.ours()[0]!.authData = { [header!]: secrets[3]! };
  const shown: unknown[] = [await stage.sync({})];
  for (const one of [trigger, other]) {
    const [now, view] = [await stage.read(one), await stage.viewOf(one)];
    expect([now.status, now.drift, view.state, view.drift]).toEqual(['active', null, 'present', null]);
    shown.push(now, view);
  }
  // Beside a difference that is told, it is not told either.
  hooks[0]!.events = ['release'];
  nextcloud.ours()[0]!.eventFilter = { 'user.uid': 'alice' };
  shown.push(await stage.sync({}));
  for (const one of [trigger, other]) {
    const now = await stage.read(one);
    expect(now).toMatchObject({ status: 'degraded', drift: { kind: 'changed' } });
    shown.push(now, await stage.viewOf(one));
    expect((await stage.resolve(one, 'restore')).status).toBeLessThan(300);
    await stage.restored(one);
  }
  for (const secret of [...secrets, '********']) expect(JSON.stringify(shown)).not.toContain(secret);
  // What was put back has our secret, and a new one is no difference.
  await stage.pushRuns({ repository, hooks, trigger });
  await stage.fileRuns(CREATED, other);
  await stage.api.call(rotateSubscriptionSecret, { ...stage.ofSubscription(trigger), overlap: 'now' });
  expect(hooks[0]!.config.secret).not.toBe(secrets[0]);
  expect(await stage.looked(trigger)).toMatchObject({ status: 'active', drift: null });
});

it('GitHub PATCH keeps the secret', async () => {
  const { repository, hooks, trigger } = await stage.repositoryWith();
  const { secret } = hooks[0]!.config;
  const signedAsBefore = () => {
    const { requestHeaders, body } = github.fake.state.deliveries.at(-1)!;
    expect(requestHeaders['X-Hub-Signature-256']).toBe(`sha256=${createHmac('sha256', secret!).update(body).digest('hex')}`);
  };
  const patches = () => github.requests().filter((request) => request === `PATCH /repos/${repository}/hooks/${hooks[0]!.id}`).length;
  hooks[0]!.events = ['release'];
  await stage.sync({ trigger: trigger.id });
  await stage.restored(trigger);
  await stage.pushRuns({ repository, hooks, trigger });
  signedAsBefore();
  await stage.api.call(updateTrigger, stage.inWorkspace({ trigger: trigger.id, ifMatch: trigger.version, config: { repository, events: ['push', 'release'] } }));
  await stage.restored(trigger);
  await stage.pushRuns({ repository, hooks, trigger }, 2);
  signedAsBefore();
  expect([hooks.length, hooks[0]!.config.secret, patches()]).toEqual([1, secret, 2]);
});

it('Nextcloud update of a deleted id detected', async () => {
  const trigger = await nextcloud.trigger({ event: CREATED }, { onDrift: 'flag' });
  const lose = (): string => {
    const [hook] = nextcloud.ours();
    nextcloud.lose(hook!);
    return String(hook!.id);
  };
  /** Registered anew under another id, and nothing written to the one that is gone, which Nextcloud would have answered 200. */
  const expectAnew = async (old: string) => {
    const { externalId } = await stage.restored(trigger);
    expect(externalId).not.toBe(old);
    expect(nextcloud.ours()).toMatchObject([{ id: Number(externalId), event: CREATED, uri: trigger.callbackUrl }]);
    expect(nextcloud.writes()).not.toContain(`POST ${old}`);
  };
  // Deleted after it was seen that it was changed, and before it is put back.
  nextcloud.ours()[0]!.eventFilter = { 'user.uid': 'alice' };
  expect(await stage.looked(trigger)).toMatchObject({ status: 'degraded', drift: { kind: 'changed', ours: { filter: null }, theirs: { filter: { 'user.uid': 'alice' } } } });
  const first = lose();
  expect((await stage.resolve(trigger, 'restore')).status).toBeLessThan(300);
  await expectAnew(first);
  // Deleted before it is given another secret.
  const second = lose();
  await stage.api.call(rotateSubscriptionSecret, { ...stage.ofSubscription(trigger), overlap: 'now' });
  await expectAnew(second);
  await stage.fileRuns(CREATED, trigger);
});

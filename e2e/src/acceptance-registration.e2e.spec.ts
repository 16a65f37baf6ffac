import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createTrigger, deleteTrigger, listTriggers, type TriggerView } from '@vane/contracts';
import { eventually, startOpenIdProvider } from '@vane/testing';
import { Browser, signedInAs } from './browser.js';
import { callbackUrl, connectAccount, enterIntegration } from './connections.js';
import { openNextcloud } from './fakes.js';
import { asProblem, asTrigger, GithubStage, REPOSITORY } from './github-stage.js';
import { ADA, GoogleStage, summaries } from './google-stage.js';
import { startHandshakeService } from './handshake-service.js';
import { nextcloudParty, partyAt } from './parties.js';
import { system, Workspace } from './system.js';

let stage: GoogleStage;

beforeAll(async () => {
  stage = await GoogleStage.open('registration');
});
afterEach(() => stage.clear());
afterAll(() => stage?.close());

const deliveries = async (trigger: TriggerView, count: number) => (await stage.workspace.deliveries(trigger.id, count)).map(({ status }) => status);

describe('Registration', () => {
  it('pending row exists before the provider call', async () => {
    stage.fake.faults.set({ kind: 'delay', delayMs: 3_000, operation: 'drive.changes.watch' });
    const creating = stage.send('drive-changes');
    const call = await eventually('the call to arrive', async () => stage.fake.state.requests.find(({ operation }) => operation === 'drive.changes.watch'), { everyMs: 10 });
    const [row] = (await stage.subscriptions()).filter(({ status }) => status !== 'removed');
    expect(row).toMatchObject({ status: 'pending', resource: 'account' });
    // Google was still at it when that was read.
    expect(call.status).toBeNull();
    expect(stage.live()).toEqual([]);
    expect((await creating).status).toBe(201);
    expect(stage.live().map(({ id }) => id)).toEqual([row!.id]);
  });

  it('create answered twice (timeout then retry) leaves one hook', async () => {
    const calendars = [stage.addCalendar('hangs'), stage.addCalendar('hangs up')] as const;
    stage.fake.faults.set([{ kind: 'timeout', afterWork: true, operation: 'calendar.events.watch' }, { kind: 'lost', operation: 'calendar.events.watch' }]);
    const answers = await Promise.all(calendars.map((calendarId) => stage.send('calendar-events', { calendarId })));
    expect(answers.map(({ status }) => status)).toEqual([202, 202]);
    const triggers = await Promise.all(answers.map((answer) => eventually('the trigger to be active', async () => {
      const trigger = await stage.read(asTrigger(answer));
      return trigger.subscription!.status === 'active' && trigger;
    }, { timeoutMs: 40_000 })));
    await eventually('the channels that nobody had heard of to be gone', async () => stage.live().length === 2, { timeoutMs: 20_000 });
    expect(stage.asked('calendar.events.watch')).toBe(4);
    expect(stage.live().map(({ id }) => id).sort()).toEqual(triggers.map(({ subscription }) => subscription!.externalId).sort());
    for (const [index, calendarId] of calendars.entries()) {
      stage.addEvent(`in ${index}`, calendarId);
      expect(summaries(await stage.payloads(triggers[index]!, 1))).toEqual([`in ${index}`]);
    }
  });

  it('handshake arrives before create returns (Graph, Asana, Google sync)', async () => {
    stage.fake.faults.set([{ kind: 'early', operation: 'drive.changes.watch' }, { kind: 'lost', operation: 'drive.changes.watch' }]);
    // Heard at the sender, while the answer to create never comes.
    const trigger = asTrigger(await stage.send('drive-changes'));
    const [sync] = stage.fake.state.messages.filter(({ state, attempts }) => state === 'sync' && attempts.length > 0).slice(-1);
    expect(sync).toMatchObject({ outcome: 'delivered', attempts: [{ status: 200 }] });
    expect(trigger.subscription).toMatchObject({ status: 'pending', externalId: sync!.channelId });
    await stage.expectLive(1);
    await stage.settled();
    expect(new Set(await deliveries(trigger, 1))).toEqual(new Set(['ping']));
    expect(await stage.workspace.endedRuns(trigger.id, 0)).toEqual([]);
    expect(await stage.workspace.events(trigger.id)).toEqual([]);
  });

  it('create fails after the handshake -> no orphan, secret discarded', async () => {
    // The service has challenged the URL, and then says no.
    const openId = await startOpenIdProvider({ redirectUri: callbackUrl() });
    const service = await startHandshakeService(async () => true);
    try {
      const { workspace } = stage;
      const party = partyAt(openId, 'handshake-probe');
      const { id } = await enterIntegration(workspace, { ...party, hosts: { ...party.hosts, api: service.url } });
      const { id: connectionId } = await connectAccount(workspace, id, signedInAs('ada'));
      service.refusing.challenged = true;
      const answer = await workspace.api.send(createTrigger, {
        workspace: workspace.id, name: 'refused', service: 'handshake-probe', type: 'channel', connectionId, config: { topic: 'news' }, runnableId: stage.script,
      });
      expect([answer.status, asProblem(answer).code]).toEqual([422, 'service_forbidden']);
      expect(service.challenges).toEqual([{ status: 200, echoed: true }]);
      expect(service.channels).toEqual([]);
      expect((await workspace.api.call(listTriggers, { workspace: workspace.id })).items).toEqual([]);
      // Whoever has learned the URL and the secret gets nothing for it.
      expect(service.offered).toHaveLength(1);
      const [{ url, secret }] = service.offered as [{ url: string; secret: string }];
      await eventually('the address to be gone', async () => (await fetch(url, { method: 'POST', headers: { 'x-probe-secret': secret }, body: '{}' })).status === 410);
      expect((await stage.subscriptions()).find(({ service: of }) => of === 'handshake-probe')).toMatchObject({ status: 'removed', externalId: null });
    } finally {
      await Promise.all([service.close(), openId.close()]);
    }

    // Google has sent its sync message and made the channel, and then answers with an error: nobody has heard of its resource id.
    stage.fake.faults.set([{ kind: 'early', operation: 'calendar.events.watch' }, { kind: 'status', status: 500, afterWork: true, operation: 'calendar.events.watch' }]);
    const failed = asTrigger(await stage.send('calendar-events', { calendarId: ADA }));
    expect(stage.fake.state.messages.at(-1)).toMatchObject({ state: 'sync', outcome: 'delivered' });
    const removed = await stage.remove(failed);
    expect([removed.status, removed.subscription]).toMatchObject([202, { status: 'removing', tombstone: true, reason: { code: 'aux_unknown' } }]);
    stage.addEvent('for nobody');
    await stage.fake.idle();
    expect(stage.fake.state.messages.at(-1)).toMatchObject({ outcome: 'refused', attempts: [{ status: 410 }] });
    // The next one of the resource tells it, and the orphan goes.
    const next = await stage.trigger('calendar-events', { calendarId: ADA });
    expect((await stage.expectLive(1)).map(({ id }) => id)).toEqual([next.subscription!.externalId]);
    expect(await stage.payloads(next, 0)).toEqual([]);
  });

  it('provider 409/422 "exists" adopts ours, never a foreign one', async () => {
    const exists = JSON.stringify({ message: 'Validation Failed', errors: [{ resource: 'Hook', code: 'custom', message: 'Hook already exists on this repository' }] });
    const github = await GithubStage.open('exists');
    try {
      const hooks = github.fake.state.repos.get(REPOSITORY)!.hooks;
      const foreign = await github.trigger();
      const [pattern] = structuredClone(hooks);
      await github.workspace.api.call(deleteTrigger, { workspace: github.workspace.id, trigger: foreign.id });
      const other = { ...pattern!, id: 900_000, config: { ...pattern!.config, url: 'https://elsewhere.example/hooks/other' } };
      hooks.push(other);

      // There is one, and it is not ours: refused, and left as it was.
      github.fake.faults.set({ kind: 'status', status: 422, body: exists, method: 'POST', path: `/repos/${REPOSITORY}/hooks` });
      const refused = await github.send();
      expect([refused.status, asProblem(refused).detail]).toEqual([422, expect.stringContaining('Hook already exists')]);
      expect(hooks).toEqual([other]);

      // There is one, and it carries our address: it is taken, and answers for us.
      github.fake.faults.set({ kind: 'status', status: 422, body: exists, afterWork: true, method: 'POST', path: `/repos/${REPOSITORY}/hooks` });
      const trigger = await github.trigger();
      expect(github.requests().filter((request) => request === `POST /repos/${REPOSITORY}/hooks`)).toHaveLength(3);
      const ours = github.ourHooks();
      expect(ours.map(({ id }) => String(id))).toEqual([trigger.subscription!.externalId]);
      expect(hooks).toHaveLength(2);
      expect(hooks).toContainEqual(other);
      await github.fake.push(REPOSITORY, 'push', { n: 1 });
      expect(await github.workspace.endedRuns(trigger.id, 1)).toMatchObject([{ status: 'succeeded' }]);
    } finally {
      await github.close();
    }
  });

  it('Nextcloud documented event class gives 400 -> readable error', async () => {
    const nextcloud = await openNextcloud({ client: { redirectUri: callbackUrl() }, settings: { autoApprove: true } });
    try {
      const workspace = await Workspace.create('documented');
      const { id } = await enterIntegration(workspace, nextcloudParty(nextcloud));
      const { id: connectionId } = await connectAccount(workspace, id, new Browser());
      const runnableId = await workspace.script('export async function main() {}');
      const answer = await workspace.api.send(createTrigger, {
        workspace: workspace.id, name: 'restored', service: 'nextcloud', type: 'event', connectionId, config: { event: 'OCP\\Files\\Events\\Node\\NodeRestoredEvent' }, runnableId,
      });
      expect([answer.status, asProblem(answer).code]).toEqual([422, 'service_rejected']);
      expect(asProblem(answer).detail).toContain('OCP\\Files\\Events\\Node\\NodeRestoredEvent');
      expect(asProblem(answer).detail).toContain('it may be OCA\\Files_Trashbin\\Events\\NodeRestoredEvent');
      expect(nextcloud.state.listeners.filter(({ uri }) => uri.startsWith(system().ingress))).toEqual([]);
      expect((await workspace.api.call(listTriggers, { workspace: workspace.id })).items).toEqual([]);
    } finally {
      await nextcloud.close();
    }
  });
});

import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { listNotifications, type SubscriptionView, type TriggerView } from '@vane/contracts';
import { eventually } from '@vane/testing';
import { resourcesView } from '../../libs/adapters/src/google/fake/channels.js';
import { dueNow, endedAgo, renewalDue, renewalLate } from './due-now.js';
import { ADA, codes, fileNames, GoogleStage, summaries } from './google-stage.js';

let stage: GoogleStage;
let trigger: TriggerView;

beforeAll(async () => {
  stage = await GoogleStage.open('renewal');
});
afterEach(() => stage.clear());
afterAll(() => stage?.close());

/** The subscription that has taken the place of `before`, when it works and the one before is gone. */
const replaced = (before: SubscriptionView): Promise<SubscriptionView> =>
  eventually(`a replacement of ${before.id}`, async () => {
    const { subscription } = await stage.read(trigger);
    if (subscription!.id !== before.id && subscription!.status === 'active' && stage.live().length === 1) return subscription;
    throw new Error(`${JSON.stringify(subscription)}, ${stage.live().length} live`);
  }, { timeoutMs: 40_000 });

/** The one that is to take the place of `before`: a fresh one for every try that was not answered as it should be. */
const waiting = (before: SubscriptionView): Promise<SubscriptionView> =>
  eventually(`a replacement of ${before.id} that waits`, async () =>
    (await stage.subscriptions()).find(({ replaces, status, nextAttemptAt }) => replaces === before.id && status === 'pending' && nextAttemptAt !== null));

/** How many channels lived on the resource of the trigger, at every moment at which that changed. */
const livesOf = ({ externalId }: SubscriptionView): number[] => {
  const all = resourcesView(stage.fake.state) as { channels: string[]; history: { live: number }[] }[];
  return all.find(({ channels }) => channels.includes(externalId!))!.history.map(({ live }) => live);
};
const channel = ({ externalId }: SubscriptionView) => stage.fake.state.channels.get(externalId!)!;

describe('Renewal', () => {
  it('new before old (Google)', async () => {
    trigger = await stage.trigger('drive-changes');
    const old = trigger.subscription!;
    const week = new Date(old.expiresAt!).getTime() - Date.now();
    expect(week / 86_400_000).toBeCloseTo(7, 1);
    // Ahead of its end, with time for many tries.
    expect((new Date(old.renewAt!).getTime() - Date.now()) / week).toBeGreaterThan(0.6);
    expect((new Date(old.renewAt!).getTime() - Date.now()) / week).toBeLessThan(0.8);

    await renewalDue(old.id);
    const fresh = await replaced(old);
    expect([channel(old).end, channel(fresh).end]).toEqual(['stopped', null]);
    expect(channel(fresh).createdAt).toBeLessThanOrEqual(channel(old).endedAt!);
    expect(livesOf(old)).toEqual([1, 2, 1]);
    expect(await stage.subscription(old.id, ({ status }) => status === 'removed', 'to be removed')).toMatchObject({ externalId: null });
    expect(fresh.feedId).toBe(old.feedId);
    expect(channel(fresh).token).not.toBe(channel(old).token);
    stage.addFile('after.txt');
    expect(fileNames(await stage.payloads(trigger, 1))).toEqual(['after.txt']);
  });

  it('both channels alive = no double run', async () => {
    trigger = await stage.trigger('calendar-events', { calendarId: ADA });
    const old = trigger.subscription!;
    // The new one is made, and we do not hear of it for a while: both tell.
    stage.fake.faults.set({ kind: 'timeout', afterWork: true, operation: 'calendar.events.watch' });
    await renewalDue(old.id);
    await stage.expectLive(2);
    await stage.fake.idle();
    const before = stage.fake.state.messages.length;
    stage.addEvent('told twice');
    await stage.fake.idle();
    const told = stage.fake.state.messages.slice(before);
    expect(told.map(({ channelId, outcome }) => [channelId, outcome]).sort()).toEqual(stage.live().map(({ id }) => [id, 'delivered']).sort());
    expect(told).toHaveLength(2);
    expect(summaries(await stage.payloads(trigger, 1))).toEqual(['told twice']);
    const fresh = await replaced(old);
    expect(stage.live().map(({ id }) => id)).toEqual([fresh.externalId]);
    stage.addEvent('told once');
    expect(summaries(await stage.payloads(trigger, 2))).toEqual(['told once', 'told twice']);
    expect(Math.min(...livesOf(old))).toBeGreaterThan(0);
  });

  it('renew while provider is down: retry with jitter, alarm before expiry', async () => {
    trigger = await stage.trigger('drive-changes');
    const old = trigger.subscription!;
    const since = stage.asked('drive.changes.watch');
    stage.fake.faults.set({ kind: 'status', status: 503, operation: 'drive.changes.watch', times: 0 });
    await renewalDue(old.id);
    await stage.subscription(old.id, ({ status }) => status === 'renewing', 'to be renewed');
    await eventually('three tries', async () => stage.asked('drive.changes.watch') >= since + 3, { timeoutMs: 30_000 });
    const tries = stage.fake.state.requests.filter(({ operation }) => operation === 'drive.changes.watch').slice(since).map(({ at }) => new Date(at).getTime());
    const waits = tries.slice(1).map((at, index) => at - tries[index]!);
    // Half of a doubling bound is certain, the other half is chance.
    expect(waits[0]).toBeGreaterThanOrEqual(1_000);
    expect(waits[1]).toBeGreaterThanOrEqual(2_000);
    expect(await waiting(old)).toMatchObject({ status: 'pending', reason: { code: 'unavailable', message: expect.stringContaining('503') }, nextAttemptAt: expect.any(String) });

    // The old one goes on telling, and nobody is alarmed yet.
    stage.addFile('meanwhile.txt');
    expect(fileNames(await stage.payloads(trigger, 1))).toEqual(['meanwhile.txt']);
    const told = async () => (await stage.workspace.api.call(listNotifications, { workspace: stage.workspace.id, kind: 'subscription.renewal-failing' })).items;
    expect(await told()).toEqual([]);

    await renewalLate(old.id);
    const alarmed = await stage.subscription(old.id, ({ status }) => status === 'degraded', 'to say that it is not renewed');
    expect(alarmed).toMatchObject({ reason: { code: 'renewal_failing', message: expect.stringContaining('could not be renewed yet') } });
    expect(new Date(alarmed.expiresAt!).getTime()).toBeGreaterThan(Date.now());
    const [notice] = await eventually('people to be told', async () => {
      const items = await told();
      return items.length > 0 && items;
    });
    expect(notice).toMatchObject({ severity: 'critical', facts: { subscriptionId: old.id, triggers: [{ id: trigger.id }] } });
    expect(stage.live().map(({ id }) => id)).toEqual([old.externalId]);

    stage.fake.faults.clear();
    await dueNow((await waiting(old)).id);
    const fresh = await replaced(old);
    expect(fresh.reason).toBeNull();
    stage.addFile('after.txt');
    expect(fileNames(await stage.payloads(trigger, 2))).toEqual(['after.txt', 'meanwhile.txt']);
    expect(await told()).toHaveLength(1);
  });

  it('clock jump', async () => {
    trigger = await stage.trigger('drive-changes');
    const old = trigger.subscription!;
    await stage.settled();
    // The machine has slept past the end of the channel, and what happened since was told to nobody.
    await stage.control('channels/expire', { id: old.externalId });
    for (const name of ['one', 'two', 'three']) stage.addFile(name);
    await endedAgo(old.id, 3600);
    const fresh = await replaced(old);
    expect(fileNames(await stage.payloads(trigger, 3))).toEqual(['one', 'three', 'two']);
    const now = await stage.subscription(fresh.id, (one) => codes(one).includes('gap_closed'), 'to tell of the gap');
    const line = now.history.find(({ reason }) => reason?.code === 'gap_closed')!;
    expect(line.reason!.message).toMatch(/^Not listening from .+ to .+; 3 events recovered\.$/);
    const [from, to] = line.reason!.message.match(/\d{4}-[\dT:.-]+Z/g)!.map((at) => new Date(at).getTime());
    expect((to! - from!) / 3_600_000).toBeCloseTo(1, 1);
    expect(await stage.subscription(old.id, ({ status }) => status === 'removed', 'to be removed')).toMatchObject({ tombstone: false });
    // It has gone by itself: Google is not asked to end it.
    expect(stage.fake.state.requests.filter(({ operation, channelId }) => operation === 'drive.channels.stop' && channelId === old.externalId)).toEqual([]);
  });
});

import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { getConnection, reconnectConnection, updateIntegration, getIntegration, listSubscriptions, type TriggerView } from '@vane/contracts';
import { eventually, newSecret } from '@vane/testing';
import { approving } from './browser.js';
import { dueNow, endedNow, renewalDue } from './due-now.js';
import { ADA, fileNames, GoogleStage } from './google-stage.js';

let stage: GoogleStage;
let trigger: TriggerView;

beforeAll(async () => {
  stage = await GoogleStage.open('deletion');
});
afterEach(() => stage.fake.faults.clear());
afterAll(() => stage?.close());

const tombstones = async () => (await stage.workspace.api.call(listSubscriptions, { workspace: stage.workspace.id, status: 'removing' })).items.map(({ id }) => id);
const stops = () => stage.asked('drive.channels.stop') + stage.asked('calendar.channels.stop');
const reconnect = async (triggerTypes: string[] = []) => {
  const { workspace, connection } = stage;
  const { url } = await workspace.api.call(reconnectConnection, { workspace: workspace.id, connection, triggerTypes });
  expect((await approving().open(url)).status).toBe(200);
  expect(await workspace.api.call(getConnection, { workspace: workspace.id, connection })).toMatchObject({ status: 'active' });
};
/** The integration becomes one of another OAuth client, as after a move to another Google Cloud project. */
const useAnotherClient = async () => {
  const { workspace, integration, fake } = stage;
  const client = { clientId: 'second-client.apps.googleusercontent.com', clientSecret: newSecret('second client secret at Google') };
  fake.state.clients.push({ ...client, redirectUris: null });
  const { version } = await workspace.api.call(getIntegration, { workspace: workspace.id, integration });
  await workspace.api.call(updateIntegration, { workspace: workspace.id, integration, ifMatch: version, confirm: true, ...client });
};
/** What a change is answered that is told to an address which nobody listens to any more. */
const lastAnswer = async (): Promise<number | null> => {
  await stage.fake.idle();
  return stage.fake.state.messages.at(-1)!.attempts.at(-1)!.status;
};

describe('Deletion', () => {
  it('remote gone = success', async () => {
    trigger = await stage.trigger('drive-changes');
    await stage.control('channels/expire', { id: trigger.subscription!.externalId });
    const { status, subscription } = await stage.remove(trigger);
    expect([status, subscription.status, subscription.tombstone]).toEqual([200, 'removed', false]);
    expect(stage.fake.state.requests.at(-1)).toMatchObject({ operation: 'drive.channels.stop', status: 404 });
  });

  it('remote forbidden = kept as orphan with retry, local stops delivering at once', async () => {
    trigger = await stage.trigger('drive-changes');
    stage.fake.faults.set({ kind: 'status', status: 403, reason: 'forbidden', message: 'Forbidden', operation: 'drive.channels.stop' });
    const { status, subscription: { id, ...kept } } = await stage.remove(trigger);
    expect([status, kept]).toMatchObject([202, { status: 'removing', tombstone: true, reason: { code: 'forbidden', message: expect.stringContaining('Forbidden') } }]);
    expect(new Date(kept.nextAttemptAt!).getTime()).toBeGreaterThan(Date.now());
    expect(stage.live()).toHaveLength(1);

    stage.addFile('after.txt');
    expect(await lastAnswer()).toBe(410);
    expect(stage.fake.state.messages.at(-1)).toMatchObject({ outcome: 'refused' });

    await dueNow(id);
    await stage.subscription(id, ({ status }) => status === 'removed', 'to be removed');
    expect(stage.live()).toEqual([]);
  });

  it('grant already dead = tombstone', async () => {
    trigger = await stage.trigger('calendar-events', { calendarId: ADA });
    const before = stops();
    stage.fake.revokeGrants(ADA);
    const { status, subscription: { id, ...kept } } = await stage.remove(trigger);
    expect([status, kept]).toMatchObject([202, { status: 'removing', tombstone: true }]);
    await eventually('the connection to need a person', async () =>
      (await stage.workspace.api.call(getConnection, { workspace: stage.workspace.id, connection: stage.connection })).status === 'auth_required');
    const asked = stops();
    expect(asked - before).toBeLessThanOrEqual(1);
    expect(await tombstones()).toContain(id);
    await reconnect();
    await stage.subscription(id, ({ status: now }) => now === 'removed', 'to be removed');
    expect(stops()).toBeGreaterThan(asked);
    expect(stage.live()).toEqual([]);
  });

  it('Google needs resourceId + same client', async () => {
    await reconnect(['drive-changes', 'drive-file']);
    // By its id and by the resource id that Google has answered with, as the client that made it.
    trigger = await stage.trigger('drive-changes');
    expect((await stage.remove(trigger)).subscription.status).toBe('removed');
    expect(stage.fake.state.requests.at(-1)).toMatchObject({ operation: 'drive.channels.stop', status: 204 });
    expect(stage.live()).toEqual([]);

    // While there is only another client, nobody is asked: it is owed until it has ended by itself.
    const [owed, kept] = [await stage.trigger('drive-changes'), await stage.trigger('drive-file', { fileId: stage.addFile('kept.txt').id })];
    await useAnotherClient();
    const asked = stops();
    const { status, subscription: { id } } = await stage.remove(owed);
    expect(status).toBe(202);
    expect(await stage.subscription(id, ({ reason }) => reason?.code === 'unauthorised', 'to be owed')).toMatchObject({ status: 'removing', tombstone: true });
    await stage.control('channels/expire', { id });
    await endedNow(id);
    expect(await stage.subscription(id, (one) => one.status === 'removed', 'to be removed')).toMatchObject({ reason: { code: 'expired' } });
    expect(stops()).toBe(asked);

    // The other client cannot end what the first has made: Google tells it that there is none. What that sends is refused.
    await reconnect();
    const old = (await stage.read(kept)).subscription!;
    await renewalDue(old.id);
    await stage.subscription(old.id, (one) => one.status === 'removed', 'to be replaced');
    expect(stage.fake.state.requests.findLast(({ operation }) => operation === 'drive.channels.stop')).toMatchObject({ channelId: old.id, status: 404 });
    expect(stage.live()).toHaveLength(2);
    stage.fake.act('files/update', { id: kept.config['fileId'], name: 'changed.txt' });
    await stage.fake.idle();
    const told = stage.fake.state.messages.slice(-2).map(({ channelId, outcome, attempts }) => [channelId === old.id, outcome, attempts.at(-1)!.status]);
    expect(told).toEqual(expect.arrayContaining([[true, 'refused', 410], [false, 'delivered', 200]]));
    expect(fileNames(await stage.payloads(kept, 1))).toEqual(['changed.txt']);
  });
});

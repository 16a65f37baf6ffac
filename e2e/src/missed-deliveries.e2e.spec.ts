import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { getRun, getSubscription, listCanaries, listDeliveries, sendCanary, type CanaryView, type TriggerView } from '@vane/contracts';
import { eventually } from '@vane/testing';
import { logDue } from './due-now.js';
import { GithubStage } from './github-stage.js';

/** What is younger may be on its way, and is not asked for yet. */
const EARLIER_SECONDS = 120;

let stage: GithubStage;
let trigger: TriggerView;

beforeAll(async () => {
  stage = await GithubStage.open('missed');
});
afterEach(() => stage.fake.faults.clear());
afterAll(() => stage?.close());

const push = async (n: number) => (await stage.fake.push('octocat/hello-world', 'push', { n }))[0]!;
const subscription = () => stage.workspace.api.call(getSubscription, { workspace: stage.workspace.id, subscription: trigger.subscription!.id });
const attempts = () => stage.requests().filter((request) => request.startsWith('POST ') && request.endsWith('/attempts')).length;
const numbers = async (count: number): Promise<number[]> => {
  const runs = await stage.workspace.endedRuns(trigger.id, count, { timeoutMs: 60_000 });
  const details = await Promise.all(runs.map(({ id: run }) => stage.workspace.api.call(getRun, { workspace: stage.workspace.id, run })));
  return details.map((run) => (run.attemptList.at(-1)!.result as { n: number }).n).sort((a, b) => a - b);
};

describe('events that GitHub could not deliver', () => {
  it('are asked for again out of its log, and run exactly once', async () => {
    stage.fake.advance(-EARLIER_SECONDS);
    trigger = await stage.trigger();
    const arrived = await push(0);
    expect(arrived.statusCode).toBe(200);
    stage.fake.faults.set({ kind: 'delivery-drop', times: 5 });
    for (let n = 1; n <= 5; n += 1) expect((await push(n)).statusCode).toBe(0);
    await push(6);
    expect(await numbers(2)).toEqual([0, 6]);

    await logDue(trigger.subscription!.id);
    expect(await numbers(7)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(attempts()).toBe(5);
    const { status, history } = await eventually('a line in the history', async () => {
      const now = await subscription();
      return now.history.some(({ reason }) => reason?.code === 'deliveries_recovered') && now;
    });
    expect(status).toBe('active');
    expect(history.map(({ reason }) => reason?.message)).toContainEqual(expect.stringContaining("GitHub's log had 5 events that we did not get since"));

    // Read anew, the log has nothing more that is missing.
    const reads = () => stage.requests().filter((request) => request.startsWith('GET ') && request.endsWith('/deliveries')).length;
    const before = reads();
    await logDue(trigger.subscription!.id);
    await eventually('the log to be read again', async () => reads() > before, { timeoutMs: 60_000 });
    await stage.fake.idle();
    expect([attempts(), (await stage.workspace.events(trigger.id)).length]).toEqual([5, 7]);
  });
});

describe('a canary', () => {
  const input = () => ({ workspace: stage.workspace.id, subscription: trigger.subscription!.id });

  it('goes out to GitHub and comes back through ingress, and starts nothing', async () => {
    const runs = (await stage.workspace.endedRuns(trigger.id, 0)).length;
    const answer = await stage.workspace.api.send(sendCanary, input());
    const sent = answer.body as CanaryView;
    expect([answer.status, sent.subscriptionId]).toEqual([202, trigger.subscription!.id]);
    const heard = await eventually('the canary to be heard', async () => {
      const { items } = await stage.workspace.api.call(listCanaries, input());
      return items.find(({ id, state }) => id === sent.id && state === 'heard');
    }, { timeoutMs: 60_000 });
    expect(heard).toMatchObject({ failedAt: null, message: null, roundTripMs: expect.any(Number) });
    expect(heard.roundTripMs!).toBeLessThan(60_000);
    const { items } = await stage.workspace.api.call(listDeliveries, input());
    // The one before is of the new hook.
    expect(items.filter(({ status }) => status === 'ping')).toHaveLength(2);
    expect(await stage.workspace.endedRuns(trigger.id, runs)).toHaveLength(runs);
  });
});

import { beforeAll, describe, expect, it } from '@jest/globals';
import { getDelivery, replayRun } from '@vane/contracts';
import { portsOf } from './instance-files.js';
import { atPort, postSigned, send, signedHeaders } from './posting.js';
import { system, Workspace } from './system.js';

describe('the same delivery, however often and wherever it arrives', () => {
  let workspace: Workspace;
  let script: string;
  let ingresses: number[];
  beforeAll(async () => {
    workspace = await Workspace.create('once');
    script = await workspace.script('export async function main(event, ctx) { return { n: event.payload.n ?? null, run: ctx.run.id }; }');
    ingresses = portsOf(system().dir, 'webhook-ingress');
    expect(ingresses).toHaveLength(2);
  });

  const newHook = async (config: Record<string, string> = { scheme: 'standard-webhooks' }) => {
    const trigger = await workspace.genericTrigger(script, config);
    return { id: trigger.id, url: trigger.callbackUrl, secret: trigger.secret ?? '' };
  };

  it('is one event and one run when two processes take it at the same moment, each of them durably', async () => {
    const hook = await newHook();
    const body = JSON.stringify({ n: 1 });
    const headers = signedHeaders(hook.secret, 'msg_same', body);
    const answers = await Promise.all(ingresses.map((port) => send(atPort(hook.url, port), { headers, body })));
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    const deliveries = await workspace.deliveries(hook.id, 2);
    expect(deliveries.map(({ status }) => status)).toEqual(['accepted', 'accepted']);
    expect(await workspace.endedRuns(hook.id, 1)).toHaveLength(1);
    const events = await workspace.events(hook.id);
    expect(events).toHaveLength(1);
    const made = await Promise.all(deliveries.map(({ id }) => workspace.api.call(getDelivery, { workspace: workspace.id, delivery: id })));
    expect(made.map((delivery) => delivery.events.length).sort()).toEqual([0, 1]);
  });

  it('runs once out of two hundred repeats in parallel, and each other id once beside it', async () => {
    const hook = await newHook();
    const others = 20;
    const posts = Array.from({ length: 200 }, (_, index) => postSigned(atPort(hook.url, ingresses[index % 2]!), hook.secret, 'msg_flood', { n: -1 }));
    const rest = Array.from({ length: others }, (_, n) => postSigned(atPort(hook.url, ingresses[n % 2]!), hook.secret, `msg_other_${n}`, { n }));
    expect(new Set(await Promise.all([...posts, ...rest]))).toEqual(new Set([200]));
    await workspace.deliveries(hook.id, 200);
    const runs = await workspace.endedRuns(hook.id, others + 1);
    expect(runs).toHaveLength(others + 1);
    expect(new Set(runs.map((run) => run.status))).toEqual(new Set(['succeeded']));
    const numbers = (await workspace.events(hook.id)).map((event) => (event.payload as { n: number }).n);
    expect(numbers.sort((a, b) => a - b)).toEqual([-1, ...Array.from({ length: others }, (_, n) => n)]);
  });

  it('is an event of its own for each trigger that it is sent to', async () => {
    const hooks = await Promise.all([newHook(), newHook()]);
    for (const hook of hooks) expect(await postSigned(hook.url, hook.secret, 'msg_shared_id', { n: 7 })).toBe(200);
    const runs = await Promise.all(hooks.map((hook) => workspace.endedRuns(hook.id, 1)));
    expect(runs.map((list) => list.length)).toEqual([1, 1]);
    expect(runs[0]![0]!.eventId).not.toBe(runs[1]![0]!.eventId);
  });

  it('counts as two where the sender gives no id, however alike the bodies are', async () => {
    const hook = await newHook({ scheme: 'shared-secret', header: 'x-secret' });
    const headers = { 'x-secret': hook.secret };
    for (let time = 0; time < 2; time += 1) expect((await send(hook.url, { headers, body: '{"n":3}' })).status).toBe(200);
    expect(await workspace.endedRuns(hook.id, 2)).toHaveLength(2);
    const events = await workspace.events(hook.id);
    expect(events.map(({ payload }) => payload)).toEqual([{ n: 3 }, { n: 3 }]);
    expect(new Set(events.map(({ dedupeKey }) => dedupeKey)).size).toBe(2);
  });

  it('is recognised by the id in the header or the body that the trigger names, digit by digit', async () => {
    const hook = await newHook({ scheme: 'none', idPointer: '/id' });
    // Beyond 2^53 these two are the same number to a JSON parser.
    const ids = ['9007199254740993', '9007199254740992', '9007199254740993', '"9007199254740994"', '9007199254740994'];
    for (const id of ids) expect((await send(hook.url, { body: `{"id": ${id}}` })).status).toBe(200);
    await workspace.deliveries(hook.id, ids.length);
    expect(await workspace.endedRuns(hook.id, 3)).toHaveLength(3);
    const named = await newHook({ scheme: 'none', idHeader: 'x-event' });
    for (const id of ['a', 'b', 'a']) await send(named.url, { headers: { 'x-event': id }, body: '{}' });
    await workspace.deliveries(named.id, 3);
    expect(await workspace.endedRuns(named.id, 2)).toHaveLength(2);
  });

  it('still runs again when a person asks for it', async () => {
    const hook = await newHook();
    expect(await postSigned(hook.url, hook.secret, 'msg_1', { n: 1 })).toBe(200);
    const [first] = await workspace.endedRuns(hook.id, 1);
    const replay = await workspace.api.call(replayRun, { workspace: workspace.id, run: first!.id });
    expect(await postSigned(hook.url, hook.secret, 'msg_1', { n: 1 })).toBe(200);
    await workspace.deliveries(hook.id, 2);
    const runs = await workspace.endedRuns(hook.id, 2);
    expect(runs.map(({ id, replay: number, status }) => ({ id, number, status })).sort((a, b) => a.number - b.number)).toEqual([
      { id: first!.id, number: 0, status: 'succeeded' },
      { id: replay.id, number: 1, status: 'succeeded' },
    ]);
    expect(new Set(runs.map(({ eventId }) => eventId)).size).toBe(1);
  });
});

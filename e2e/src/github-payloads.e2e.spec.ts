import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { listDeliveries, listEvents, listRuns, type DeliveryView, type EventView, type RunView, type TriggerView } from '@vane/contracts';
import { sign } from '@octokit/webhooks-methods';
import { eventually, startHttpReceiver, type HttpReceiver } from '@vane/testing';
import { GithubStage } from './github-stage.js';

type Post = { name: string; guid: string; body: Buffer; payload: unknown };

const AT_ONCE = 8;
const examples = createRequire(import.meta.url)('@octokit/webhooks-examples') as { name: string; examples: unknown[] }[];
const posts: Post[] = examples.flatMap(({ name, examples: payloads }) =>
  payloads.map((payload, index) => ({ name, guid: randomUUID(), payload, body: Buffer.from(JSON.stringify(payload, null, index % 3)) })),
);
const events = posts.filter(({ name }) => name !== 'ping');

let stage: GithubStage;
let receiver: HttpReceiver;
let trigger: TriggerView;
let secret: string;

beforeAll(async () => {
  stage = await GithubStage.open('payloads');
  receiver = await startHttpReceiver();
  const target = await stage.workspace.httpTarget(receiver.url);
  trigger = await stage.trigger({ events: ['*'], runnable: target.id });
  secret = stage.ourHooks()[0]!.config.secret!;
});
afterAll(async () => {
  await stage?.close();
  await receiver?.close();
});

/** Posts all, some at a time, and returns the statuses. */
async function postAll(all: Post[], spoil: (body: Buffer, index: number) => Buffer = (body) => body): Promise<number[]> {
  const statuses: number[] = [];
  const queue = [...all.entries()];
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const [index, { name, guid, body }] = next;
      const headers = {
        'content-type': 'application/json',
        'x-github-event': name,
        'x-github-delivery': guid,
        'x-hub-signature-256': await sign(secret, body.toString('utf8')),
      };
      statuses[index] = (await fetch(trigger.callbackUrl, { method: 'POST', headers, body: new Uint8Array(spoil(body, index)) })).status;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return statuses;
}

/** All of a list, page by page. */
async function all<T>(page: (cursor?: string) => Promise<{ items: T[]; next: string | null }>): Promise<T[]> {
  const found: T[] = [];
  for (let cursor: string | undefined; ; ) {
    const { items, next } = await page(cursor);
    found.push(...items);
    if (next === null) return found;
    cursor = next;
  }
}

const filter = () => ({ workspace: stage.workspace.id, trigger: trigger.id, limit: 200 });
const deliveries = (): Promise<DeliveryView[]> => all((cursor) => stage.workspace.api.call(listDeliveries, { ...filter(), cursor }));
const eventList = (): Promise<EventView[]> => all((cursor) => stage.workspace.api.call(listEvents, { ...filter(), cursor }));
const runs = (): Promise<RunView[]> => all((cursor) => stage.workspace.api.call(listRuns, { ...filter(), cursor }));

const count = (wanted: number, status: DeliveryView['status']): Promise<unknown> =>
  eventually(`${wanted} deliveries that are ${status}`, async () => {
    const { length } = (await deliveries()).filter((delivery) => delivery.status === status);
    if (length !== wanted) throw new Error(`${length}`);
    return true;
  }, { timeoutMs: 60_000, everyMs: 500 });

describe(`the ${posts.length} example payloads of octokit, signed by octokit`, () => {
  it('become one event and one run each, with exactly their payload; pings are recorded and do not run', async () => {
    expect(events.length).toBeGreaterThan(300);
    const pings = posts.length - events.length;
    expect(pings).toBeGreaterThan(0);
    expect(new Set(await postAll(posts))).toEqual(new Set([200]));
    await eventually('all runs to end', async () => {
      const ended = (await runs()).filter(({ status }) => status === 'succeeded');
      if (ended.length !== events.length) throw new Error(`${ended.length} of ${events.length}`);
      return true;
    }, { timeoutMs: 120_000, everyMs: 500 });
    // GitHub's own ping for the new hook came before.
    await count(pings + 1, 'ping');
    await count(events.length, 'accepted');

    const byGuid = new Map((await eventList()).map((event) => [event.dedupeKey, event]));
    expect(byGuid.size).toBe(events.length);
    const received = receiver.calls.map(({ body }) => JSON.parse(body) as { event: { id: string }; data: unknown });
    const sent = new Map(received.map(({ event, data }) => [event.id, data]));
    expect(receiver.calls).toHaveLength(events.length);
    const runOf = new Map((await runs()).map((run) => [run.eventId, run]));
    for (const { name, guid, payload } of events) {
      const event = byGuid.get(guid)!;
      expect(event.type).toBe(name);
      expect(runOf.get(event.id)).toMatchObject({ status: 'succeeded', attempts: 1, triggerId: trigger.id });
      expect(sent.get(event.id)).toEqual(payload);
    }
  });

  it('add nothing when they are posted again', async () => {
    const before = await runs();
    expect(new Set(await postAll(posts))).toEqual(new Set([200]));
    await count(events.length * 2, 'accepted');
    expect(await eventList()).toHaveLength(events.length);
    expect((await runs()).map(({ id }) => id).sort()).toEqual(before.map(({ id }) => id).sort());
    expect(receiver.calls).toHaveLength(events.length);
  });

  it('are refused and recorded when one byte of them is flipped', async () => {
    const flip = (body: Buffer, index: number): Buffer => {
      const flipped = Buffer.from(body);
      const at = (index * 7919) % flipped.length;
      flipped[at] = flipped[at]! ^ 1;
      return flipped;
    };
    expect(new Set(await postAll(posts, flip))).toEqual(new Set([401]));
    await count(posts.length, 'refused');
    expect(new Set((await deliveries()).filter(({ status }) => status === 'refused').map(({ reason }) => reason))).toEqual(new Set(['bad_signature']));
    expect(await eventList()).toHaveLength(events.length);
    expect(receiver.calls).toHaveLength(events.length);
  });
});

import { createHmac, randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { getDelivery, getTrigger, listDeliveries, listRuns, type DeliveryView } from '@vane/contracts';
import { HookKeys } from '@vane/runtime';
import { allLogs, counterOf, portsOf, settingOf } from './instance-files.js';
import { atPort, postSigned, send, signedHeaders } from './posting.js';
import { system, Workspace } from './system.js';

const LIMIT = 900 * 1024;
const BODY = JSON.stringify({ type: 'number.made', data: { n: 1 } });
const refusedCount = (outcome: string) => counterOf(system().dir, 'webhook-ingress', 'vane_ingress_requests_total', { outcome });

type Hook = { id: string; url: string; secret: string };
type Attempt = { headers: Record<string, string | string[]>; body?: string; reason: string };

let workspace: Workspace;
let script: string;
/** Everything that only sender and receiver may know, as it was sent in the course of these tests. */
const confidential = new Set<string>();

beforeAll(async () => {
  workspace = await Workspace.create('refusals');
  script = await workspace.script('export async function main(event) { return event.payload; }');
});

async function newHook(config: Record<string, string | number> = { scheme: 'standard-webhooks' }): Promise<Hook> {
  const trigger = await workspace.genericTrigger(script, config);
  const secret = trigger.secret ?? '';
  if (secret !== '') confidential.add(secret);
  confidential.add(keyOf(trigger.callbackUrl));
  return { id: trigger.id, url: trigger.callbackUrl, secret };
}

const keyOf = (url: string) => url.slice(url.lastIndexOf('/') + 1);
const withKey = (url: string, key: string) => url.slice(0, url.lastIndexOf('/') + 1) + key;

function signed(secret: string, id: string, body = BODY, at = new Date()): Record<string, string> {
  const headers = signedHeaders(secret, id, body, at);
  confidential.add(headers['webhook-signature']!);
  return headers;
}

/** What becomes of requests that must be refused, and that one which is not refused still runs, alone. */
async function expectRefused(hook: Hook, attempts: Attempt[], good: () => Promise<number>): Promise<void> {
  for (const { headers, body = BODY, reason } of attempts) {
    const { status } = await send(hook.url, { headers, body });
    expect({ reason, status }).toEqual({ reason, status: 401 });
  }
  expect(await good()).toBe(200);
  const deliveries = await workspace.deliveries(hook.id, attempts.length + 1);
  const reasons = deliveries.map(({ status, reason }) => `${status} ${reason ?? ''}`).sort();
  expect(reasons).toEqual([...attempts.map(({ reason }) => `refused ${reason}`), 'accepted '].sort());
  expect(await workspace.endedRuns(hook.id, 1)).toHaveLength(1);
  await expectNothingConfidential(deliveries);
}

async function expectNothingConfidential(deliveries: DeliveryView[]): Promise<void> {
  for (const { id } of deliveries) {
    const { headers } = await workspace.api.call(getDelivery, { workspace: workspace.id, delivery: id });
    for (const value of confidential) expect(JSON.stringify(headers)).not.toContain(value);
  }
}

describe('keys', () => {
  it('answers 404 to keys that were never made here, and only counts them', async () => {
    const hook = await newHook();
    const key = keyOf(hook.url);
    const flipped = key.slice(0, -5) + (key.at(-5) === 'A' ? 'B' : 'A') + key.slice(-4);
    const forged = [flipped, key.slice(1), `${key}A`, randomBytes(24).toString('base64url'), 'app', '%00', 'ключ'];
    const before = await refusedCount('forged_key');
    for (const one of forged) {
      const url = withKey(hook.url, encodeURI(one));
      expect((await send(url, { headers: signed(hook.secret, 'msg_1'), body: BODY })).status).toBe(404);
    }
    expect(await refusedCount('forged_key')).toBe(before + forged.length);
    expect(await postSigned(hook.url, hook.secret, 'msg_1', { n: 1 })).toBe(200);
    expect(await workspace.deliveries(hook.id, 1)).toHaveLength(1);
  });

  it('answers 404 to a genuine key that names nothing', async () => {
    const key = new HookKeys(settingOf(system().dir, 'VANE_INGRESS_KEY_SECRET')).mint();
    expect((await send(`${system().ingress}/hooks/${key}`, { body: BODY })).status).toBe(404);
    expect((await send(`${system().ingress}/hooks/${key}`, { method: 'GET' })).status).toBe(404);
  });
});

describe('size and method', () => {
  it('takes a body of exactly the limit whole, and refuses one byte more, announced or not', async () => {
    const hook = await newHook();
    const fitting = JSON.stringify({ filler: 'x'.repeat(LIMIT - 13) });
    expect(fitting).toHaveLength(LIMIT);
    expect((await send(hook.url, { headers: signed(hook.secret, 'msg_fits', fitting), body: fitting })).status).toBe(200);
    const tooLong = `${fitting} `;
    const counted = await refusedCount('too_large');
    for (const chunked of [false, true]) {
      const answer = await send(hook.url, { headers: signed(hook.secret, 'msg_long', tooLong), body: tooLong, chunked });
      expect({ chunked, status: answer.status }).toEqual({ chunked, status: 413 });
    }
    expect(await refusedCount('too_large')).toBe(counted + 2);
    await workspace.endedRuns(hook.id, 1);
    const [event] = await workspace.events(hook.id);
    expect(JSON.stringify(event!.payload)).toBe(fitting);
    expect(await workspace.deliveries(hook.id, 1)).toHaveLength(1);
  });

  it('shows a body of the limit again, however much longer JSON makes it', async () => {
    const hook = await newHook();
    const body = JSON.stringify({ filler: '"'.repeat((LIMIT - 14) / 2) });
    expect((await send(hook.url, { headers: signed(hook.secret, 'msg_quotes', body), body })).status).toBe(200);
    const [{ id }] = (await workspace.deliveries(hook.id, 1)) as [DeliveryView];
    const delivery = await workspace.api.call(getDelivery, { workspace: workspace.id, delivery: id });
    expect(delivery.body === body).toBe(true);
  });

  it('names the methods it knows when another is used, and keeps that as refused', async () => {
    const hook = await newHook();
    for (const method of ['GET', 'PUT', 'PATCH', 'DELETE']) {
      const answer = await send(hook.url, { method, headers: signed(hook.secret, 'msg_1'), body: method === 'GET' ? '' : BODY });
      expect({ method, status: answer.status, allow: answer.headers['allow'] }).toEqual({ method, status: 405, allow: 'POST' });
    }
    const deliveries = await workspace.deliveries(hook.id, 4);
    expect(new Set(deliveries.map(({ status, reason }) => `${status} ${reason}`))).toEqual(new Set(['refused wrong_method']));
    await expectNothingConfidential(deliveries);
  });
});

describe('signatures', () => {
  it('refuses a Standard Webhooks message whose signature is not whole, right, single and of now', async () => {
    const hook = await newHook();
    const good = signed(hook.secret, 'msg_1');
    const signature = good['webhook-signature']!;
    const another = signed(`whsec_${randomBytes(32).toString('base64')}`, 'msg_1')['webhook-signature']!;
    const without = (name: string) => Object.fromEntries(Object.entries(good).filter(([key]) => key !== name));
    const seconds = (offset: number) => new Date(Date.now() + offset * 1000);
    await expectRefused(
      hook,
      [
        { reason: 'missing_signature', headers: without('webhook-signature') },
        { reason: 'missing_signature', headers: { ...good, 'webhook-signature': '' } },
        { reason: 'malformed_signature', headers: { ...good, 'webhook-signature': signature.slice(0, -4) } },
        { reason: 'malformed_signature', headers: { ...good, 'webhook-signature': signature.replace('v1,', 'v2,') } },
        { reason: 'duplicate_signature', headers: { ...good, 'webhook-signature': [signature, signature] } },
        { reason: 'duplicate_signature', headers: { ...good, 'webhook-signature': [another, signature] } },
        { reason: 'bad_signature', headers: { ...good, 'webhook-signature': another } },
        { reason: 'bad_signature', headers: good, body: BODY.replace('1', '2') },
        { reason: 'bad_signature', headers: { ...good, 'webhook-id': 'msg_2' } },
        { reason: 'missing_signed_header', headers: without('webhook-id') },
        { reason: 'missing_timestamp', headers: without('webhook-timestamp') },
        { reason: 'malformed_timestamp', headers: { ...good, 'webhook-timestamp': 'now' } },
        { reason: 'stale_timestamp', headers: signed(hook.secret, 'msg_1', BODY, seconds(-320)) },
        { reason: 'future_timestamp', headers: signed(hook.secret, 'msg_1', BODY, seconds(320)) },
      ],
      async () => (await send(hook.url, { headers: good, body: BODY })).status,
    );
  });

  it('checks an HMAC and a shared secret in the header that was chosen', async () => {
    const hmac = await newHook({ scheme: 'hmac', header: 'x-hub-signature-256', prefix: 'sha256=' });
    const digest = `sha256=${createHmac('sha256', hmac.secret).update(BODY).digest('hex')}`;
    confidential.add(digest);
    await expectRefused(
      hmac,
      [
        { reason: 'missing_signature', headers: {} },
        { reason: 'malformed_signature', headers: { 'x-hub-signature-256': digest.slice('sha256='.length) } },
        { reason: 'malformed_signature', headers: { 'x-hub-signature-256': digest.slice(0, -1) } },
        { reason: 'duplicate_signature', headers: { 'x-hub-signature-256': [digest, digest] } },
        { reason: 'bad_signature', headers: { 'x-hub-signature-256': digest }, body: `${BODY} ` },
      ],
      async () => (await send(hmac.url, { headers: { 'x-hub-signature-256': digest }, body: BODY })).status,
    );
    const shared = await newHook({ scheme: 'shared-secret', header: 'authorization', prefix: 'Bearer ' });
    await expectRefused(
      shared,
      [
        { reason: 'missing_signature', headers: { 'x-secret': shared.secret } },
        { reason: 'malformed_signature', headers: { authorization: shared.secret } },
        { reason: 'bad_signature', headers: { authorization: `Bearer ${shared.secret.slice(0, -1)}` } },
        { reason: 'bad_signature', headers: { authorization: `Bearer ${shared.secret}${shared.secret}` } },
      ],
      async () => (await send(shared.url, { headers: { authorization: `Bearer ${shared.secret}` }, body: BODY })).status,
    );
  });

  it('takes anything under the scheme "none", and says that it is unverified', async () => {
    const hook = await newHook({ scheme: 'none' });
    expect((await send(hook.url, { body: BODY })).status).toBe(200);
    await workspace.endedRuns(hook.id, 1);
    const trigger = await workspace.api.call(getTrigger, { workspace: workspace.id, trigger: hook.id });
    expect(trigger.subscription?.verified).toBe(false);
    const checked = await workspace.api.call(getTrigger, { workspace: workspace.id, trigger: (await newHook()).id });
    expect(checked.subscription?.verified).toBe(true);
  });
});

it('accepts what is authentic but no JSON, keeps it as unprocessable and runs nothing', async () => {
  const hook = await newHook();
  const bodies = ['{"cut": ', '', 'null\u0000', '\ufeff'];
  for (const [index, body] of bodies.entries()) {
    const { status } = await send(hook.url, { headers: signed(hook.secret, `msg_${index}`, body), body });
    expect({ body, status }).toEqual({ body, status: 200 });
  }
  const deliveries = await workspace.deliveries(hook.id, bodies.length);
  expect(deliveries.map(({ status }) => status)).toEqual(bodies.map(() => 'unprocessable'));
  for (const { reason } of deliveries) expect(reason).toContain('not JSON');
  expect(await workspace.events(hook.id)).toEqual([]);
  expect((await workspace.api.call(listRuns, { workspace: workspace.id, trigger: hook.id })).items).toEqual([]);
});

it('keeps the first thousand refused requests of an hour and counts the rest', async () => {
  const hook = await newHook();
  const url = atPort(hook.url, portsOf(system().dir, 'webhook-ingress')[1]!);
  const before = await refusedCount('refused');
  for (let sent = 0; sent < 1_050; sent += 50) {
    const answers = await Promise.all(Array.from({ length: 50 }, () => fetch(url, { method: 'POST', body: 'flood' })));
    for (const answer of answers) expect(answer.status).toBe(401);
  }
  expect(await refusedCount('refused')).toBe(before + 1_050);
  // Refused requests are stored in the order in which a process saw them: once this one is there, the flood was.
  const after = await newHook();
  expect((await fetch(atPort(after.url, new URL(url).port), { method: 'POST', body: 'after the flood' })).status).toBe(401);
  await workspace.deliveries(after.id, 1);
  expect(await countDeliveries(hook.id)).toBe(1_000);
  expect(await postSigned(hook.url, hook.secret, 'msg_1', { n: 1 })).toBe(200);
  expect(await workspace.endedRuns(hook.id, 1)).toHaveLength(1);
});

it('writes no secret, signature or key of a hook into any log', () => {
  const logs = allLogs(system().dir);
  expect(logs).toContain('"app started"');
  expect(confidential.size).toBeGreaterThan(20);
  for (const value of confidential) expect(logs.includes(value)).toBe(false);
});

async function countDeliveries(trigger: string): Promise<number> {
  let count = 0;
  let cursor: string | undefined;
  do {
    const { items, next } = await workspace.api.call(listDeliveries, { workspace: workspace.id, trigger, limit: 200, cursor });
    count += items.length;
    cursor = next ?? undefined;
  } while (cursor !== undefined);
  return count;
}

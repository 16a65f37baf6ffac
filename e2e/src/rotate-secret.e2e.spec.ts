import { createHmac, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { getSubscription, rotateSubscriptionSecret, type InputOf, type OutputOf, type SubscriptionView, type TriggerView } from '@vane/contracts';
import { eventually, type ApiAnswer } from '@vane/testing';
import { killApp } from '../../tools/launch/index.mjs';
import { asProblem, GithubStage } from './github-stage.js';
import { startOwnInstance, type OwnInstance } from './own-instance.js';
import { postSigned } from './posting.js';

type Rotated = OutputOf<typeof rotateSubscriptionSecret>;

const HOUR = 3_600_000;
let stage: GithubStage;
let repository: string;
let serial = 0;

const secretThere = (of = stage, at = repository): string => of.fake.state.repos.get(at)!.hooks[0]!.config.secret!;
const rotate = (trigger: TriggerView, overlap: InputOf<typeof rotateSubscriptionSecret>['overlap'], of = stage, secret?: string): Promise<ApiAnswer<unknown>> =>
  of.workspace.api.send(rotateSubscriptionSecret, { workspace: of.workspace.id, subscription: trigger.subscription!.id, overlap, secret });
const asRotated = ({ body }: ApiAnswer<unknown>): Rotated => body as Rotated;
const subscription = (trigger: TriggerView, of = stage): Promise<SubscriptionView> =>
  of.workspace.api.call(getSubscription, { workspace: of.workspace.id, subscription: trigger.subscription!.id });
const hookPatch = (fault: object) => stage.fake.faults.set({ method: 'PATCH', path: `/repos/${repository}/hooks/*`, kind: 'status', ...fault });

/** A delivery as GitHub signs it (https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries). */
async function post(url: string, secret: string): Promise<number> {
  const body = JSON.stringify({ repository: { full_name: repository }, id: randomUUID() });
  const answer = await fetch(url, {
    method: 'POST', body,
    headers: {
      'content-type': 'application/json', 'x-github-event': 'push', 'x-github-delivery': randomUUID(),
      'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
    },
  });
  await answer.arrayBuffer();
  return answer.status;
}

describe('rotating the secret of a hook at GitHub', () => {
  beforeAll(async () => {
    stage = await GithubStage.open('rotate');
  });
  beforeEach(() => {
    serial += 1;
    repository = `octocat/rotated-${serial}`;
    stage.fake.addRepo(repository);
    stage.fake.faults.clear();
  });
  afterAll(() => stage?.close());

  it('accepts deliveries signed with either secret during the overlap, and no other', async () => {
    const trigger = await stage.trigger({ repository });
    const [old, id] = [secretThere(), stage.fake.state.repos.get(repository)!.hooks[0]!.id];
    const answer = await rotate(trigger, '1h');
    expect(answer.status).toBe(200);
    expect(asRotated(answer)).toMatchObject({ status: 'active', secret: null, secretRotation: { state: 'overlap' } });
    const until = Date.parse(asRotated(answer).secretRotation!.oldAcceptedUntil!);
    expect(Math.abs(until - Date.now() - HOUR)).toBeLessThan(60_000);
    expect(stage.fake.state.repos.get(repository)!.hooks.map((hook) => hook.id)).toEqual([id]);
    expect(secretThere()).not.toBe(old);
    expect(JSON.stringify(answer.body)).not.toContain(secretThere());
    expect([await post(trigger.callbackUrl, old), await post(trigger.callbackUrl, secretThere()), await post(trigger.callbackUrl, 'neither')]).toEqual([200, 200, 401]);
    const [delivery] = await stage.fake.push(repository, 'push', {});
    expect(delivery!.statusCode).toBe(200);
    await stage.workspace.endedRuns(trigger.id, 3);
  });

  it('refuses the old one at once with the overlap "now"', async () => {
    const trigger = await stage.trigger({ repository });
    const old = secretThere();
    const answer = await rotate(trigger, 'now');
    expect([answer.status, asRotated(answer).secretRotation]).toEqual([200, null]);
    await eventually('the old secret to be refused', async () => (await post(trigger.callbackUrl, old)) === 401, { timeoutMs: 12_000 });
    expect(await post(trigger.callbackUrl, secretThere())).toBe(200);
  });

  it('takes no second one during an overlap, unless it ends that at once', async () => {
    const trigger = await stage.trigger({ repository });
    const first = secretThere();
    const until = asRotated(await rotate(trigger, '24h')).secretRotation!.oldAcceptedUntil!;
    const second = secretThere();
    const refused = await rotate(trigger, '1h');
    expect([refused.status, asProblem(refused).code]).toEqual([409, 'conflict']);
    expect(asProblem(refused).detail).toContain(until);
    expect((await rotate(trigger, 'now')).status).toBe(200);
    await eventually('the older secrets to be refused', async () => (await post(trigger.callbackUrl, first)) === 401 && (await post(trigger.callbackUrl, second)) === 401, { timeoutMs: 12_000 });
    expect(await post(trigger.callbackUrl, secretThere())).toBe(200);
  });

  it('keeps both while GitHub does not take the new one, and begins the overlap when it has', async () => {
    const trigger = await stage.trigger({ repository });
    const old = secretThere();
    hookPatch({ status: 502, times: 2 });
    const answer = await rotate(trigger, '1h');
    expect(answer.status).toBe(202);
    expect(asRotated(answer)).toMatchObject({ status: 'degraded', secretRotation: { state: 'applying', oldAcceptedUntil: null } });
    expect(secretThere()).toBe(old);
    expect(await post(trigger.callbackUrl, old)).toBe(200);
    expect(asProblem(await rotate(trigger, 'now')).code).toBe('conflict');
    const done = await eventually('GitHub to have it', async () => {
      const now = await subscription(trigger);
      return now.secretRotation?.state === 'overlap' && now;
    }, { timeoutMs: 45_000 });
    expect(done).toMatchObject({ status: 'active', reason: null, attempts: 0 });
    expect(secretThere()).not.toBe(old);
    expect([await post(trigger.callbackUrl, old), await post(trigger.callbackUrl, secretThere())]).toEqual([200, 200]);
  });

  it('says in the words of GitHub that it refused, and keeps both', async () => {
    const trigger = await stage.trigger({ repository });
    const old = secretThere();
    hookPatch({ status: 403, times: 0 });
    const answer = await rotate(trigger, '1h');
    expect(answer.status).toBe(202);
    expect(asRotated(answer)).toMatchObject({ status: 'degraded', reason: { code: 'forbidden', message: expect.stringContaining('GitHub') }, secretRotation: { state: 'applying' } });
    expect(await post(trigger.callbackUrl, old)).toBe(200);
  });
});

describe('rotating the secret of a sender without an API', () => {
  it('shows the new one once, and accepts both from then on', async () => {
    const of = await GithubStage.open('rotate generic');
    try {
      const trigger = await of.workspace.genericTrigger(of.script, { scheme: 'standard-webhooks' });
      const answer = await rotate(trigger, '1h', of);
      const { secret, secretRotation } = asRotated(answer);
      expect([answer.status, secretRotation?.state]).toEqual([200, 'overlap']);
      expect(secret).toMatch(/^whsec_/);
      expect(secret).not.toBe(trigger.secret);
      expect(await postSigned(trigger.callbackUrl, trigger.secret!, 'msg_old', {})).toBe(200);
      expect(await postSigned(trigger.callbackUrl, secret!, 'msg_new', {})).toBe(200);
      expect((await subscription(trigger, of)).secretRotation).toEqual(secretRotation);
      expect((await rotate(await of.workspace.genericTrigger(of.script, { scheme: 'none' }), 'now', of)).status).toBe(422);
    } finally {
      await of.close();
    }
  });
});

describe('a process that is killed while GitHub is told', () => {
  let own: OwnInstance;
  let killed: GithubStage;

  beforeAll(async () => {
    own = await startOwnInstance();
    killed = await GithubStage.open('rotate and crash', {}, own);
  }, 120_000);
  afterAll(async () => {
    await killed?.close();
    await own?.stop();
  }, 60_000);

  it('leaves both secrets accepted, and its successor finishes', async () => {
    const at = 'octocat/hello-world';
    const trigger = await killed.trigger({ repository: at });
    const old = secretThere(killed, at);
    killed.fake.faults.set({ kind: 'timeout', afterWork: true, method: 'PATCH', path: `/repos/${at}/hooks/*` });
    void rotate(trigger, '1h', killed).catch(() => undefined);
    await eventually('GitHub to have the new secret', async () => secretThere(killed, at) !== old);
    killApp(own.dir, 'trigger-service');
    const fresh = secretThere(killed, at);
    expect([await post(trigger.callbackUrl, old), await post(trigger.callbackUrl, fresh)]).toEqual([200, 200]);
    const done = await eventually('the rotation to be finished', async () => {
      const now = await subscription(trigger, killed);
      return now.secretRotation?.state === 'overlap' && now.status === 'active' && now;
    }, { timeoutMs: 120_000, everyMs: 500 });
    expect(Date.parse(done.secretRotation!.oldAcceptedUntil!)).toBeGreaterThan(Date.now());
    expect(secretThere(killed, at)).toBe(fresh);
    expect([await post(trigger.callbackUrl, old), await post(trigger.callbackUrl, fresh)]).toEqual([200, 200]);
    expect(killed.fake.state.repos.get(at)!.hooks).toHaveLength(1);
  }, 180_000);
});

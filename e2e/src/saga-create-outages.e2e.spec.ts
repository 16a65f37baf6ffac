import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TriggerView } from '@vane/contracts';
import type { Fault } from '../../libs/adapters/src/github/fake/faults.js';
import { asTrigger, GithubStage } from './github-stage.js';

const LIMITED = 'asks to slow down';
const outages: Record<string, Fault> = {
  [LIMITED]: { kind: 'status', status: 429, retryAfterSeconds: 3 },
  'has an outage': { kind: 'status', status: 503 },
  'has an outage twice': { kind: 'status', status: 503, times: 2 },
  'fails after it did the work': { kind: 'status', status: 500, afterWork: true },
  'hangs up': { kind: 'drop' },
  'hangs up after it did the work': { kind: 'drop', afterWork: true },
  'answers a page': { kind: 'garbage', form: 'html' },
  'answers half a hook': { kind: 'garbage', form: 'invalid-json' },
  'answers less than it announced': { kind: 'garbage', form: 'truncated' },
  'does not answer': { kind: 'timeout' },
  'does not answer after it did the work': { kind: 'timeout', afterWork: true },
};

/** What creating a trigger in each outage was answered, and how long that took. All begin at once, each in its repository. */
const created = new Map<string, { trigger: TriggerView; status: number; ms: number }>();
const repositoryOf = (outage: string): string => `octocat/${outage.replaceAll(' ', '-')}`;
let stage: GithubStage;
/** A pause that was asked for holds back all that its connection does, so it is asked of a connection that does nothing else. */
let limitedStage: GithubStage;
const stageOf = (outage: string): GithubStage => (outage === LIMITED ? limitedStage : stage);

beforeAll(async () => {
  stage = await GithubStage.open('outages', { repos: Object.keys(outages).map(repositoryOf) });
  limitedStage = await GithubStage.open('limited', { repos: [repositoryOf(LIMITED)] });
  const create = async ([name, fault]: [string, Fault]): Promise<void> => {
    const repository = repositoryOf(name);
    stageOf(name).fake.faults.set({ ...fault, method: 'POST', path: `/repos/${repository}/hooks` });
    const began = performance.now();
    const answer = await stageOf(name).send({ repository, name });
    created.set(name, { trigger: asTrigger(answer), status: answer.status, ms: performance.now() - began });
  };
  await Promise.all(Object.entries(outages).map(create));
});
afterAll(() => Promise.all([stage?.close(), limitedStage?.close()]));

const postsFor = (outage: string): number[] =>
  stageOf(outage).fake.state.requests
    .filter(({ method, path }) => method === 'POST' && path.endsWith(`${repositoryOf(outage)}/hooks`))
    .map(({ at }) => new Date(at).getTime());

describe('creating a trigger when GitHub', () => {
  it.each(Object.keys(outages))('%s is answered 202, and completes by itself with one hook that carries our secret', async (name) => {
    const { status, trigger, ms } = created.get(name)!;
    const at = stageOf(name);
    expect(status).toBe(202);
    expect(trigger.subscription).toMatchObject({ status: 'pending' });
    expect(ms).toBeLessThan(15_000);
    const settled = await at.subscription(trigger.subscription!.id, 'active', 45_000);
    expect(settled).toMatchObject({ reason: null, attempts: 0, nextAttemptAt: null, tombstone: false });
    const hooks = at.ourHooks().filter(({ config }) => config.url === trigger.callbackUrl);
    expect(hooks.map((hook) => String(hook.id))).toEqual([settled.externalId]);
    await at.fake.push(repositoryOf(name), 'push', { name });
    const [run] = await at.workspace.endedRuns(trigger.id, 1);
    expect(run).toMatchObject({ status: 'succeeded' });
  });

  it(`${LIMITED} is not asked again sooner`, () => {
    const [first, second, ...more] = postsFor(LIMITED);
    expect(second! - first!).toBeGreaterThanOrEqual(3_000);
    expect(more).toEqual([]);
  });

  it('did the work unheard is asked for its hooks, not for a second one', () => {
    for (const name of Object.keys(outages).filter((one) => outages[one]!.afterWork)) expect(postsFor(name)).toHaveLength(1);
  });

  it('has an outage twice shows why it waits and when it tries again, and keeps the history', async () => {
    const { trigger } = created.get('has an outage twice')!;
    expect(trigger.subscription).toMatchObject({ attempts: 1, reason: { code: 'unavailable', message: expect.stringContaining('503') } });
    expect(trigger.subscription!.nextAttemptAt).not.toBeNull();
    const { history } = await stage.subscription(trigger.subscription!.id, 'active');
    expect(history.map((line) => [line.status, line.reason?.code])).toEqual([['active', undefined], ['pending', 'unavailable'], ['pending', undefined]]);
  });

  it('is well again has one hook for each subscription', async () => {
    await stage.expectNoOrphan();
    await limitedStage.expectNoOrphan();
  });
});

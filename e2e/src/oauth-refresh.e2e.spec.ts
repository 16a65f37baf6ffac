import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { getConnection, type SubscriptionView } from '@vane/contracts';
import { eventually } from '@vane/testing';
import { approving } from './browser.js';
import { connectAccount } from './connections.js';
import { expired } from './due-now.js';
import { asProblem, GithubStage } from './github-stage.js';

const repositories = ['one', 'two', 'three', 'four', 'five', 'six'].map((name) => `octocat/${name}`);
let stage: GithubStage;

beforeAll(async () => {
  stage = await GithubStage.open('refresh', { repos: repositories, settings: { expiringTokens: true } });
});
afterEach(() => stage.fake.faults.clear());
afterAll(() => stage?.close());

const { keys } = Object;
const refreshes = () => stage.fake.state.counters.refreshes;
const connection = () => stage.workspace.api.call(getConnection, { workspace: stage.workspace.id, connection: stage.connection });

describe('a token that has ended', () => {
  let before: number;
  beforeEach(() => {
    before = refreshes();
  });

  it('is refreshed by who uses it, once, however many ask at the same moment', async () => {
    const first = (await connection()).expiresAt;
    await expired(stage.connection);
    const answers = await Promise.all(repositories.slice(0, 5).map((repository) => stage.send({ repository })));
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201, 201, 201]);
    expect(refreshes() - before).toBe(1);
    expect(stage.fake.state.requests.filter(({ status }) => status === 401)).toEqual([]);
    const { status, expiresAt } = await connection();
    expect(status).toBe('active');
    expect(expiresAt).not.toBe(first);
    await stage.expectNoOrphan();
  });

  it('that GitHub does not take any more is refreshed once, and the call repeated', async () => {
    // Revoked there; by our clock it has hours to go.
    for (const token of stage.fake.state.tokens.keys()) stage.fake.state.tokens.delete(token);
    const answer = await stage.send({ repository: repositories[5] });
    expect(answer.status).toBe(201);
    expect(refreshes() - before).toBe(1);
    const asked = stage.fake.state.requests.filter(({ path, method }) => method === 'POST' && path.endsWith(`${repositories[5]}/hooks`));
    expect(asked.map(({ status }) => status)).toEqual([401, 201]);
  });

  it('is refreshed later when GitHub is out of order, while the trigger waits', async () => {
    await expired(stage.connection);
    stage.fake.faults.set({ kind: 'status', status: 503, path: '/login/oauth/access_token' });
    const answer = await stage.send({ repository: repositories[0], events: ['issues'] });
    expect(answer.status).toBe(202);
    const { id } = (answer.body as { subscription: SubscriptionView }).subscription;
    await stage.subscription(id, 'active');
    expect(refreshes() - before).toBe(1);
    await stage.expectNoOrphan();
  });

  it('of a grant that was revoked is asked for once, and then a person is', async () => {
    stage.fake.revokeTokens();
    const answer = await stage.send({ repository: repositories[0], events: ['release'] });
    expect(answer.status).toBe(422);
    expect(asProblem(answer)).toMatchObject({ code: 'service_unauthorised' });
    expect(asProblem(answer).detail).toMatch(/Connect the account again|authorised again/);
    expect(await connection()).toMatchObject({ status: 'auth_required', reason: expect.stringContaining('The refresh token passed is incorrect or expired.') });
    const asked = stage.fake.state.counters.tokenRequests;
    const again = await stage.send({ repository: repositories[0], events: ['release'] });
    expect([again.status, asProblem(again).code]).toEqual([422, 'connection_auth_required']);
    expect(stage.fake.state.counters.tokenRequests).toBe(asked);

    const revived = await connectAccount(stage.workspace, stage.integration, approving(), { triggerTypes: ['repository'] });
    expect(revived).toMatchObject({ id: stage.connection, status: 'active', reason: null });
    expect((await stage.send({ repository: repositories[0], events: ['release'] })).status).toBe(201);
    await eventually('all hooks to be held', async () => {
      await stage.expectNoOrphan();
      return keys(stage.ourHooks()).length === repositories.length;
    });
  });
});

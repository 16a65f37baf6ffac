import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { updateIntegration } from '@vane/contracts';
import { newSecret } from '@vane/testing';
import type { GithubFake } from '../../libs/adapters/src/github/fake/server.js';
import type { NextcloudFake } from '../../libs/adapters/src/nextcloud/fake/server.js';
import { approving, Browser, denying } from './browser.js';
import { callbackUrl, connections, enterIntegration, startUrl, textOf } from './connections.js';
import { openGithub, openNextcloud } from './fakes.js';
import { githubParty, nextcloudParty } from './parties.js';
import { Workspace } from './system.js';

let workspace: Workspace;
let github: GithubFake;
let integration: string;

beforeAll(async () => {
  workspace = await Workspace.create('refusals');
  github = await openGithub();
  integration = (await enterIntegration(workspace, githubParty(github))).id;
});
afterEach(() => github.faults.clear());
afterAll(() => github?.close());

const start = () => startUrl(workspace, integration);
/** What the browser shows after the whole way. */
async function ended(browser: Browser): Promise<{ status: number; text: string }> {
  const { status, html } = await browser.open(await start());
  return { status, text: textOf(html) };
}
async function expectNothingStored(): Promise<void> {
  expect(await connections(workspace)).toEqual([]);
}

describe('an authorisation that does not work out', () => {
  it('says that the person did not grant access', async () => {
    const { status, text } = await ended(denying());
    expect(status).toBe(422);
    expect(text).toContain('The user has denied your application access');
    expect(text).toContain('oauth_denied');
    await expectNothingStored();
  });

  it('says what GitHub says with status 200: a wrong client secret', async () => {
    const wrongSecret = newSecret('wrong client secret');
    const wrong = await enterIntegration(workspace, { ...githubParty(github), clientSecret: wrongSecret });
    const { status, html } = await approving().open(await startUrl(workspace, wrong.id));
    expect(github.state.requests.at(-1)).toMatchObject({ path: '/login/oauth/access_token', status: 200 });
    expect(status).toBe(422);
    expect(textOf(html)).toContain('The client_id and/or client_secret passed are incorrect.');
    expect(html).not.toContain(wrongSecret);
    await expectNothingStored();
    const right = await workspace.api.call(updateIntegration, { workspace: workspace.id, integration: wrong.id, ifMatch: wrong.version, clientSecret: githubParty(github).clientSecret });
    expect(right.version).toBe(wrong.version + 1);
  });

  it('says what GitHub says with status 200: a code that has expired', async () => {
    const browser = approving();
    const callback = await browser.openUntil(await start(), callbackUrl());
    github.advance(601);
    const { status, html } = await browser.open(callback);
    expect(status).toBe(422);
    expect(textOf(html)).toContain('The code passed is incorrect or expired.');
    expect(html).not.toContain(new URL(callback).searchParams.get('code')!);
    await expectNothingStored();
  });

  it.each([
    ['an outage', { kind: 'status' as const, status: 503 }],
    ['half an answer', { kind: 'garbage' as const, form: 'truncated' as const }],
    ['a page instead of an answer', { kind: 'garbage' as const, form: 'html' as const }],
  ])('says so when the token endpoint has %s, and stores nothing', async (_name, fault) => {
    github.faults.set({ path: '/login/oauth/access_token', ...fault });
    const { status, text } = await ended(approving());
    expect(status).toBe(502);
    expect(text).toContain('GitHub');
    expect(text).toContain('service_unavailable');
    await expectNothingStored();
  });

  it('says what a Nextcloud refuses', async () => {
    const nextcloud: NextcloudFake = await openNextcloud({ client: { redirectUri: callbackUrl() }, settings: { autoApprove: true } });
    try {
      const { id } = await enterIntegration(workspace, { ...nextcloudParty(nextcloud), clientSecret: newSecret('wrong client secret') });
      const { status, html } = await new Browser().open(await startUrl(workspace, id));
      expect(status).toBe(422);
      expect(textOf(html)).toContain('invalid_client');
      await expectNothingStored();
    } finally {
      await nextcloud.close();
    }
  });
});

describe('a callback that nobody here is waiting for', () => {
  it('is refused in another browser, whose owner cannot be made to take over an account', async () => {
    const victim = approving();
    const callback = await victim.openUntil(await start(), callbackUrl());
    const exchanged = github.state.counters.codeExchanges;
    const stranger = await new Browser().open(callback);
    expect(stranger.status).toBe(400);
    expect(textOf(stranger.html)).toContain('This browser did not start the authorisation.');
    expect((await victim.open(callback)).status).toBe(400);
    expect(github.state.counters.codeExchanges).toBe(exchanged);
    await expectNothingStored();
  });

  it('is refused with the cookie of another authorisation', async () => {
    const [first, second] = [approving(), approving()];
    const [callback] = [await first.openUntil(await start(), callbackUrl()), await second.openUntil(await start(), callbackUrl())];
    expect((await second.open(callback)).status).toBe(400);
    await expectNothingStored();
  });

  it('is refused with a state that was made up, changed, sent twice or left out', async () => {
    for (const spoil of [
      (query: URLSearchParams) => query.set('state', 'A'.repeat(43)),
      (query: URLSearchParams) => query.set('state', `${query.get('state')!.slice(0, -1)}${query.get('state')!.endsWith('A') ? 'E' : 'A'}`),
      (query: URLSearchParams) => query.append('state', query.get('state')!),
      (query: URLSearchParams) => query.delete('state'),
    ]) {
      const browser = approving();
      const callback = new URL(await browser.openUntil(await start(), callbackUrl()));
      spoil(callback.searchParams);
      const page = await browser.open(callback.href);
      expect(page.status).toBe(400);
      expect(textOf(page.html)).toContain('oauth_state_invalid');
    }
    await expectNothingStored();
  });

  it('is refused the second time, and so is a start URL', async () => {
    const browser = approving();
    const url = await start();
    const callback = await browser.openUntil(url, callbackUrl());
    const again = await fetch(url, { redirect: 'manual' });
    expect(again.status).toBe(400);
    expect(await again.text()).toContain('already used');
    // The cookie is kept, so that it is the state alone that refuses.
    const cookies = approving();
    const one = await fetch(await start(), { method: 'POST', redirect: 'manual' });
    const cookie = one.headers.getSetCookie()[0]!.split(';')[0]!;
    const back = await cookies.openUntil(one.headers.get('location')!, callbackUrl());
    const finish = () => fetch(back, { headers: { cookie, accept: 'text/html' } });
    expect((await finish()).status).toBe(200);
    const replayed = await finish();
    expect(replayed.status).toBe(400);
    expect(textOf(await replayed.text())).toContain('was already used');
    expect((await browser.open(callback)).status).toBe(200);
    expect(await connections(workspace)).toHaveLength(1);
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startOpenIdProvider, type OpenIdProvider } from '@vane/testing';
import type { GithubFake } from '../../libs/adapters/src/github/fake/server.js';
import type { NextcloudFake } from '../../libs/adapters/src/nextcloud/fake/server.js';
import { approving, Browser, signedInAs } from './browser.js';
import { callbackUrl, connectAccount, connections, enterIntegration, startUrl, textOf } from './connections.js';
import { openGithub, openNextcloud } from './fakes.js';
import { githubParty, nextcloudParty, partyAt } from './parties.js';
import { Workspace } from './system.js';

let workspace: Workspace;
let github: GithubFake;
let nextcloud: NextcloudFake;
let openId: OpenIdProvider;

beforeAll(async () => {
  workspace = await Workspace.create('code flow');
  github = await openGithub({ app: { callbackUrl: callbackUrl() } });
  nextcloud = await openNextcloud({ client: { redirectUri: callbackUrl() }, settings: { autoApprove: true } });
  openId = await startOpenIdProvider({ redirectUri: callbackUrl() });
});

afterAll(async () => {
  await Promise.all([github?.close(), nextcloud?.close(), openId?.close()]);
});

describe('connecting an account in a browser', () => {
  it('works at GitHub, with PKCE, and shows whose account it is and what it may do', async () => {
    const integration = await enterIntegration(workspace, githubParty(github));
    expect(integration.redirectUri).toBe(callbackUrl());
    const connection = await connectAccount(workspace, integration.id, approving(), { triggerTypes: ['repository'] });
    expect(connection).toMatchObject({ service: 'github', accountId: '583231', accountLabel: 'octocat', status: 'active', reason: null, expiresAt: null });
    expect(connection.scopes).toEqual(['admin:repo_hook']);
    expect([...github.state.codes.values()].map(({ challenge, used }) => ({ challenged: challenge !== null, used }))).toEqual([{ challenged: true, used: true }]);
    expect(github.state.counters).toMatchObject({ codeExchanges: 1, tokenErrors: 0 });
  });

  it('works at a Nextcloud, whose tokens live an hour', async () => {
    const integration = await enterIntegration(workspace, nextcloudParty(nextcloud));
    const connection = await connectAccount(workspace, integration.id, new Browser());
    expect(connection).toMatchObject({ service: 'nextcloud', accountId: 'admin', status: 'active', scopes: [] });
    const left = new Date(connection.expiresAt!).getTime() - Date.now();
    expect(left).toBeGreaterThan(3_500_000);
    expect(left).toBeLessThanOrEqual(3_600_000);
  });

  it('works at an OpenID provider that demands PKCE', async () => {
    const integration = await enterIntegration(workspace, partyAt(openId, 'oauth-probe'));
    const connection = await connectAccount(workspace, integration.id, signedInAs('ada'));
    expect(connection).toMatchObject({ service: 'oauth-probe', accountId: 'ada', status: 'active' });
    expect(connection.scopes).toEqual(expect.arrayContaining(['openid', 'offline_access']));
    expect(openId.tokenRequests).toEqual([{ type: 'authorization_code', ok: true }]);
  });

  it('makes one connection of one account, however often it is connected, and two of two', async () => {
    const integration = await enterIntegration(workspace, partyAt(openId, 'oauth-probe'));
    const [bert, again, cleo] = [
      await connectAccount(workspace, integration.id, signedInAs('bert')),
      await connectAccount(workspace, integration.id, signedInAs('bert')),
      await connectAccount(workspace, integration.id, signedInAs('cleo')),
    ];
    expect(again.id).toBe(bert.id);
    expect(cleo.id).not.toBe(bert.id);
    const all = (await connections(workspace)).filter(({ integrationId }) => integrationId === integration.id);
    expect(all.map(({ accountId }) => accountId).sort()).toEqual(['bert', 'cleo']);
  });

  it('ends on a page that says so, binds the browser by a cookie, and gives the service no token of ours', async () => {
    const integration = await enterIntegration(workspace, githubParty(github));
    const url = await startUrl(workspace, integration.id, { triggerTypes: ['repository'] });
    const question = await fetch(url, { redirect: 'manual' });
    expect([question.status, question.headers.getSetCookie()]).toEqual([200, []]);
    expect(textOf(await question.text())).toContain('for the workspace "code flow". Permissions asked for: admin:repo_hook.');
    const first = await fetch(url, { method: 'POST', redirect: 'manual' });
    expect(first.status).toBe(303);
    expect(first.headers.getSetCookie()[0]).toMatch(/^vane_oauth_[0-9a-f]{16}=[^;]+; Path=\/oauth; Max-Age=\d+; HttpOnly; SameSite=Lax$/);
    const asked = new URL(first.headers.get('location')!);
    expect(asked.origin).toBe(github.url);
    expect(Object.fromEntries(asked.searchParams)).toMatchObject({
      response_type: 'code', client_id: 'fake-github-client', redirect_uri: callbackUrl(), code_challenge_method: 'S256', scope: 'admin:repo_hook',
    });
    expect(asked.href).not.toContain(workspace.api.token);
    const page = await approving().open(await startUrl(workspace, integration.id, { triggerTypes: ['repository'] }));
    expect(page.status).toBe(200);
    expect(textOf(page.html)).toContain('The account octocat at github is connected.');
  });
});

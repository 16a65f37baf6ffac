import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { RegisterInput, ServiceError, ServiceHttp, VisibleRemote } from '@vane/kit';
import { describeConformance, type Fixture } from '@vane/kit/conformance';
import { createServiceHttp, EgressClient, parseEgressAllow, SystemClock } from '@vane/runtime';
import { startGithubFake } from './fake/server.js';
import type { GithubFakeOptions, Hook } from './fake/state.js';
import { adapter } from './index.js';

const type = adapter.triggerTypes['repository']!;
const remote = type.remote as VisibleRemote;
const open: { close(): Promise<void> }[] = [];

/** The adapter against a fake GitHub, through the real client, as the user octocat. */
async function startRig(options: GithubFakeOptions = {}, scopes = ['admin:repo_hook']) {
  const fake = await startGithubFake(options);
  const egress = new EgressClient({ policy: { allow: parseEgressAllow('127.0.0.1') } });
  const httpWith = (accessToken: string, scheme?: 'Basic'): ServiceHttp =>
    createServiceHttp({
      adapter,
      hosts: { web: fake.url, api: fake.url },
      egress,
      clock: new SystemClock(),
      token: async () => ({ accessToken, tokenType: 'bearer', generation: 1, ...(scheme && { scheme }) }),
      timeoutMs: 2_000,
    });
  const hooks = (): Hook[] => fake.state.repos.get('octocat/hello-world')?.hooks ?? [];
  const close = async () => {
    await egress.close();
    await fake.close();
  };
  return { fake, http: httpWith(fake.issueToken({ scopes })), httpWith, hooks, close };
}

async function rigOf(...given: Parameters<typeof startRig>) {
  const rig = await startRig(...given);
  open.push(rig);
  return rig;
}

afterEach(async () => {
  for (const rig of open.splice(0)) await rig.close();
});

function fixture(name: string): Pick<Fixture, 'name' | 'body'> & { headers: Record<string, string> } {
  const { headers, body } = JSON.parse(readFileSync(new URL(`./fixtures/${name}.json`, import.meta.url), 'utf8'));
  return { name, headers, body };
}

const signature = (body: Uint8Array, secret: string) => `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;

describeConformance(adapter, {
  triggerType: 'repository',
  config: { repository: 'octocat/Hello-World', events: ['push', 'issues'] },
  fixtures: [
    { ...fixture('push'), events: [{ type: 'push', dedupeKey: '72d3162e-cc78-11e3-81ab-4c9367dc0958', occurredAt: null }] },
    { ...fixture('issues-opened'), events: [{ type: 'issues', dedupeKey: 'f1a8c0f0-cc78-11e3-8d3c-6b7f0c9a5d11' }] },
    { ...fixture('ping'), ping: true },
  ],
  sign: (body, secret) => ({ 'X-Hub-Signature-256': signature(body, secret) }),
  remote: async () => {
    const rig = await startRig({ repos: ['octocat/hello-world'] });
    return {
      http: rig.http,
      state: {
        count: () => rig.hooks().length,
        secretOf: (externalId) => rig.hooks().find(({ id }) => String(id) === externalId)?.config.secret,
      },
      // A 401 is tried once more with a newer token.
      failNext: (status) => void rig.fake.faults.set({ kind: 'status', status, times: status === 401 ? 2 : 1 }),
      close: rig.close,
    };
  },
  revocation: async () => {
    const rig = await startRig();
    const [app] = rig.fake.state.apps;
    const accessToken = rig.fake.issueToken();
    const basic = Buffer.from(`${app!.clientId}:${app!.clientSecret}`).toString('base64');
    return {
      ways: { account: rig.httpWith(accessToken), client: rig.httpWith(basic, 'Basic') },
      grant: { accessToken, clientId: app!.clientId },
      isAlive: () => rig.fake.state.tokens.has(accessToken),
      failNext: (status) => void rig.fake.faults.set({ kind: 'status', status }),
      close: rig.close,
    };
  },
});

const resource = 'octocat/hello-world';
const secret = 'a-secret-nobody-may-read';

function input(events = ['push'], key = 'one'): RegisterInput {
  return { id: `sub_${key}`, resource, want: { events }, callbackUrl: `http://127.0.0.1:9/hooks/${key}`, secret, now: new Date(0) };
}

/** The ServiceError a call fails with, after making sure that it tells no secret. */
async function failure(call: Promise<unknown>): Promise<ServiceError> {
  const error = (await call.then(
    () => expect(call).rejects.toThrow(),
    (cause: unknown) => cause,
  )) as ServiceError;
  expect(error.name).toBe('ServiceError');
  expect(`${error.message} ${JSON.stringify(error.details)}`).not.toContain(secret);
  return error;
}

describe('Webhooks at GitHub', () => {
  it('are made signed, verified and with JSON bodies', async () => {
    const { http, hooks } = await rigOf();
    const { externalId } = await remote.register(http, input(['issues', 'push']));
    expect(hooks()).toEqual([
      expect.objectContaining({
        id: Number(externalId),
        active: true,
        events: ['issues', 'push'],
        config: { url: 'http://127.0.0.1:9/hooks/one', content_type: 'json', insecure_ssl: '0', secret },
      }),
    ]);
    expect(await remote.get(http, resource, externalId)).toEqual({
      externalId,
      callbackUrl: 'http://127.0.0.1:9/hooks/one',
      active: true,
      fields: { events: ['issues', 'push'], contentType: 'json', insecureSsl: '0' },
    });
  });

  it('keep signing after an update, which turns them on again and replaces their events', async () => {
    const { fake, http, hooks } = await rigOf();
    const { externalId } = await remote.register(http, input(['issues', 'push']));
    Object.assign(hooks()[0]!, { active: false });
    await remote.update(http, externalId, input(['release']));
    expect(hooks()).toEqual([expect.objectContaining({ active: true, events: ['release'], config: expect.objectContaining({ secret }) })]);
    const [delivery] = await fake.push(resource, 'release');
    expect(delivery?.requestHeaders['X-Hub-Signature-256']).toBe(signature(Buffer.from(delivery!.body), secret));
  });

  it('are a conflict when the same URL is there already, so that the engine looks for its own', async () => {
    const { http, hooks } = await rigOf();
    await remote.register(http, input());
    const error = await failure(remote.register(http, input()));
    expect(error.kind).toBe('conflict');
    expect(error.message).toContain('Hook already exists on this repository');
    expect(hooks()).toHaveLength(1);
  });

  it('are refused with what GitHub says of the field', async () => {
    const { http } = await rigOf();
    const error = await failure(remote.register(http, input(['no_such_event'])));
    expect([error.kind, error.transient]).toEqual(['invalid', false]);
    expect(error.message).toContain('These events cannot be subscribed to: no_such_event');
  });

  it('are listed to the last page, those of others included', async () => {
    const { http, hooks } = await rigOf();
    await remote.register(http, input());
    const [ours] = hooks();
    for (let id = 1; id <= 130; id += 1) {
      hooks().push({ ...ours!, id, config: { ...ours!.config, url: `https://elsewhere.example/${id}` } });
    }
    const listed = await remote.list(http, resource);
    expect(listed.map(({ externalId }) => externalId)).toEqual(hooks().map(({ id }) => String(id)));
    expect(new Set(listed.map(({ callbackUrl }) => callbackUrl)).size).toBe(131);
  });

  it('leave alone what is not asked for', async () => {
    const { http, hooks } = await rigOf();
    const foreign = await remote.register(http, input(['push'], 'foreign'));
    const ours = await remote.register(http, input());
    await remote.update(http, ours.externalId, input(['issues']));
    await remote.remove(http, resource, ours.externalId);
    expect(hooks()).toEqual([expect.objectContaining({ id: Number(foreign.externalId), events: ['push'] })]);
  });

  it('are gone when their whole repository is', async () => {
    const { fake, http } = await rigOf();
    const { externalId } = await remote.register(http, input());
    fake.state.repos.clear();
    expect(await remote.get(http, resource, externalId)).toBeNull();
    expect(await remote.remove(http, resource, externalId)).toBe('gone');
  });

  it('are not taken for gone when the account lost its rights', async () => {
    const { fake, http, hooks } = await rigOf();
    const { externalId } = await remote.register(http, input());
    fake.state.repos.get(resource)!.admin = false;
    for (const call of [remote.get(http, resource, externalId), remote.remove(http, resource, externalId)]) {
      const error = await failure(call);
      expect(error.kind).toBe('forbidden');
      expect(error.message).toContain('admin:repo_hook');
    }
    expect((await failure(remote.list(http, resource))).kind).toBe('not_found');
    expect(hooks()).toHaveLength(1);
  });

  it('that may be read and not deleted are not taken for gone', async () => {
    const { http, hooks } = await rigOf({}, ['write:repo_hook']);
    const { externalId } = await remote.register(http, input());
    expect((await failure(remote.remove(http, resource, externalId))).kind).toBe('forbidden');
    expect(hooks()).toHaveLength(1);
  });

  it('are not taken for removed when the answer is not the one that GitHub promises', async () => {
    const { fake, http, hooks } = await rigOf();
    const { externalId } = await remote.register(http, input());
    for (const body of ['{}', '<html>Sign in to the proxy</html>']) {
      fake.faults.set({ kind: 'status', status: 200, body });
      expect((await failure(remote.remove(http, resource, externalId))).kind).toBe('garbage');
    }
    expect(hooks()).toHaveLength(1);
    expect(await remote.remove(http, resource, externalId)).toBe('removed');
  });

  it('without the scope are refused with a sentence that names it', async () => {
    const { http } = await rigOf({}, []);
    const error = await failure(remote.register(http, input()));
    expect(error.kind).toBe('not_found');
    expect(error.message).toContain('scope admin:repo_hook');
  });

  it('are found in the list after an answer that never came', async () => {
    const { fake, http, hooks } = await rigOf();
    fake.faults.set({ kind: 'drop', method: 'POST', afterWork: true });
    expect((await failure(remote.register(http, input()))).kind).toBe('unavailable');
    const [adopted] = await remote.list(http, resource);
    expect(adopted).toMatchObject({ externalId: String(hooks()[0]!.id), callbackUrl: input().callbackUrl });
  });

  it.each([
    [{ kind: 'status', status: 401, times: 2 }, 'unauthorised', 'authorise it again'],
    [{ kind: 'status', status: 403 }, 'forbidden', 'check its rights'],
    [{ kind: 'status', status: 403, retryAfterSeconds: 60 }, 'rate_limited', 'slow down'],
    [{ kind: 'status', status: 429, retryAfterSeconds: 60 }, 'rate_limited', 'slow down'],
    [{ kind: 'status', status: 404 }, 'not_found', 'octocat/hello-world'],
    [{ kind: 'status', status: 422 }, 'invalid', 'Validation Failed'],
    [{ kind: 'status', status: 503 }, 'unavailable', 'tried again'],
    [{ kind: 'garbage', form: 'html' }, 'garbage', 'tried again|not JSON'],
    [{ kind: 'garbage', form: 'invalid-json' }, 'garbage', 'not JSON'],
    [{ kind: 'garbage', form: 'truncated' }, 'unavailable', 'could not be asked'],
    [{ kind: 'drop' }, 'unavailable', 'could not be asked'],
  ] as const)('fail under %j as %s', async (fault, kind, sentence) => {
    const { fake, http } = await rigOf();
    fake.faults.set(fault);
    const error = await failure(remote.register(http, input()));
    expect([error.kind, error.message]).toEqual([kind, expect.stringMatching(sentence)]);
    if ('retryAfterSeconds' in fault) expect(error.details.retryAfterMs).toBe(60_000);
  });
});

describe('The account at GitHub', () => {
  it('must be authorised anew when the token endpoint answers as it does to a used refresh token', async () => {
    const { fake } = await rigOf();
    const { clientId, clientSecret } = fake.state.apps[0]!;
    const response = await fetch(fake.url + adapter.oauth!.token.path, {
      method: 'POST',
      headers: { accept: 'application/json' },
      body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: 'used', client_id: clientId, client_secret: clientSecret }),
    });
    expect([response.status, adapter.oauth?.errorLocation]).toEqual([200, '200-body']);
    expect(adapter.oauth?.deadGrantCodes).toContain(((await response.json()) as { error: string }).error);
  });

  it('is named with the scopes it granted', async () => {
    const { http } = await rigOf({}, ['admin:repo_hook', 'read:user']);
    expect(await adapter.oauth?.identity(http)).toEqual({ accountId: '583231', accountLabel: 'octocat', scopes: ['admin:repo_hook', 'read:user'] });
  });

  it('has no scopes when it came through a GitHub App', async () => {
    const { fake, httpWith } = await rigOf();
    expect(await adapter.oauth?.identity(httpWith(fake.issueToken({ kind: 'app-user' })))).toEqual({ accountId: '583231', accountLabel: 'octocat' });
  });

  it('offers the repositories it administers, page by page', async () => {
    const repos = Array.from({ length: 150 }, (_, number) => ({ fullName: `octocat/repo-${String(number).padStart(3, '0')}`, admin: number !== 7 }));
    const { http } = await rigOf({ repos });
    const { pick } = type.pickers!['repositories']!;
    const first = await pick(http, {});
    expect([first.items.length, first.next]).toEqual([99, '2']);
    const second = await pick(http, { cursor: first.next! });
    expect([second.items.length, second.next]).toEqual([50, null]);
    expect(await pick(http, { q: 'REPO-149' })).toEqual({ items: [{ value: 'octocat/repo-149', label: 'octocat/repo-149' }], next: null });
  });

  it('offers only events that GitHub takes', async () => {
    const { http } = await rigOf();
    const { items } = await type.pickers!['events']!.pick(http, {});
    await remote.register(http, input(items.map(({ value }) => value!)));
    expect((await type.pickers!['events']!.pick(http, { q: 'pull request' })).items.map(({ value }) => value)).toContain('pull_request_review');
  });
});

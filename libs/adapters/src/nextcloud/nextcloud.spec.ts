import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from '@jest/globals';
import { redact, schemeOf, verify, type JsonObject, type RegisterInput, type ServiceError, type ServiceHttp, type VisibleRemote } from '@vane/kit';
import { describeConformance, type Fixture } from '@vane/kit/conformance';
import { createServiceHttp, EgressClient, parseEgressAllow, SystemClock } from '@vane/runtime';
import { startNextcloudFake } from './fake/server.js';
import type { NextcloudFakeOptions } from './fake/state.js';
import { adapter } from './index.js';

const type = adapter.triggerTypes['event']!;
const remote = type.remote as VisibleRemote;
const written = 'OCP\\Files\\Events\\Node\\NodeWrittenEvent';
const secret = 'a-secret-nobody-may-read';
const now = new Date('2026-01-05T10:00:00Z');
const open: { close(): Promise<void> }[] = [];

/** The adapter against a fake Nextcloud, through the real client. */
async function startRig(options: NextcloudFakeOptions = {}, uid = 'admin') {
  const fake = await startNextcloudFake(options);
  const egress = new EgressClient({ policy: { allow: parseEgressAllow('127.0.0.1') } });
  const { accessToken } = fake.issueGrant(uid);
  const http: ServiceHttp = createServiceHttp({
    adapter,
    hosts: { base: fake.url },
    egress,
    clock: new SystemClock(),
    token: async () => ({ accessToken, tokenType: 'Bearer', generation: 1 }),
    timeoutMs: 2_000,
  });
  const hook = (externalId: string) => fake.state.listeners.find(({ id }) => String(id) === externalId);
  const close = async () => {
    await egress.close();
    await fake.close();
  };
  return { fake, http, accessToken, hook, close };
}

async function rigOf(...given: Parameters<typeof startRig>) {
  const rig = await startRig(...given);
  open.push(rig);
  return rig;
}

afterEach(async () => {
  for (const rig of open.splice(0)) await rig.close();
});

function fixture(name: string): Pick<Fixture, 'name' | 'body' | 'headers'> {
  const { headers, body } = JSON.parse(readFileSync(new URL(`./fixtures/${name}.json`, import.meta.url), 'utf8'));
  return { name, headers, body };
}

describeConformance(adapter, {
  triggerType: 'event',
  config: { event: written, filter: { 'event.node.path': '/^\\/admin\\/files\\//' }, userId: 'admin' },
  fixtures: [
    {
      ...fixture('node-created'),
      events: [
        {
          type: 'OCP\\Files\\Events\\Node\\NodeCreatedEvent',
          dedupeKey: null,
          occurredAt: '2026-11-23T12:19:46.000Z',
          payload: {
            event: { node: { id: 97, path: '/admin/files/a.txt' }, class: 'OCP\\Files\\Events\\Node\\NodeCreatedEvent' },
            user: { uid: 'admin', displayName: 'admin' },
            time: 1795436386,
          },
        },
      ],
    },
    { ...fixture('node-renamed'), events: [{ type: 'OCP\\Files\\Events\\Node\\NodeRenamedEvent' }] },
    { ...fixture('node-deleted'), events: [{ type: 'OCP\\Files\\Events\\Node\\NodeDeletedEvent' }] },
  ],
  sign: (_body, shared) => ({ 'X-Vane-Secret': shared }),
  remote: async () => {
    const { fake, http, hook, close } = await startRig();
    return {
      http,
      state: { count: () => fake.state.listeners.length, secretOf: (externalId) => hook(externalId)?.authData?.['X-Vane-Secret'] },
      // A 401 is tried once more with a newer token.
      failNext: (status) => void fake.faults.set({ kind: 'status', status, times: status === 401 ? 2 : 1 }),
      close,
    };
  },
  revocation: async () => {
    const { fake, http, accessToken, close } = await startRig();
    return {
      ways: { account: http, client: http },
      grant: { accessToken, clientId: fake.state.clients[0]!.clientId },
      isAlive: () => [...fake.state.grants.values()].some((grant) => grant.accessToken === accessToken),
      failNext: (status) => void fake.faults.set({ kind: 'status', status }),
      close,
    };
  },
});

function input(config: JsonObject = {}, callbackUrl = 'http://127.0.0.1:9/hooks/one'): RegisterInput {
  return { id: 'sub_one', ...type.plan(type.config.parse({ event: written, ...config })), callbackUrl, secret, now: new Date(0) };
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

describe('Webhooks at Nextcloud', () => {
  it('are made with the secret in a header and a content type', async () => {
    const { http, hook } = await rigOf();
    const { externalId } = await remote.register(http, input());
    expect(hook(externalId)).toMatchObject({
      httpMethod: 'POST',
      uri: 'http://127.0.0.1:9/hooks/one',
      event: written,
      headers: { 'Content-Type': 'application/json' },
      authMethod: 'header',
      authData: { 'X-Vane-Secret': secret },
      tokenNeeded: null,
    });
  });

  it('show what was wanted, with nothing unset and no ciphertext', async () => {
    const { http } = await rigOf();
    const full = { filter: { $and: [{ time: { $gt: 1 } }, { user: {} }] }, userId: 'alice', tokensFor: ['trigger', 'owner'] };
    for (const config of [{}, { filter: {} }, full] as JsonObject[]) {
      const wanted = input(config);
      const { externalId } = await remote.register(http, wanted);
      const seen = await remote.get(http, wanted.resource, externalId);
      expect(seen).toEqual({ externalId, callbackUrl: wanted.callbackUrl, active: null, fields: { ...wanted.want, httpMethod: 'POST' } });
      expect(await remote.get(http, wanted.resource, externalId)).toEqual(seen);
    }
  });

  it('show what an administrator changed', async () => {
    const { http, hook } = await rigOf();
    const { externalId } = await remote.register(http, input());
    Object.assign(hook(externalId)!, { httpMethod: 'PUT', userIdFilter: 'alice', eventFilter: { time: 1 }, tokenNeeded: { user_ids: ['alice'] } });
    expect((await remote.get(http, '', externalId))?.fields).toEqual({
      event: written, httpMethod: 'PUT', userId: 'alice', filter: { time: 1 }, tokens: { user_ids: ['alice'] },
    });
  });

  it('keep everything after an update, which replaces the whole', async () => {
    const { http, hook } = await rigOf();
    const { externalId } = await remote.register(http, input({ userId: 'alice', tokensFor: ['owner'] }));
    await remote.update(http, externalId, input());
    expect(hook(externalId)).toMatchObject({ authData: { 'X-Vane-Secret': secret }, userIdFilter: '', tokenNeeded: null, headers: { 'Content-Type': 'application/json' } });
  });

  it('that were deleted are not updated, though Nextcloud would say so', async () => {
    const { fake, http } = await rigOf();
    const { externalId } = await remote.register(http, input());
    fake.state.listeners = [];
    const error = await failure(remote.update(http, externalId, input()));
    expect([error.kind, error.message]).toEqual(['not_found', `Nextcloud has no webhook ${externalId} any more.`]);
    expect(fake.state.requests.filter(({ method }) => method === 'POST')).toHaveLength(1);
  });

  it('that are gone are told so without the SQL that found nothing', async () => {
    const { fake, http } = await rigOf();
    expect(await remote.get(http, '', '4711')).toBeNull();
    expect(await remote.remove(http, '', '4711')).toBe('gone');
    const sql = { ocs: { meta: { status: 'failure', statuscode: 404, message: 'Did expect one result but found none when executing: query "SELECT * FROM `oc_webhook_listeners`"' } } };
    expect(adapter.errorMessage?.(sql)).toBeUndefined();
    expect(fake.state.listeners).toHaveLength(2);
  });

  it('of others are listed and left alone', async () => {
    const { fake, http } = await rigOf();
    const foreign = structuredClone(fake.state.listeners);
    const { externalId } = await remote.register(http, input());
    const listed = await remote.list(http, input().resource);
    expect(listed.map(({ callbackUrl }) => callbackUrl)).toEqual(['https://elsewhere.example/hook', 'https://flow.example/hook', 'http://127.0.0.1:9/hooks/one']);
    expect(JSON.stringify(listed)).not.toMatch(/authData|\|3"/);
    await remote.update(http, externalId, input({ userId: 'alice' }));
    await remote.remove(http, '', externalId);
    expect(fake.state.listeners).toEqual(foreign);
  });

  it('are found in the list after an answer that never came', async () => {
    const { fake, http } = await rigOf({ listeners: [] });
    fake.faults.set({ kind: 'drop', method: 'POST', afterWork: true });
    expect((await failure(remote.register(http, input()))).kind).toBe('unavailable');
    expect(await remote.list(http, '')).toMatchObject([{ externalId: String(fake.state.listeners[0]!.id), callbackUrl: input().callbackUrl }]);
  });

  it('of a class that does not exist are refused with where it may be', async () => {
    const { http } = await rigOf();
    const refusal = async (event: string) => {
      const error = await failure(remote.register(http, input({ event })));
      return [error.kind, error.message];
    };
    expect(await refusal('OCP\\Files\\Events\\Node\\NodeRestoredEvent')).toEqual(['invalid', expect.stringContaining('it may be OCA\\Files_Trashbin\\Events\\NodeRestoredEvent')]);
    expect(await refusal('OCA\\Nothing\\SomethingEvent')).toEqual(['invalid', expect.stringContaining('choose one from the list')]);
  });

  it('can only be managed by administrators, as the refusal says', async () => {
    const { http } = await rigOf({}, 'alice');
    for (const call of [remote.register(http, input()), remote.list(http, ''), remote.get(http, '', '1'), remote.remove(http, '', '1')]) {
      const error = await failure(call);
      expect([error.kind, error.message]).toEqual(['forbidden', expect.stringContaining('make it an administrator, or delegate')]);
    }
  });

  it('are not taken for gone when the app was disabled', async () => {
    const { fake, http } = await rigOf();
    const { externalId } = await remote.register(http, input());
    fake.state.settings.webhooksEnabled = false;
    for (const call of [remote.register(http, input()), remote.list(http, ''), remote.get(http, '', externalId), remote.remove(http, '', externalId)]) {
      const error = await failure(call);
      expect([error.kind, error.message]).toEqual(['not_found', expect.stringContaining('occ app:enable webhook_listeners')]);
    }
  });

  it.each([
    [{ kind: 'status', status: 401, times: 2 }, 'unauthorised', 'authorise it again'],
    [{ kind: 'status', status: 403 }, 'forbidden', 'administrator'],
    [{ kind: 'status', status: 404 }, 'not_found', 'host base'],
    [{ kind: 'status', status: 422 }, 'invalid', 'rejected the request'],
    [{ kind: 'status', status: 400, body: '' }, 'invalid', 'rejected the request'],
    [{ kind: 'status', status: 429, retryAfterSeconds: 30 }, 'rate_limited', 'slow down'],
    [{ kind: 'status', status: 503 }, 'unavailable', 'tried again'],
    [{ kind: 'status', status: 200, body: '{"ocs":{"meta":{"status":"failure","statuscode":500,"message":"Oh no"},"data":[]}}' }, 'unavailable', 'OCS 500: Oh no'],
    [{ kind: 'status', status: 200, body: '{"ocs":{"meta":{"status":"failure","statuscode":997},"data":[]}}' }, 'unauthorised', 'OCS 997'],
    [{ kind: 'status', status: 200, body: '{"ocs":{"meta":{"status":"ok","statuscode":200},"data":[]}}' }, 'garbage', 'not a webhook'],
    [{ kind: 'garbage', form: 'html' }, 'garbage', 'not JSON'],
    [{ kind: 'garbage', form: 'invalid-json' }, 'garbage', 'not JSON'],
    [{ kind: 'garbage', form: 'truncated' }, 'unavailable', 'could not be asked'],
    [{ kind: 'drop' }, 'unavailable', 'could not be asked'],
  ] as const)('fail under %j as %s', async (fault, kind, sentence) => {
    const { fake, http } = await rigOf();
    fake.faults.set(fault);
    const error = await failure(remote.register(http, input()));
    expect([error.kind, error.message]).toEqual([kind, expect.stringContaining(sentence)]);
  });
});

describe('Deliveries of Nextcloud', () => {
  it('carry the secret and, where asked for, account tokens that are cut out before anything is stored', async () => {
    const { fake, http } = await rigOf({ listeners: [] });
    const wanted = input({ tokensFor: ['owner'] });
    await remote.register(http, wanted);
    const [sent] = await fake.writeFile('/admin/files/a.txt', { fileId: 5 });
    const delivery = sent!;
    const headers = Object.fromEntries(Object.entries(delivery.headers).map(([name, value]) => [name.toLowerCase(), value]));
    const request = { method: 'POST', headers, query: {}, body: Buffer.from(delivery.body) };
    expect(verify(schemeOf(type, wanted.want), request, [secret], now)).toEqual({ ok: true, secretIndex: 0 });
    const { token } = JSON.parse(delivery.body).authentication.owner;
    const cleaned = redact(request.body, type.webhook.redact!);
    if (!cleaned.ok) throw new Error('The delivery is not JSON.');
    expect(cleaned.cut).toEqual({ '/authentication': expect.objectContaining({ owner: expect.objectContaining({ userId: 'admin', token }) }) });
    const [event] = type.webhook.normalise!({ headers: {}, body: cleaned.body, receivedAt: now.toISOString() }, wanted.want);
    expect(event).toMatchObject({ type: written, dedupeKey: null, payload: { event: { node: { id: 5, path: '/admin/files/a.txt' } } } });
    expect(JSON.stringify(event)).not.toContain(token);
  });
});

describe('The picker of event classes', () => {
  it('offers classes that Nextcloud takes, apart from those of apps', async () => {
    const { fake, http } = await rigOf();
    const { items } = await type.pickers!['events']!.pick(http, {});
    const own = items.filter(({ value }) => !/^OCA\\(Forms|Tables)\\/.test(value!));
    expect(own.filter(({ value }) => !fake.state.eventClasses.has(value!))).toEqual([]);
    expect(items.map(({ value }) => input({ event: value }).resource)).toEqual(items.map(({ value }) => value));
    expect((await type.pickers!['events']!.pick(http, { q: 'trash' })).items.map(({ value }) => value)).toContain('OCA\\Files_Trashbin\\Events\\NodeRestoredEvent');
  });
});

describe('The account at Nextcloud', () => {
  it('must be authorised anew when the token endpoint answers as it does to a used refresh token', async () => {
    const { fake } = await rigOf();
    const { clientId, clientSecret } = fake.state.clients[0]!;
    const response = await fetch(fake.url + adapter.oauth!.token.path, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: 'used', client_id: clientId, client_secret: clientSecret }),
    });
    expect(response.status).toBe(400);
    expect(adapter.oauth?.deadGrantCodes).toContain(((await response.json()) as { error: string }).error);
  });

  it('is named', async () => {
    const { http } = await rigOf({}, 'alice');
    expect(await adapter.oauth?.identity(http)).toEqual({ accountId: 'alice', accountLabel: 'Alice' });
  });
});

import { createHmac, randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import type { Adapter, RevocationWays, StoredRequest, TriggerType } from '../adapter.js';
import type { NormalisedEvent } from '../pull.js';
import type { VisibleRemote } from '../remote.js';
import { ServiceError, type ServiceHttp } from '../service-http.js';
import { conformanceCases, describeConformance, type RemoteRig, type RevocationRig, type Subject } from './index.js';

/** A small service: hooks with secrets, kept in memory. */
function hookService() {
  const hooks = new Map<string, { url: string; secret: string }>();
  let failing: number | undefined;
  const service: Service = {
    hooks,
    add: (url: string, secret: string): string => {
      if (failing !== undefined) throw new ServiceError('invalid', `The service answered ${failing}.`, { status: failing });
      const id = randomBytes(4).toString('hex');
      hooks.set(id, { url, secret });
      return id;
    },
  };
  const rig: RemoteRig = {
    http: service as unknown as ServiceHttp,
    state: { count: () => hooks.size, secretOf: (id) => hooks.get(id)?.secret },
    failNext: (status) => void (failing = status),
    close: async () => hooks.clear(),
  };
  return rig;
}

type Service = { hooks: Map<string, { url: string; secret: string }>; add(url: string, secret: string): string };
const at = (http: ServiceHttp): Service => http as unknown as Service;
const shown = (id: string, url: string) => ({ externalId: id, callbackUrl: url, active: true, fields: {} });

const remote: VisibleRemote = {
  register: async (http, { callbackUrl, secret }) => ({ externalId: at(http).add(callbackUrl, secret) }),
  list: async (http) => [...at(http).hooks].map(([id, { url }]) => shown(id, url)),
  get: async (http, _resource, id) => (at(http).hooks.has(id) ? shown(id, at(http).hooks.get(id)?.url ?? '') : null),
  canReplaceSecret: true,
  update: async (http, id, { callbackUrl, secret }) => {
    if (!at(http).hooks.has(id)) throw new ServiceError('not_found', 'The hook is gone.');
    at(http).hooks.set(id, { url: callbackUrl, secret });
  },
  remove: async (http, _resource, id) => (at(http).hooks.delete(id) ? 'removed' : 'gone'),
};

/** A small service with one live grant. */
function grantService(): RevocationRig {
  let alive = true;
  let failing: number | undefined;
  const end = async () => {
    if (failing !== undefined) throw new ServiceError(failing < 500 ? 'invalid' : 'unavailable', `The service answered ${failing}.`, { status: failing });
    alive = false;
    return { status: 200, headers: {}, json: undefined };
  };
  const http: ServiceHttp = { hostUrl: () => 'https://example.com', request: end };
  return {
    ways: { account: http, client: http },
    grant: { accessToken: 'a-token-nobody-may-read', clientId: 'client' },
    isAlive: () => alive,
    failNext: (status) => void (failing = status),
    close: async () => undefined,
  };
}

type Grant = RevocationRig['grant'];
const revoke = {
  ends: 'tokens' as const,
  call: async ({ client }: RevocationWays, _grant: Grant): Promise<void> => void (await client.request({ method: 'DELETE', host: 'api', path: '/grant' })),
};
const withRevoke = (call: (typeof revoke)['call']): Adapter => ({ ...sound, oauth: { ...sound.oauth!, revoke: { ...revoke, call } } });

function read({ headers, body }: StoredRequest): NormalisedEvent[] {
  try {
    const payload = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as { id: string };
    return [{ type: headers['x-event'] ?? 'unnamed', dedupeKey: payload.id, occurredAt: null, payload }];
  } catch {
    throw new Error('The body is not JSON.');
  }
}

const type: TriggerType = {
  label: 'Thing',
  description: 'A thing happened.',
  config: z.strictObject({ name: z.string() }),
  summary: ({ name }) => `Things of ${String(name)}`,
  starterScript: 'export async function main(event: { payload: unknown }) { return event.payload; }',
  scopes: [],
  sharing: 'feed',
  plan: ({ name }) => ({ resource: String(name), want: { events: ['a'] } }),
  union: (wants) => ({ events: [...new Set(wants.flatMap(({ events }) => events as string[]))] }),
  remote,
  webhook: {
    verification: {
      kind: 'hmac', hash: 'sha256', header: 'x-sig', key: { as: 'utf8' }, encoding: 'hex', format: { form: 'prefix', prefix: 'v0=' },
      signed: [{ header: 'x-time' }, { literal: ':' }, { part: 'body' }],
      timestamp: { header: 'x-time', unit: 's', toleranceSeconds: 60 },
    },
    methods: ['POST'],
    ackDeadlineMs: 1000,
    retries: true,
    keepHeaders: ['x-event'],
    redact: [{ pointer: '/token' }],
    isPing: ({ headers }) => headers['x-event'] === 'ping',
    normalise: read,
  },
};

const host = { host: 'api', path: '/oauth' };
const sound: Adapter = {
  id: 'probe', label: 'Probe', docsUrl: 'https://example.com/', icon: '<svg/>', hosts: { api: null }, setupSteps: ['Register a client.'],
  oauth: {
    authorize: host, token: host, clientAuth: 'body', baseScopes: [], grantedScopeSeparator: ' ', errorLocation: 'status',
    refresh: 'none', deadGrantCodes: [], revoke, identity: async () => ({ accountId: '1', accountLabel: 'one' }),
  },
  triggerTypes: { thing: type },
};

const subject: Subject = {
  triggerType: 'thing',
  config: { name: 'n' },
  fixtures: [
    { name: 'thing', headers: { 'X-Event': 'thing' }, body: '{ "id": "1", "token": "t" }', events: [{ type: 'thing', dedupeKey: '1' }] },
    { name: 'ping', headers: { 'X-Event': 'ping' }, body: '{}', ping: true },
  ],
  sign: (body, secret, now) => {
    const time = String(Math.floor(now.getTime() / 1000));
    return { 'X-Time': time, 'X-Sig': `v0=${createHmac('sha256', secret).update(`${time}:`).update(body).digest('hex')}` };
  },
  remote: async () => hookService(),
  revocation: async () => grantService(),
};

describeConformance(sound, subject);

const withType = (changes: Partial<TriggerType>): Adapter => ({ ...sound, triggerTypes: { thing: { ...type, ...changes } } });
const withWebhook = (changes: Partial<TriggerType['webhook']>): Adapter => withType({ webhook: { ...type.webhook, ...changes } });
const withRemote = (changes: Partial<VisibleRemote>): Adapter => withType({ remote: { ...remote, ...changes } });
let counter = 0;

async function failuresOf(adapter: Adapter, changes: Partial<Subject> = {}): Promise<string[]> {
  const failures: string[] = [];
  for (const { name, omitted, run } of conformanceCases(adapter, { ...subject, ...changes })) {
    if (omitted !== undefined) continue;
    try {
      await run();
    } catch {
      failures.push(name);
    }
  }
  return failures;
}

describe('the suite', () => {
  it('leaves nothing out for an adapter that can do everything, but that its messages carry the events and name no subscription', () => {
    expect(conformanceCases(sound, subject).flatMap(({ name, omitted }) => (omitted === undefined ? [] : name))).toEqual(['a message for another subscription is refused', 'fetching events']);
  });

  const verification = type.webhook.verification as Extract<typeof type.webhook.verification, { kind: 'hmac' }>;
  it.each<[string, Adapter, string]>([
    ['a config that takes unknown fields', withType({ config: z.object({ name: z.string() }) }), 'the config becomes JSON Schema that refuses unknown fields'],
    ['an empty summary', withType({ summary: () => '' }), 'the summary is one line'],
    ['a plan that changes', withType({ plan: () => ({ resource: 'r', want: { n: counter++ } }) }), 'the plan is plain JSON and the same each time'],
    ['a script without main', withType({ starterScript: 'export const x = 1;' }), 'the starter script compiles and exports main'],
    ['a script that does not compile', withType({ starterScript: 'export function main( {' }), 'the starter script compiles and exports main'],
    ['a constant secret', withType({ newSecret: () => 'always-the-same-secret' }), 'a new secret is one the scheme can use'],
    ['a union that widens', withType({ union: () => ({ events: ['a', 'b'] }) }), 'the union of one want, however often it is wanted, is that want'],
    ['an OAuth host that is none', { ...sound, hosts: {} }, 'the OAuth endpoints are on hosts of the profile'],
    ['an OAuth endpoint that leaves its host', { ...sound, oauth: { ...sound.oauth!, authorize: { host: 'api', path: '/../elsewhere' } } }, 'the OAuth endpoints are on hosts of the profile'],
    ['no setup steps', { ...sound, setupSteps: [] }, 'there are setup steps'],
    ['a signature it cannot check', withWebhook({ verification: { ...verification, hash: 'sha512' } }), 'a signed fixture is accepted'],
    ['a timestamp nobody signs', withWebhook({ verification: { ...verification, signed: [{ part: 'body' }] } }), 'a signed fixture is accepted'],
    ['events without a type', withWebhook({ normalise: (request) => read(request).map((event) => ({ ...event, type: '' })) }), 'fixtures become events'],
    ['keys that change', withWebhook({ normalise: (request) => read(request).map((event) => ({ ...event, dedupeKey: String(counter++) })) }), 'the same delivery sent again has the same dedupe key'],
    ['errors that quote the body', withWebhook({ normalise: ({ body }) => [JSON.parse(Buffer.from(body).toString()) as NormalisedEvent] }), 'a body that cannot be read is unprocessable and not quoted in the error'],
    ['pings it does not tell', withWebhook({ isPing: () => false }), 'pings are told from events'],
    ['a pointer no fixture has', withWebhook({ redact: [{ pointer: '/other' }] }), '/other is cut out of bodies before they are stored'],
    ['a second hook each time', withRemote({ list: async () => [] }), 'registering twice leaves one'],
    ['an update that keeps the first secret whatever it is given', withRemote({ update: async (http, id, input) => remote.update(http, id, { ...input, secret: at(http).hooks.get(id)?.secret ?? input.secret }) }), 'updating with another secret replaces it and keeps the id'],
    ['an update that loses the secret', withRemote({ update: async (http, id, input) => remote.update(http, id, { ...input, secret: '' }) }), 'updating keeps the secret and the id'],
    ['a removal that fails on what is gone', withRemote({ remove: async (http, _, id) => { if (!at(http).hooks.delete(id)) throw new ServiceError('not_found', 'Gone.'); return 'removed'; } }), 'gone counts as removed'],
    ['an update that overlooks what is gone', withRemote({ update: async () => undefined }), 'updating what is gone says not_found'],
    ['the secret among the fields', withRemote({ list: async (http) => [...at(http).hooks].map(([id, { url, secret }]) => ({ ...shown(id, url), fields: { secret } })) }), 'no secret in what is read back'],
    ['the secret in an error', withRemote({ register: async (_, { secret }) => { throw new ServiceError('invalid', `Refused ${secret}.`); } }), 'no secret in an error'],
    ['a revocation that does nothing', withRevoke(async () => undefined), 'a grant is ended at the service: its token is worth nothing any more'],
    ['the token in an error', withRevoke(async (ways, grant) => revoke.call(ways, grant).catch((error: ServiceError) => { throw new ServiceError(error.kind, `Not ${grant.accessToken}.`, error.details); })), 'a revocation that failed is a ServiceError and tells no token'],
  ])('finds %s', async (_name, adapter, expected) => {
    expect(await failuresOf(adapter)).toContain(expected);
  });

  it('fails without fixtures, without a signer and without a stand-in', async () => {
    expect(await failuresOf(sound, { fixtures: [] })).toContain('fixtures become events');
    expect(await failuresOf(sound, { sign: undefined })).toContain('signatures are checked');
    expect(await failuresOf(sound, { remote: undefined })).toContain('subscriptions at the service');
    expect(await failuresOf(sound, { revocation: undefined })).toContain('a grant is ended at the service');
  });

  it('is not satisfied by a signer that signs less than the service does', async () => {
    const lax: Subject['sign'] = (_body, secret, now) => ({ 'X-Time': String(now.getTime() / 1000), 'X-Sig': `v0=${createHmac('sha256', secret).digest('hex')}` });
    expect(await failuresOf(sound, { sign: lax })).toContain('a signed fixture is accepted');
  });

  it('says which config it refuses', () => {
    expect(() => conformanceCases(sound, { ...subject, config: {} })).toThrow(/The config given to the conformance suite is refused/);
    expect(() => conformanceCases(sound, { ...subject, triggerType: 'x' })).toThrow("Trigger type 'x' is not one of thing.");
  });
});

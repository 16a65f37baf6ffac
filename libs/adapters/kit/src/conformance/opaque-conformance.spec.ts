import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import type { Adapter, HeaderBinding, TriggerType } from '../adapter.js';
import { StaleCursor, type NormalisedEvent, type PullSpec } from '../pull.js';
import type { OpaqueRemote } from '../remote.js';
import { ServiceError, type ServiceErrorKind, type ServiceHttp } from '../service-http.js';
import { CONFORMANCE_NOW, conformanceCases, describeConformance, type PullRig, type RemoteRig, type Subject } from './index.js';

/** A small service that shows nothing of its channels, and a feed of changes; all in memory. */
class Service {
  readonly channels = new Map<string, { secret: string; endsAt: string }>();
  readonly objects = new Map<string, number>();
  readonly feed: string[] = [];
  floor = 0;
  private failing: number | undefined;

  /** The hand of a caller is slapped once with the status that is due. */
  asked(): void {
    const status = this.failing;
    this.failing = undefined;
    const kind: ServiceErrorKind = status === 429 ? 'rate_limited' : (status ?? 0) >= 500 ? 'unavailable' : 'forbidden';
    if (status !== undefined) throw new ServiceError(kind, `The service answered ${status}.`, { status });
  }

  failNext(status: number): void {
    this.failing = status;
  }

  change(): void {
    this.objects.set('a', (this.objects.get('a') ?? 0) + 1);
    this.feed.push('a');
  }
}

const at = (http: ServiceHttp): Service => {
  const service = http as unknown as Service;
  service.asked();
  return service;
};

const AUX = { resourceId: 'r1' };
const refused = () => new ServiceError('invalid', 'The service asks for its resource id.');

const remote: OpaqueRemote = {
  removeNeedsAux: true,
  longestLifetimeMs: 3_600_000,
  register: async (http, { id, secret, now }) => {
    const endsAt = new Date(now.getTime() + 3_600_000).toISOString();
    at(http).channels.set(id, { secret, endsAt });
    return { externalId: id, aux: AUX, expiresAt: endsAt };
  },
  remove: async (http, _resource, id, aux) => {
    if (!aux) throw refused();
    return at(http).channels.delete(id) ? 'removed' : 'gone';
  },
};

const eventOf = (id: string, version: number | undefined): NormalisedEvent => ({ type: 'changed', dedupeKey: `${id}:${version}`, occurredAt: null, payload: { id } });

const pull: PullSpec = {
  begin: async (http) => String(at(http).feed.length),
  page: async (http, _target, cursor) => {
    const service = at(http);
    const from = Number(cursor);
    if (!(from >= service.floor)) throw new StaleCursor('The service does not know the cursor.');
    // The states of an object between two pulls collapse into the last one, as services do it.
    const events = [...new Set(service.feed.slice(from))].map((id) => eventOf(id, service.objects.get(id)));
    return { events, cursor: String(service.feed.length), more: false };
  },
  replay: async (http) => {
    const service = at(http);
    return { events: [...service.objects].map(([id, version]) => eventOf(id, version)), cursor: String(service.feed.length), more: false };
  },
};

function remoteRig(): RemoteRig {
  const service = new Service();
  return {
    http: service as unknown as ServiceHttp,
    state: { count: () => service.channels.size, secretOf: (id) => service.channels.get(id)?.secret, endOf: (id) => service.channels.get(id)?.endsAt },
    failNext: (status) => service.failNext(status),
    close: async () => undefined,
  };
}

function pullRig(): PullRig {
  const service = new Service();
  return {
    http: service as unknown as ServiceHttp,
    change: () => service.change(),
    makeStale: () => void (service.floor = service.feed.push('b')),
    failNext: (status) => service.failNext(status),
    close: async () => undefined,
  };
}

const bindings: HeaderBinding[] = [{ header: 'x-id', to: 'id' }, { header: 'x-resource', to: { aux: 'resourceId' } }];

const type: TriggerType = {
  label: 'Thing',
  description: 'A thing changed.',
  config: z.strictObject({}),
  summary: () => 'Things',
  starterScript: 'export async function main() {}',
  scopes: [],
  sharing: 'feed',
  plan: () => ({ resource: 'things', want: {} }),
  matches: (_config, event) => event.type === 'changed',
  remote,
  pull,
  webhook: { verification: { kind: 'shared-secret', header: 'x-token' }, methods: ['POST'], ackDeadlineMs: 1000, retries: true, keepHeaders: [], bindings },
};

const sound: Adapter = { id: 'probe', label: 'Probe', docsUrl: 'https://example.com/', icon: '<svg/>', hosts: { api: null }, setupSteps: ['Register a client.'], triggerTypes: { thing: type } };

const subject: Subject = {
  triggerType: 'thing',
  config: {},
  fixtures: [{ name: 'changed', headers: { 'X-Id': 'sub_1', 'X-Resource': 'r1' }, body: '' }],
  sign: (_body, secret) => ({ 'x-token': secret }),
  remote: async () => remoteRig(),
  pull: async () => pullRig(),
};

describeConformance(sound, subject);

const withType = (changes: Partial<TriggerType>): Adapter => ({ ...sound, triggerTypes: { thing: { ...type, ...changes } } });
const withRemote = (changes: Partial<OpaqueRemote>): Adapter => withType({ remote: { ...remote, ...changes } });
const withPull = (changes: Partial<PullSpec>): Adapter => withType({ pull: { ...pull, ...changes } });

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

describe('the suite, for what the service does not show and what is fetched', () => {
  it.each<[string, Adapter, string]>([
    ['a header that its messages do not have', withType({ webhook: { ...type.webhook, bindings: [{ header: 'x-other', to: 'id' }] } }), 'a message for another subscription is refused'],
    ['a removal that does nothing', withRemote({ remove: async () => 'removed' }), 'registering gives an id that removing ends'],
    ['an id of its own', withRemote({ register: (http, input) => remote.register(http, { ...input, id: 'own' }) }), 'registering gives an id that removing ends'],
    ['a secret that the service is not given', withRemote({ register: (http, input) => remote.register(http, { ...input, secret: 'another one' }) }), 'registering gives an id that removing ends'],
    ['a removal that fails on what is gone', withRemote({ remove: async (...given) => { if ((await remote.remove(...given)) === 'gone') throw new ServiceError('not_found', 'Gone.'); return 'removed'; } }), 'gone counts as removed'],
    ['an outage that is taken for gone', withRemote({ remove: (...given) => remote.remove(...given).catch(() => 'gone' as const) }), 'a removal that failed is a ServiceError and leaves the object'],
    ['an end that is overlooked', withRemote({ register: async (http, input) => ({ externalId: (await remote.register(http, input)).externalId, aux: AUX }) }), 'the end that the service says is later than now and believed'],
    ['an end of its own making', withRemote({ register: async (http, input) => ({ ...(await remote.register(http, input)), expiresAt: '2099-01-01T00:00:00.000Z' }) }), 'the end that the service says is later than now and believed'],
    ['an end after the longest life', withRemote({ longestLifetimeMs: 1000 }), 'the end that the service says is later than now and believed'],
    ['what can be neither removed nor waited for', withRemote({ longestLifetimeMs: undefined }), 'without what registering answered, a removal is not said to have been done'],
    ['a removal that does not say what it needs', withRemote({ removeNeedsAux: undefined }), 'without what registering answered, a removal is not said to have been done'],
    ['an end in the past', withRemote({ register: (http, input) => remote.register(http, { ...input, now: new Date(0) }) }), 'the end that the service says is later than now and believed'],
    ['a second object that replaces the first', withRemote({ register: (http, input) => { at(http).channels.clear(); return remote.register(http, input); } }), 'two objects live side by side, and removing one leaves the other'],
    ['an aux of one object alone', withRemote({ register: async (http, input) => ({ ...(await remote.register(http, input)), aux: { own: randomBytes(4).toString('hex') } }) }), 'two objects live side by side, and removing one leaves the other'],
    ['a removal that pretends', withRemote({ remove: async (http, resource, id, aux) => (aux ? remote.remove(http, resource, id, aux) : 'gone') }), 'without what registering answered, a removal is not said to have been done'],
    ['the secret in what is handed over', withRemote({ register: async (http, input) => ({ ...(await remote.register(http, input)), aux: { token: input.secret } }) }), 'no secret in what registering hands over'],
    ['the secret in an error', withRemote({ register: async (http, input) => remote.register(http, input).catch(() => { throw new ServiceError('invalid', `Refused ${input.secret}.`); }) }), 'no secret in an error'],
    ['a beginning in the past', withPull({ begin: async () => '0' }), 'nothing is behind the cursor of the beginning'],
    ['a beginning that comes late', withPull({ begin: async (http) => String(at(http).feed.length + 1) }), 'a change is fetched once, as an event with an identity'],
    ['events without an identity', withPull({ page: async (...given) => { const page = await pull.page(...given); return { ...page, events: page.events.map((event) => ({ ...event, dedupeKey: null })) }; } }), 'a change is fetched once, as an event with an identity'],
    ['a cursor that stands still', withPull({ page: async (http, target, cursor) => ({ ...(await pull.page(http, target, cursor)), cursor }) }), 'a change is fetched once, as an event with an identity'],
    ['events for somebody else', withType({ matches: () => false }), 'a change is fetched once, as an event with an identity'],
    ['identities that change', withPull({ page: async (...given) => { const page = await pull.page(...given); return { ...page, events: page.events.map((event) => ({ ...event, dedupeKey: randomBytes(4).toString('hex') })) }; } }), 'the same page fetched twice has the same identities'],
    ['an identity for every state', withPull({ page: async (...given) => { const page = await pull.page(...given); return { ...page, events: page.events.map((event) => ({ ...event, dedupeKey: 'a' })) }; } }), 'another state of the same object has another identity'],
    ['a replay of its own identities', withPull({ replay: async (...given) => { const page = await pull.replay(...given); return { ...page, events: page.events.map((event) => ({ ...event, dedupeKey: `again:${event.dedupeKey}` })) }; } }), 'a replay has what is there, with the identities of the page'],
    ['a replay that skips what comes after it', withPull({ replay: async (...given) => ({ ...(await pull.replay(...given)), cursor: '1000000' }) }), 'a pull goes on where a replay ended'],
    ['a stale cursor that is a plain error', withPull({ page: (...given) => pull.page(...given).catch((error: Error) => { throw error instanceof StaleCursor ? new ServiceError('not_found', 'Gone.') : error; }) }), 'a cursor that is not known any more is a StaleCursor, and a new beginning helps'],
    ['an outage that is taken for a stale cursor', withPull({ page: (...given) => pull.page(...given).catch(() => { throw new StaleCursor('Stale.'); }) }), 'a service in trouble leaves the cursor good'],
  ])('finds %s', async (_name, adapter, expected) => {
    expect(await failuresOf(adapter)).toContain(expected);
  });

  it('fails without a stand-in', async () => {
    expect(await failuresOf(sound, { remote: undefined })).toContain('subscriptions at the service');
    expect(await failuresOf(sound, { pull: undefined })).toContain('fetching events');
  });

  it('registers at a moment that a stand-in can be set to', async () => {
    const seen: string[] = [];
    await failuresOf(withRemote({ register: (http, input) => (seen.push(input.now.toISOString()), remote.register(http, input)) }));
    expect(new Set(seen)).toEqual(new Set([CONFORMANCE_NOW]));
  });
});

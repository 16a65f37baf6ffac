import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ID_KINDS, type IdKind } from '@vane/contracts';
import { objectsIn, pathOf, ROUTES, Tenant, type Objects, type Route } from './tenant.js';

/** A body that the contract takes, where the route needs one; ids in it belong to whoever asks. */
const bodies: Record<string, (own: Objects) => Record<string, unknown>> = {
  'workspaces.create': () => ({ name: 'mine' }),
  'tokens.create': () => ({ name: 'mine', role: 'operator' }),
  'integrations.create': () => ({ service: 'github', name: 'mine', clientId: 'id', clientSecret: 'secret' }),
  'integrations.update': () => ({ name: 'changed by a stranger' }),
  'connections.authorize': (own) => ({ integration: own.integration }),
  'runnables.create': () => ({ name: 'mine', spec: { kind: 'script', code: 'export async function main() {}' } }),
  'runnables.update': () => ({ name: 'changed by a stranger' }),
  'triggers.create': (own) => ({ name: 'mine', service: 'generic-webhook', type: 'webhook', config: { scheme: 'none' }, runnableId: own.runnable }),
  'triggers.update': () => ({ name: 'changed by a stranger' }),
  'notification-channels.create': () => ({ kind: 'webhook', target: 'https://stranger.example/' }),
  'notification-channels.update': () => ({ enabled: false }),
  'connections.move-triggers': (own) => ({ to: own.connection }),
  'subscriptions.rotate-secret': () => ({ overlap: 'now' }),
  'members.update': () => ({ role: 'admin' }),
  'invitations.create': () => ({ email: `${randomUUID()}@example.com`, role: 'operator' }),
  'secrets.put': () => ({ value: 'of the stranger' }),
};

/** Where a request names an object other than in its path, how to name one, and what the answer must be. */
type Reference = { route: string; names: string; input: (own: Objects, id: string) => Record<string, unknown>; answer: 404 | 'nothing' };
const github = (own: Objects) => ({ name: 'mine', service: 'github', type: 'repository', config: { repository: 'octocat/hello-world', events: ['push'] }, runnableId: own.runnable });
const REFERENCES: Reference[] = [
  { route: 'connections.authorize', names: 'integration', input: (_own, integration) => ({ integration }), answer: 404 },
  { route: 'triggers.create', names: 'runnable', input: (own, runnableId) => ({ ...bodies['triggers.create']!(own), runnableId }), answer: 404 },
  { route: 'triggers.create', names: 'connection', input: (own, connectionId) => ({ ...github(own), connectionId }), answer: 404 },
  { route: 'triggers.update', names: 'runnable', input: ({ trigger }, runnableId) => ({ trigger, runnableId }), answer: 404 },
  { route: 'triggers.list', names: 'runnable', input: (_own, runnable) => ({ runnable }), answer: 'nothing' },
  { route: 'triggers.list', names: 'connection', input: (_own, connection) => ({ connection }), answer: 'nothing' },
  { route: 'deliveries.list', names: 'trigger', input: (_own, trigger) => ({ trigger }), answer: 'nothing' },
  { route: 'deliveries.list', names: 'subscription', input: (_own, subscription) => ({ subscription }), answer: 'nothing' },
  { route: 'events.list', names: 'trigger', input: (_own, trigger) => ({ trigger }), answer: 'nothing' },
  { route: 'runs.list', names: 'trigger', input: (_own, trigger) => ({ trigger }), answer: 'nothing' },
  { route: 'runs.list', names: 'event', input: (_own, event) => ({ event }), answer: 'nothing' },
];

/** An id of the right form that names nothing. */
const nobodys = (kind: string) => (kind === 'name' ? 'NO_SUCH_NAME' : `${ID_KINDS[kind as IdKind]}_${'0'.repeat(26)}`);
const routeNamed = (name: string): Route => ROUTES.find((route) => route.name === name)!;
// Reads first: what a stranger tries is in its own audit trail, with the ids that it named.
const inWorkspace = ROUTES.filter(({ http }) => http.path.includes('{workspace}')).sort((a, b) => Number(a.mutates) - Number(b.mutates));
/** Its path names what it makes or replaces, so that each workspace has its own of that name. */
const upserts = (route: Route) => route.http.method === 'PUT';

const tested = new Set<string>();
let victim: Tenant;
let stranger: Tenant;
let before: Record<string, unknown>;

beforeAll(async () => {
  [victim, stranger] = [await Tenant.create('victim'), await Tenant.create('stranger')];
  before = await victim.everything();
}, 120_000);
afterAll(() => Promise.all([victim?.close(), stranger?.close()]));

const inputFor = (route: Route, objects: Objects) => ({ ...pathOf(route, objects), ...bodies[route.name]?.(stranger.objects) });
/** A problem document without what is different in any two of them: its request, and the id that was asked for. */
const comparable = (text: string, id: string) => text.replaceAll(id, 'ID').replace(/"requestId":"[^"]*"/, '');
const foreignIds = () => Object.entries(victim.objects).map(([, id]) => id);

describe.each(inWorkspace.map((route) => ({ name: route.name, route })))('$name', ({ name, route }) => {
  it('tells a token of another workspace that there is no such workspace', async () => {
    tested.add(name);
    const { status, json, text } = await stranger.ask(route, inputFor(route, victim.objects));
    expect({ status, code: json.code }).toEqual({ status: 404, code: 'not_found' });
    const unknown = await stranger.ask(route, inputFor(route, { ...victim.objects, workspace: nobodys('workspace') }));
    expect(comparable(text, victim.objects.workspace)).toBe(comparable(unknown.text, nobodys('workspace')));
  });

  const named = objectsIn(route).filter((object) => object in ID_KINDS || object === 'name') as (keyof Objects)[];
  if (named.length > 0 && !upserts(route)) {
    it('does not find the object of another workspace in its own, just as one that is nowhere', async () => {
      const object = named[0]!;
      const answer = (id: string) => stranger.ask(route, inputFor(route, { ...stranger.objects, [object]: id }));
      const { status, json, text } = await answer(victim.objects[object]);
      expect({ status, code: json.code }).toEqual({ status: 404, code: 'not_found' });
      expect(comparable(text, victim.objects[object])).toBe(comparable((await answer(nobodys(object))).text, nobodys(object)));
    });
  }

  if (route.http.method === 'GET' && objectsIn(route).length === 0) {
    it('shows its own and nothing of others', async () => {
      const { status, text } = await stranger.ask(route, pathOf(route, stranger.objects));
      expect(status).toBe(200);
      for (const id of foreignIds()) expect(text).not.toContain(id);
      expect(Object.values(stranger.objects).some((id) => text.includes(id))).toBe(true);
    });
  }
});

describe('routes without a workspace', () => {
  it('list the own workspace alone, and let nobody but a superadmin make one', async () => {
    const list = await stranger.ask(routeNamed('workspaces.list'), {});
    expect((list.json['items'] as { id: string }[]).map(({ id }) => id)).toEqual([stranger.objects.workspace]);
    const create = await stranger.ask(routeNamed('workspaces.create'), { name: 'mine' });
    expect({ status: create.status, code: create.json.code }).toEqual({ status: 403, code: 'forbidden' });
    for (const name of ['workspaces.list', 'workspaces.create']) tested.add(name);
  });
});

describe.each(REFERENCES)('$route', ({ route: name, names, input, answer }) => {
  it(`treats the ${names} of another workspace as one that is nowhere`, async () => {
    const route = routeNamed(name);
    const object = names as keyof Objects;
    const ask = (id: string) => stranger.ask(route, { workspace: stranger.objects.workspace, ...input(stranger.objects, id) });
    const [foreign, unknown, own] = [await ask(victim.objects[object]), await ask(nobodys(object)), await ask(stranger.objects[object])];
    expect(comparable(foreign.text, victim.objects[object])).toBe(comparable(unknown.text, nobodys(object)));
    if (answer === 404) expect({ status: foreign.status, code: foreign.json.code }).toEqual({ status: 404, code: 'not_found' });
    else expect([foreign.status, foreign.json['items']]).toEqual([200, []]);
    // The same request with an id of its own works, so it was the id that was refused.
    expect(own.status).toBeLessThan(300);
    if (answer === 'nothing') expect(own.json['items']).not.toEqual([]);
  });
});

it('gives the same idempotency key to two workspaces as two', async () => {
  const key = randomUUID();
  const route = routeNamed('runnables.create');
  const make = async (tenant: Tenant) =>
    (await tenant.ask(route, { workspace: tenant.objects.workspace, ...bodies[route.name]!(tenant.objects) }, { 'idempotency-key': key })).json['id'];
  const [ours, theirs, again] = [await make(stranger), await make(victim), await make(stranger)];
  expect(again).toBe(ours);
  expect(theirs).not.toBe(ours);
  const removed = await victim.ask(routeNamed('runnables.delete'), { workspace: victim.objects.workspace, runnable: theirs });
  expect(removed.status).toBe(200);
});

it('leaves a secret of the same name in another workspace as it is', async () => {
  const { workspace } = stranger.objects;
  const route = routeNamed('secrets.put');
  expect((await stranger.ask(route, { workspace, name: victim.objects.name, value: 'of the stranger' })).status).toBe(200);
  const removed = await stranger.ask(routeNamed('secrets.delete'), { workspace, name: victim.objects.name });
  expect(removed.status).toBe(200);
});

it('has changed nothing that the other workspace can see of itself', async () => {
  expect(await victim.everything()).toEqual(before);
});

it('was tried on every route but those that say why they need not be', () => {
  const untested = ROUTES.filter(({ name }) => !tested.has(name));
  expect(untested.map(({ name }) => name)).toEqual(ROUTES.filter(({ http }) => http.isolationExempt !== undefined).map(({ name }) => name));
  for (const { http } of untested) expect(http.path).not.toContain('{workspace}');
});

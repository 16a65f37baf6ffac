import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ID_KINDS, listTriggers, type IdKind } from '@vane/contracts';
import { newSecret } from '@vane/testing';
import { approving } from './browser.js';
import { connectAccount } from './connections.js';
import { referencesIn } from './references.js';
import { objectsIn, pathOf, ROUTES, Tenant, type Objects, type Route } from './tenant.js';

/** A body that the contract takes, where the route needs one; ids in it belong to whoever asks. */
const bodies: Record<string, (own: Objects) => Record<string, unknown>> = {
  'workspaces.create': () => ({ name: 'mine' }),
  'tokens.create': () => ({ name: 'mine', role: 'operator' }),
  'integrations.create': () => ({ service: 'github', name: 'mine', clientId: 'id', clientSecret: newSecret('client secret of the stranger') }),
  'integrations.update': () => ({ name: 'changed by a stranger' }),
  'connections.authorize': (own) => ({ integration: own.integration }),
  'runnables.create': () => ({ name: 'mine', spec: { kind: 'script', code: 'export async function main() {}' } }),
  'runnables.update': () => ({ name: 'changed by a stranger' }),
  'triggers.create': (own) => ({ name: 'mine', service: 'generic-webhook', type: 'webhook', config: { scheme: 'none' }, runnableId: own.runnable }),
  'triggers.preflight': () => ({ service: 'generic-webhook', type: 'webhook', config: { scheme: 'none' } }),
  'triggers.preview': () => ({ filter: 'true', payload: {} }),
  'triggers.update': () => ({ name: 'changed by a stranger' }),
  'notification-channels.create': () => ({ kind: 'webhook', target: 'https://stranger.example/' }),
  'notification-channels.update': () => ({ enabled: false }),
  'connections.move-triggers': (own) => ({ to: own.connection }),
  'subscriptions.rotate-secret': () => ({ overlap: 'now' }),
  'subscriptions.resolve-drift': () => ({ action: 'restore' }),
  'members.update': () => ({ role: 'admin' }),
  'invitations.create': () => ({ email: `${randomUUID()}@example.com`, role: 'operator' }),
  'secrets.put': () => ({ value: newSecret('secret of the stranger') }),
};

/**
 * A member of a query or body that names an object, as `referencesIn` tells them; how a request with it goes, if the body
 * above does not do; and what the answer must be for an object of another workspace: 404, a list of nothing, or one of failures.
 */
type Reference = {
  route: string; member: string; names: keyof Objects; answer: 404 | 'nothing' | 'failed';
  input?: (own: Objects) => Record<string, unknown>;
  /** One of its own for which the request works, where it is not the tenant's. */
  own?: () => string;
};
const github = (own: Objects) => ({ name: 'mine', service: 'github', type: 'repository', config: { repository: 'octocat/hello-world', events: ['push'] }, runnableId: own.runnable });
const REFERENCES: Reference[] = [
  { route: 'connections.authorize', member: 'integration', names: 'integration', answer: 404 },
  { route: 'triggers.create', member: 'runnableId', names: 'runnable', answer: 404 },
  { route: 'triggers.create', member: 'connectionId', names: 'connection', input: github, answer: 404 },
  { route: 'triggers.update', member: 'runnableId', names: 'runnable', answer: 404 },
  { route: 'triggers.update', member: 'connectionId', names: 'connection', input: () => ({ trigger: onGithub }), answer: 404 },
  { route: 'triggers.preflight', member: 'connectionId', names: 'connection', input: () => ({ service: 'github', type: 'repository', config: { repository: 'octocat/hello-world', events: ['push'] } }), answer: 404 },
  { route: 'triggers.preview', member: 'eventId', names: 'event', answer: 404 },
  { route: 'syncs.start', member: 'trigger', names: 'trigger', answer: 404 },
  { route: 'syncs.start', member: 'connection', names: 'connection', answer: 404 },
  { route: 'replays.estimate', member: 'trigger', names: 'trigger', answer: 404 },
  { route: 'replays.estimate', member: 'runnable', names: 'runnable', answer: 404 },
  { route: 'replays.create', member: 'trigger', names: 'trigger', answer: 404 },
  { route: 'replays.create', member: 'runnable', names: 'runnable', answer: 404 },
  { route: 'triggers.list', member: 'runnable', names: 'runnable', answer: 'nothing' },
  { route: 'triggers.list', member: 'connection', names: 'connection', answer: 'nothing' },
  { route: 'deliveries.list', member: 'trigger', names: 'trigger', answer: 'nothing' },
  { route: 'deliveries.list', member: 'subscription', names: 'subscription', answer: 'nothing' },
  { route: 'events.list', member: 'trigger', names: 'trigger', answer: 'nothing' },
  { route: 'runs.list', member: 'trigger', names: 'trigger', answer: 'nothing' },
  { route: 'runs.list', member: 'event', names: 'event', answer: 'nothing' },
  { route: 'audit.list', member: 'actor', names: 'user', answer: 'nothing' },
  // There and back again.
  { route: 'connections.move-triggers', member: 'to', names: 'connection', input: () => ({ triggers: [onGithub] }), own: () => second, answer: 'failed' },
  { route: 'connections.move-triggers', member: 'triggers[]', names: 'trigger', input: (own) => ({ connection: second, to: own.connection }), own: () => onGithub, answer: 'failed' },
];
/** What names an object and is not tried, with the reason: of a whole route, or of `route member`. */
const EXPLAINED: Record<string, string> = {
  'audit.export actor': 'the search of audit.list, page by page',
  'activity.summary': 'counts, and names nothing',
  'retention.get': 'says how many days, and names nothing',
};

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
/** Of the stranger: a connection as another account, and a trigger that works as the first one. */
let second: string;
let onGithub: string;

beforeAll(async () => {
  [victim, stranger] = [await Tenant.create('victim'), await Tenant.create('stranger')];
  const { stage, api, objects } = stranger;
  onGithub = (await api.call(listTriggers, { workspace: objects.workspace, connection: objects.connection })).items[0]!.id;
  stage.fake.state.settings.currentLogin = 'hubot';
  second = (await connectAccount(stage.workspace, stage.integration, approving(), { triggerTypes: ['repository'] })).id;
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
  for (const object of upserts(route) ? [] : named) {
    it(`does not find the ${object} of another workspace in its own, just as one that is nowhere`, async () => {
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
      expect(route.name in EXPLAINED || Object.values(stranger.objects).some((id) => text.includes(id))).toBe(true);
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

describe.each(REFERENCES)('$route', ({ route: name, member, names, input, own: suitable, answer }) => {
  it(`treats what ${member} names in another workspace as what is nowhere`, async () => {
    const route = routeNamed(name);
    const { objects } = stranger;
    const rest = { ...inputFor(route, objects), ...input?.(objects) };
    const ask = (id: string) => stranger.ask(route, { ...rest, ...(member.endsWith('[]') ? { [member.slice(0, -2)]: [id] } : { [member]: id }) });
    const [foreign, unknown, own] = [await ask(victim.objects[names]), await ask(nobodys(names)), await ask(suitable?.() ?? objects[names])];
    expect(comparable(foreign.text, victim.objects[names])).toBe(comparable(unknown.text, nobodys(names)));
    if (answer === 404) expect({ status: foreign.status, code: foreign.json.code }).toEqual({ status: 404, code: 'not_found' });
    if (answer === 'nothing') expect([foreign.status, foreign.json['items']]).toEqual([200, []]);
    if (answer === 'failed') expect([foreign.status, foreign.json['moved'], foreign.json['failed']]).toEqual([200, [], [expect.anything()]]);
    // The same request with an id of its own works, so it was the id that was refused.
    expect({ status: own.status < 300, text: own.text }).toMatchObject({ status: true });
    if (answer === 'nothing') expect(own.json['items']).not.toEqual([]);
    if (answer === 'failed') expect([own.json['moved'], own.json['failed']]).toEqual([[onGithub], []]);
  });
});

it('was tried on every member that names an object, or says why it need not be', () => {
  const named = inWorkspace.flatMap((route) => referencesIn(route).map((member) => `${route.name} ${member}`));
  const known = [...REFERENCES.map(({ route, member }) => `${route} ${member}`), ...Object.keys(EXPLAINED)];
  const missing = named.filter((one) => !known.includes(one) && !(one.split(' ')[0]! in EXPLAINED));
  const complaint = 'Enter these (operation and member) in REFERENCES of isolation.e2e.spec.ts, or in EXPLAINED with the reason';
  if (missing.length > 0) throw new Error(`Nothing tries what these do with an id of another workspace: ${missing.join(', ')}. ${complaint}.`);
  const gone = known.filter((one) => !named.includes(one) && !inWorkspace.some(({ name }) => name === one));
  if (gone.length > 0) throw new Error(`No operation has these any more: ${gone.join(', ')}. Take them out of isolation.e2e.spec.ts.`);
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
  expect((await stranger.ask(route, { workspace, name: victim.objects.name, value: newSecret('secret of the stranger') })).status).toBe(200);
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

import { randomUUID } from 'node:crypto';
import {
  createChannel, createReplay, createInvitation, createToken, getSync, listNotifications, OPERATIONS, putSecret, startSync, type HttpBinding, type Operation,
} from '@vane/contracts';
import { eventually, requestFor, type Problem, newSecret } from '@vane/testing';
import { GithubStage } from './github-stage.js';
import { notify } from './notify.js';
import { Person } from './person.js';
import { postSigned } from './posting.js';

export type Route = Operation & { http: HttpBinding<unknown> };

/** Every operation that has a REST route. */
export const ROUTES = OPERATIONS.filter((operation): operation is Route => operation.http !== undefined);

/** The parameters in a route's path, the workspace left out: the objects that it names. */
export const objectsIn = ({ http }: Route): string[] => [...http.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!).filter((name) => name !== 'workspace');

/** One object of every kind that a path can name, by the name of its parameter. */
export type Objects = Record<
  'workspace' | 'token' | 'integration' | 'connection' | 'runnable' | 'name' | 'trigger' | 'subscription' | 'delivery' | 'event' | 'run' | 'notification' | 'channel' | 'user' | 'invitation' | 'feed' | 'sync' | 'replay', string
>;

/** A workspace with one object of every kind, made in the ways in which people and services make them. */
export class Tenant {
  private constructor(
    readonly stage: GithubStage,
    readonly objects: Objects,
  ) {}

  static async create(name: string): Promise<Tenant> {
    const stage = await GithubStage.open(name);
    const { workspace } = stage;
    const { id: token } = await workspace.api.call(createToken, { workspace: workspace.id, name, role: 'operator' });
    const secret = `${name.toUpperCase()}_SECRET`;
    await workspace.api.call(putSecret, { workspace: workspace.id, name: secret, value: newSecret(secret) });
    await stage.trigger({ name });
    const hook = await workspace.genericTrigger(stage.script, { scheme: 'standard-webhooks' });
    await postSigned(hook.callbackUrl, hook.secret!, 'msg_1', { of: name });
    const [run] = await workspace.endedRuns(hook.id, 1);
    const [delivery] = await workspace.deliveries(hook.id, 1);
    // The channel comes second, so that it is owed nothing and stays as it is.
    await notify({
      workspace: workspace.id, kind: 'a.kind', severity: 'info', dedupeKey: name, title: `To ${name}`, text: `To ${name}.`, link: null, facts: {},
    });
    const notification = (await workspace.api.call(listNotifications, { workspace: workspace.id })).items.at(0)!.id;
    const { id: channel } = await workspace.api.call(createChannel, { workspace: workspace.id, kind: 'webhook', target: `https://${name}.example/` });
    const member = await Person.join({ workspace: workspace.id, role: 'operator', by: workspace.api });
    const { id: invitation } = await workspace.api.call(createInvitation, { workspace: workspace.id, email: `${randomUUID()}@example.com`, role: 'editor' });
    const { id: sync } = await workspace.api.call(startSync, { workspace: workspace.id, trigger: hook.id });
    await eventually('the sync to be done', async () => (await workspace.api.call(getSync, { workspace: workspace.id, sync })).state === 'done', { timeoutMs: 30_000 });
    const { id: replay } = await workspace.api.call(createReplay, { workspace: workspace.id, trigger: hook.id });
    return new Tenant(stage, {
      workspace: workspace.id, token, integration: stage.integration, connection: stage.connection, runnable: stage.script, name: secret,
      trigger: hook.id, subscription: hook.subscription!.id, delivery: delivery!.id, event: run!.eventId, run: run!.id,
      notification, channel, user: member.id, invitation, feed: hook.subscription!.feedId, sync, replay,
    });
  }

  get api() {
    return this.stage.workspace.api;
  }

  /** The answer to a route for an input whose members are spread over path, query and body by the contract. */
  async ask(route: Route, input: Record<string, unknown>, headers: Record<string, string> = {}) {
    const { method, url, body } = requestFor(route, input);
    const response = await fetch(`${this.api.baseUrl}/api/v1${url}`, {
      method,
      headers: {
        authorization: `Bearer ${this.api.token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(route.http.ifMatch ? { 'if-match': '"1"' } : {}),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get('content-type') ?? '') && text !== '';
    return { status: response.status, text, json: (isJson ? JSON.parse(text) : {}) as Problem & Record<string, unknown> };
  }

  /** All that this workspace can read of itself, but for the record of its own doings: what a stranger did to it would show here. */
  async everything(): Promise<Record<string, unknown>> {
    const reads = ROUTES.filter(({ http, name }) => http.method === 'GET' && http.path.includes('{workspace}') && name !== 'pickers.pick' && !name.startsWith('audit.'));
    const answers = await Promise.all(
      reads.map(async (route) => {
        const { status, json } = await this.ask(route, pathOf(route, this.objects));
        if (status !== 200) throw new Error(`${route.name} answered its own workspace with ${status}.`);
        return [route.name, json] as const;
      }),
    );
    return Object.fromEntries(answers);
  }

  close(): Promise<void> {
    return this.stage.close();
  }
}

/** Input for the path of a route, out of a tenant's objects. Throws for a kind of object that no tenant has yet. */
export function pathOf(route: Route, objects: Objects): Record<string, string> {
  const fixed: Record<string, string> = { service: 'github', triggerType: 'repository', picker: 'events', externalId: '1' };
  return Object.fromEntries(
    ['workspace', ...objectsIn(route)].map((name) => {
      const value = name in objects ? objects[name as keyof Objects] : fixed[name];
      if (value === undefined) throw new Error(`${route.name} names a ${name}: let tenants have one, so that its isolation is tested.`);
      return [name, value];
    }),
  );
}


import { createTrigger, listSubscriptions, type SubscriptionView, type TriggerView } from '@vane/contracts';
import type { ApiAnswer, Problem } from '@vane/testing';
import { eventually } from '@vane/testing';
import type { GithubFake } from '../../libs/adapters/src/github/fake/server.js';
import type { GithubFakeOptions, Hook } from '../../libs/adapters/src/github/fake/state.js';
import { approving } from './browser.js';
import { connectAccount, enterIntegration } from './connections.js';
import { openGithub } from './fakes.js';
import { githubParty } from './parties.js';
import { system, Workspace, type System } from './system.js';

export type TriggerInput = { repository?: string; events?: string[]; name?: string; connection?: string; runnable?: string; paused?: boolean; onDrift?: TriggerView['onDrift'] };

export const REPOSITORY = 'octocat/hello-world';
const ECHO = 'export async function main(event) { return event.payload; }';

/** A workspace that is connected to a fake GitHub of its own. */
export class GithubStage {
  private constructor(
    readonly fake: GithubFake,
    readonly workspace: Workspace,
    readonly integration: string,
    readonly connection: string,
    readonly script: string,
    private readonly of: Pick<System, 'ingress'>,
  ) {}

  static async open(name: string, options: GithubFakeOptions = {}, of: Pick<System, 'api' | 'ingress' | 'adminToken'> = system()): Promise<GithubStage> {
    const workspace = await Workspace.create(name, of);
    const script = await workspace.script(ECHO);
    const fake = await openGithub(options);
    try {
      const { id: integration } = await enterIntegration(workspace, githubParty(fake));
      const connection = await connectAccount(workspace, integration, approving(), { triggerTypes: ['repository'] });
      return new GithubStage(fake, workspace, integration, connection.id, script, of);
    } catch (error) {
      await fake.close();
      throw error;
    }
  }

  /** Asks for a trigger, and returns the answer whatever its status. */
  send(input: TriggerInput = {}): Promise<ApiAnswer<unknown>> {
    const { repository = REPOSITORY, events = ['push'], name = 'trigger', connection = this.connection, runnable = this.script, paused, onDrift } = input;
    return this.workspace.api.send(createTrigger, {
      workspace: this.workspace.id, name, service: 'github', type: 'repository', connectionId: connection, config: { repository, events }, runnableId: runnable, paused, onDrift,
    });
  }

  /** A trigger that is active at once, with its ping over. */
  async trigger(input: TriggerInput = {}): Promise<TriggerView> {
    const answer = await this.send(input);
    if (answer.status !== 201) throw new Error(`The trigger was answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    await this.fake.idle();
    return answer.body as TriggerView;
  }

  /** Hooks at the fake that point at us, of all its repositories. */
  ourHooks(): Hook[] {
    return [...this.fake.state.repos.values()].flatMap(({ hooks }) => hooks).filter(({ config }) => config.url.startsWith(this.of.ingress));
  }

  async subscriptions(): Promise<SubscriptionView[]> {
    return (await this.workspace.api.call(listSubscriptions, { workspace: this.workspace.id, limit: 200 })).items;
  }

  subscription(id: string, status: SubscriptionView['status'], timeoutMs = 30_000): Promise<SubscriptionView> {
    return eventually(
      `the subscription to be ${status}`,
      async () => {
        const found = (await this.subscriptions()).find((one) => one.id === id);
        if (found?.status === status) return found;
        throw new Error(JSON.stringify(found));
      },
      { timeoutMs },
    );
  }

  /** Throws when a hook there has no subscription here, or a subscription here no hook there. */
  async expectNoOrphan(): Promise<void> {
    const held = (await this.subscriptions()).filter(({ status }) => status !== 'removed').map(({ externalId }) => externalId);
    const there = this.ourHooks().map(({ id }) => String(id));
    if (String(held.sort()) !== String(there.sort())) throw new Error(`GitHub has the hooks [${there.join()}] of ours, and we hold [${held.join()}].`);
  }

  /** Requests at the fake since it started, as `METHOD path`. */
  requests(): string[] {
    return this.fake.state.requests.map(({ method, path }) => `${method} ${path.replace('/api/v3', '')}`);
  }

  close(): Promise<void> {
    return this.fake.close();
  }
}

export const asTrigger = ({ body }: ApiAnswer<unknown>): TriggerView => body as TriggerView;
export const asProblem = ({ body }: ApiAnswer<unknown>): Problem => body as Problem;

import {
  deleteTrigger, getProviderView, getRun, getSubscription, getSync, listTriggers, resolveDrift, startSync, type ProviderView, type SubscriptionView, type SyncView, type TriggerView,
} from '@vane/contracts';
import { eventually, type ApiAnswer, type ApiClient } from '@vane/testing';
import type { Hook } from '../../libs/adapters/src/github/fake/state.js';
import { GithubStage } from './github-stage.js';
import { NextcloudStage } from './nextcloud-stage.js';

/** A trigger of a repository that nothing else listens to. */
export type WatchedRepository = { repository: string; hooks: Hook[]; trigger: TriggerView };

/** A workspace that is connected to a GitHub and a Nextcloud, where hooks are changed behind its back. */
export class DriftStage {
  private serial = 0;

  private constructor(
    readonly github: GithubStage,
    readonly nextcloud: NextcloudStage,
  ) {}

  static async open(name: string): Promise<DriftStage> {
    const github = await GithubStage.open(name);
    try {
      return new DriftStage(github, await NextcloudStage.open(github.workspace, github.script));
    } catch (error) {
      await github.close();
      throw error;
    }
  }

  get api(): ApiClient {
    return this.github.workspace.api;
  }

  inWorkspace<Input extends object>(input: Input): Input & { workspace: string } {
    return { workspace: this.github.workspace.id, ...input };
  }

  ofSubscription({ subscription }: TriggerView): { workspace: string; subscription: string } {
    return this.inWorkspace({ subscription: subscription!.id });
  }

  async repositoryWith(wanted: { onDrift?: TriggerView['onDrift'] } = {}): Promise<WatchedRepository> {
    const repository = `octocat/drift-${(this.serial += 1)}`;
    const { hooks } = this.github.fake.addRepo(repository);
    return { repository, hooks, trigger: await this.github.trigger({ repository, ...wanted }) };
  }

  read(trigger: TriggerView): Promise<SubscriptionView> {
    return this.api.call(getSubscription, this.ofSubscription(trigger));
  }

  viewOf({ id }: TriggerView): Promise<ProviderView> {
    return this.api.call(getProviderView, this.inWorkspace({ trigger: id }));
  }

  resolve(trigger: TriggerView, action: 'restore' | 'keep'): Promise<ApiAnswer<unknown>> {
    return this.api.send(resolveDrift, { ...this.ofSubscription(trigger), action });
  }

  /** Has the services looked at now, and waits until they were; with `counted` until the orphans are counted too. */
  async sync(of: { trigger?: string; connection?: string }, { counted = false } = {}): Promise<SyncView> {
    const { id } = await this.api.call(startSync, this.inWorkspace(of));
    return eventually('the sync to be done', async () => {
      const now = await this.api.call(getSync, this.inWorkspace({ sync: id }));
      if (counted ? now.state === 'done' : now.progress.done === now.progress.total) return now;
      throw new Error(JSON.stringify(now));
    }, { timeoutMs: 30_000 });
  }

  async looked(trigger: TriggerView): Promise<SubscriptionView> {
    await this.sync({ trigger: trigger.id });
    return this.read(trigger);
  }

  /** The subscription, once it is at the service as it should be and nothing more is to be done. */
  restored(trigger: TriggerView): Promise<SubscriptionView> {
    return eventually('the subscription to be active again', async () => {
      const now = await this.read(trigger);
      if (now.status === 'active' && now.drift === null && now.nextAttemptAt === null) return now;
      throw new Error(JSON.stringify(now));
    });
  }

  /** Throws unless a push is taken and becomes the last of `count` runs. */
  async pushRuns({ repository, trigger }: WatchedRepository, count = 1): Promise<void> {
    await this.github.fake.idle();
    const deliveries = await this.github.fake.push(repository, 'push', { n: count });
    expectTaken(deliveries.map(({ statusCode }) => statusCode));
    await this.expectRuns(trigger, count, ({ n }) => n === count);
  }

  /** Throws unless an event is taken and becomes the one run of its trigger. */
  async fileRuns(event: string, trigger: TriggerView): Promise<void> {
    const path = '/admin/files/again.txt';
    const deliveries = await this.nextcloud.fake.emit(event, { node: { id: 7, path } });
    expectTaken(deliveries.map(({ status }) => status));
    await this.expectRuns(trigger, 1, (result) => (result['event'] as { node: { path: string } }).node.path === path);
  }

  private async expectRuns(trigger: TriggerView, count: number, fits: (result: Record<string, unknown>) => boolean): Promise<void> {
    const runs = await this.github.workspace.endedRuns(trigger.id, count);
    const { status, attemptList } = await this.api.call(getRun, this.inWorkspace({ run: runs[0]!.id }));
    const { result } = attemptList.at(-1)!;
    if (runs.length !== count || status !== 'succeeded' || !fits(result as Record<string, unknown>)) {
      throw new Error(`There are ${runs.length} runs instead of ${count}, the last ${status} with ${JSON.stringify(result)}.`);
    }
  }

  /** Removes every trigger. */
  async clear(): Promise<void> {
    this.github.fake.faults.clear();
    this.nextcloud.fake.faults.clear();
    const { items } = await this.api.call(listTriggers, this.inWorkspace({ limit: 200 }));
    await Promise.all(items.map(({ id }) => this.api.call(deleteTrigger, this.inWorkspace({ trigger: id }))));
  }

  async close(): Promise<void> {
    await this.nextcloud.close();
    await this.github.close();
  }
}

function expectTaken(statuses: (number | null)[]): void {
  if (String(statuses) !== '200') throw new Error(`One delivery was to be taken, and the answers are [${statuses.join()}].`);
}

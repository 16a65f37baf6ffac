import { createTrigger, type InputOf, type TriggerView } from '@vane/contracts';
import type { NextcloudFake } from '../../libs/adapters/src/nextcloud/fake/server.js';
import type { Listener } from '../../libs/adapters/src/nextcloud/fake/state.js';
import { Browser } from './browser.js';
import { callbackUrl, connectAccount, enterIntegration } from './connections.js';
import { openNextcloud } from './fakes.js';
import { nextcloudParty } from './parties.js';
import { system, type Workspace } from './system.js';

const NODE = 'OCP\\Files\\Events\\Node\\';
export const COPIED = `${NODE}NodeCopiedEvent`;
export const CREATED = `${NODE}NodeCreatedEvent`;
export const DELETED = `${NODE}NodeDeletedEvent`;
export const WRITTEN = `${NODE}NodeWrittenEvent`;

type Care = Partial<Pick<InputOf<typeof createTrigger>, 'onDrift'>>;

/** A workspace's connection to a fake Nextcloud of its own, in which others have hooks to events that do not happen there. */
export class NextcloudStage {
  private constructor(
    readonly fake: NextcloudFake,
    readonly workspace: Workspace,
    readonly connection: string,
    readonly script: string,
  ) {}

  static async open(workspace: Workspace, script: string): Promise<NextcloudStage> {
    const listeners: Partial<Listener>[] = [
      { userId: 'other-admin', uri: 'https://elsewhere.example/hook', event: DELETED },
      { userId: null, appId: 'flow', uri: 'https://flow.example/hook', event: DELETED },
    ];
    const fake = await openNextcloud({ client: { redirectUri: callbackUrl() }, settings: { autoApprove: true }, listeners });
    try {
      const { id: integration } = await enterIntegration(workspace, nextcloudParty(fake));
      const { id: connection } = await connectAccount(workspace, integration, new Browser());
      return new NextcloudStage(fake, workspace, connection, script);
    } catch (error) {
      await fake.close();
      throw error;
    }
  }

  /** A trigger that is active at once. */
  async trigger(config: { event: string; filter?: Record<string, string> }, care: Care = {}): Promise<TriggerView> {
    const { workspace, connection: connectionId, script: runnableId } = this;
    const trigger = await workspace.api.call(createTrigger, { workspace: workspace.id, name: 'files', service: 'nextcloud', type: 'event', connectionId, config, runnableId, ...care });
    if (trigger.subscription?.status !== 'active') throw new Error(`The trigger is not active: ${JSON.stringify(trigger.subscription)}`);
    return trigger;
  }

  ours(): Listener[] {
    return this.fake.state.listeners.filter(({ uri }) => uri.startsWith(system().ingress));
  }

  /** Somebody deletes a hook there. */
  lose({ id }: Listener): void {
    this.fake.state.listeners = this.fake.state.listeners.filter((one) => one.id !== id);
  }

  /** Writes to the hooks since the fake started, as `METHOD id`, without an id for what registers. */
  writes(): string[] {
    return this.fake.state.requests
      .filter(({ method, path }) => method !== 'GET' && path.includes('/webhooks'))
      .map(({ method, path }) => `${method} ${path.split('/webhooks')[1]!.slice(1)}`.trim());
  }

  close(): Promise<void> {
    return this.fake.close();
  }
}

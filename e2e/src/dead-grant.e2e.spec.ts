import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  createTrigger, getConnection, getSubscription, getTrigger, listNotifications, listRuns, updateTrigger, type ConnectionView, type RunView, type TriggerView,
} from '@vane/contracts';
import { eventually } from '@vane/testing';
import type { NextcloudFake } from '../../libs/adapters/src/nextcloud/fake/server.js';
import { Browser } from './browser.js';
import { callbackUrl, connectAccount, enterIntegration } from './connections.js';
import { dueNow } from './due-now.js';
import { openNextcloud } from './fakes.js';
import { asProblem } from './github-stage.js';
import { nextcloudParty } from './parties.js';
import { Workspace } from './system.js';

const CREATED = 'OCP\\Files\\Events\\Node\\NodeCreatedEvent';
const WRITTEN = 'OCP\\Files\\Events\\Node\\NodeWrittenEvent';
const DELETED = 'OCP\\Files\\Events\\Node\\NodeDeletedEvent';
const FILES = ['one', 'two', 'three', 'four', 'five'];

let nextcloud: NextcloudFake;
let workspace: Workspace;
let integration: string;
let connection: string;
let script: string;
let mirror: TriggerView;
let audit: TriggerView;

beforeAll(async () => {
  workspace = await Workspace.create('dead grant');
  nextcloud = await openNextcloud({ client: { redirectUri: callbackUrl() }, settings: { autoApprove: true }, listeners: [] });
  integration = (await enterIntegration(workspace, nextcloudParty(nextcloud))).id;
  connection = (await connectAccount(workspace, integration, new Browser())).id;
  script = await workspace.script('export async function main(event) { return event.payload.event.node.path; }');
  mirror = (await make('Mirror', CREATED)).body as TriggerView;
  audit = (await make('Audit', WRITTEN)).body as TriggerView;
});
afterAll(() => nextcloud?.close());

const make = (name: string, event: string) =>
  workspace.api.send(createTrigger, { workspace: workspace.id, name, service: 'nextcloud', type: 'event', connectionId: connection, config: { event }, runnableId: script });
const change = ({ id, version }: Pick<TriggerView, 'id' | 'version'>) =>
  workspace.api.send(updateTrigger, { workspace: workspace.id, trigger: id, ifMatch: version, config: { event: DELETED } });
const connected = (): Promise<ConnectionView> => workspace.api.call(getConnection, { workspace: workspace.id, connection });
const subscriptionOf = ({ subscription }: TriggerView) => workspace.api.call(getSubscription, { workspace: workspace.id, subscription: subscription!.id });
const runsOf = async ({ id }: TriggerView): Promise<RunView[]> => (await workspace.api.call(listRuns, { workspace: workspace.id, trigger: id, limit: 200 })).items;
const told = async () => {
  const { items } = await workspace.api.call(listNotifications, { workspace: workspace.id, limit: 200 });
  return items.filter(({ kind }) => kind.startsWith('connection.')).reverse();
};
/** Every request that the fake has seen, of API and token endpoint alike. */
const asked = () => nextcloud.state.requests.length;

describe('a grant that was revoked at Nextcloud', () => {
  let before: number;

  it('is found dead by whoever uses it next, with one refresh', async () => {
    nextcloud.state.grants.clear();
    const answer = await change(mirror);
    expect(answer.status).toBe(422);
    expect(asProblem(answer).detail).toMatch(/Connect the account again/);
    expect(await connected()).toMatchObject({ status: 'auth_required', reasonCode: 'dead_grant' });
    expect(nextcloud.state.counters.tokenErrors).toBe(1);
    before = asked();
  });

  it('makes its subscriptions wait and say so', async () => {
    for (const trigger of [mirror, audit]) {
      const waiting = await eventually('the subscription to wait', async () => {
        const subscription = await subscriptionOf(trigger);
        return subscription.status === 'auth_required' && subscription;
      });
      expect(waiting.reason).toMatchObject({ code: 'unauthorised', message: expect.stringContaining('Connect the account again') });
      expect(Date.parse(waiting.nextAttemptAt!)).toBeGreaterThan(Date.now() + 60_000);
    }
  });

  it('is told to people once, with what it holds up', async () => {
    const [said, ...more] = await eventually('the notification', async () => {
      const all = await told();
      return all.length > 0 && all;
    });
    expect(more).toEqual([]);
    expect(said).toMatchObject({ kind: 'connection.auth-required', severity: 'critical', facts: { connectionId: connection, triggerCount: 2, reasonCode: 'dead_grant' } });
    for (const words of ['"Mirror"', '"Audit"', 'admin', `/connections/${connection}/reconnect`]) expect(said!.text).toContain(words);
    expect(said!.link).toContain(`/workspaces/${workspace.id}/connections/${connection}`);
  });

  it('is not used again, whatever is asked of it', async () => {
    expect((await make('Later', DELETED)).status).toBe(422);
    expect((await change(await workspace.api.call(getTrigger, { workspace: workspace.id, trigger: audit.id }))).status).toBe(422);
    await dueNow(mirror.subscription!.id);
    await eventually('another try of the subscription', async () => (await subscriptionOf(mirror)).attempts > 0);
    expect(asked()).toBe(before);
    expect(nextcloud.state.counters.throttled).toBe(0);
  });

  it('keeps the events that arrive meanwhile', async () => {
    for (const name of FILES) {
      for (const delivery of await nextcloud.writeFile(`/admin/files/${name}.txt`)) expect(delivery.status).toBe(200);
    }
    for (const trigger of [mirror, audit]) {
      const kept = await eventually('the held runs', async () => {
        const runs = await runsOf(trigger);
        return runs.length === FILES.length && runs;
      });
      expect(new Set(kept.map(({ status, reason }) => `${status} ${reason}`))).toEqual(new Set(['held connection_auth_required']));
    }
    expect(asked()).toBe(before);
    expect(await told()).toHaveLength(1);
  });

  it('runs them once the account is connected again, and says that too', async () => {
    const again = await connectAccount(workspace, integration, new Browser());
    expect(again).toMatchObject({ id: connection, status: 'active', reasonCode: null });
    for (const trigger of [mirror, audit]) {
      const runs = await workspace.endedRuns(trigger.id, FILES.length);
      expect(runs).toHaveLength(FILES.length);
      expect(new Set(runs.map(({ status, reason, attempts }) => `${status} ${reason} ${attempts}`))).toEqual(new Set(['succeeded null 1']));
    }
    const [, said, ...more] = await eventually('the second notification', async () => {
      const all = await told();
      return all.length > 1 && all;
    });
    expect(more).toEqual([]);
    expect(said).toMatchObject({ kind: 'connection.active', severity: 'info', text: expect.stringMatching(/"Mirror".*events that were kept for them run now/) });
    for (const trigger of [mirror, audit]) await eventually('the subscription to be active', async () => (await subscriptionOf(trigger)).status === 'active');
  });

  it('has left nothing behind: what comes next runs at once', async () => {
    await nextcloud.writeFile('/admin/files/six.txt');
    const runs = await workspace.endedRuns(mirror.id, FILES.length + 1);
    expect(new Set(runs.map(({ status }) => status))).toEqual(new Set(['succeeded']));
  });
});

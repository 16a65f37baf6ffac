import {
  createTrigger, deleteTrigger, getTrigger, listDeliveries, listRuns, listSubscriptions, listTriggers, type InputOf, type OutputOf, type SubscriptionView, type TriggerView,
} from '@vane/contracts';
import { eventually, type ApiAnswer } from '@vane/testing';
import { isLive, type Channel } from '../../libs/adapters/src/google/fake/channels.js';
import type { GoogleFake } from '../../libs/adapters/src/google/fake/server.js';
import type { DriveFile, GoogleFakeOptions, StoredEvent } from '../../libs/adapters/src/google/fake/state.js';
import { approving } from './browser.js';
import { connectAccount, enterIntegration } from './connections.js';
import { openGoogle } from './fakes.js';
import { googleParty } from './parties.js';
import { system, Workspace, type System } from './system.js';

export const GOOGLE_TYPES = ['drive-file', 'drive-changes', 'drive-folder', 'calendar-events', 'calendar-list'] as const;
export type GoogleType = (typeof GOOGLE_TYPES)[number];

export const ADA = 'ada@example.test';
const ECHO = 'export async function main(event) { return event.payload; }';

type Config = InputOf<typeof createTrigger>['config'];
type Care = Partial<Pick<InputOf<typeof createTrigger>, 'name' | 'resync'>>;

/** A workspace that is connected to a fake Google of its own, as Ada. */
export class GoogleStage {
  private constructor(
    readonly fake: GoogleFake,
    readonly workspace: Workspace,
    readonly integration: string,
    readonly connection: string,
    readonly script: string,
    private readonly of: Pick<System, 'ingress'>,
  ) {}

  /** Sync messages follow the answer, unless a fault says otherwise. */
  static async open(name: string, { settings, ...options }: GoogleFakeOptions = {}, of: Pick<System, 'api' | 'ingress' | 'adminToken'> = system()): Promise<GoogleStage> {
    const workspace = await Workspace.create(name, of);
    const script = await workspace.script(ECHO);
    const fake = await openGoogle({ ...options, settings: { allowHttp: true, earlySyncShare: 0, ...settings } });
    try {
      const { id: integration } = await enterIntegration(workspace, googleParty(fake));
      const connection = await connectAccount(workspace, integration, approving(), { triggerTypes: [...GOOGLE_TYPES] });
      return new GoogleStage(fake, workspace, integration, connection.id, script, of);
    } catch (error) {
      await fake.close();
      throw error;
    }
  }

  /** Asks for a trigger, and returns the answer whatever its status. */
  send(type: GoogleType, config: Config = {}, care: Care = {}): Promise<ApiAnswer<unknown>> {
    return this.workspace.api.send(createTrigger, {
      workspace: this.workspace.id, name: type, service: 'google', type, connectionId: this.connection, config, runnableId: this.script, ...care,
    });
  }

  /** A trigger that is active at once, with its sync message over. */
  async trigger(type: GoogleType, config: Config = {}, care: Care = {}): Promise<TriggerView> {
    const answer = await this.send(type, config, care);
    if (answer.status !== 201) throw new Error(`The trigger was answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    await this.fake.idle();
    return answer.body as TriggerView;
  }

  read(trigger: Pick<TriggerView, 'id'>): Promise<TriggerView> {
    return this.workspace.api.call(getTrigger, { workspace: this.workspace.id, trigger: trigger.id });
  }

  async remove(trigger: Pick<TriggerView, 'id'>): Promise<{ status: number; subscription: SubscriptionView }> {
    const { status, body } = await this.workspace.api.send(deleteTrigger, { workspace: this.workspace.id, trigger: trigger.id });
    return { status, subscription: (body as OutputOf<typeof deleteTrigger>).subscription! };
  }

  /** Removes every trigger, and waits until Google holds nothing of ours. */
  async clear(): Promise<void> {
    this.fake.faults.clear();
    const { items } = await this.workspace.api.call(listTriggers, { workspace: this.workspace.id, limit: 200 });
    for (const trigger of items) await this.remove(trigger);
    await this.expectLive(0);
  }

  /** What the control API of the fake has beside what people do. */
  async control(path: string, body: Record<string, unknown>): Promise<void> {
    const response = await fetch(`${this.fake.url}/__fake/${path}`, { method: 'POST', body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`The fake refused ${path}: ${await response.text()}`);
  }

  addFile(name: string, more: Record<string, unknown> = {}): DriveFile {
    return this.fake.act('files', { name, ...more }) as DriveFile;
  }

  addEvent(summary: string, calendarId = ADA): StoredEvent {
    return this.fake.act('events', { summary, calendarId }) as StoredEvent;
  }

  addCalendar(summary: string): string {
    return (this.fake.act('calendars', { summary }) as { id: string }).id;
  }

  /** Channels that send to us at this moment. */
  live(): Channel[] {
    return [...this.fake.state.channels.values()].filter((channel) => isLive(this.fake.state, channel) && channel.address.startsWith(this.of.ingress));
  }

  expectLive(count: number): Promise<Channel[]> {
    return eventually(`${count} live channels`, async () => {
      const live = this.live();
      if (live.length === count) return live;
      throw new Error(`${live.map(({ id }) => id).join()} live; ${JSON.stringify((await this.subscriptions()).filter(({ status }) => status !== 'removed'))}`);
    }, { timeoutMs: 40_000 });
  }

  /** How often Google was asked for something, by its name in the fake's journal. */
  asked(operation: string): number {
    return this.fake.state.requests.filter((request) => request.operation === operation).length;
  }

  async subscriptions(): Promise<SubscriptionView[]> {
    return (await this.workspace.api.call(listSubscriptions, { workspace: this.workspace.id, limit: 200 })).items;
  }

  subscription(id: string, fits: (one: SubscriptionView) => boolean, what: string, timeoutMs = 30_000): Promise<SubscriptionView> {
    return eventually(`the subscription ${what}`, async () => {
      const found = (await this.subscriptions()).find((one) => one.id === id);
      if (found && fits(found)) return found;
      throw new Error(JSON.stringify(found));
    }, { timeoutMs });
  }

  /**
   * Waits until everything that Google has sent and we have taken is fetched and has run: from then on the runs of a trigger
   * are all there will be.
   */
  async settled(): Promise<void> {
    await this.fake.idle();
    await eventually('all that was told to be fetched and run', async () => {
      const { messages } = this.fake.state;
      const taken = messages.flatMap(({ attempts }) => attempts).filter(({ status }) => status === 200).length;
      const { id: workspace, api } = this.workspace;
      const deliveries = (await api.call(listDeliveries, { workspace, limit: 200 })).items.length;
      if (deliveries < taken) throw new Error(`${deliveries} deliveries of ${taken} messages`);
      const { items: triggers } = await api.call(listTriggers, { workspace, limit: 200 });
      const behind = triggers.filter(({ pull }) => pull?.behind).map(({ name, pull }) => ({ name, pull }));
      if (behind.length > 0) throw new Error(JSON.stringify(behind));
      const { items: runs } = await api.call(listRuns, { workspace, limit: 200 });
      const open = runs.filter(({ endedAt }) => endedAt === null);
      if (open.length > 0) throw new Error(JSON.stringify(open));
      return true;
    }, { timeoutMs: 40_000, everyMs: 200 });
  }

  /** Payloads of all runs of a trigger, the oldest first, when nothing is under way any more and there are `count` at least. */
  async payloads(trigger: Pick<TriggerView, 'id'>, count: number): Promise<Payload[]> {
    await this.workspace.endedRuns(trigger.id, count, { timeoutMs: 40_000 });
    await this.settled();
    const runs = await this.workspace.endedRuns(trigger.id, count);
    const events = new Map((await this.workspace.events(trigger.id)).map(({ id, payload }) => [id, payload as Payload]));
    return runs.map(({ eventId }) => events.get(eventId)!).reverse();
  }

  close(): Promise<void> {
    return this.fake.close();
  }
}

/** What a run is given: of Drive a change, of Calendar an event or a calendar. */
export type Payload = {
  fileId?: string; removed?: boolean; file?: { id: string; name: string; version: string; parents?: string[] };
  calendarId?: string; event?: { id: string; summary: string; status: string }; calendar?: { id: string; summary: string };
};

export const fileNames = (payloads: Payload[]): string[] => payloads.map(({ file }) => file?.name ?? '').sort();
export const summaries = (payloads: Payload[]): string[] => payloads.map(({ event }) => event?.summary ?? '').sort();
/** Codes in the history of a subscription, the newest first. */
export const codes = ({ history }: SubscriptionView): (string | undefined)[] => history.map(({ reason }) => reason?.code);

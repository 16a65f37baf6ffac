import {
  authorizeConnection, createIntegration, createRunnable, createToken, createTrigger, createWorkspace, getDelivery, getRun, listConnections, listEvents,
  listRuns, replayRun, type ConnectionView, type EventView, type InputOf, type IntegrationView, type OutputOf, type RunStatus,
} from '@vane/contracts';
import { ApiClient, eventually } from '@vane/testing';
import type { z } from 'zod';
import { formsOf, type Browser, type Page } from './browser.js';

export type FinishedRun = OutputOf<typeof getRun>;
export type Trigger = OutputOf<typeof createTrigger>;
type TriggerInput = Omit<z.input<typeof createTrigger.input>, 'workspace' | 'paused'>;

const DEADLINE_MS = 30_000;
const UNFINISHED: RunStatus[] = ['queued', 'running'];

/** A fresh workspace as its admin sees it: everything goes over the public REST API. */
export class DemoWorkspace {
  private constructor(readonly id: string, readonly api: ApiClient) {}

  static async create(api: string, adminToken: string): Promise<DemoWorkspace> {
    const root = new ApiClient(api, adminToken);
    const { id } = await root.call(createWorkspace, { name: `Demo ${new Date().toISOString().slice(0, 19).replace('T', ' ')}` });
    const { token } = await root.call(createToken, { workspace: id, name: 'demo', role: 'admin' });
    return new DemoWorkspace(id, new ApiClient(api, token));
  }

  /** Enters an OAuth client. The redirect URI in the answer is what the client must have at the service. */
  integration(input: Omit<InputOf<typeof createIntegration>, 'workspace'>): Promise<IntegrationView> {
    return this.api.call(createIntegration, { workspace: this.id, ...input });
  }

  /** Goes through the authorisation as a person would. `consent` does what the service's own pages ask for. */
  async connect(
    integration: string, triggerTypes: string[], browser: Browser, consent: (page: Page) => Promise<Page> = async (page) => page,
  ): Promise<ConnectionView> {
    const { url } = await this.api.call(authorizeConnection, { workspace: this.id, integration, triggerTypes });
    const question = await browser.open(url);
    const [goOn] = formsOf(question.html);
    if (!goOn) throw new Error(`The start link opens a page without a button (HTTP ${question.status}).`);
    const last = await consent(await browser.submit(question, goOn));
    if (last.status !== 200) {
      const words = last.html.replace(/<style[\s\S]*?<\/style>/g, '').replace(/<[^>]+>/g, ' ').replace(/\s+/g, ' ').trim();
      throw new Error(`The browser ended at ${new URL(last.url).pathname} with ${last.status}: ${words.slice(0, 300)}`);
    }
    const { items } = await this.api.call(listConnections, { workspace: this.id });
    const connection = items.find((one) => one.integrationId === integration && one.status === 'active');
    if (!connection) throw new Error('The browser came to the end of the authorisation, but no active connection is there.');
    return connection;
  }

  async script(name: string, code: string): Promise<string> {
    const spec = { kind: 'script' as const, language: 'typescript' as const, code };
    return (await this.api.call(createRunnable, { workspace: this.id, name, spec })).id;
  }

  async httpTarget(name: string, url: string): Promise<{ id: string; secret: string }> {
    const { id, secret } = await this.api.call(createRunnable, { workspace: this.id, name, spec: { kind: 'http', url } });
    return { id, secret: secret ?? '' };
  }

  created(input: TriggerInput): Promise<Trigger> {
    return this.api.call(createTrigger, { workspace: this.id, ...input });
  }

  /** Creates a trigger that the service has to know of, and expects that it does. */
  async trigger(input: TriggerInput): Promise<Trigger> {
    const made = await this.created(input);
    if (made.subscription?.status !== 'active') {
      throw new Error(`The trigger "${made.name}" is ${made.subscription?.status ?? 'without subscription'}: ${made.subscription?.reason?.message ?? 'no reason given'}`);
    }
    return made;
  }

  /** The first event of a trigger whose delivery was verified and accepted. */
  async verifiedEvent(trigger: string): Promise<{ event: EventView; delivery: OutputOf<typeof getDelivery> }> {
    const event = await eventually('An event of the trigger', async () => {
      const { items } = await this.api.call(listEvents, { workspace: this.id, trigger });
      return items[0];
    }, { timeoutMs: DEADLINE_MS });
    const delivery = await this.api.call(getDelivery, { workspace: this.id, delivery: event.deliveryId ?? '' });
    if (delivery.status !== 'accepted') throw new Error(`The delivery of the event is ${delivery.status}: ${delivery.reason ?? 'no reason given'}`);
    return { event, delivery };
  }

  /** The first run of an event for a trigger, when it has ended well. */
  async runOf(trigger: string, event: string): Promise<FinishedRun> {
    const run = await eventually('A run of the event', async () => {
      const { items } = await this.api.call(listRuns, { workspace: this.id, trigger, event });
      return items.find((one) => one.replay === 0);
    }, { timeoutMs: DEADLINE_MS });
    return this.ended(run.id);
  }

  /** Runs the event of a run again, and waits for the new run. */
  async replay(run: string): Promise<FinishedRun> {
    return this.ended((await this.api.call(replayRun, { workspace: this.id, run })).id);
  }

  private async ended(run: string): Promise<FinishedRun> {
    const ended = await eventually(`The end of ${run}`, async () => {
      const now = await this.api.call(getRun, { workspace: this.id, run });
      return UNFINISHED.includes(now.status) ? undefined : now;
    }, { timeoutMs: DEADLINE_MS });
    if (ended.status !== 'succeeded') throw new Error(`The run ended ${ended.status}: ${ended.attemptList.at(-1)?.message ?? ended.reason ?? 'no reason given'}`);
    return ended;
  }
}

/** What the last attempt of a run returned, in a few words. */
export const resultOf = (run: FinishedRun): string => JSON.stringify(run.attemptList.at(-1)?.result ?? null).slice(0, 160);

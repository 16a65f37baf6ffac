import { readFileSync } from 'node:fs';
import { createRunnable, createToken, createTrigger, createWorkspace, getEvent, listDeliveries, listEvents, listRuns } from '@vane/contracts';
import { ApiClient, eventually } from '@vane/testing';

export type System = {
  api: string;
  ingress: string;
  adminToken: string;
  dir: string;
  ports: Record<string, number>;
  urls: { database: string; redis: string; nats: string };
  prefix: string;
};

/** The running system that the tier's set-up started. */
export function system(): System {
  const file = process.env.VANE_E2E_SYSTEM;
  if (!file) throw new Error('VANE_E2E_SYSTEM is not set: run this tier with ./vane test e2e.');
  return JSON.parse(readFileSync(file, 'utf8')) as System;
}

/** A workspace of its own with an admin token, so that specs cannot see each other. */
export class Workspace {
  private constructor(
    readonly id: string,
    readonly api: ApiClient,
  ) {}

  static async create(name: string, of: Pick<System, 'api' | 'adminToken'> = system()): Promise<Workspace> {
    const root = new ApiClient(of.api, of.adminToken);
    const { id } = await root.call(createWorkspace, { name });
    const { token } = await root.call(createToken, { workspace: id, name: 'spec', role: 'admin' });
    return new Workspace(id, new ApiClient(of.api, token));
  }

  async script(code: string, options: { timeoutMs?: number; memoryMb?: number; maxAttempts?: number; atMostOnce?: boolean } = {}): Promise<string> {
    const { maxAttempts = 1, atMostOnce = false, ...spec } = options;
    const runnable = await this.api.call(createRunnable, {
      workspace: this.id,
      name: 'script',
      spec: { kind: 'script', language: 'typescript', code, ...spec },
      retry: { maxAttempts, backoffMs: 100, atMostOnce },
    });
    return runnable.id;
  }

  async httpTarget(url: string, retry: { maxAttempts?: number; backoffMs?: number } = {}): Promise<{ id: string; secret: string }> {
    const runnable = await this.api.call(createRunnable, { workspace: this.id, name: 'target', spec: { kind: 'http', url }, retry });
    return { id: runnable.id, secret: runnable.secret ?? '' };
  }

  /** A trigger on the service for everything that can POST. */
  async genericTrigger(runnableId: string, config: Record<string, never> | Record<string, string | number>, more: { secret?: string; paused?: boolean; filter?: string; mapping?: string } = {}) {
    return this.api.call(createTrigger, {
      workspace: this.id, name: 'hook', service: 'generic-webhook', type: 'webhook', config, runnableId, ...more,
    });
  }

  /** Runs of a trigger, once there are `count` and all have ended. */
  async endedRuns(trigger: string, count: number, options: { timeoutMs?: number } = {}) {
    return eventually(`${count} ended runs`, async () => {
      const { items } = await this.api.call(listRuns, { workspace: this.id, trigger, limit: 200 });
      const ended = items.filter((run) => run.endedAt !== null);
      return ended.length >= count && ended.length === items.length ? items : undefined;
    }, options);
  }

  async deliveries(trigger: string, count: number) {
    return eventually(`${count} deliveries`, async () => {
      const { items } = await this.api.call(listDeliveries, { workspace: this.id, trigger, limit: 200 });
      return items.length >= count ? items : undefined;
    });
  }

  async events(trigger: string) {
    const { items } = await this.api.call(listEvents, { workspace: this.id, trigger, limit: 200 });
    return Promise.all(items.map((event) => this.api.call(getEvent, { workspace: this.id, event: event.id })));
  }
}

import { randomUUID } from 'node:crypto';
import { createIntegration, createRunnable, createTrigger, listConnections, listServices, systemCall } from '@vane/contracts';
import { newId } from '@vane/db';
import { authorise, type Ask } from '../authorise.js';
import type { Plan } from './plan.js';
import type { House } from './sim-house.js';
import type { World } from './world.js';

const SERVICE = 'google';
const TYPES = ['calendar-events', 'drive-changes', 'drive-file'];
const AT_ONCE = 8;

/** One workspace with a connection per account and a trigger per feed; returns the triggers in the order of the plan's feeds. */
export async function settleIn(house: House, plan: Plan, world: World, now: Date, say: (line: string) => void): Promise<string[]> {
  const workspace = newId('workspace', now);
  await house.database.pool.query('INSERT INTO workspace (id, name, created_at) VALUES ($1, $2, $3)', [workspace, 'Simulation', now]);
  const ask: Ask = (operation, input) => house.bus.ask(operation, input, systemCall('trigger-service', randomUUID()));
  const { items: services } = await ask(listServices, {});
  const hosts = Object.fromEntries(services.find(({ id }) => id === SERVICE)!.hosts.map(({ name }) => [name, house.google.url]));
  const integration = await ask(createIntegration, { workspace, service: SERVICE, name: 'Simulation', ...world.client, hosts });
  for (const email of world.accounts) {
    house.google.state.settings.currentAccount = email;
    await authorise(ask, workspace, integration, TYPES);
  }
  const { items: connections } = await ask(listConnections, { workspace, limit: 200 });
  const connectionOf = (email: string) => connections.find(({ accountLabel }) => accountLabel === email)!.id;
  const { id: runnableId } = await ask(createRunnable, {
    workspace, name: 'Nothing', spec: { kind: 'script', language: 'javascript', code: 'export async function main() {}' },
  });
  say(`creating ${plan.feeds.length} triggers over ${world.accounts.length} accounts`);
  const triggers: string[] = [];
  const left = plan.feeds.map((_kind, index) => index);
  const work = async () => {
    for (let index = left.shift(); index !== undefined; index = left.shift()) {
      const { account, type, config } = world.triggerOf(index);
      const made = await ask(createTrigger, {
        workspace, name: `Feed ${index}`, service: SERVICE, type, config, connectionId: connectionOf(account), runnableId,
      });
      triggers[index] = made.id;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return triggers;
}
